//! What operators and metrics see of the outbox, and what their commands answer.

use jiff::{SignedDuration, Timestamp};

use super::delivery::{Delivery, DeliveryId, DeliveryState};
use crate::message::RoomAddress;

/// How full the outbox is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Waits and is not in flight: news, and messages that have to be brought up to date.
    pub pending: u64,
    /// Is being sent.
    pub in_flight: u64,
    /// Was given up.
    pub dead: u64,
    /// Is in its room and not pruned yet.
    pub delivered: u64,
    /// Is named in a digest, or taken up by a newer text, and not pruned yet.
    pub combined: u64,
    /// The rooms that have anything waiting or dead, by address.
    pub rooms: Vec<RoomStats>,
}

impl Stats {
    /// When the oldest delivery that still waits was accepted.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.rooms.iter().filter_map(|room| room.oldest).min()
    }
}

/// One room's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomStats {
    /// Which room.
    pub room: RoomAddress,
    /// Pending or in flight.
    pub waiting: u64,
    /// Given up.
    pub dead: u64,
    /// When the oldest that waits was accepted.
    pub oldest: Option<Timestamp>,
    /// What the room waits for; `None` if it does not.
    pub wait: Option<RoomWait>,
    /// Why the last attempt for the room failed; it stays until one succeeds or the message is given up.
    pub trouble: Option<String>,
}

/// Why a room is not tried now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomWait {
    /// Tried again then.
    pub until: Timestamp,
    /// What kept it back, as it was recorded.
    pub reason: String,
}

/// Which deliveries to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only of this room.
    pub room: Option<RoomAddress>,
    /// Only what this one is sent in place of.
    pub combined_into: Option<DeliveryId>,
    /// Only of this alert group, by the outbox's own number.
    pub group: Option<i64>,
    /// Only older than this one: the next page.
    pub before: Option<DeliveryId>,
    /// At most so many; 0 lists nothing.
    pub limit: usize,
}

/// What became of one delivery that was to be retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// Which one.
    pub id: DeliveryId,
    /// What became of it.
    pub result: RetryResult,
}

/// The answer to a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryResult {
    /// It waits again, at the tail of its room, under its old transaction ID.
    Queued {
        /// Time since the last attempt; `None` if there was none.
        idle: Option<SignedDuration>,
    },
    /// Only what is dead can be retried.
    NotDead(DeliveryState),
    /// There is no such delivery.
    Unknown,
}

impl RetryResult {
    /// How long Synapse remembers a transaction ID.
    pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

    /// Whether the homeserver may have forgotten it: it was tried, and so long ago that it would not be recognised.
    pub fn may_repeat(&self) -> bool {
        matches!(self, Self::Queued { idle: Some(idle) } if *idle >= Self::REMEMBERED)
    }
}

/// The answer to giving up a delivery that waits, and to deleting one that is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is done.
    Done,
    /// Left alone: it is in another state.
    Kept(DeliveryState),
    /// There is no such delivery.
    Unknown,
}

/// An edit that is owed.
#[derive(Debug, Clone, PartialEq)]
pub struct OwedEdit {
    /// What will be sent, as it would be now.
    pub delivery: Delivery,
    /// The delivery whose message it edits.
    pub root: Option<DeliveryId>,
}
