//! Recording in SQLite how an attempt ended, and what a room waits for.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::message::RoomAddress;
use crate::outbox::store::{Stored, clean, counts, message_text, millis};
use crate::outbox::{DeliveryId, OutboxError, Outcome, Recorded, RoomWait};

const STANDING: &str = "
    SELECT d.room_id, d.state, r.in_flight IS d.id, d.head_id, d.part, d.members
    FROM delivery d JOIN room r ON r.id = d.room_id WHERE d.id = ?1";

const FREE_ROOM: &str = "UPDATE room SET in_flight = NULL, due_at = ?2, waits_since = ?3, reason = ?4 WHERE id = ?1";

const DELIVERED: &str = "UPDATE delivery SET state = 'delivered', finished_at = ?2, event_id = ?3 WHERE id = ?1";
/// Whatever goes out while there is no head becomes it.
const HEAD_DELIVERED: &str = "
    UPDATE head SET rang = 1, shown = CASE WHEN ?4 IN ('head', 'edit') THEN max(shown, ?3) ELSE shown END,
        latest = CASE WHEN event_id IS NOT NULL AND ?4 IN ('head', 'line', 'rest') THEN ?2 ELSE latest END,
        event_id = coalesce(event_id, ?2)
    WHERE id = ?1";
/// A digest has rung for the heads that it names.
const HEADS_NAMED: &str = "
    UPDATE head SET rang = 1, shown = max(shown, coalesce((
        SELECT max(m.id) FROM delivery m
        WHERE +m.folded_into = ?1 AND m.head_id = head.id AND m.part IN ('head', 'edit')), 0))
    WHERE id IN (SELECT head_id FROM delivery WHERE folded_into = ?1)";
const HEAD_GONE: &str = "UPDATE head SET event_id = NULL, latest = NULL WHERE id = ?1";
/// What only shows a head's state can wait once the head is in the room, and stands for it where it is not.
const GIVE_WAY: &str = "
    UPDATE delivery SET gives_way = ?2
    WHERE head_id = ?1 AND state = 'waiting' AND attempts = 0 AND last_error IS NULL AND head_id IS NOT NULL
        AND part IN ('edit', 'rest', 'rest-reply', 'reaction')";
const REFUSED: &str = "UPDATE delivery SET last_error = ?2 WHERE id = ?1";
const FAILED: &str = "
    UPDATE delivery SET last_error = ?2, first_attempt_at = CASE WHEN ?3 THEN first_attempt_at END WHERE id = ?1";
const REWRITTEN: &str = "UPDATE delivery SET message = ?2, last_error = ?3 WHERE id = ?1";
const DEAD: &str = "UPDATE delivery SET state = 'dead', finished_at = ?2, last_error = ?3 WHERE id = ?1";
/// Whether a row has ended exactly so; `now` is a part of what was said, so who says it again is who said it.
const HAS_ENDED_SO: &str = "
    SELECT coalesce(finished_at = ?2 AND ?3 = CASE state WHEN 'delivered' THEN event_id WHEN 'dead' THEN last_error END,
        0)
    FROM delivery WHERE id = ?1";

const SET_ROOM_DUE: &str = "UPDATE room SET due_at = ?2, waits_since = ?3, reason = ?4 WHERE address = ?1";

/// A delivery before its outcome is written.
struct Standing {
    room_id: i64,
    state: String,
    held: bool,
    head: Option<String>,
    part: String,
    is_digest: bool,
}

