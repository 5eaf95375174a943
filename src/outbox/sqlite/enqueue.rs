//! Acceptance in SQLite.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use crate::outbox::store::{Prepared, PreparedAcceptance, receipts_from, receipts_text};
use crate::outbox::{DeliveryId, Enqueued, OutboxError, Receipt};

const REMEMBERED: &str = "SELECT receipts FROM repeat WHERE key = ?1 AND abs(?2 - accepted_at) < ?3";

const REMEMBER: &str = "
    INSERT INTO repeat (key, accepted_at, receipts) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET accepted_at = excluded.accepted_at, receipts = excluded.receipts";

const TAKE_POSITION: &str = "
    INSERT INTO room (address, tail) VALUES (?1, 1)
    ON CONFLICT (address) DO UPDATE SET tail = tail + 1
    RETURNING id, tail";

const INSERT: &str = "
    INSERT INTO delivery (room_id, position, txn_id, message, accepted_at, starts_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Adds all deliveries of one acceptance, unless it is a repeat.
pub(super) fn enqueue(
    connection: &Connection,
    acceptance: &PreparedAcceptance,
    window: Duration,
) -> Result<Enqueued, OutboxError> {
    let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    if let Some(key) = &acceptance.repeat_key {
        let first: Option<String> = connection
            .prepare_cached(REMEMBERED)?
            .query_row(params![key, acceptance.at, window], |row| row.get(0))
            .optional()?;
        if let Some(receipts) = first {
            return Ok(Enqueued::Recognised(receipts_from(&receipts)?));
        }
    }
    let receipts: Vec<Receipt> = acceptance
        .deliveries
        .iter()
        .map(|delivery| insert(connection, delivery, acceptance.at))
        .collect::<Result<_, _>>()?;
    if let Some(key) = &acceptance.repeat_key {
        let values = params![key, acceptance.at, receipts_text(&receipts)?];
        connection.prepare_cached(REMEMBER)?.execute(values)?;
    }
    Ok(Enqueued::Accepted(receipts))
}

fn insert(connection: &Connection, new: &Prepared, at: i64) -> Result<Receipt, OutboxError> {
    let (room_id, position) = take_position(connection, new.room.as_str())?;
    let values = params![room_id, position, new.txn_id.as_str(), new.message, at, new.starts_at];
    connection.prepare_cached(INSERT)?.execute(values)?;
    Ok(Receipt {
        id: DeliveryId(connection.last_insert_rowid()),
        room: new.room.clone(),
    })
}

/// The room, made if it is new, and the next position at its tail.
pub(super) fn take_position(connection: &Connection, address: &str) -> Result<(i64, i64), OutboxError> {
    Ok(connection
        .prepare_cached(TAKE_POSITION)?
        .query_row([address], |row| Ok((row.get(0)?, row.get(1)?)))?)
}
