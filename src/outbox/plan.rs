//! What acceptances do to the tables: which rows are added, and which that wait are rewritten instead. Pure, so that the
//! two databases cannot come to differ.
//!
//! Guarantees: a group that has changed since it was read changes nothing (compare and swap); a head that nobody has
//! seen takes up what would edit it, with the line that says so; an edit that waits gives way to the newer one; lines
//! and replies that wait are joined. Only rows that were never tried are ever touched.

use std::collections::{BTreeMap, HashMap};

use super::merge;
use super::part::Part;
use super::store::{Prepared, PreparedAcceptance, message_text};
use super::{DeliveryId, OutboxError, Receipt};
use crate::message::{RenderedMessage, RoomAddress, TxnId};

/// A group as it stands before.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub(super) version: i64,
    pub(super) head: Option<String>,
}

/// A row that waits and was never tried.
pub(super) struct Open {
    pub(super) row: RowRef,
    pub(super) head: String,
    pub(super) part: Part,
    pub(super) message: RenderedMessage,
}

/// A row of the table, or one that is about to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowRef {
    Stored(DeliveryId),
    New(usize),
}

/// The row that carries a delivery, each once.
pub(super) struct Carrier {
    row: RowRef,
    room: RoomAddress,
}

/// The receipts of an acceptance, once the rows of its plan have their ids.
pub(super) fn receipts(carriers: &[Carrier], added: &[DeliveryId]) -> Result<Vec<Receipt>, OutboxError> {
    let receipt = |carrier: &Carrier| {
        let id = match carrier.row {
            RowRef::Stored(id) => Some(id),
            RowRef::New(at) => added.get(at).copied(),
        };
        Ok(Receipt {
            id: id.ok_or_else(|| OutboxError::bug("a row was not inserted"))?,
            room: carrier.room.clone(),
        })
    };
    carriers.iter().map(receipt).collect()
}

/// A row to add.
pub(super) struct NewRow {
    pub(super) room: RoomAddress,
    pub(super) txn_id: TxnId,
    pub(super) text: String,
    pub(super) accepted_at: i64,
    pub(super) starts_at: Option<i64>,
    pub(super) part: Part,
    pub(super) head: Option<String>,
}

/// What becomes of a group.
pub(super) struct Written {
    pub(super) version: i64,
    pub(super) state: String,
    pub(super) head: Option<String>,
    pub(super) changed_at: i64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Plan {
    standing: HashMap<String, Standing>,
    open: Vec<Open>,
    /// New heads.
    pub(super) heads: Vec<String>,
    /// Rows to add, in their order.
    pub(super) rows: Vec<NewRow>,
    /// Rows that say something else from now on.
    pub(super) rewritten: BTreeMap<DeliveryId, String>,
    /// Groups by their stored key.
    pub(super) groups: BTreeMap<String, Written>,
}

impl Plan {
    /// On the groups as they stand, and the open rows of their heads, oldest first.
    pub(super) fn new(standing: HashMap<String, Standing>, open: Vec<Open>) -> Self {
        Self {
            standing,
            open,
            ..Self::default()
        }
    }

    /// Takes one acceptance in: the row that carries each of its deliveries, or `None` if it is out of date.
    pub(super) fn accept(&mut self, acceptance: &PreparedAcceptance) -> Result<Option<Vec<Carrier>>, OutboxError> {
        let version = |key: &str| self.standing.get(key).map_or(0, |group| group.version);
        if acceptance
            .groups
            .iter()
            .any(|group| version(&group.key) != group.expected)
        {
            return Ok(None);
        }
        let mut carriers: Vec<Carrier> = Vec::with_capacity(acceptance.deliveries.len());
        // The unseen heads that took up an edit of this acceptance.
        let mut told = Vec::new();
        for delivery in &acceptance.deliveries {
            let row = match &delivery.group {
                None => self.insert(delivery, acceptance.at, None),
                Some(group) => self.place(delivery, group, acceptance.at, &mut told)?,
            };
            if carriers.iter().all(|carrier| carrier.row != row) {
                carriers.push(Carrier {
                    row,
                    room: delivery.room.clone(),
                });
            }
        }
        for group in &acceptance.groups {
            let standing = self.standing.entry(group.key.clone()).or_default();
            standing.version += 1;
            let written = Written {
                version: standing.version,
                state: group.state.clone(),
                head: standing.head.clone(),
                changed_at: acceptance.at,
            };
            self.groups.insert(group.key.clone(), written);
        }
        Ok(Some(carriers))
    }

    fn place(
        &mut self,
        delivery: &Prepared,
        group: &str,
        at: i64,
        told: &mut Vec<String>,
    ) -> Result<RowRef, OutboxError> {
        let head = match (
            &delivery.part,
            self.standing.get(group).and_then(|group| group.head.clone()),
        ) {
            (Part::Message, _) => return Ok(self.insert(delivery, at, None)),
            (Part::Head, _) | (_, None) => self.new_head(group),
            (_, Some(head)) => head,
        };
        let new = &delivery.message;
        let taken = match &delivery.part {
            Part::Edit => match self.last_open(&head, &Part::Head) {
                Some(unseen) => {
                    told.push(head.clone());
                    Some((unseen, merge::replaced(&self.open[unseen].message, new)))
                }
                None => self.last_open(&head, &Part::Edit).map(|edit| (edit, new.clone())),
            },
            Part::Line | Part::Reply if told.contains(&head) => self.last_open(&head, &Part::Head).map(|unseen| {
                let mut message = self.open[unseen].message.clone();
                merge::raise(&mut message, new);
                (unseen, message)
            }),
            Part::Line | Part::Reply => self.last_open(&head, &delivery.part).and_then(|open| {
                let message = merge::joined(&self.open[open].message, new)?;
                Some((open, message))
            }),
            Part::Reaction { .. } => self.last_open(&head, &delivery.part).map(|open| (open, new.clone())),
            Part::Message | Part::Head => None,
        };
        match taken {
            Some((open, message)) => self.rewrite(open, message),
            None => Ok(self.insert(delivery, at, Some(head))),
        }
    }

    fn new_head(&mut self, group: &str) -> String {
        let head = uuid::Uuid::now_v7().simple().to_string();
        self.heads.push(head.clone());
        self.standing.entry(group.to_owned()).or_default().head = Some(head.clone());
        head
    }

    fn last_open(&self, head: &str, part: &Part) -> Option<usize> {
        self.open
            .iter()
            .rposition(|open| open.head == head && open.part == *part)
    }

    fn rewrite(&mut self, open: usize, message: RenderedMessage) -> Result<RowRef, OutboxError> {
        let text = message_text(&message)?;
        let row = self.open[open].row;
        match row {
            RowRef::Stored(id) => drop(self.rewritten.insert(id, text)),
            RowRef::New(at) => self.rows[at].text = text,
        }
        self.open[open].message = message;
        Ok(row)
    }

    fn insert(&mut self, delivery: &Prepared, at: i64, head: Option<String>) -> RowRef {
        let row = RowRef::New(self.rows.len());
        if let Some(head) = &head {
            self.open.push(Open {
                row,
                head: head.clone(),
                part: delivery.part.clone(),
                message: delivery.message.clone(),
            });
        }
        self.rows.push(NewRow {
            room: delivery.room.clone(),
            txn_id: delivery.txn_id.clone(),
            text: delivery.text.clone(),
            accepted_at: at,
            starts_at: delivery.starts_at,
            part: delivery.part.clone(),
            head,
        });
        row
    }
}
