//! The Markdown that a template wrote, for people: values escaped with backslashes as a person would, and only where they
//! would otherwise be read as Markdown.
//!
//! Guarantees: it costs nothing until somebody reads it; what is sent is not made from it.

use std::fmt;
use std::ops::Range;

use super::markdown::Document;
use super::shield::restore_as_markdown;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Markdown {
    /// With shielded values.
    text: String,
    /// Where in it a backslash is no escape, sorted by the beginning.
    verbatim: Vec<Range<usize>>,
}

impl Markdown {
    /// Where in the text backslashes mean nothing.
    pub(super) fn verbatim(document: &mut Document<'_>) -> Vec<Range<usize>> {
        let mut ranges = std::mem::take(&mut document.verbatim);
        // They come in the order in which they were closed and lie in each other; asked for from front to back, one after
        // the other is enough.
        ranges.sort_unstable_by_key(|range| range.start);
        ranges
    }

    pub(super) fn new(text: String, verbatim: Vec<Range<usize>>) -> Self {
        Self { text, verbatim }
    }
}

impl From<String> for Markdown {
    /// A text without values.
    fn from(text: String) -> Self {
        Self::new(text, Vec::new())
    }
}

impl fmt::Display for Markdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.text.len() - self.text.trim_start().len();
        let (mut next, mut end) = (0, 0);
        let is_verbatim = |at: usize| {
            let at = at + offset;
            while let Some(range) = self.verbatim.get(next).filter(|range| range.start <= at) {
                end = end.max(range.end);
                next += 1;
            }
            at < end
        };
        f.write_str(&restore_as_markdown(self.text.trim(), is_verbatim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::markdown;
    use crate::render::shield::shield;

    #[test]
    fn backslashes_are_placed_right_below_blank_lines() {
        let text = format!(
            "\n\n\n  `{}` {} [{}](https://e.org/{}) {}\n",
            shield("a*b"),
            shield("c*d"),
            shield("e*f"),
            shield("g*h"),
            shield("i*j")
        );
        let verbatim = Markdown::verbatim(&mut markdown::parse(&text));
        let readable = Markdown::new(text, verbatim).to_string();
        assert_eq!(readable, r"`a*b` c\*d [e\*f](https://e.org/g*h) i\*j");
    }
}
