//! What acceptances do to the tables: which rows are added, and which that wait are rewritten instead. Pure, so that the
//! two databases cannot come to differ.
//!
//! Guarantees: a group that has changed since it was read changes nothing (compare and swap), nor does an acceptance that
//! names a group twice, for its second part knows nothing of the first; a head that nobody has
//! seen takes up what would edit it, with the line that says so, and the group's next head, with all that was to follow
//! the first; an edit that waits gives way to the newer one, and a rest of its text to the newer rest; lines and replies
//! that wait are joined. Only rows that were never tried are ever touched. A row whose text is taken up by another one
//! is folded into that.

mod open;
mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};

pub(super) use self::open::{Open, OpenRows, RowRef};
pub(super) use self::rows::{Carrier, NewRow, Written, receipts};
use super::merge;
use super::part::Part;
use super::store::{Prepared, PreparedAcceptance, message_text};
use super::{DeliveryId, OutboxError};
use crate::message::RenderedMessage;

/// A group as it stands before.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub(super) version: i64,
    pub(super) head: Option<String>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Plan {
    standing: HashMap<String, Standing>,
    open: OpenRows,
    /// New heads.
    pub(super) heads: Vec<String>,
    /// Rows to add, in their order.
    pub(super) rows: Vec<NewRow>,
    /// Rows that say something else from now on.
    pub(super) rewritten: BTreeMap<DeliveryId, String>,
    /// Rows that are not sent, each with the one that says it in their place.
    pub(super) folded: Vec<(RowRef, RowRef)>,
    /// Groups by their stored key.
    pub(super) groups: BTreeMap<String, Written>,
}

/// What one acceptance says of its heads.
#[derive(Default)]
struct Texts {
    /// The unseen heads that took up an edit.
    told: Vec<String>,
    /// The rows that bear the heads' texts, and the rests of these.
    carriers: Vec<(String, RowRef)>,
    rests: Vec<RowRef>,
}

impl Texts {
    fn note(&mut self, part: &Part, head: String, row: RowRef) {
        match part {
            Part::Head | Part::Edit => self.carriers.push((head, row)),
            Part::Rest { .. } => self.rests.push(row),
            Part::Message | Part::Line | Part::Reply | Part::Reaction { .. } => {}
        }
    }
}

impl Plan {
    /// On the groups as they stand, and the open rows of their heads, oldest first.
    pub(super) fn new(standing: HashMap<String, Standing>, open: OpenRows) -> Self {
        Self {
            standing,
            open,
            ..Self::default()
        }
    }

