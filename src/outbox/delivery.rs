//! The outbox's nouns: a delivery, its states, and what goes in and comes out.
//!
//! A delivery is one message owed to one room. It is `Pending` until it is claimed, `InFlight` while somebody sends it,
//! and ends `Delivered`, `Dead` or `Folded`. Nothing here touches a database or a clock.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::part::{GroupChange, Part};
use crate::message::{Mentions, MsgType, Relation, RenderedMessage, RoomAddress, TxnId};

/// Names a delivery for its whole life; grows with acceptance, but does not order a room (a retried row keeps its id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One message that shall be owed to one room.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Where it goes.
    pub room: RoomAddress,
    /// What it says, final.
    pub message: RenderedMessage,
    /// When the alerts began, for the age at delivery.
    pub starts_at: Option<Timestamp>,
    /// What it is to its group.
    pub part: Part,
    /// The group's key, for everything that refers to a head or is one.
    pub group: Option<String>,
}

impl NewDelivery {
    /// A message that belongs to no group.
    pub fn message(room: RoomAddress, message: RenderedMessage) -> Self {
        Self {
            room,
            message,
            starts_at: None,
            part: Part::Message,
            group: None,
        }
    }
}

/// All deliveries of one request: either all of them are accepted, or none.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// In the order in which they shall appear.
    pub deliveries: Vec<NewDelivery>,
    /// What is known of the groups from now on. If one of them was changed since it was read, nothing is accepted.
    pub groups: Vec<GroupChange>,
    /// Two requests with the same key within the repeat window are one. `None`: never a repeat.
    pub repeat_key: Option<String>,
    /// The same for a request that cannot come twice but by being sent again, whatever came between; looked at first.
    /// Where only the repeat key is known, this one is from then on, too.
    pub request_key: Option<String>,
    /// Now.
    pub at: Timestamp,
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

/// The proof that a message is owed: by a row of its own, or by one that waited and now says this too.
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
    /// Waits for its turn.
    Pending,
    /// Somebody sends it now.
    InFlight,
    /// In the room; the event ID is known.
    Delivered,
    /// Given up, and kept until somebody retries or drops it.
    Dead,
    /// Another row is sent in its place: a digest that names it, or a newer text that takes it up.
    Folded,
}

impl DeliveryState {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 5] = [Self::Pending, Self::InFlight, Self::Delivered, Self::Dead, Self::Folded];

    /// The word that the operator reads and types.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InFlight => "in-flight",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Folded => "folded",
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
#[error("`{0}` is not a state: pending, in-flight, delivered, dead or folded")]
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
    /// Where it stands.
    pub state: DeliveryState,
    /// When it was delivered or given up.
    pub finished_at: Option<Timestamp>,
    /// The event in the room, once delivered.
    pub event_id: Option<String>,
    /// The row that is sent in its place, once folded.
    pub folded_into: Option<DeliveryId>,
    /// How many deliveries this digest names; 0 for an ordinary message.
    pub members: u32,
    /// What it is to its group.
    pub part: Part,
    /// The event that it refers to, as far as there is one now. Without, it stands for itself, and becomes the head.
    pub relation: Option<Relation>,
    /// Whether the head that it refers to has rung already.
    pub head_rang: bool,
}

impl Delivery {
    /// What is to be sent. What has to stand for a head which is gone rings nobody a second time. A head that comes after
    /// what stands for it has not rung, and does: it would be out of date if an edit or a digest had said it.
    pub fn outgoing(&self) -> Cow<'_, RenderedMessage> {
        let stands_in = matches!(self.part, Part::Head | Part::Edit) && self.relation.is_none() && self.head_rang;
        if stands_in {
            return Cow::Owned(RenderedMessage {
                msgtype: MsgType::Notice,
                mentions: Mentions::default(),
                ..self.message.clone()
            });
        }
        Cow::Borrowed(&self.message)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is in the room.
    Delivered {
        /// The homeserver's name for it.
        event_id: String,
    },
    /// It stays the head of its room, and the room waits.
    Wait {
        /// Until then.
        until: Timestamp,
        /// What keeps the room back, for operators.
        reason: String,
        /// What was answered.
        error: String,
        /// Whether the time until then counts towards giving up; if not, `first_attempt_at` begins anew.
        counts: bool,
    },
    /// Send this instead, at once and under the same transaction ID.
    Rewrite {
        /// The new content.
        message: RenderedMessage,
        /// Why the old one could not be sent.
        error: String,
    },
    /// The event that it refers to is gone, or takes no such relation. Send it again at once, as a message of its own that
    /// becomes the head, and under the same transaction ID: it is not in the room, or if an earlier attempt did get
    /// there, the homeserver answers with the event of then, and there is still one.
    Detached {
        /// What was answered.
        error: String,
    },
    /// Given up: it stays readable, and the room goes on without it.
    Dead {
        /// Why.
        error: String,
    },
}

impl Outcome {
    /// What is left of it in a row that it ends; `None` for what ends none.
    pub(super) fn end(&self) -> Option<&str> {
        match self {
            Self::Delivered { event_id } => Some(event_id),
            Self::Dead { error } => Some(error),
            Self::Wait { .. } | Self::Rewrite { .. } | Self::Detached { .. } => None,
        }
    }
}

/// Whether an outcome counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is on disk: by this call, or by the same one before, whose answer was lost.
    Done,
    /// The claim had passed to somebody else, or the row had ended before: nothing was changed.
    Superseded,
}
