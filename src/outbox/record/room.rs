//! The room of what was tried: locked while the outcome is written, and free, waiting, or due again afterwards.

use jiff::Timestamp;

use super::super::columns::{clean, millis};
use super::super::session::{Session, values};
use super::super::{DeliveryId, OutboxError, Outcome, RoomWait};
use crate::message::RoomAddress;

pub(super) const ROOM_OF_NEWS: &str = "
    SELECT id, address, current, owner, news_run FROM outbox_room WHERE id = (SELECT room_id FROM outbox_news WHERE id = ?1)
    /*pg FOR NO KEY UPDATE*/";

pub(super) const ROOM_OF_GROUP: &str = "
    SELECT id, address, current, owner, news_run FROM outbox_room WHERE id = (SELECT room_id FROM outbox_group WHERE id = ?1)
    /*pg FOR NO KEY UPDATE*/";

const FREE_ROOM: &str = "
    UPDATE outbox_room SET owner = NULL, current = ?2, due_at = ?3, waits_since = ?4, reason = ?5 WHERE id = ?1";

pub(super) const END_CURRENT: &str =
    "UPDATE outbox_room SET current = NULL WHERE id = ?1 AND current = ?2 AND owner IS NULL";

pub(super) const SET_ROOM_DUE: &str =
    "UPDATE outbox_room SET due_at = ?2, waits_since = ?3, reason = ?4 WHERE address = ?1";

/// The room of a delivery, locked.
pub(in crate::outbox) struct Room {
    pub(in crate::outbox) id: i64,
    pub(in crate::outbox) address: String,
    pub(super) current: Option<i64>,
    pub(super) owner: Option<String>,
    pub(in crate::outbox) news_run: i64,
}

impl Room {
    /// Whether somebody is sending it now.
    pub(in crate::outbox) fn sends(&self, id: DeliveryId) -> bool {
        self.current == Some(id.0) && self.owner.is_some()
    }

    pub(in crate::outbox) fn is_held(&self, id: DeliveryId, owner: &str) -> bool {
        self.current == Some(id.0) && self.owner.as_deref() == Some(owner)
    }
}

/// Locks the room of a delivery.
pub(in crate::outbox) async fn lock<S: Session>(session: &mut S, id: DeliveryId) -> Result<Option<Room>, OutboxError> {
    let (sql, key) = id
        .edited_group()
        .map_or((ROOM_OF_NEWS, id.0), |group| (ROOM_OF_GROUP, group));
    let Some(mut row) = session.row(sql, values![key]).await? else {
        return Ok(None);
    };
    Ok(Some(Room {
        id: row.int()?,
        address: row.text()?,
        current: row.maybe_int()?,
        owner: row.maybe_text()?,
        news_run: row.int()?,
    }))
}

/// Lets go of the room after such an outcome: it is free, or waits.
pub(in crate::outbox) async fn free_room<S: Session>(
    session: &mut S,
    room: &Room,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), OutboxError> {
    let (due_at, waits_since, reason) = match outcome {
        Outcome::Wait { until, reason, .. } => (millis(*until), millis(now), Some(clean(reason))),
        Outcome::Delivered { .. } | Outcome::Rewrite { .. } | Outcome::Detached { .. } | Outcome::Dead { .. } => {
            (0, 0, None)
        }
    };
    let is_still_current = matches!(outcome, Outcome::Wait { .. } | Outcome::Rewrite { .. });
    let current = is_still_current.then_some(id.0);
    let free = values![room.id, current, due_at, waits_since, reason];
    session.run(FREE_ROOM, free).await.map(drop)
}

/// Lets go of a room that has nothing begun and need not wait.
pub(in crate::outbox) async fn end_hold<S: Session>(session: &mut S, room: i64) -> Result<(), OutboxError> {
    let free = values![room, None::<i64>, 0, 0, None::<String>];
    session.run(FREE_ROOM, free).await.map(drop)
}

/// Lets a room wait, or not any more.
pub(in crate::outbox) async fn set_room_due<S: Session>(
    session: &mut S,
    room: &RoomAddress,
    wait: Option<&RoomWait>,
    now: Timestamp,
) -> Result<(), OutboxError> {
    let values = match wait {
        Some(wait) => values![room.as_str(), millis(wait.until), millis(now), clean(&wait.reason)],
        None => values![room.as_str(), 0, 0, None::<String>],
    };
    session.run(SET_ROOM_DUE, values).await.map(drop)
}
