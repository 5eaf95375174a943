//! What is only read from SQLite: rows for people, counts for metrics.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::message::{RenderedMessage, RoomAddress, TxnId};
use crate::outbox::merge;
use crate::outbox::store::{Stored, timestamp, unreadable, wait_of};
use crate::outbox::{Delivery, DeliveryId, DeliveryState, Filter, OutboxError, Part, RoomStats, RoomWait, Stats};

const SHOW: &str = "
    SELECT d.*, r.address, r.in_flight IS d.id AS is_in_flight, h.event_id AS head_event, h.latest, h.rang
    FROM delivery d JOIN room r ON r.id = d.room_id LEFT JOIN head h ON h.id = d.head_id WHERE d.id = ?1";

const LIST: &str = "
    SELECT d.*, r.address, r.in_flight IS d.id AS is_in_flight, h.event_id AS head_event, h.latest, h.rang
    FROM delivery d JOIN room r ON r.id = d.room_id LEFT JOIN head h ON h.id = d.head_id
    WHERE (:state IS NULL OR CASE WHEN r.in_flight IS d.id THEN 'in-flight' WHEN d.state = 'waiting' THEN 'pending'
            ELSE d.state END = :state)
        AND (:room IS NULL OR r.address = :room)
        AND (:digest IS NULL OR d.folded_into = :digest)
        AND d.id < :before
    ORDER BY d.id DESC LIMIT :limit";

const ROOMS: &str = "
    SELECT r.address, r.due_at, r.waits_since, r.reason, r.in_flight IS NOT NULL,
        (SELECT count(*) FROM delivery w WHERE w.room_id = r.id AND w.state = 'waiting') AS waiting,
        (SELECT count(*) FROM delivery x WHERE x.room_id = r.id AND x.state = 'dead') AS dead,
        (SELECT h.accepted_at FROM delivery h WHERE h.room_id = r.id AND h.state = 'waiting' ORDER BY h.position LIMIT 1)
    FROM room r WHERE waiting > 0 OR dead > 0 ORDER BY r.address";

const FINISHED: &str = "
    SELECT (SELECT count(*) FROM delivery WHERE state = 'delivered'),
        (SELECT count(*) FROM delivery WHERE folded_into IS NOT NULL)";

const ROOM_WAIT: &str = "SELECT due_at, waits_since, reason FROM room WHERE address = ?1";

/// The head that an edit stands for, if nobody has heard of it: it was given up before it was in the room.
const UNHEARD: &str = "
    SELECT u.message FROM delivery d JOIN head h ON h.id = d.head_id JOIN delivery u ON u.head_id = d.head_id
    WHERE d.id = ?1 AND d.part = 'edit' AND h.event_id IS NULL AND NOT h.rang AND u.part = 'head' AND u.state = 'dead'
        AND u.state IN ('dead', 'folded') AND u.head_id IS NOT NULL
    ORDER BY u.id DESC LIMIT 1";

/// One row, for people.
pub(super) fn show(connection: &Connection, id: DeliveryId) -> Result<Option<Delivery>, OutboxError> {
    Ok(connection.prepare_cached(SHOW)?.query_row([id.0], shown).optional()?)
}

