//! Takes out of raw HTML what a sanitizer would take long to read: tags that nest too deep, and tags that are endless.
//!
//! Guarantees: one pass, and no more work for a piece of it than in proportion to the piece; text stays. It does not make HTML
//! safe, which is for the sanitizer that reads what comes out.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::text::beginning;

/// How deep tags may nest before the sanitizer sees them: more than it lets through.
const DEEPEST: usize = 60;

/// A longer tag has no attribute that matters.
const LONGEST_TAG: usize = 8 * 1024;

/// Tags without an end.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
];

/// Tags whose content is no HTML.
const RAW: [&str; 8] = [
    "script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes",
];

/// Tags that end a paragraph.
const BLOCKS: [&str; 16] = [
    "p",
    "div",
    "ul",
    "ol",
    "dl",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "table",
    "pre",
    "hr",
    "details",
];

/// The HTML, or where it nests deeper than [`DEEPEST`] or has endless tags, the same without these.
pub(super) fn bounded(html: &str) -> Cow<'_, str> {
    if html.len() <= LONGEST_TAG && html.bytes().filter(|byte| *byte == b'<').count() <= DEEPEST {
        return Cow::Borrowed(html);
    }
    let mut writer = Writer::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        writer.out.push_str(&rest[..at]);
        rest = writer.tag(&rest[at..]);
    }
    writer.out.push_str(rest);
    if writer.has_cut {
        writer.close(0);
        Cow::Owned(writer.out)
    } else {
        Cow::Borrowed(html)
    }
}

#[derive(Default)]
struct Writer {
    out: String,
    /// The tags that are open, at most [`DEEPEST`].
    open: Vec<String>,
    /// How many of each name have been left out inside of these, whose ends are still to come.
    left_out: HashMap<String, usize>,
    /// Whether anything was left out.
    has_cut: bool,
}

impl Writer {
    /// Takes the tag at the beginning; returns what follows it.
    fn tag<'h>(&mut self, html: &'h str) -> &'h str {
        let is_end = html.starts_with("</");
        let start = if is_end { 2 } else { 1 };
        let name = name(&html[start..]);
        if name.is_empty() {
            return self.no_tag(html);
        }
        let Some(length) = length(html) else {
            // It never ends, so it is none, and nor is what follows.
            self.has_cut = true;
            return "";
        };
        let (tag, rest) = html.split_at(length);
        if is_end {
            self.end(tag, &name);
            return rest;
        }
        self.start(tag, &name);
        if RAW.contains(&name.as_str()) {
            return self.raw(rest, &name);
        }
        rest
    }

    /// A comment, a declaration or a sign that is none.
    fn no_tag<'h>(&mut self, html: &'h str) -> &'h str {
        if html.starts_with("<!--") {
            self.has_cut = true;
            return html.split_once("-->").map_or("", |(_, rest)| rest);
        }
        if html.starts_with("<!") || html.starts_with("<?") || html.starts_with("</") {
            self.has_cut = true;
            return html.split_once('>').map_or("", |(_, rest)| rest);
        }
        self.out.push('<');
        &html[1..]
    }

    fn start(&mut self, tag: &str, name: &str) {
        self.close_implied(name);
        let is_void = VOID.contains(&name);
        if tag.len() > LONGEST_TAG || (self.open.len() >= DEEPEST && !is_void) {
            self.has_cut = true;
            if !is_void {
                *self.left_out.entry(name.to_owned()).or_default() += 1;
            }
            return;
        }
        self.out.push_str(tag);
        if !is_void {
            self.open.push(name.to_owned());
        }
    }

    fn end(&mut self, tag: &str, name: &str) {
        if let Some(count) = self.left_out.get_mut(name).filter(|count| **count > 0) {
            *count -= 1;
            return;
        }
        match self.open.iter().rposition(|open| open == name) {
            Some(at) if at + 1 == self.open.len() => {
                self.open.pop();
                self.left_out.clear();
                self.out.push_str(tag);
            }
            Some(at) => self.close(at),
            None => self.has_cut = true,
        }
    }

    /// Ends all tags from this one on.
    fn close(&mut self, at: usize) {
        for name in self.open.drain(at..).rev() {
            self.out.push_str("</");
            self.out.push_str(&name);
            self.out.push('>');
        }
        self.left_out.clear();
    }

    /// Ends what the start of this tag ends by itself, as a list's next item ends the one before it.
    fn close_implied(&mut self, name: &str) {
        let (ended, around): (&[&str], &[&str]) = match name {
            "li" => (&["li"], &["ul", "ol"]),
            "dt" | "dd" => (&["dt", "dd"], &["dl"]),
            "td" | "th" => (&["td", "th"], &["tr", "table"]),
            "tr" => (&["tr"], &["table"]),
            "thead" | "tbody" | "tfoot" | "caption" => (&["thead", "tbody", "tfoot", "caption"], &["table"]),
            name if BLOCKS.contains(&name) => (&["p"], &["li", "td", "th", "div", "blockquote", "details", "table"]),
            _ => return,
        };
        let innermost = self.open.iter().rposition(|open| {
            let open = open.as_str();
            ended.contains(&open) || around.contains(&open)
        });
        if let Some(at) = innermost.filter(|at| ended.contains(&self.open[*at].as_str())) {
            self.close(at);
        }
    }

    /// What is no HTML, up to the end of its tag.
    fn raw<'h>(&mut self, html: &'h str, name: &str) -> &'h str {
        let ends = |at: &usize| {
            html[at + 2..]
                .get(..name.len())
                .is_some_and(|end| end.eq_ignore_ascii_case(name))
        };
        let end = html.match_indices("</").map(|(at, _)| at).find(ends);
        let (content, rest) = html.split_at(end.unwrap_or(html.len()));
        self.out.push_str(content);
        rest
    }
}

