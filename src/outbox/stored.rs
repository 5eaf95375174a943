//! How states, waits and receipts stand in the tables of both databases, and what people see of what cannot be read.

use jiff::Timestamp;

use super::claimed::CLOCK_SLACK_MS;
use super::columns::{millis, timestamp};
use super::delivery::{DeliveryId, DeliveryState, Receipt};
use super::error::OutboxError;
use super::outcome::Outcome;
use super::report::RoomWait;
use crate::message::{Mentions, MsgType, RenderedMessage, RoomAddress};

/// What people see of a message that cannot be read.
pub(super) fn unreadable(error: &impl std::fmt::Display) -> RenderedMessage {
    let text = format!("(cannot read it: {error})");
    RenderedMessage {
        body: text.clone(),
        formatted_body: String::new(),
        msgtype: MsgType::Notice,
        mentions: Mentions::default(),
        headline: text,
        ..RenderedMessage::default()
    }
}

/// Where a row stands in the table. In flight is not written there: the room says which of its rows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Waiting,
    Delivered,
    Dead,
    Combined,
}

impl Stored {
    pub(super) fn parse(text: &str) -> Result<Self, OutboxError> {
        match text {
            "waiting" => Ok(Self::Waiting),
            "delivered" => Ok(Self::Delivered),
            "dead" => Ok(Self::Dead),
            "combined" => Ok(Self::Combined),
            other => Err(OutboxError::bug(format!("`{other}` is not a stored state"))),
        }
    }

    pub(super) fn seen(self, in_flight: bool) -> DeliveryState {
        match self {
            Self::Waiting if in_flight => DeliveryState::InFlight,
            Self::Waiting => DeliveryState::Pending,
            Self::Delivered => DeliveryState::Delivered,
            Self::Dead => DeliveryState::Dead,
            Self::Combined => DeliveryState::Combined,
        }
    }
}

/// Whether an outcome counts. That a message is in the room is true from every process, and however late; anything else
/// only the holder of the claim may say, because somebody else may be sending the row by now.
pub(super) fn is_counted(outcome: &Outcome, state: Stored, claim_held: bool) -> bool {
    match (outcome, state) {
        (Outcome::Delivered { .. }, Stored::Waiting | Stored::Dead) => true,
        (_, Stored::Waiting) => claim_held,
        (_, Stored::Delivered | Stored::Dead | Stored::Combined) => false,
    }
}

/// The wait of a room, if it is one: over when its time has come, and when the clock stands before the moment at which
/// it was set, because then the clock was set back and the time may not come for a year.
pub(super) fn wait_of(due_at: i64, waits_since: i64, reason: Option<String>, now: Timestamp) -> Option<RoomWait> {
    let over = due_at <= millis(now) || waits_since > millis(now) + CLOCK_SLACK_MS;
    (!over).then(|| RoomWait {
        until: timestamp(due_at),
        reason: reason.unwrap_or_default(),
    })
}

/// Receipts as they lie beside a repeat key, so that they outlive the rows that they name.
pub(super) fn receipts_text(receipts: &[Receipt]) -> Result<String, OutboxError> {
    let pairs: Vec<(i64, &str)> = receipts
        .iter()
        .map(|receipt| (receipt.id.0, receipt.room.as_str()))
        .collect();
    Ok(serde_json::to_string(&pairs)?)
}

/// The reverse of [`receipts_text`].
pub(super) fn receipts_from(text: &str) -> Result<Vec<Receipt>, OutboxError> {
    let pairs: Vec<(i64, RoomAddress)> = serde_json::from_str(text)?;
    Ok(pairs
        .into_iter()
        .map(|(id, room)| Receipt {
            id: DeliveryId(id),
            room,
        })
        .collect())
}
