//! Notifications kept in SQLite for people to look at.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::outbox::store::{millis, timestamp};
use crate::outbox::{NewRecording, OutboxError, Recording, RecordingId};

const INSERT: &str = "INSERT INTO recording (received_at, title, body) VALUES (?1, ?2, ?3)";
const FORGET: &str = "
    DELETE FROM recording WHERE id NOT IN (SELECT id FROM recording ORDER BY id DESC LIMIT ?1)";
const LIST: &str = "SELECT id, title, received_at FROM recording ORDER BY id DESC";
const SHOW: &str = "SELECT id, title, received_at, body FROM recording WHERE id = ?1";

/// Adds some and forgets the oldest.
pub(super) fn keep(connection: &Connection, new: &[NewRecording], keep: usize) -> Result<(), OutboxError> {
    for one in new {
        let values = params![millis(one.received_at), one.title, one.body];
        connection.prepare_cached(INSERT)?.execute(values)?;
    }
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    connection.prepare_cached(FORGET)?.execute([keep])?;
    Ok(())
}

/// All of them, newest first.
pub(super) fn list(connection: &Connection) -> Result<Vec<Recording>, OutboxError> {
    let mut statement = connection.prepare_cached(LIST)?;
    let rows = statement.query_map([], recording)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One of them with its body.
pub(super) fn show(connection: &Connection, id: RecordingId) -> Result<Option<(Recording, String)>, OutboxError> {
    let with_body = |row: &Row<'_>| Ok((recording(row)?, row.get(3)?));
    Ok(connection
        .prepare_cached(SHOW)?
        .query_row([id.0], with_body)
        .optional()?)
}

fn recording(row: &Row<'_>) -> Result<Recording, rusqlite::Error> {
    Ok(Recording {
        id: RecordingId(row.get(0)?),
        title: row.get(1)?,
        received_at: timestamp(row.get(2)?),
    })
}
