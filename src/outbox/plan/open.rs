//! The rows that wait and were never tried, of the heads that an acceptance is about.
//!
//! Guarantees: the text is known of the last one of each part only, for no other is ever joined or replaced, so what is
//! read stays small however much waits. What an operator let go again after it was dropped is never among them: what is
//! newer than it has a row behind it.

use crate::message::RenderedMessage;
use crate::outbox::DeliveryId;
use crate::outbox::part::Part;

/// A row of the table, or one that is about to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) enum RowRef {
    Stored(DeliveryId),
    New(usize),
}

impl RowRef {
    /// The row's name, once the new ones have theirs.
    pub(in crate::outbox) fn id(self, added: &[DeliveryId]) -> Option<DeliveryId> {
        match self {
            Self::Stored(id) => Some(id),
            Self::New(at) => added.get(at).copied(),
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(in crate::outbox) struct Open {
    pub(in crate::outbox) row: RowRef,
    pub(in crate::outbox) head: String,
    pub(in crate::outbox) part: Part,
    /// `None` where a later one has the same part, or where it cannot be read.
    pub(in crate::outbox) message: Option<RenderedMessage>,
}

/// All of them, oldest first.
#[derive(Debug, Default)]
pub(in crate::outbox) struct OpenRows(pub(in crate::outbox) Vec<Open>);

impl OpenRows {
    /// Those whose text is needed: the last of each part.
    pub(in crate::outbox) fn last_ones(&mut self) -> Vec<&mut Open> {
        let mut last: Vec<&mut Open> = Vec::new();
        for open in self.0.iter_mut().rev() {
            if last.iter().all(|one| one.head != open.head || one.part != open.part) {
                last.push(open);
            }
        }
        last
    }

    /// The last row of a part, and its text.
    pub(super) fn last(&self, head: &str, part: &Part) -> Option<(RowRef, &RenderedMessage)> {
        let mut rows = self.0.iter().rev();
        let open = rows.find(|open| open.head == head && open.part == *part)?;
        Some((open.row, open.message.as_ref()?))
    }

    pub(super) fn add(&mut self, open: Open) {
        self.0.push(open);
    }

    pub(super) fn rewrite(&mut self, row: RowRef, message: RenderedMessage) {
        if let Some(open) = self.0.iter_mut().find(|open| open.row == row) {
            open.message = Some(message);
        }
    }

    /// Takes those out that are meant.
    pub(super) fn take(&mut self, is_meant: impl Fn(&Open) -> bool) -> Vec<Open> {
        self.0.extract_if(.., |open| is_meant(open)).collect()
    }
}
