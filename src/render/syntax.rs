//! Reads the text of a template: its tags, the expressions in them, and what they use.
//!
//! The engine compares and calculates by rules of its own: a text is larger than every number, and a missing value is an
//! empty text. So operators are handed to a function of ours before the engine sees a template (see
//! `filters::operators`, which holds the rule); lines stay as they are. What stands in a template, whether it runs or
//! not, is what `faults` looks at.
//!
//! Guarantees: what this cannot read is left to the engine as it is; the work grows with the length of the text.

mod pieces;
mod reader;
mod tags;

pub(super) use reader::{NEGATIVE, OPERATE, Use, What};
pub(super) use tags::{Kind, Tag, after_raw, next_start, tags};

use pieces::pieces;
use reader::Reader;

/// What was found in a template.
#[derive(Debug, Default)]
pub(super) struct Reading<'s> {
    /// The same template with its operators handed over.
    pub(super) prepared: String,
    /// What it uses, in its order.
    pub(super) uses: Vec<Use<'s>>,
}

/// Reads a template.
pub(super) fn read(source: &str) -> Reading<'_> {
    let mut reading = Reading::default();
    let mut copied = 0;
    for tag in tags(source) {
        let Some(read) = inside(&tag, source) else {
            continue;
        };
        reading.prepared.push_str(&source[copied..tag.inside.start]);
        reading.prepared.push_str(&read.0);
        copied = tag.inside.end;
        reading.uses.extend(read.1);
    }
    reading.prepared.push_str(&source[copied..]);
    reading
}

/// The inside of one tag, prepared, and what it uses; nothing if it cannot be read.
pub(super) fn inside<'s>(tag: &Tag, source: &'s str) -> Option<(String, Vec<Use<'s>>)> {
    if tag.kind == Kind::Comment || !tag.is_closed {
        return None;
    }
    let text = &source[tag.inside.clone()];
    let pieces = pieces(text)?;
    let mut reader = Reader::new(&pieces, tag.line);
    let prepared = if tag.kind == Kind::Print {
        reader.whole_expression()?
    } else {
        reader.whole_statement()?
    };
    let end = pieces.last().map_or(0, pieces::Piece::end);
    Some((prepared + &text[end..], reader.uses))
}
