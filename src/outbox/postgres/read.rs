//! What is only read from PostgreSQL: rows for people, counts for metrics.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};

use crate::message::{RenderedMessage, RoomAddress, TxnId};
use crate::outbox::merge;
use crate::outbox::store::{Stored, timestamp, unreadable, wait_of};
use crate::outbox::{Delivery, DeliveryId, DeliveryState, Filter, OutboxError, Part, RoomStats, RoomWait, Stats};

const SHOW: &str = "
    SELECT d.*, r.address, r.in_flight IS NOT DISTINCT FROM d.id AS is_in_flight, h.event_id AS head_event, h.latest,
        h.rang
    FROM outbox_delivery d JOIN outbox_room r ON r.id = d.room_id LEFT JOIN outbox_head h ON h.id = d.head_id WHERE d.id = $1";

const LIST: &str = "
    SELECT d.*, r.address, r.in_flight IS NOT DISTINCT FROM d.id AS is_in_flight, h.event_id AS head_event, h.latest,
        h.rang
    FROM outbox_delivery d JOIN outbox_room r ON r.id = d.room_id LEFT JOIN outbox_head h ON h.id = d.head_id
    WHERE ($1::text IS NULL OR CASE WHEN r.in_flight IS NOT DISTINCT FROM d.id THEN 'in-flight'
            WHEN d.state = 'waiting' THEN 'pending' ELSE d.state END = $1)
        AND ($2::text IS NULL OR r.address = $2)
        AND ($3::bigint IS NULL OR d.folded_into = $3)
        AND d.id < $4
    ORDER BY d.id DESC LIMIT $5";

const ROOMS: &str = "
    SELECT r.address, r.due_at, r.waits_since, r.reason, r.in_flight IS NOT NULL, w.count, x.count, h.accepted_at
    FROM outbox_room r
    CROSS JOIN LATERAL (SELECT count(*) FROM outbox_delivery WHERE room_id = r.id AND state = 'waiting') w
    CROSS JOIN LATERAL (SELECT count(*) FROM outbox_delivery WHERE room_id = r.id AND state = 'dead') x
    LEFT JOIN LATERAL (
        SELECT accepted_at FROM outbox_delivery WHERE room_id = r.id AND state = 'waiting' ORDER BY position LIMIT 1
    ) h ON true
    WHERE w.count > 0 OR x.count > 0 ORDER BY r.address COLLATE \"C\"";

const FINISHED: &str = "
    SELECT (SELECT count(*) FROM outbox_delivery WHERE state = 'delivered'),
        (SELECT count(*) FROM outbox_delivery WHERE folded_into IS NOT NULL)";

const ROOM_WAIT: &str = "SELECT due_at, waits_since, reason FROM outbox_room WHERE address = $1";

type RoomRow = (String, i64, i64, Option<String>, bool, i64, i64, Option<i64>);

/// A row that is to be sent; an error where it cannot be read.
pub(super) fn sendable(row: &PgRow) -> Result<Delivery, sqlx::Error> {
    let mut message = message(row)?;
    merge::speak_for(&mut message, row.try_get("unheard")?);
    delivery(row, room(row)?, message)
}

/// A row with all that can be read of it.
fn shown(row: &PgRow) -> Result<Delivery, sqlx::Error> {
    let room = room(row).unwrap_or_else(|_| RoomAddress::nowhere());
    delivery(row, room, message(row).unwrap_or_else(|error| unreadable(&error)))
}

fn message(row: &PgRow) -> Result<RenderedMessage, sqlx::Error> {
    serde_json::from_str(row.try_get("message")?).map_err(damaged)
}

fn room(row: &PgRow) -> Result<RoomAddress, sqlx::Error> {
    row.try_get::<&str, _>("address")?.parse().map_err(damaged)
}