    /// Takes one acceptance in: the row that carries each of its deliveries, or `None` if it is out of date.
    pub(super) fn accept(&mut self, acceptance: &PreparedAcceptance) -> Result<Option<Vec<Carrier>>, OutboxError> {
        let version = |key: &str| self.standing.get(key).map_or(0, |group| group.version);
        let mut named = HashSet::new();
        if acceptance
            .groups
            .iter()
            .any(|group| version(&group.key) != group.expected || !named.insert(&group.key))
        {
            return Ok(None);
        }
        let mut carriers: Vec<Carrier> = Vec::with_capacity(acceptance.deliveries.len());
        let mut texts = Texts::default();
        for delivery in &acceptance.deliveries {
            let row = match &delivery.group {
                None => self.insert(delivery, acceptance.at, None),
                Some(group) => self.place(delivery, group, acceptance.at, &mut texts)?,
            };
            if carriers.iter().all(|carrier| carrier.row != row) {
                carriers.push(Carrier {
                    row,
                    room: delivery.room.clone(),
                });
            }
        }
        self.drop_old_rests(&texts);
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

    fn place(&mut self, delivery: &Prepared, group: &str, at: i64, texts: &mut Texts) -> Result<RowRef, OutboxError> {
        let head = self.standing.get(group).and_then(|group| group.head.clone());
        let unseen = |head: &String| self.open.last(head, &Part::Head).is_some();
        let head = match (&delivery.part, head) {
            (Part::Message, _) => return Ok(self.insert(delivery, at, None)),
            (Part::Head, Some(head)) if unseen(&head) => head,
            (Part::Head, _) | (_, None) => self.new_head(group),
            (_, Some(head)) => head,
        };
        let new = &delivery.message;
        let taken = match &delivery.part {
            Part::Head => self.taken_over(&head, new),
            Part::Edit => self.taken_up(&head, new, texts),
            Part::Line | Part::Reply if texts.told.contains(&head) => {
                self.open.last(&head, &Part::Head).map(|(unseen, message)| {
                    let mut message = message.clone();
                    merge::raise(&mut message, new);
                    (unseen, message)
                })
            }
            Part::Line | Part::Reply => {
                let last = self.open.last(&head, &delivery.part);
                last.and_then(|(row, message)| Some((row, merge::joined(message, new)?)))
            }
            Part::Reaction { .. } | Part::Rest { .. } => {
                let last = self.open.last(&head, &delivery.part);
                last.map(|(row, _)| (row, new.clone()))
            }
            Part::Message => None,
        };
        let row = match taken {
            Some((row, message)) => self.rewrite(row, message)?,
            None => self.insert(delivery, at, Some(head.clone())),
        };
        texts.note(&delivery.part, head, row);
        Ok(row)
    }

    /// A head that nobody has seen says from now on what the group's next head would. What was to follow the first is
    /// history that nobody has to be told after it.
    fn taken_over(&mut self, head: &str, new: &RenderedMessage) -> Option<(RowRef, RenderedMessage)> {
        let (unseen, message) = self.open.last(head, &Part::Head)?;
        let mut message = merge::replaced(message, new);
        let follows = |open: &Open| {
            open.head == head && open.row != unseen && !matches!(open.part, Part::Head | Part::Rest { .. })
        };
        for open in self.open.take(follows) {
            if let (Part::Line | Part::Reply, Some(line)) = (&open.part, &open.message) {
                merge::raise(&mut message, line);
            }
            self.folded.push((open.row, unseen));
        }
        Some((unseen, message))
    }

    /// A head that nobody has seen says what would edit it; otherwise an edit that waits does.
    fn taken_up(&mut self, head: &str, new: &RenderedMessage, texts: &mut Texts) -> Option<(RowRef, RenderedMessage)> {
        if let Some((unseen, message)) = self.open.last(head, &Part::Head) {
            texts.told.push(head.to_owned());
            return Some((unseen, merge::replaced(message, new)));
        }
        let (edit, _) = self.open.last(head, &Part::Edit)?;
        Some((edit, new.clone()))
    }

    /// Rests that wait of a text that has been replaced by one without them.
    fn drop_old_rests(&mut self, texts: &Texts) {
        for (head, carrier) in &texts.carriers {
            let is_old = |open: &Open| {
                let is_rest = matches!(open.part, Part::Rest { .. });
                is_rest && open.head == *head && !texts.rests.contains(&open.row)
            };
            let old = self.open.take(is_old);
            self.folded.extend(old.into_iter().map(|open| (open.row, *carrier)));
        }
    }

    fn new_head(&mut self, group: &str) -> String {
        let head = uuid::Uuid::now_v7().simple().to_string();
        self.heads.push(head.clone());
        self.standing.entry(group.to_owned()).or_default().head = Some(head.clone());
        head
    }

    fn rewrite(&mut self, row: RowRef, message: RenderedMessage) -> Result<RowRef, OutboxError> {
        let text = message_text(&message)?;
        match row {
            RowRef::Stored(id) => drop(self.rewritten.insert(id, text)),
            RowRef::New(at) => self.rows[at].text = text,
        }
        self.open.rewrite(row, message);
        Ok(row)
    }

    fn insert(&mut self, delivery: &Prepared, at: i64, head: Option<String>) -> RowRef {
        let row = RowRef::New(self.rows.len());
        if let Some(head) = &head {
            self.open.add(Open {
                row,
                head: head.clone(),
                part: delivery.part.clone(),
                message: Some(delivery.message.clone()),
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
