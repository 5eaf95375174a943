//! Claiming in PostgreSQL: whoever locks the room's row may take its head.
//!
//! Guarantees: never more than one delivery of a room at a time over all replicas, and always the head: the head is
//! looked up after the row is locked, and everything that changes a head holds that lock. Enqueueing does not need the
//! row, so a busy room is claimed all the same.

use jiff::Timestamp;
use sqlx::{PgConnection, PgPool};

use super::database::begin;
use super::read::{self, Row};
use crate::message::TxnId;
use crate::outbox::fold::FOLD_AT_MOST;
use crate::outbox::store::{CLOCK_SLACK_MS, Summary, UNTRIED_MS, message_text, millis, timestamp};
use crate::outbox::{Delivery, DeliveryId, Digest, FoldPolicy, OutboxError, Waiting};

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

const HEADS: &str = "
    SELECT r.id, d.id, d.attempts, d.accepted_at
    FROM unnest($1::integer[]) WITH ORDINALITY AS r (id, n) CROSS JOIN LATERAL (
        SELECT h.id, h.attempts, h.accepted_at FROM outbox_delivery h
        WHERE h.room_id = r.id AND h.state = 'waiting' ORDER BY h.position LIMIT 1) d
    ORDER BY r.n";

const WAITS_BEHIND: &str = "
    SELECT EXISTS (
        SELECT 1 FROM outbox_delivery WHERE room_id = $1 AND state = 'waiting' AND part NOT IN ('edit', 'reaction')
        ORDER BY position LIMIT 1 OFFSET $2)";

/// Locked, so that no acceptance rewrites a row after the digest has named it.
const RUN: &str = "
    SELECT id, attempts, accepted_at, starts_at, message FROM outbox_delivery
    WHERE room_id = $1 AND state = 'waiting' AND part NOT IN ('edit', 'reaction')
    ORDER BY position LIMIT $2 FOR NO KEY UPDATE";

const FOLD: &str = "UPDATE outbox_delivery SET state = 'folded' WHERE id = ANY($1)";
/// The digest rings for the heads that it names.
const RING: &str = "
    UPDATE outbox_head SET rang = true WHERE id IN (SELECT head_id FROM outbox_delivery WHERE id = ANY($1))";
/// The digest takes the place of its first member, which leaves the queue just before; or, where an edit that is not
/// folded stands in front of that, the place in front of the edit.
const INSERT_DIGEST: &str = "
    INSERT INTO outbox_delivery (room_id, position, txn_id, message, accepted_at, starts_at, members)
    SELECT room_id, least(position, (
            SELECT w.position - 1 FROM outbox_delivery w WHERE w.room_id = d.room_id AND w.state = 'waiting'
            ORDER BY w.position LIMIT 1)),
        $2, $3, $4, $5, $6 FROM outbox_delivery d WHERE id = $1
    RETURNING id";
const NAME_DIGEST: &str = "UPDATE outbox_delivery SET folded_into = $2 WHERE id = ANY($1)";

const HOLD_ROOMS: &str = "
    UPDATE outbox_room SET in_flight = held.delivery, owner = $3, lease_until = clock_timestamp() + interval '10 s'
    FROM unnest($1::integer[], $2::bigint[]) AS held (room, delivery) WHERE outbox_room.id = held.room";

/// The time towards giving up goes on only if the last attempt was between $3 and $4, which is lately.
const BEGIN_ATTEMPT: &str = "
    UPDATE outbox_delivery d SET attempts = d.attempts + 1, last_attempt_at = $2,
        first_attempt_at =
            CASE WHEN d.last_attempt_at BETWEEN $3 AND $4 THEN coalesce(d.first_attempt_at, $2) ELSE $2 END
    FROM outbox_room r WHERE d.id = ANY($1) AND r.id = d.room_id
    RETURNING d.*, r.address, true AS is_in_flight,
        (SELECT event_id FROM outbox_head WHERE id = d.head_id) AS head_event,
        (SELECT latest FROM outbox_head WHERE id = d.head_id) AS latest,
        (SELECT rang FROM outbox_head WHERE id = d.head_id) AS rang";

const RENEW: &str = "
    UPDATE outbox_room SET lease_until = clock_timestamp() + interval '10 s' WHERE id IN (
        SELECT id FROM outbox_room WHERE owner = $1 AND in_flight = ANY($2) ORDER BY id FOR NO KEY UPDATE)";
