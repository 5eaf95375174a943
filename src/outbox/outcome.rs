//! How an attempt ended, and what became of that word.

use jiff::Timestamp;

use super::delivery::{Delivery, DeliveryId};
use crate::message::RenderedMessage;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is in the room.
    Delivered {
        /// The homeserver's name for it.
        event_id: String,
    },
    /// It stays what its room is at, and the room waits.
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
    /// The event that it refers to is gone, or takes no such relation: the message of its group is sent once more, quietly,
    /// and this, if it is a line, after it.
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
    /// Why the attempt failed, if it did.
    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Delivered { .. } => None,
            Self::Wait { error, .. }
            | Self::Rewrite { error, .. }
            | Self::Detached { error }
            | Self::Dead { error } => Some(error),
        }
    }

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

/// What a claim found.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) deliveries: Vec<Delivery>,
    /// What cannot be read, and was given up so that nothing waits behind it, with the reasons.
    pub(super) unreadable: Vec<(DeliveryId, String)>,
}
