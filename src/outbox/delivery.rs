//! The outbox's nouns: a delivery, its states, and what goes in and comes out.
//!
//! A delivery is one message owed to one room. It is `Pending` until it is claimed, `InFlight` while somebody sends it,
//! and ends `Delivered`, `Dead` or `Combined`. Nothing here touches a database or a clock.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::digest::Waiting;
use super::failure::Failure;
use super::group::GroupUpdate;
use crate::message::{Relation, RenderedMessage, RoomAddress, TxnId};

/// Names a delivery for its whole life; grows with acceptance, but does not order a room (a retried row keeps its id).
/// One below zero is no row: it names the edit of the message of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

/// What the name of an edit begins with.
const EDIT: &str = "edit-";

impl DeliveryId {
    /// The edit of a group's message.
    pub(super) fn of_edit(group: i64) -> Self {
        Self(-group)
    }

    /// The group whose message it edits, if it does.
    pub(super) fn edited_group(self) -> Option<i64> {
        self.0.checked_neg().filter(|group| *group > 0)
    }
}

/// As logs and operators name it: `42`, or `edit-7` for the edit of the message of group 7.
impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.edited_group() {
            Some(group) => f.pad(&format!("{EDIT}{group}")),
            None => self.0.fmt(f),
        }
    }
}

/// A text that names no delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid delivery `{0}`: no such name (expected a number such as 42, or edit-7 for an edit)")]
pub struct DeliveryIdError(String);

impl FromStr for DeliveryId {
    type Err = DeliveryIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, is_edit) = text.strip_prefix(EDIT).map_or((text, false), |group| (group, true));
        let number = number.parse().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| DeliveryIdError(text.to_owned()))?;
        Ok(if is_edit { Self::of_edit(number) } else { Self(number) })
    }
}

/// One message that shall be owed to one room, and that is no group's.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Where it goes.
    pub room: RoomAddress,
    /// What it says, final.
    pub message: RenderedMessage,
    /// When the alerts began, for the age at delivery.
    pub starts_at: Option<Timestamp>,
}

impl NewDelivery {
    /// A message whose age at delivery is nobody's concern.
    pub fn message(room: RoomAddress, message: RenderedMessage) -> Self {
        Self {
            room,
            message,
            starts_at: None,
        }
    }
}

/// Everything of one request: either all of it is accepted, or nothing.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Messages, in the order in which they shall appear.
    pub deliveries: Vec<NewDelivery>,
    /// What becomes of groups. If one of them was changed since it was read, nothing is accepted.
    pub groups: Vec<GroupUpdate>,
    /// Two requests with the same key within the repeat window are one. `None`: never a repeat.
    pub repeat_key: Option<String>,
    /// The same for a request that cannot come twice but by being sent again, whatever came between; looked at first.
    /// Where only the repeat key is known, this one is from then on, too.
    pub request_key: Option<String>,
    /// Now.
    pub at: Timestamp,
}

/// What a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// A message of its own.
    #[default]
    Message,
    /// The message that shows a group.
    Root,
    /// A line in the thread of one.
    Line,
    /// The new text of one. It has no row of its own.
    Edit,
}

impl Part {
    /// The word that is stored, and that the operator reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Root => "root",
            Self::Line => "line",
            Self::Edit => "edit",
        }
    }

    /// The reverse, for rows.
    pub(super) fn stored(word: &str) -> Option<Self> {
        [Self::Message, Self::Root, Self::Line]
            .into_iter()
            .find(|part| part.as_str() == word)
    }
}

/// What became of an [`Acceptance`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It is on disk.
    Accepted(Vec<Receipt>),
    /// It had been accepted before, within the window: the receipts of that time. Nothing was added.
    Recognised(Vec<Receipt>),
    /// A group has changed since it was read: nothing was added. Read it again and decide anew.
    Outdated,
}

impl Enqueued {
    /// The receipts, whichever way.
    pub fn receipts(&self) -> &[Receipt] {
        match self {
            Self::Accepted(receipts) | Self::Recognised(receipts) => receipts,
            Self::Outdated => &[],
        }
    }
}

/// The proof that something is owed: by a row of its own, or by that of the group's message, which says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which row.
    pub id: DeliveryId,
    /// To whom it is owed.
    pub room: RoomAddress,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Waits to be sent.
    Pending,
    /// Somebody sends it now.
    InFlight,
    /// In the room; the event ID is known.
    Delivered,
    /// Given up, and kept until somebody retries or deletes it.
    Dead,
    /// Another row is sent in its place: a digest that names it, or several lines as one.
    Combined,
}

impl DeliveryState {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::InFlight,
        Self::Delivered,
        Self::Dead,
        Self::Combined,
    ];

    /// The word that the operator reads and types.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InFlight => "in-flight",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Combined => "combined",
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid state `{0}`: no such state (expected pending, in-flight, delivered, dead or combined)")]
pub struct DeliveryStateError(String);

impl FromStr for DeliveryState {
    type Err = DeliveryStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| DeliveryStateError(text.to_owned()))
    }
}

/// One row of the outbox. Times have millisecond precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// Where it goes.
    pub room: RoomAddress,
    /// The same over all attempts, restarts and replicas.
    pub txn_id: TxnId,
    /// What it says.
    pub message: RenderedMessage,
    /// What its text is still to be made of, where it is a digest that has none.
    pub digest_of: Option<Vec<Waiting>>,
    /// When it was accepted; a digest's is that of the oldest it names.
    pub accepted_at: Timestamp,
    /// When the alerts began; a digest's is the earliest it names.
    pub starts_at: Option<Timestamp>,
    /// Attempts begun, this one included.
    pub attempts: u32,
    /// When the first attempt began, since the last operator's retry, the last wait that did not count, and the last
    /// time in which nothing was tried at all.
    pub first_attempt_at: Option<Timestamp>,
    /// When the last attempt began.
    pub last_attempt_at: Option<Timestamp>,
    /// Why the last failed attempt failed.
    pub last_error: Option<String>,
    /// The attempts that failed, oldest first: the first and the last ones.
    pub failures: Vec<Failure>,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it was delivered or given up.
    pub finished_at: Option<Timestamp>,
    /// The event in the room, once delivered.
    pub event_id: Option<String>,
    /// The row that is sent in its place, once it is combined.
    pub combined_into: Option<DeliveryId>,
    /// How many deliveries it is sent in place of; 0 for an ordinary message.
    pub members: u32,
    /// What it is.
    pub part: Part,
    /// The event that it refers to.
    pub relation: Option<Relation>,
    /// The alert group that it belongs to, by the outbox's own number.
    pub group: Option<i64>,
}

#[cfg(test)]
mod tests;