/// The name of a tag in small letters; empty if it is no tag.
fn name(html: &str) -> String {
    if !html.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return String::new();
    }
    let end = html.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
    // A longer name is none that anybody knows; telling it from another matters to nobody.
    beginning(&html[..end.unwrap_or(html.len())], 40).to_ascii_lowercase()
}

/// How many bytes a tag has; its attributes may hold `>` in quotes.
fn length(html: &str) -> Option<usize> {
    let bytes = html.as_bytes();
    let (mut at, mut is_value) = (0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'>' => return Some(at + 1),
            b'"' | b'\'' if is_value => at += bytes[at + 1..].iter().position(|other| other == byte)? + 1,
            _ => {}
        }
        is_value = *byte == b'=' || (is_value && byte.is_ascii_whitespace());
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deepest nesting of what comes out, by counting.
    fn depth(html: &str) -> usize {
        let (mut depth, mut deepest) = (0_usize, 0);
        for piece in html.split('<').skip(1) {
            if piece.starts_with('/') {
                depth = depth.saturating_sub(1);
            } else {
                depth += 1;
                deepest = deepest.max(depth);
            }
        }
        deepest
    }

    #[test]
    fn what_nests_too_deep_is_left_out_and_its_text_stays() {
        for unit in [
            "<div>",
            "<b><i>",
            "<ul><li>",
            "<a href=\"x\"><font a=b>",
            "<table><tr><td>",
            "<x-y>",
        ] {
            let html = format!("{}text", unit.repeat(5_000));
            let bounded = bounded(&html);
            assert!(depth(&bounded) <= DEEPEST && bounded.contains("text"), "{unit}");
            let ends = bounded.matches("</").count();
            assert_eq!(bounded.matches('<').count(), 2 * ends, "{unit}: all are ended");
        }
    }

    #[test]
    fn what_is_flat_stays_as_it_is() {
        for unit in [
            "<li>a",
            "<p>a",
            "<tr><td>a<td>b",
            "<b>a</b><br>",
            "<a href=\"a>b\" title='\"'>x</a>",
            "<dt>a<dd>b",
            "a < b ",
            "<ul><li>a</ul>",
            "<p>a<div>b</div>",
            "<SPAN>a</span>",
        ] {
            let html = unit.repeat(2_000);
            assert_eq!(bounded(&html), html, "{unit}");
        }
    }

    #[test]
    fn work_grows_with_the_length() {
        let odd = [
            "<!--",
            "<?",
            "<![CDATA[",
            "<a b=\"",
            "</b>",
            "<b></i>",
            "<script>",
            "<title></titl>",
            "<textarea>",
            "<a",
            "<",
            "</",
        ];
        for unit in odd {
            let html = format!("{}text", unit.repeat(100_000 / unit.len()));
            assert!(bounded(&html).len() <= html.len() + DEEPEST * 50, "{unit}");
        }
        let endless = format!("<a {}>x</a>", "a=1 ".repeat(30_000));
        assert_eq!(bounded(&endless), "x");
    }
}