const RELEASE: &str = "
    UPDATE outbox_room SET in_flight = NULL, owner = NULL WHERE id IN (
        SELECT id FROM outbox_room WHERE owner = $1 AND in_flight = ANY($2) ORDER BY id FOR NO KEY UPDATE)";

/// Claims at most `limit` heads.
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
    let heads: Vec<(i32, i64, i32, i64)> = sqlx::query_as(HEADS).bind(&rooms).fetch_all(&mut *transaction).await?;
    let (mut taken, mut ids) = (Vec::new(), Vec::new());
    for (room, head, attempts, accepted_at) in heads {
        let head = match fold.looks_behind(read::unsigned(attempts), timestamp(accepted_at), now) {
            Some(behind) => folded(&mut transaction, room, behind, now, fold).await?.unwrap_or(head),
            None => head,
        };
        taken.push(room);
        ids.push(head);
    }
    let hold = sqlx::query(HOLD_ROOMS).bind(&taken).bind(&ids).bind(owner);
    hold.execute(&mut *transaction).await?;
    let begun: Vec<Row> = sqlx::query_as(BEGIN_ATTEMPT)
        .bind(&ids)
        .bind(millis(now))
        .bind(millis(now) - UNTRIED_MS)
        .bind(millis(now) + CLOCK_SLACK_MS)
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let mut claimed: Vec<Delivery> = begun.into_iter().map(|row| row.0).collect();
    claimed.sort_by_key(|delivery| ids.iter().position(|id| *id == delivery.id.0));
    Ok(claimed)
}

/// The digest that now stands at the head of the room, if its backlog called for one.
async fn folded(
    connection: &mut PgConnection,
    room: i32,
    behind: usize,
    now: Timestamp,
    fold: &FoldPolicy,
) -> Result<Option<i64>, OutboxError> {
    let behind = i64::try_from(behind).unwrap_or(i64::MAX);
    let enough = sqlx::query_scalar(WAITS_BEHIND).bind(room).bind(behind);
    if !enough.fetch_one(&mut *connection).await? {
        return Ok(None);
    }
    let run = untried_run(connection, room).await?;
    match fold.digest(&run, now) {
        Some(digest) => write_digest(connection, &run[..digest.taken], &digest).await.map(Some),
        None => Ok(None),
    }
}

/// The deliveries from the head on, up to the first that was ever tried.
async fn untried_run(connection: &mut PgConnection, room: i32) -> Result<Vec<Waiting>, OutboxError> {
    use futures_util::TryStreamExt;
    let limit = i64::try_from(FOLD_AT_MOST).unwrap_or(i64::MAX);
    let query = sqlx::query_as::<_, (i64, i32, i64, Option<i64>, String)>(RUN)
        .bind(room)
        .bind(limit);
    let mut rows = query.fetch(connection);
    let mut run = Vec::new();
    let mut untried = true;
    // The stream is read to its end: what is left unread would be read by the next statement.
    while let Some((id, attempts, accepted_at, starts_at, message)) = rows.try_next().await? {
        untried &= attempts == 0;
        if untried {
            let summary: Summary = serde_json::from_str(&message)?;
            run.push(Waiting {
                id: DeliveryId(id),
                accepted_at: timestamp(accepted_at),
                starts_at: starts_at.map(timestamp),
                headline: summary.headline,
                msgtype: summary.msgtype,
                mentions: summary.mentions,
            });
        }
    }
    Ok(run)
}

async fn write_digest(connection: &mut PgConnection, members: &[Waiting], digest: &Digest) -> Result<i64, OutboxError> {
    let ids: Vec<i64> = members.iter().map(|member| member.id.0).collect();
    sqlx::query(FOLD).bind(&ids).execute(&mut *connection).await?;
    sqlx::query(RING).bind(&ids).execute(&mut *connection).await?;
    let id: i64 = sqlx::query_scalar(INSERT_DIGEST)
        .bind(ids.first())
        .bind(TxnId::generate().as_str())
        .bind(message_text(&digest.message)?)
        .bind(members.iter().map(|member| millis(member.accepted_at)).min())
        .bind(members.iter().filter_map(|member| member.starts_at).min().map(millis))
        .bind(i32::try_from(members.len()).unwrap_or(i32::MAX))
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(NAME_DIGEST).bind(&ids).bind(id).execute(connection).await?;
    Ok(id)
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