fn delivery(row: &PgRow, room: RoomAddress, message: RenderedMessage) -> Result<Delivery, sqlx::Error> {
    let time = |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(name)?.map(timestamp));
    let stored = Stored::parse(row.try_get("state")?).map_err(damaged)?;
    let part = Part::stored(row.try_get("part")?, row.try_get("reaction")?);
    Ok(Delivery {
        id: DeliveryId(row.try_get("id")?),
        room,
        txn_id: TxnId::from_stored(row.try_get("txn_id")?),
        message,
        accepted_at: timestamp(row.try_get("accepted_at")?),
        starts_at: time("starts_at")?,
        attempts: unsigned(row.try_get::<i32, _>("attempts")?),
        first_attempt_at: time("first_attempt_at")?,
        last_attempt_at: time("last_attempt_at")?,
        last_error: row.try_get("last_error")?,
        state: stored.seen(row.try_get("is_in_flight")?),
        finished_at: time("finished_at")?,
        event_id: row.try_get("event_id")?,
        folded_into: row.try_get::<Option<i64>, _>("folded_into")?.map(DeliveryId),
        members: unsigned(row.try_get::<i32, _>("members")?),
        relation: part.relation(row.try_get("head_event")?, row.try_get("latest")?),
        part,
        head_rang: row.try_get::<Option<bool>, _>("rang")?.unwrap_or_default(),
    })
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// PostgreSQL has no unsigned numbers; these never are below zero.
pub(super) fn unsigned<T: TryInto<U>, U: Default>(number: T) -> U {
    number.try_into().unwrap_or_default()
}

/// One row.
pub(super) async fn show(pool: &PgPool, id: DeliveryId) -> Result<Option<Delivery>, OutboxError> {
    let row = sqlx::query(SHOW).bind(id.0).fetch_optional(pool).await?;
    Ok(row.map(|row| shown(&row)).transpose()?)
}

/// Rows, newest first.
pub(super) async fn list(pool: &PgPool, filter: &Filter) -> Result<Vec<Delivery>, OutboxError> {
    let rows = sqlx::query(LIST)
        .bind(filter.state.map(DeliveryState::as_str))
        .bind(filter.room.as_ref().map(RoomAddress::as_str))
        .bind(filter.folded_into.map(|id| id.0))
        .bind(filter.before.map_or(i64::MAX, |id| id.0))
        .bind(i64::try_from(filter.limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    Ok(rows.iter().map(shown).collect::<Result<_, _>>()?)
}

/// Counts, by room and in all.
pub(super) async fn stats(pool: &PgPool, now: Timestamp) -> Result<Stats, OutboxError> {
    let mut stats = Stats::default();
    let mut rows = sqlx::query_as::<_, RoomRow>(ROOMS).fetch(pool);
    while let Some((address, due_at, waits_since, reason, in_flight, waiting, dead, oldest)) = rows.try_next().await? {
        let (waiting, dead): (u64, u64) = (unsigned(waiting), unsigned(dead));
        stats.pending += waiting.saturating_sub(u64::from(in_flight));
        stats.in_flight += u64::from(in_flight);
        stats.dead += dead;
        // What has no address that can be read is counted all the same.
        let Ok(room) = address.parse() else { continue };
        stats.rooms.push(RoomStats {
            room,
            waiting,
            dead,
            oldest: oldest.map(timestamp),
            wait: wait_of(due_at, waits_since, reason.clone(), now),
            trouble: reason,
        });
    }
    let (delivered, folded): (i64, i64) = sqlx::query_as(FINISHED).fetch_one(pool).await?;
    (stats.delivered, stats.folded) = (unsigned(delivered), unsigned(folded));
    Ok(stats)
}

/// What a room waits for.
pub(super) async fn room_due(
    pool: &PgPool,
    room: &RoomAddress,
    now: Timestamp,
) -> Result<Option<RoomWait>, OutboxError> {
    let row: Option<(i64, i64, Option<String>)> = sqlx::query_as(ROOM_WAIT)
        .bind(room.as_str())
        .fetch_optional(pool)
        .await?;
    Ok(row.and_then(|(due_at, waits_since, reason)| wait_of(due_at, waits_since, reason, now)))
}
