//! What an operator, or the calendar, does to rows in SQLite: retry, drop, prune.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::enqueue::take_position;
use crate::message::RoomAddress;
use crate::outbox::store::{DROPPED, PRUNE_STEP, Stored, millis};
use crate::outbox::{DeliveryId, DeliveryState, Dropped, OutboxError, Retried, RetryResult};

const STANDING: &str = "
    SELECT d.state, r.in_flight IS d.id, r.address, d.last_attempt_at
    FROM delivery d JOIN room r ON r.id = d.room_id WHERE d.id = ?1";

/// What shows a state is out of date once a newer one is known in the room or waits for it, and where nothing stands for
/// its head while its group has another one.
const IS_OUTDATED: &str = "
    SELECT d.part IN ('head', 'edit', 'rest', 'rest-reply') AND (
        h.shown > d.id
        OR EXISTS (
            SELECT 1 FROM delivery n
            WHERE n.head_id = d.head_id AND n.id > d.id AND n.part = 'edit' AND n.state IN ('waiting', 'folded'))
        OR h.event_id IS NULL AND NOT EXISTS (SELECT 1 FROM alert_group g WHERE g.head_id = h.id))
    FROM delivery d JOIN head h ON h.id = d.head_id WHERE d.id = ?1";

/// The attempts stay counted, for what was ever tried is never folded; the horizon of giving up begins anew.
const REQUEUE: &str = "
    UPDATE delivery SET state = 'waiting', gives_way = 0, position = ?2, finished_at = NULL, first_attempt_at = NULL WHERE id = ?1";
const WAKE_ROOM: &str = "UPDATE room SET due_at = 0, waits_since = 0, reason = NULL WHERE address = ?1";

const DEAD_OF_ROOM: &str = "
    SELECT d.id FROM delivery d WHERE d.room_id = (SELECT id FROM room WHERE address = ?1) AND d.state = 'dead'
    ORDER BY d.position";

const GIVE_UP: &str = "UPDATE delivery SET state = 'dead', finished_at = ?2, last_error = ?3 WHERE id = ?1";
const REMOVE_MEMBERS: &str = "DELETE FROM delivery WHERE folded_into = ?1";
const REMOVE: &str = "DELETE FROM delivery WHERE id = ?1";

/// Members go before the digest that names them.
const PRUNE_FOLDED: &str = "
    DELETE FROM delivery WHERE id IN (
        SELECT m.id FROM delivery d JOIN delivery m ON m.folded_into = d.id
        WHERE d.state = 'delivered' AND d.finished_at < ?1 AND d.members > 0 LIMIT ?2)";
/// What was taken up by an ordinary message: never more than a few rows each.
const PRUNE_TAKEN_UP: &str = "
    DELETE FROM delivery WHERE folded_into IN (
        SELECT d.id FROM delivery d WHERE d.state = 'delivered' AND d.finished_at < ?1 AND d.members = 0
        ORDER BY d.finished_at LIMIT ?2)";
const PRUNE_DELIVERED: &str = "
    DELETE FROM delivery WHERE id IN (
        SELECT d.id FROM delivery d WHERE d.state = 'delivered' AND d.finished_at < ?1
            AND NOT EXISTS (SELECT 1 FROM delivery m WHERE m.folded_into = d.id)
        ORDER BY d.finished_at LIMIT ?2)";
const PRUNE_REPEATS: &str = "
    DELETE FROM repeat WHERE key IN (SELECT key FROM repeat WHERE accepted_at < ?1 LIMIT ?2)";
/// A group is not forgotten as long as the room has nothing of it and something could still be sent: by it is known
/// whether that is out of date.
const PRUNE_GROUPS: &str = "
    DELETE FROM alert_group WHERE key IN (
        SELECT g.key FROM alert_group g WHERE g.changed_at < ?1 AND NOT EXISTS (
            SELECT 1 FROM head h JOIN delivery d ON d.head_id = h.id
            WHERE h.id = g.head_id AND h.event_id IS NULL AND d.state IN ('waiting', 'dead'))
        LIMIT ?2)";
const PRUNE_HEADS: &str = "
    DELETE FROM head WHERE id IN (
        SELECT h.id FROM head h WHERE NOT EXISTS (SELECT 1 FROM alert_group g WHERE g.head_id = h.id)
            AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.head_id = h.id) LIMIT ?1)";

