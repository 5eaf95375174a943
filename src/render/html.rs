//! Writes a document as exactly the HTML that Matrix allows.
//!
//! Guarantees: only tags and attributes of the specification's list. Where no raw HTML is in play that follows from the
//! document; where it is, a sanitizer runs over the result, which costs more than everything else together. What it would take
//! long to read, because tags nest deep in each other, is taken out before it.

mod nesting;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use pulldown_cmark::{Event, Tag, html::push_html};

/// HTML for `formatted_body`.
pub(crate) fn write(events: &[Event<'_>], raw_html: bool) -> String {
    let mut html = String::with_capacity(1024);
    push_html(&mut html, events.iter().map(lent));
    html.truncate(html.trim_end().len());
    if raw_html { sanitize(&html) } else { html }
}

/// The event without its own copy of the text, where it has one that is common.
fn lent<'e>(event: &'e Event<'_>) -> Event<'e> {
    match event {
        Event::Text(text) => Event::Text(text.as_ref().into()),
        Event::Code(text) => Event::Code(text.as_ref().into()),
        Event::InlineHtml(html) => Event::InlineHtml(html.as_ref().into()),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            link_type: *link_type,
            dest_url: dest_url.as_ref().into(),
            title: title.as_ref().into(),
            id: id.as_ref().into(),
        }),
        other => other.clone(),
    }
}

/// HTML cut to Matrix's subset.
pub(crate) fn sanitize(html: &str) -> String {
    flattened(SANITIZER.clean(&nesting::bounded(html)).to_string())
}

/// Levels that a client shows: Matrix allows 100, Element shows 50.
const DEEPEST: usize = 50;

/// Leaves out tags that nest too deep and keeps their content. For a sanitizer's output only: well formed, and no `<`
/// or `>` that is not a tag's.
fn flattened(html: String) -> String {
    if html.matches('<').count() <= DEEPEST {
        return html;
    }
    let mut out = String::with_capacity(html.len());
    let mut depth = 0_usize;
    for piece in html.split_inclusive('>') {
        let (text, tag) = piece.split_at(piece.find('<').unwrap_or(piece.len()));
        let is_end = tag.starts_with("</");
        let is_void = ["<br", "<hr", "<img"].iter().any(|void| tag.starts_with(void));
        let level = if is_end { depth } else { depth + 1 };
        out.push_str(text);
        if level <= DEEPEST || is_void {
            out.push_str(tag);
        }
        if is_end {
            depth = depth.saturating_sub(1);
        } else if !is_void && !tag.is_empty() {
            depth += 1;
        }
    }
    out
}

static SANITIZER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    const TAGS: &[&str] = &[
        "del",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "p",
        "a",
        "ul",
        "ol",
        "sup",
        "sub",
        "li",
        "b",
        "i",
        "u",
        "strong",
        "em",
        "s",
        "code",
        "hr",
        "br",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "caption",
        "pre",
        "span",
        "img",
        "details",
        "summary",
    ];
    const ATTRIBUTES: &[(&str, &[&str])] = &[
        (
            "span",
            &["data-mx-bg-color", "data-mx-color", "data-mx-spoiler", "data-mx-maths"],
        ),
        ("a", &["target", "href"]),
        ("img", &["width", "height", "alt", "title", "src"]),
        ("ol", &["start"]),
        ("code", &["class"]),
        ("div", &["data-mx-maths"]),
    ];
    let mut builder = ammonia::Builder::empty();
    builder
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(HashSet::from(["script", "style", "mx-reply", "title", "template"]))
        .tag_attributes(
            ATTRIBUTES
                .iter()
                .map(|(tag, names)| (*tag, names.iter().copied().collect()))
                .collect::<HashMap<_, _>>(),
        )
        .url_schemes(HashSet::from(["https", "http", "ftp", "mailto", "magnet", "mxc"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(None)
        .attribute_filter(attribute);
    builder
});

/// Whether sanitizing takes a tag or an attribute away.
pub(crate) fn loses_something(html: &str) -> bool {
    let count = |html: &str| html.bytes().filter(|byte| matches!(byte, b'<' | b'=')).count();
    count(&sanitize(html)) < count(html)
}

/// What the lists of names cannot say: colours are `#rrggbb`, pictures come from `mxc:`, classes name a language.
fn attribute<'v>(tag: &str, name: &str, value: &'v str) -> Option<Cow<'v, str>> {
    let allowed = match (tag, name) {
        ("span", "data-mx-color" | "data-mx-bg-color") => is_color(value),
        ("img", "src") => value.starts_with("mxc://"),
        ("a", "href") => !value.to_ascii_lowercase().trim_start().starts_with("mxc:"),
        ("code", "class") => value.starts_with("language-") && !value.contains(char::is_whitespace),
        ("ol", "start") | ("img", "width" | "height") => value.parse::<u32>().is_ok(),
        _ => true,
    };
    allowed.then_some(Cow::Borrowed(value))
}

