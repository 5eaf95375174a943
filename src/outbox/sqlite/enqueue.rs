//! Acceptance in SQLite.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::group;
use crate::outbox::plan::{NewRow, Plan, receipts};
use crate::outbox::store::{PreparedAcceptance, receipts_from, receipts_text};
use crate::outbox::{DeliveryId, Enqueued, OutboxError};

const REMEMBERED: &str = "SELECT receipts FROM repeat WHERE key = ?1 AND abs(?2 - accepted_at) < ?3";

const REMEMBER: &str = "
    INSERT INTO repeat (key, accepted_at, receipts) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET accepted_at = excluded.accepted_at, receipts = excluded.receipts";

/// Statements of their own, because `RETURNING` makes a temporary table each time.
const TAKE_POSITION: &str = "UPDATE room SET tail = tail + 1 WHERE address = ?1";
const NEW_ROOM: &str = "INSERT INTO room (address, tail) VALUES (?1, 1)";
const POSITION: &str = "SELECT id, tail FROM room WHERE address = ?1";

const INSERT: &str = "
    INSERT INTO delivery (room_id, position, txn_id, message, accepted_at, starts_at, part, reaction, head_id, gives_way)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
        ?10 AND EXISTS (SELECT 1 FROM head WHERE id = ?9 AND event_id IS NOT NULL))";

/// Adds all deliveries of one acceptance, unless it is a repeat or out of date.
pub(super) fn enqueue(
    connection: &Connection,
    acceptance: &PreparedAcceptance,
    window: Duration,
) -> Result<Enqueued, OutboxError> {
    let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    for key in acceptance.keys() {
        let first: Option<String> = connection
            .prepare_cached(REMEMBERED)?
            .query_row(params![key, acceptance.at, window], |row| row.get(0))
            .optional()?;
        if let Some(receipts) = first {
            if let Some(unknown) = acceptance.request_key.as_deref().filter(|request| *request != key) {
                remember(connection, unknown, acceptance.at, &receipts)?;
            }
            return Ok(Enqueued::Recognised(receipts_from(&receipts)?));
        }
    }
    let mut plan = group::plan(connection, acceptance)?;
    let Some(carriers) = plan.accept(acceptance)? else {
        return Ok(Enqueued::Outdated);
    };
    let added = write(connection, &plan)?;
    let receipts = receipts(&carriers, &added)?;
    let text = receipts_text(&receipts)?;
    for key in acceptance.keys() {
        remember(connection, key, acceptance.at, &text)?;
    }
    Ok(Enqueued::Accepted(receipts))
}

fn remember(connection: &Connection, key: &str, at: i64, receipts: &str) -> Result<(), OutboxError> {
    connection
        .prepare_cached(REMEMBER)?
        .execute(params![key, at, receipts])?;
    Ok(())
}

/// Carries a plan out, and returns the ids of the rows that were added.
fn write(connection: &Connection, plan: &Plan) -> Result<Vec<DeliveryId>, OutboxError> {
    for head in &plan.heads {
        group::new_head(connection, head)?;
    }
    for (id, text) in &plan.rewritten {
        group::rewrite(connection, *id, text)?;
    }
    for (key, written) in &plan.groups {
        group::write(connection, key, written)?;
    }
    let added = plan
        .rows
        .iter()
        .map(|row| insert(connection, row))
        .collect::<Result<Vec<_>, _>>()?;
    for (row, into) in &plan.folded {
        if let (Some(id), Some(into)) = (row.id(&added), into.id(&added)) {
            group::fold(connection, id, into)?;
        }
    }
    Ok(added)
}

fn insert(connection: &Connection, new: &NewRow) -> Result<DeliveryId, OutboxError> {
    let (room_id, position) = take_position(connection, new.room.as_str())?;
    let values = params![
        room_id,
        position,
        new.txn_id.as_str(),
        new.text,
        new.accepted_at,
        new.starts_at,
        new.part.as_str(),
        new.part.key(),
        new.head,
        new.part.gives_way(),
    ];
    connection.prepare_cached(INSERT)?.execute(values)?;
    Ok(DeliveryId(connection.last_insert_rowid()))
}

/// The room, made if it is new, and the next position at its tail.
pub(super) fn take_position(connection: &Connection, address: &str) -> Result<(i64, i64), OutboxError> {
    if connection.prepare_cached(TAKE_POSITION)?.execute([address])? == 0 {
        connection.prepare_cached(NEW_ROOM)?.execute([address])?;
    }
    let position = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok(connection.prepare_cached(POSITION)?.query_row([address], position)?)
}
