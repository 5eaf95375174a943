//! Claiming in PostgreSQL: whoever locks the room's row may take what is next in it.
//!
//! Guarantees: never more than one delivery of a room at a time over all replicas, and always the one whose turn it is:
//! that is looked up after the row is locked, and everything that ends a turn holds that lock. Enqueueing does not need
//! the row, so a busy room is claimed all the same.

use jiff::Timestamp;
use sqlx::{PgConnection, PgPool, Row as _};

use super::database::begin;
use super::fold;
use super::read;
use crate::outbox::store::{CLOCK_SLACK_MS, UNTRIED_MS, given_up, millis, timestamp};
use crate::outbox::turn::{Queue, Waits};
use crate::outbox::{Delivery, DeliveryId, FoldPolicy, OutboxError};

/// Rooms that may be tried and have something waiting, least recently tried first. A lease ends ten seconds after it
/// was last renewed; one that lies further ahead was set before the database's clock was set back.
const LOCK_DUE_ROOMS: &str = "
    SELECT r.id FROM outbox_room r
    WHERE (r.due_at <= $1 OR r.waits_since > $2)
        AND (r.in_flight IS NULL
            OR r.lease_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '15 s')
        AND EXISTS (SELECT 1 FROM outbox_delivery d WHERE d.room_id = r.id AND d.state = 'waiting')
    ORDER BY r.lease_until NULLS FIRST, r.id LIMIT $3
    FOR NO KEY UPDATE OF r SKIP LOCKED";

const QUEUES: &str = "
    SELECT q.id, q.overtaken, f.gives_way, f.id, f.attempts, f.accepted_at, n.id, n.attempts, n.accepted_at
    FROM unnest($1::integer[]) WITH ORDINALITY AS r (id, n) JOIN outbox_room q ON q.id = r.id
    CROSS JOIN LATERAL (
        SELECT w.id, w.attempts, w.accepted_at, w.gives_way FROM outbox_delivery w
        WHERE w.room_id = r.id AND w.state = 'waiting' ORDER BY w.position LIMIT 1) f
    LEFT JOIN LATERAL (
        SELECT w.id, w.attempts, w.accepted_at FROM outbox_delivery w
        WHERE w.room_id = r.id AND w.state = 'waiting' AND NOT w.gives_way ORDER BY w.position LIMIT 1) n ON f.gives_way
    ORDER BY r.n";

const HOLD_ROOMS: &str = "
    UPDATE outbox_room SET in_flight = held.delivery, overtaken = held.overtaken, owner = $4,
        lease_until = clock_timestamp() + interval '10 s'
    FROM unnest($1::integer[], $2::bigint[], $3::integer[]) AS held (room, delivery, overtaken)
    WHERE outbox_room.id = held.room";

/// The time towards giving up goes on only if the last attempt was between $3 and $4, which is lately. An acceptance may
/// have let another row say what one of them does, a moment ago. With the head that an edit stands for, if nobody has heard
/// of it: it was given up before it was in the room.
const BEGIN_ATTEMPT: &str = "
    UPDATE outbox_delivery d SET attempts = d.attempts + 1, gives_way = false, last_attempt_at = $2,
        first_attempt_at =
            CASE WHEN d.last_attempt_at BETWEEN $3 AND $4 THEN coalesce(d.first_attempt_at, $2) ELSE $2 END
    FROM outbox_room r WHERE d.id = ANY($1) AND d.state = 'waiting' AND r.id = d.room_id
    RETURNING d.*, r.address, true AS is_in_flight,
        (SELECT event_id FROM outbox_head WHERE id = d.head_id) AS head_event,
        (SELECT latest FROM outbox_head WHERE id = d.head_id) AS latest,
        (SELECT rang FROM outbox_head WHERE id = d.head_id) AS rang,
        (SELECT u.message FROM outbox_head h JOIN outbox_delivery u ON u.head_id = h.id AND u.state = 'dead'
            WHERE d.part = 'edit' AND h.id = d.head_id AND h.event_id IS NULL AND NOT h.rang AND u.part = 'head'
            ORDER BY u.id DESC LIMIT 1) AS unheard";

const RENEW: &str = "
    UPDATE outbox_room SET lease_until = clock_timestamp() + interval '10 s' WHERE id IN (
        SELECT id FROM outbox_room WHERE owner = $1 AND in_flight = ANY($2) ORDER BY id FOR NO KEY UPDATE)";
const RELEASE: &str = "
    UPDATE outbox_room SET in_flight = NULL, owner = NULL WHERE id IN (
        SELECT id FROM outbox_room WHERE owner = $1 AND in_flight = ANY($2) ORDER BY id FOR NO KEY UPDATE)";

const GIVE_UP: &str = "UPDATE outbox_delivery SET state = 'dead', finished_at = $2, last_error = $3 WHERE id = $1";
/// The others have their turn before it.
const PASS_ROOM: &str = "
    UPDATE outbox_room SET lease_until = clock_timestamp(), in_flight = NULL, owner = NULL
    WHERE id = (SELECT room_id FROM outbox_delivery WHERE id = $1)";

