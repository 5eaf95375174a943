//! Writes a document as plain text: what a phone's notification, a bridge or a small client shows.
//!
//! Guarantees: no Markdown signs but the `>` of a quotation, no tags, no trailing blanks, one line for each line of the message.
//! Links follow one rule: the first links of a line of nothing but links become a line each with its address, two in all,
//! because more of them fill a screen; links behind a line's text, set apart by a separator, are left out, because a list of
//! words that cannot be pressed helps nobody; all others show their text.

use std::borrow::Cow;

use pulldown_cmark::{Event, Tag, TagEnd};

/// Longer addresses (silence links with all their matchers) are worse than none.
const LONGEST_ADDRESS: usize = 120;

/// How many addresses a message spells out.
const MOST_ADDRESSES: usize = 2;

/// Text for `body`.
pub(crate) fn write(events: &[Event<'_>]) -> String {
    let mut writer = Writer {
        out: String::with_capacity(1024),
        ..Writer::default()
    };
    for event in events {
        writer.event(event);
    }
    writer.end_line();
    writer.out.truncate(writer.out.trim_end().len());
    writer.out
}

enum Piece {
    Text(String),
    Link { label: String, url: String },
}

#[derive(Default)]
struct Writer {
    out: String,
    line: Vec<Piece>,
    in_link: bool,
    /// Open lists with the number of their next item, if they are numbered.
    lists: Vec<Option<u64>>,
    in_code_block: bool,
    skipping: bool,
    /// Open quotations.
    quotes: usize,
    /// Addresses that are spelt out so far.
    addresses: usize,
}

impl Writer {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(*end),
            Event::Text(text) if self.in_code_block => self.code_block(text),
            Event::Text(text) | Event::Code(text) => self.text(text),
            Event::HardBreak | Event::SoftBreak => self.end_line(),
            Event::Rule => {
                self.end_line();
                self.text("———");
                self.end_line();
            }
            Event::InlineHtml(html) | Event::Html(html) => self.html(html),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.end_line();
                self.blank_line();
            }
            Tag::List(first) => {
                self.end_line();
                self.lists.push(*first);
            }
            Tag::Item => self.start_item(),
            Tag::BlockQuote(_) => {
                self.end_line();
                self.quotes += 1;
            }
            Tag::CodeBlock(_) => {
                self.end_line();
                self.in_code_block = true;
            }
            Tag::Link { dest_url, .. } => {
                self.in_link = true;
                self.line.push(Piece::Link {
                    label: String::new(),
                    url: dest_url.to_string(),
                });
            }
            _ => {}
        }
    }

    fn start_item(&mut self) {
        self.end_line();
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{indent}{}. ", *number - 1)
            }
            _ => format!("{indent}• "),
        };
        self.text(&mark);
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::Link => self.in_link = false,
            TagEnd::List(_) => {
                self.end_line();
                self.lists.pop();
            }
            TagEnd::CodeBlock => self.in_code_block = false,
            TagEnd::BlockQuote(_) => {
                self.end_line();
                self.quotes = self.quotes.saturating_sub(1);
            }
            TagEnd::TableCell => self.text(" | "),
            TagEnd::TableHead | TagEnd::TableRow => {
                if let Some(Piece::Text(last)) = self.line.last_mut() {
                    last.truncate(last.trim_end_matches(" | ").len());
                }
                self.end_line();
            }
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item => self.end_line(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.skipping {
            return;
        }
        let text = if text.contains('\n') {
            Cow::Owned(text.replace('\n', " "))
        } else {
            Cow::Borrowed(text)
        };
        match (self.line.last_mut(), self.in_link) {
            (Some(Piece::Link { label, .. }), true) => label.push_str(&text),
            (Some(Piece::Text(before)), _) => before.push_str(&text),
            _ => self.line.push(Piece::Text(text.into_owned())),
        }
    }

    fn code_block(&mut self, text: &str) {
        for line in text.lines() {
            self.text(line);
            self.end_line();
        }
    }

    /// Of raw HTML only the text counts; block tags end a line.
    fn html(&mut self, html: &str) {
        let mut rest = html;
        while let Some(start) = rest.find('<') {
            self.html_text(&rest[..start]);
            let tag = &rest[start..];
            let end = tag.find('>').map_or(tag.len(), |end| end + 1);
            self.html_tag(&tag[..end]);
            rest = &tag[end..];
        }
        self.html_text(rest);
    }

    fn html_text(&mut self, text: &str) {
        if !text.trim().is_empty() {
            self.text(&unescape(text));
        }
    }

    fn html_tag(&mut self, tag: &str) {
        let name: String = tag
            .trim_start_matches(['<', '/'])
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        match name.to_ascii_lowercase().as_str() {
            "script" | "style" => self.skipping = !tag.starts_with("</"),
            "p" | "br" | "div" | "li" | "tr" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "summary" | "details"
            | "blockquote" | "ul" | "ol" | "table" | "pre" | "hr" => self.end_line(),
            _ => {}
        }
    }

    fn blank_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = if line.iter().any(is_web_link) && line.iter().all(is_link_or_separator) {
            self.links_one_by_one(&line)
        } else {
            joined(self.without_trailing_links(line))
        };
        let text = text.trim_end();
        if !text.is_empty() {
            // Whatever stands in a quotation cannot be taken for a line of the relay's.
            if self.quotes > 0 {
                self.out.push_str("> ");
            }
            self.out.push_str(text);
            self.out.push('\n');
        }
    }

    fn links_one_by_one(&mut self, line: &[Piece]) -> String {
        let mut lines = Vec::new();
        for piece in line {
            match piece {
                Piece::Link { label, url } if label == url => lines.push(url.clone()),
                Piece::Link { label, url } if self.spells_out(url) => lines.push(format!("{label}: {url}")),
                _ => {}
            }
        }
        lines.join("\n")
    }

    /// Whether an address is spelt out; if so it counts.
    fn spells_out(&mut self, url: &str) -> bool {
        let does = url.len() <= LONGEST_ADDRESS && self.addresses < MOST_ADDRESSES;
        self.addresses += usize::from(does);
        does
    }

    fn without_trailing_links(&mut self, mut line: Vec<Piece>) -> Vec<Piece> {
        while let [.., Piece::Text(text), link] = line.as_mut_slice()
            && is_web_link(link)
        {
            let kept = text.trim_end();
            if !kept.ends_with(['·', '|', '—']) {
                break;
            }
            let kept = kept.trim_end_matches(is_separator).len();
            text.truncate(kept);
            line.pop();
            if kept == 0 {
                line.pop();
            }
        }
        // "the rest is here: open in Grafana" is of use only with the address.
        if let [.., Piece::Text(text), Piece::Link { label, url }] = line.as_mut_slice()
            && text.trim_end().ends_with(':')
            && self.spells_out(url)
        {
            label.clone_from(url);
        }
        line
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '·' | '|' | '•' | '–' | '—' | '/')
}

/// A link to somewhere else; a person's name is a link as well, but one that reads as text.
fn is_web_link(piece: &Piece) -> bool {
    matches!(piece, Piece::Link { url, .. } if !url.starts_with("https://matrix.to/"))
}

fn is_link_or_separator(piece: &Piece) -> bool {
    match piece {
        Piece::Link { .. } => is_web_link(piece),
        Piece::Text(text) => text.chars().all(is_separator),
    }
}

fn joined(line: Vec<Piece>) -> String {
    line.into_iter()
        .map(|piece| match piece {
            Piece::Text(text) | Piece::Link { label: text, .. } => text,
        })
        .collect()
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests;
