//! Recording in SQLite how an attempt ended, and what a room waits for.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::message::RoomAddress;
use crate::outbox::store::{Stored, clean, counts, message_text, millis};
use crate::outbox::{DeliveryId, OutboxError, Outcome, Recorded, RoomWait};

const STANDING: &str = "
    SELECT d.room_id, d.state, r.in_flight IS d.id, d.part = 'line' FROM delivery d JOIN room r ON r.id = d.room_id WHERE d.id = ?1";

const FREE_ROOM: &str = "UPDATE room SET in_flight = NULL, due_at = ?2, waits_since = ?3, reason = ?4 WHERE id = ?1";

const DELIVERED: &str = "UPDATE delivery SET state = 'delivered', finished_at = ?2, event_id = ?3 WHERE id = ?1";
/// Whatever goes out while there is no head becomes it.
const HEAD_DELIVERED: &str = "
    UPDATE head SET rang = 1, latest = CASE WHEN event_id IS NOT NULL AND ?3 THEN ?2 ELSE latest END,
        event_id = coalesce(event_id, ?2)
    WHERE id = (SELECT head_id FROM delivery WHERE id = ?1)";
const HEAD_GONE: &str = "
    UPDATE head SET event_id = NULL, latest = NULL WHERE id = (SELECT head_id FROM delivery WHERE id = ?1)";
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

/// Writes an outcome down, if it counts, and gives the claim back.
pub(super) fn record(
    connection: &Connection,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Recorded, OutboxError> {
    let standing: Option<(i64, String, bool, bool)> = connection
        .prepare_cached(STANDING)?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((room_id, state, held, is_line)) = standing else {
        return Ok(Recorded::Superseded);
    };
    if held {
        let (due_at, waits_since, reason) = match outcome {
            Outcome::Wait { until, reason, .. } => (millis(*until), millis(now), Some(clean(reason))),
            Outcome::Delivered { .. } | Outcome::Rewrite { .. } | Outcome::Detached { .. } | Outcome::Dead { .. } => {
                (0, 0, None)
            }
        };
        connection
            .prepare_cached(FREE_ROOM)?
            .execute(params![room_id, due_at, waits_since, reason])?;
    }
    if !counts(outcome, Stored::parse(&state)?, held) {
        let done = has_ended_so(connection, id, outcome, now)?;
        return Ok(if done { Recorded::Done } else { Recorded::Superseded });
    }
    match outcome {
        Outcome::Delivered { event_id } => {
            let event_id = clean(event_id);
            connection
                .prepare_cached(HEAD_DELIVERED)?
                .execute(params![id.0, event_id, is_line])?;
            connection
                .prepare_cached(DELIVERED)?
                .execute(params![id.0, millis(now), event_id])?
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
        Outcome::Detached { error } => {
            connection.prepare_cached(HEAD_GONE)?.execute([id.0])?;
            connection
                .prepare_cached(REFUSED)?
                .execute(params![id.0, clean(error)])?
        }
        Outcome::Dead { error } => {
            connection
                .prepare_cached(DEAD)?
                .execute(params![id.0, millis(now), clean(error)])?
        }
    };
    Ok(Recorded::Done)
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