/// Claims at most `limit` deliveries, one of each room. What cannot be read is given up instead.
pub(super) async fn claim_due(
    pool: &PgPool,
    owner: &str,
    now: Timestamp,
    limit: usize,
    fold: &FoldPolicy,
) -> Result<Vec<Delivery>, OutboxError> {
    let mut transaction = begin(pool).await?;
    let rooms: Vec<i32> = sqlx::query_scalar(LOCK_DUE_ROOMS)
        .bind(millis(now))
        .bind(millis(now) + CLOCK_SLACK_MS)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *transaction)
        .await?;
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    let queues: Vec<QueueRow> = sqlx::query_as(QUEUES).bind(&rooms).fetch_all(&mut *transaction).await?;
    let mut taken = Vec::with_capacity(queues.len());
    for row in queues {
        let (room, queue) = queue(row);
        let turn = queue.turn();
        let digest = if turn.is_news {
            fold::folded(&mut transaction, room, turn.next, now, fold).await?
        } else {
            None
        };
        taken.push((room, digest.unwrap_or(turn.next.id), turn.overtaken));
    }
    let ids: Vec<i64> = taken.iter().map(|(_, id, _)| id.0).collect();
    let begun = sqlx::query(BEGIN_ATTEMPT)
        .bind(&ids)
        .bind(millis(now))
        .bind(millis(now) - UNTRIED_MS)
        .bind(millis(now) + CLOCK_SLACK_MS)
        .fetch_all(&mut *transaction)
        .await?;
    let mut claimed = Vec::with_capacity(begun.len());
    for row in &begun {
        match read::sendable(row) {
            Ok(delivery) => claimed.push(delivery),
            Err(error) => give_up(&mut transaction, DeliveryId(row.try_get("id")?), &error, now).await?,
        }
    }
    taken.retain(|(_, id, _)| claimed.iter().any(|delivery| delivery.id == *id));
    hold(&mut transaction, owner, &taken).await?;
    transaction.commit().await?;
    claimed.sort_by_key(|delivery| ids.iter().position(|id| *id == delivery.id.0));
    Ok(claimed)
}

/// No room waits behind a row that cannot be read.
async fn give_up(
    connection: &mut PgConnection,
    id: DeliveryId,
    error: &sqlx::Error,
    now: Timestamp,
) -> Result<(), OutboxError> {
    let give_up = sqlx::query(GIVE_UP)
        .bind(id.0)
        .bind(millis(now))
        .bind(given_up(id, error));
    give_up.execute(&mut *connection).await?;
    sqlx::query(PASS_ROOM).bind(id.0).execute(connection).await?;
    Ok(())
}

/// Writes into the rooms which delivery is being sent, and how often others were overtaken.
async fn hold(connection: &mut PgConnection, owner: &str, taken: &[(i32, DeliveryId, u32)]) -> Result<(), OutboxError> {
    let of = |overtaken: u32| i32::try_from(overtaken).unwrap_or(i32::MAX);
    sqlx::query(HOLD_ROOMS)
        .bind(taken.iter().map(|(room, ..)| *room).collect::<Vec<i32>>())
        .bind(taken.iter().map(|(_, id, _)| id.0).collect::<Vec<i64>>())
        .bind(taken.iter().map(|(.., overtaken)| of(*overtaken)).collect::<Vec<i32>>())
        .bind(owner)
        .execute(connection)
        .await?;
    Ok(())
}

type QueueRow = (i32, i32, bool, i64, i32, i64, Option<i64>, Option<i32>, Option<i64>);

fn queue(row: QueueRow) -> (i32, Queue) {
    let (room, overtaken, gives_way, first, attempts, accepted_at, news, news_attempts, news_accepted_at) = row;
    let waits = |id, attempts: i32, accepted_at| Waits {
        id: DeliveryId(id),
        attempts: read::unsigned(attempts),
        accepted_at: timestamp(accepted_at),
    };
    let news = news.map(|id| {
        let (attempts, accepted_at) = (news_attempts.unwrap_or_default(), news_accepted_at.unwrap_or_default());
        waits(id, attempts, accepted_at)
    });
    let queue = Queue {
        first: waits(first, attempts, accepted_at),
        gives_way,
        news,
        overtaken: read::unsigned(overtaken),
    };
    (room, queue)
}

/// Extends the claims that are still this relay's.
pub(super) async fn renew(pool: &PgPool, owner: &str, ids: &[DeliveryId]) -> Result<(), OutboxError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    sqlx::query(RENEW).bind(owner).bind(ids).execute(pool).await?;
    Ok(())
}

/// Gives the claims back that are still this relay's.
pub(super) async fn release(pool: &PgPool, owner: &str, ids: &[DeliveryId]) -> Result<(), OutboxError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    sqlx::query(RELEASE).bind(owner).bind(ids).execute(pool).await?;
    Ok(())
}