/// How long what is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    pub(super) delivered: Duration,
    pub(super) keys: Duration,
    pub(super) groups: Duration,
}

/// Puts dead deliveries at the tail of their rooms, in the order given.
pub(super) fn retry(connection: &Connection, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
    ids.iter()
        .map(|&id| {
            let result = retry_one(connection, id, now)?;
            Ok(Retried { id, result })
        })
        .collect()
}

fn retry_one(connection: &Connection, id: DeliveryId, now: Timestamp) -> Result<RetryResult, OutboxError> {
    let Some(standing) = standing(connection, id)? else {
        return Ok(RetryResult::Unknown);
    };
    if standing.state != DeliveryState::Dead {
        return Ok(RetryResult::NotDead(standing.state));
    }
    let is_outdated: Option<bool> = connection
        .prepare_cached(IS_OUTDATED)?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    if is_outdated.unwrap_or_default() {
        return Ok(RetryResult::Outdated);
    }
    let (_, position) = take_position(connection, &standing.address)?;
    connection.prepare_cached(REQUEUE)?.execute([id.0, position])?;
    connection.prepare_cached(WAKE_ROOM)?.execute([standing.address])?;
    let idle = standing
        .last_attempt_at
        .map(|last| SignedDuration::from_millis(millis(now).saturating_sub(last)));
    Ok(RetryResult::Queued { idle })
}

/// The dead deliveries of a room, in their order.
pub(super) fn dead_of_room(connection: &Connection, room: &RoomAddress) -> Result<Vec<DeliveryId>, OutboxError> {
    let mut statement = connection.prepare_cached(DEAD_OF_ROOM)?;
    let ids = statement.query_map([room.as_str()], |row| Ok(DeliveryId(row.get(0)?)))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// First use gives a waiting delivery up, second use removes the dead one.
pub(super) fn discard(connection: &Connection, id: DeliveryId, now: Timestamp) -> Result<Dropped, OutboxError> {
    let Some(standing) = standing(connection, id)? else {
        return Ok(Dropped::Unknown);
    };
    match standing.state {
        DeliveryState::Pending => {
            connection
                .prepare_cached(GIVE_UP)?
                .execute(params![id.0, millis(now), DROPPED])?;
            Ok(Dropped::GivenUp)
        }
        DeliveryState::Dead => {
            connection.prepare_cached(REMOVE_MEMBERS)?.execute([id.0])?;
            connection.prepare_cached(REMOVE)?.execute([id.0])?;
            Ok(Dropped::Removed)
        }
        kept @ (DeliveryState::InFlight | DeliveryState::Delivered | DeliveryState::Folded) => Ok(Dropped::Kept(kept)),
    }
}

/// Removes one step's worth of what is old; 0 when there is no more.
pub(super) fn prune_step(connection: &Connection, now: Timestamp, keep: Keep) -> Result<u64, OutboxError> {
    let before = |keep: Duration| millis(now).saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
    let rows = [before(keep.delivered), PRUNE_STEP];
    let mut removed = connection.prepare_cached(PRUNE_FOLDED)?.execute(rows)?;
    removed += connection.prepare_cached(PRUNE_TAKEN_UP)?.execute(rows)?;
    removed += connection.prepare_cached(PRUNE_DELIVERED)?.execute(rows)?;
    removed += connection
        .prepare_cached(PRUNE_REPEATS)?
        .execute([before(keep.keys), PRUNE_STEP])?;
    removed += connection
        .prepare_cached(PRUNE_GROUPS)?
        .execute([before(keep.groups), PRUNE_STEP])?;
    removed += connection.prepare_cached(PRUNE_HEADS)?.execute([PRUNE_STEP])?;
    Ok(removed as u64)
}

struct Standing {
    state: DeliveryState,
    address: String,
    last_attempt_at: Option<i64>,
}

fn standing(connection: &Connection, id: DeliveryId) -> Result<Option<Standing>, OutboxError> {
    let row: Option<(String, bool, String, Option<i64>)> = connection
        .prepare_cached(STANDING)?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    row.map(|(state, in_flight, address, last_attempt_at)| {
        Ok(Standing {
            state: Stored::parse(&state)?.seen(in_flight),
            address,
            last_attempt_at,
        })
    })
    .transpose()
}
