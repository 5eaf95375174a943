//! Reads Markdown into a document that holds nothing but what Matrix allows.
//!
//! Guarantees: every link is absolute and of an allowed scheme, containers nest at most [`MAX_DEPTH`] deep, and what
//! Matrix has no tag for (task list boxes, footnotes, pictures from the web) has become readable text. Raw HTML stays in
//! and is marked; the HTML writer has it sanitized. It writes no output of its own.

mod comments;
mod reader;

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag};

use reader::Reader;

/// Matrix allows 100 levels and Element shows 50; lists cost two each.
const MAX_DEPTH: usize = 40;

/// A parsed document; see the module.
#[derive(Debug, Default)]
pub(crate) struct Document<'a> {
    pub(crate) events: Vec<Event<'a>>,
    /// Whether the sanitizer has to run.
    pub(crate) raw_html: bool,
    /// Where in the Markdown a backslash is no escape: in code, and in the addresses of links.
    pub(crate) verbatim: Vec<Range<usize>>,
    /// Raw HTML with its byte position in the Markdown.
    pub(crate) tags: Vec<(usize, String)>,
    /// What had to be changed, for people who edit templates.
    pub(crate) notes: Vec<Note>,
}

/// Something that a template author should know about, with the byte position in the Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// GitHub's flavour, as far as it can be shown in a room.
pub(crate) fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_FOOTNOTES
}

/// The document for a Markdown text whose values are shielded.
pub(crate) fn parse(markdown: &str) -> Document<'_> {
    let mut reader = Reader::default();
    reader.document.events.reserve(64);
    for (event, range) in Parser::new_ext(markdown, options()).into_offset_iter() {
        reader.at = range.start;
        reader
            .document
            .verbatim
            .extend(verbatim(&event, &markdown[range.clone()], range));
        reader.read(event);
    }
    reader.document
}

fn verbatim(event: &Event<'_>, source: &str, range: Range<usize>) -> Option<Range<usize>> {
    match event {
        Event::Code(_) | Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::CodeBlock(_)) => Some(range),
        Event::Start(Tag::Link { .. } | Tag::Image { .. }) => {
            source.rfind("](").map(|address| range.start + address..range.end)
        }
        _ => None,
    }
}

/// Absolute, of a scheme that Matrix allows in a link, and with a host where one is needed: an address that no client opens is
/// no link.
pub(crate) fn is_allowed(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else {
        return false;
    };
    let is_one_of = |known: &[&str]| known.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let leads_somewhere = (is_one_of(&["https", "http", "ftp"]) && has_host(rest))
        || (is_one_of(&["mailto", "magnet"]) && !rest.is_empty());
    leads_somewhere && !url.contains('\n')
}

/// Whether there is a host behind the scheme. Prometheus on a machine without a name calls itself `http://:9090`.
fn has_host(rest: &str) -> bool {
    let authority = rest
        .strip_prefix("//")
        .and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| {
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        !host.is_empty() && !host.starts_with(':')
    })
}