/// One row that is to be sent; the reason where it cannot be read.
pub(super) fn sendable(connection: &Connection, id: DeliveryId) -> Result<Result<Delivery, String>, OutboxError> {
    let read = |row: &Row<'_>| delivery(row, room(row, "address")?, message(row)?);
    match connection.prepare_cached(SHOW)?.query_row([id.0], read) {
        Ok(mut delivery) => {
            if delivery.part == Part::Edit && delivery.relation.is_none() {
                let unheard: Option<String> = connection
                    .prepare_cached(UNHEARD)?
                    .query_row([id.0], |row| row.get(0))
                    .optional()?;
                merge::speak_for(&mut delivery.message, unheard.as_deref());
            }
            Ok(Ok(delivery))
        }
        Err(
            error @ (rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)),
        ) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Rows, newest first.
pub(super) fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Delivery>, OutboxError> {
    let mut statement = connection.prepare_cached(LIST)?;
    let rows = statement.query_map(
        named_params! {
            ":state": filter.state.map(DeliveryState::as_str),
            ":room": filter.room.as_ref().map(RoomAddress::as_str),
            ":digest": filter.folded_into.map(|id| id.0),
            ":before": filter.before.map_or(i64::MAX, |id| id.0),
            ":limit": i64::try_from(filter.limit).unwrap_or(i64::MAX),
        },
        shown,
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Counts, by room and in all.
pub(super) fn stats(connection: &Connection, now: Timestamp) -> Result<Stats, OutboxError> {
    let mut stats = Stats::default();
    let mut statement = connection.prepare_cached(ROOMS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (waiting, dead): (u64, u64) = (row.get(5)?, row.get(6)?);
        let in_flight = u64::from(row.get::<_, bool>(4)?);
        stats.pending += waiting.saturating_sub(in_flight);
        stats.in_flight += in_flight;
        stats.dead += dead;
        // What has no address that can be read is counted all the same.
        let Ok(room) = room(row, 0) else { continue };
        stats.rooms.push(RoomStats {
            room,
            waiting,
            dead,
            oldest: row.get::<_, Option<i64>>(7)?.map(timestamp),
            wait: wait_of(row.get(1)?, row.get(2)?, row.get(3)?, now),
            trouble: row.get(3)?,
        });
    }
    (stats.delivered, stats.folded) = connection
        .prepare_cached(FINISHED)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(stats)
}

/// What a room waits for.
pub(super) fn room_due(
    connection: &Connection,
    room: &RoomAddress,
    now: Timestamp,
) -> Result<Option<RoomWait>, OutboxError> {
    let wait = connection
        .prepare_cached(ROOM_WAIT)?
        .query_row([room.as_str()], |row| {
            Ok(wait_of(row.get(0)?, row.get(1)?, row.get(2)?, now))
        })
        .optional()?;
    Ok(wait.flatten())
}

/// A row with all that can be read of it.
fn shown(row: &Row<'_>) -> Result<Delivery, rusqlite::Error> {
    let room = room(row, "address").unwrap_or_else(|_| RoomAddress::nowhere());
    delivery(row, room, message(row).unwrap_or_else(|error| unreadable(&error)))
}

fn message(row: &Row<'_>) -> Result<RenderedMessage, rusqlite::Error> {
    let message = serde_json::from_str(row.get_ref("message")?.as_str()?);
    message.map_err(|error| damaged(error.into()))
}

fn delivery(row: &Row<'_>, room: RoomAddress, message: RenderedMessage) -> Result<Delivery, rusqlite::Error> {
    let time = |name: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(name)?.map(timestamp));
    let stored = Stored::parse(row.get_ref("state")?.as_str()?).map_err(damaged)?;
    let part = Part::stored(row.get_ref("part")?.as_str()?, row.get("reaction")?);
    Ok(Delivery {
        id: DeliveryId(row.get("id")?),
        room,
        txn_id: TxnId::from_stored(row.get("txn_id")?),
        message,
        accepted_at: timestamp(row.get("accepted_at")?),
        starts_at: time("starts_at")?,
        attempts: row.get("attempts")?,
        first_attempt_at: time("first_attempt_at")?,
        last_attempt_at: time("last_attempt_at")?,
        last_error: row.get("last_error")?,
        state: stored.seen(row.get("is_in_flight")?),
        finished_at: time("finished_at")?,
        event_id: row.get("event_id")?,
        folded_into: row.get::<_, Option<i64>>("folded_into")?.map(DeliveryId),
        members: row.get("members")?,
        relation: part.relation(row.get("head_event")?, row.get("latest")?),
        part,
        head_rang: row.get::<_, Option<bool>>("rang")?.unwrap_or_default(),
    })
}

fn room(row: &Row<'_>, column: impl rusqlite::RowIndex) -> Result<RoomAddress, rusqlite::Error> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| damaged(OutboxError::bug(error)))
}

fn damaged(error: OutboxError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}
