//! Messages that a homeserver keeps and sends by itself unless the relay asks it in time not to: where they stand.
//!
//! Guarantees: one of a room is wanted at a time, whichever relay writes it; what was asked of the homeserver is written before it
//! is asked, so that a relay that is killed leaves none that nobody knows.

use std::time::Duration;

use jiff::Timestamp;

use super::columns::{millis, millis_of, timestamp};
use super::session::{Row, Session, values};
use super::{Outbox, OutboxError};
use crate::message::{RoomAddress, RoomAddressError, TxnId};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// The transaction in which it is scheduled.
    pub txn_id: TxnId,
    /// Where it will appear.
    pub room: RoomAddress,
    /// What the homeserver calls it; `None` until it has said so.
    pub delay_id: Option<String>,
    /// How it stands.
    pub state: ScheduledState,
    /// How long the homeserver waits.
    pub delay: Duration,
    /// When it was to be scheduled.
    pub scheduled_at: Timestamp,
    /// When the homeserver last began to wait anew.
    pub pushed_at: Timestamp,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduledState {
    /// It is kept and pushed back.
    Wanted,
    /// It is to be cancelled.
    Unwanted,
    /// It is in the room, and has to be taken back.
    Sent,
}

impl ScheduledState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Unwanted => "unwanted",
            Self::Sent => "sent",
        }
    }
}

impl Outbox {
    /// The messages that the homeserver sends by itself.
    pub async fn scheduled(&self) -> Result<Vec<Scheduled>, OutboxError> {
        self.store()?.scheduled().await
    }

    /// Adds one that is wanted, unless there is one in its room.
    pub async fn begin_scheduled(&self, new: Scheduled) -> Result<(), OutboxError> {
        self.store()?.begin_scheduled(new).await
    }

    /// Writes down how one stands.
    pub async fn write_scheduled(&self, one: Scheduled) -> Result<(), OutboxError> {
        self.store()?.write_scheduled(one).await
    }

    /// Forgets one about which nothing is to be done any more.
    pub async fn forget_scheduled(&self, txn_id: TxnId) -> Result<(), OutboxError> {
        self.store()?.forget_scheduled(txn_id).await
    }
}

const LIST: &str = "
    SELECT txn_id, room, delay_id, state, delay_ms, scheduled_at, pushed_at FROM outbox_switch ORDER BY scheduled_at, txn_id";
const BEGIN: &str = "
    INSERT INTO outbox_switch (txn_id, room, state, delay_ms, scheduled_at, pushed_at) VALUES (?1, ?2, 'wanted', ?3, ?4, ?4)
    ON CONFLICT DO NOTHING";
/// Another relay may have taken the room meanwhile: what was given up is wanted by nobody any more, and times do not go back.
const WRITE: &str = "
    UPDATE outbox_switch SET delay_id = coalesce(delay_id, ?2),
        state = CASE WHEN state = 'wanted' THEN ?3 WHEN ?3 = 'wanted' THEN state ELSE ?3 END,
        pushed_at = CASE WHEN ?4 > pushed_at THEN ?4 ELSE pushed_at END
    WHERE txn_id = ?1";
const FORGET: &str = "DELETE FROM outbox_switch WHERE txn_id = ?1";

/// All of them.
pub(super) async fn list<S: Session>(session: &mut S) -> Result<Vec<Scheduled>, OutboxError> {
    let rows = session.rows(LIST, values![]).await?;
    rows.into_iter().map(scheduled).collect()
}

/// Adds one, unless its room has one that is wanted.
pub(super) async fn begin<S: Session>(session: &mut S, new: &Scheduled) -> Result<(), OutboxError> {
    let (delay, at) = (millis_of(new.delay), millis(new.scheduled_at));
    let values = values![new.txn_id.as_str(), new.room.as_str(), delay, at];
    session.run(BEGIN, values).await.map(drop)
}

/// Writes how one stands.
pub(super) async fn write<S: Session>(session: &mut S, one: &Scheduled) -> Result<(), OutboxError> {
    let values = values![
        one.txn_id.as_str(),
        one.delay_id.clone(),
        one.state.as_str(),
        millis(one.pushed_at),
    ];
    session.run(WRITE, values).await.map(drop)
}

/// Removes one that nothing is to be done about any more.
pub(super) async fn forget<S: Session>(session: &mut S, txn_id: &TxnId) -> Result<(), OutboxError> {
    session.run(FORGET, values![txn_id.as_str()]).await.map(drop)
}

fn scheduled(mut row: Row) -> Result<Scheduled, OutboxError> {
    Ok(Scheduled {
        txn_id: TxnId::from_stored(row.text()?),
        room: row
            .text()?
            .parse()
            .map_err(|error: RoomAddressError| OutboxError::damaged(&format!("{error}")))?,
        delay_id: row.maybe_text()?,
        state: match row.text()?.as_str() {
            "wanted" => ScheduledState::Wanted,
            "unwanted" => ScheduledState::Unwanted,
            "sent" => ScheduledState::Sent,
            other => {
                return Err(OutboxError::damaged(&format!(
                    "`{other}` is no state of a scheduled message"
                )));
            }
        },
        delay: Duration::from_millis(row.count()?),
        scheduled_at: timestamp(row.int()?),
        pushed_at: timestamp(row.int()?),
    })
}