/// Matrix's only form of a colour.
pub(crate) fn is_color(text: &str) -> bool {
    text.len() == 7 && text.starts_with('#') && text.bytes().skip(1).all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::markdown::parse;

    fn html(markdown: &str) -> String {
        let document = parse(markdown);
        write(&document.events, document.raw_html)
    }

    #[test]
    fn what_matrix_has_no_tag_for_becomes_readable() {
        assert_eq!(html("- [x] a\n- [ ] b"), "<ul>\n<li>☑ a</li>\n<li>☐ b</li>\n</ul>");
        assert_eq!(html("# a {#b}"), "<h1>a {#b}</h1>");
        assert_eq!(html("a[^1]\n\n[^1]: b"), "<p>a[1]</p>\n<p>[1] b</p>");
        assert_eq!(html("a\nb"), "<p>a<br />\nb</p>");
        assert!(!html("| a |\n|:-:|\n| b |").contains("style"));
    }

    #[test]
    fn pictures_from_the_web_become_links() {
        assert_eq!(
            html("![cat](https://e.org/c.png)"),
            "<p><a href=\"https://e.org/c.png\">🖼 cat</a></p>"
        );
        assert_eq!(
            html("![](https://e.org/c.png)"),
            "<p><a href=\"https://e.org/c.png\">🖼 picture</a></p>"
        );
        assert_eq!(
            html("![cat](mxc://e.org/c)"),
            "<p><img src=\"mxc://e.org/c\" alt=\"cat\" /></p>"
        );
        assert_eq!(
            html("[![a](https://e.org/a)](https://e.org/b)"),
            "<p><a href=\"https://e.org/b\">🖼 a</a></p>"
        );
        assert_eq!(html("![a](javascript:x) b"), "<p>🖼 a b</p>");
    }

    #[test]
    fn links_that_matrix_does_not_allow_leave_their_text() {
        assert_eq!(
            html("[a](javascript:alert(1)) [b](/c) [d](JavaScript:x)"),
            "<p>a b d</p>"
        );
        assert_eq!(
            html("<bot@e.org> [m](mailto:a@e.org)"),
            "<p><a href=\"mailto:bot@e.org\">bot@e.org</a> <a href=\"mailto:a@e.org\">m</a></p>"
        );
    }

    #[test]
    fn raw_html_is_cut_to_the_subset() {
        assert_eq!(
            html("<b>a</b> <i onclick=x>b</i><script>c</script>"),
            "<p><b>a</b> <i>b</i></p>"
        );
        assert_eq!(
            html("<span data-mx-color=\"#ff0000\" style=\"x\">a</span> <span data-mx-color=red>b</span>"),
            "<p><span data-mx-color=\"#ff0000\">a</span> <span>b</span></p>"
        );
        assert_eq!(
            html("<img src=https://e.org/a> <a href=mxc://a/b>c</a>"),
            "<p><img> <a>c</a></p>"
        );
    }

    #[test]
    fn nesting_ends_somewhere() {
        let deep = html(&format!("{} a", ">".repeat(500)));
        assert!(deep.matches("<blockquote>").count() <= 40 && deep.contains('a'));
        assert_eq!(
            deep.matches("<blockquote>").count(),
            deep.matches("</blockquote>").count()
        );
        let deep = html(&format!("{}a<br>{}", "<b>".repeat(200), "</b>".repeat(200)));
        let (open, close) = ("<b>".repeat(49), "</b>".repeat(49));
        assert_eq!(deep, format!("<p>{open}a<br>\n{close}</p>"));
        // Colours cost no sanitizing, and count all the same.
        let color = "<span data-mx-color=\"#ff0000\">";
        let deep = html(&format!("{}a{}", color.repeat(200), "</span>".repeat(200)));
        assert_eq!(deep.matches(color).count(), 39, "{deep}");
        assert_eq!(deep.matches("</span>").count(), 39);
        // Of a picture that is too deep the text stays, and its end ends nothing around it.
        let deep = html(&format!("{} ![a](https://e.org/a) ![b](mxc://e.org/b)", ">".repeat(39)));
        let end = format!("<p>a b</p>{}", "\n</blockquote>".repeat(39));
        assert!(deep.ends_with(&end), "{deep}");
    }
}