/// Writes an outcome down, if it counts, and gives the claim back.
pub(super) fn record(
    connection: &Connection,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Recorded, OutboxError> {
    let standing: Option<Standing> = connection
        .prepare_cached(STANDING)?
        .query_row([id.0], |row| {
            Ok(Standing {
                room_id: row.get(0)?,
                state: row.get(1)?,
                held: row.get(2)?,
                head: row.get(3)?,
                part: row.get(4)?,
                is_digest: row.get::<_, i64>(5)? > 0,
            })
        })
        .optional()?;
    let Some(standing) = standing else {
        return Ok(Recorded::Superseded);
    };
    if standing.held {
        free_room(connection, standing.room_id, outcome, now)?;
    }
    if !counts(outcome, Stored::parse(&standing.state)?, standing.held) {
        let done = has_ended_so(connection, id, outcome, now)?;
        return Ok(if done { Recorded::Done } else { Recorded::Superseded });
    }
    change_heads(connection, id, &standing, outcome)?;
    write(connection, id, outcome, now)?;
    Ok(Recorded::Done)
}

fn free_room(connection: &Connection, room_id: i64, outcome: &Outcome, now: Timestamp) -> Result<(), OutboxError> {
    let (due_at, waits_since, reason) = match outcome {
        Outcome::Wait { until, reason, .. } => (millis(*until), millis(now), Some(clean(reason))),
        Outcome::Delivered { .. } | Outcome::Rewrite { .. } | Outcome::Detached { .. } | Outcome::Dead { .. } => {
            (0, 0, None)
        }
    };
    connection
        .prepare_cached(FREE_ROOM)?
        .execute(params![room_id, due_at, waits_since, reason])?;
    Ok(())
}

/// What an outcome means for the head that the delivery is, or refers to, or for those that it names.
fn change_heads(
    connection: &Connection,
    id: DeliveryId,
    standing: &Standing,
    outcome: &Outcome,
) -> Result<(), OutboxError> {
    match (outcome, &standing.head) {
        (Outcome::Delivered { event_id }, Some(head)) => {
            let values = params![head, clean(event_id), id.0, standing.part];
            connection.prepare_cached(HEAD_DELIVERED)?.execute(values)?;
            connection.prepare_cached(GIVE_WAY)?.execute(params![head, true])?;
        }
        (Outcome::Delivered { .. }, None) if standing.is_digest => {
            connection.prepare_cached(HEADS_NAMED)?.execute([id.0])?;
        }
        (Outcome::Detached { .. }, Some(head)) => {
            connection.prepare_cached(HEAD_GONE)?.execute([head])?;
            connection.prepare_cached(GIVE_WAY)?.execute(params![head, false])?;
        }
        _ => {}
    }
    Ok(())
}

fn write(connection: &Connection, id: DeliveryId, outcome: &Outcome, now: Timestamp) -> Result<(), OutboxError> {
    match outcome {
        Outcome::Delivered { event_id } => {
            connection
                .prepare_cached(DELIVERED)?
                .execute(params![id.0, millis(now), clean(event_id)])?
        }
        Outcome::Wait { error, counts, .. } => {
            connection
                .prepare_cached(FAILED)?
                .execute(params![id.0, clean(error), counts])?
        }
        Outcome::Rewrite { message, error } => {
            connection
                .prepare_cached(REWRITTEN)?
                .execute(params![id.0, message_text(message)?, clean(error)])?
        }
        Outcome::Detached { error } => connection
            .prepare_cached(REFUSED)?
            .execute(params![id.0, clean(error)])?,
        Outcome::Dead { error } => {
            connection
                .prepare_cached(DEAD)?
                .execute(params![id.0, millis(now), clean(error)])?
        }
    };
    Ok(())
}

fn has_ended_so(
    connection: &Connection,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<bool, OutboxError> {
    let Some(end) = outcome.end() else { return Ok(false) };
    let mut statement = connection.prepare_cached(HAS_ENDED_SO)?;
    Ok(statement.query_row(params![id.0, millis(now), clean(end)], |row| row.get(0))?)
}

/// Lets a room wait, or not any more.
pub(super) fn set_room_due(
    connection: &Connection,
    room: &RoomAddress,
    wait: Option<&RoomWait>,
    now: Timestamp,
) -> Result<(), OutboxError> {
    let values = match wait {
        Some(wait) => params![room.as_str(), millis(wait.until), millis(now), clean(&wait.reason)],
        None => params![room.as_str(), 0, 0, None::<String>],
    };
    connection.prepare_cached(SET_ROOM_DUE)?.execute(values)?;
    Ok(())
}
