//! Finds values that change the structure of a message where they are missing.
//!
//! `**{{ alert.labels.owner }}**` leaves four asterisks where there is no owner, and a list whose only entry is missing
//! makes a heading of the line above. So a template is rendered once more with a mark in place of each missing value, and
//! what Markdown makes of that is compared with what it makes without one of the marks.
//!
//! Guarantees: it looks at [`MOST`] marks at most. A line that is left out altogether changes no structure.

use pulldown_cmark::{Event, Parser, Tag};

use super::markdown::options;

/// The name in the context that asks for marks. No template can set what it means.
pub(super) const MARKS_NOTHING: &str = "__marks_nothing";

/// Stands for a missing value: a character that is a word to Markdown, and that nobody writes.
pub(super) const MARK: &str = "\u{10fdff}";

/// More marks are not tried one by one.
const MOST: usize = 40;

/// The bytes at which a mark stands without which the message has another structure.
pub(super) fn changing(marked: &str) -> Vec<usize> {
    let meant = structure(marked);
    if structure(&marked.replace(MARK, "")) == meant {
        return Vec::new();
    }
    let marks: Vec<usize> = marked.match_indices(MARK).map(|(at, _)| at).collect();
    let matters = |at: &usize| structure(&[&marked[..*at], &marked[at + MARK.len()..]].concat()) != meant;
    let found: Vec<usize> = marks.iter().take(MOST).copied().filter(matters).collect();
    if found.is_empty() {
        // Only several of them together matter.
        marks.into_iter().take(1).collect()
    } else {
        found
    }
}

/// What a text is built of, without the text.
fn structure(markdown: &str) -> Vec<String> {
    let part = |event| match event {
        Event::Start(Tag::Paragraph) => None,
        Event::Start(tag) => Some(match tag {
            Tag::Heading { level, .. } => format!("{level}"),
            Tag::Link { .. } => "link".to_owned(),
            Tag::Image { .. } => "image".to_owned(),
            Tag::List(first) => format!("list {}", first.is_some()),
            Tag::CodeBlock(_) => "block".to_owned(),
            tag => format!("{:?}", std::mem::discriminant(&tag)),
        }),
        Event::Code(_) => Some("code".to_owned()),
        Event::Rule => Some("rule".to_owned()),
        _ => None,
    };
    Parser::new_ext(markdown, options()).filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_the_structure_counts() {
        let places = |text: &str| changing(&text.replace('¤', MARK)).len();
        assert_eq!(places("a\n¤\n\nb ¤\n\n> ¤"), 0);
        assert_eq!(places("**¤** and `¤`, ~~¤~~"), 3);
        assert_eq!(places("Owner\n- ¤\n\nText\n--- ¤"), 2);
    }
}
