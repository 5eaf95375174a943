//! What an operator, or the calendar, does to rows in PostgreSQL: retry, drop, prune.

use jiff::{SignedDuration, Timestamp};
use sqlx::{PgConnection, PgPool};

use super::database::{LOCKS, begin};
use super::record::standing;
use crate::message::RoomAddress;
use crate::outbox::store::{DROPPED, PRUNE_STEP, millis};
use crate::outbox::{DeliveryId, DeliveryState, Dropped, OutboxError, Retried, RetryResult};

const LOCK_TAIL: &str = "SELECT pg_advisory_xact_lock($1, $2)";
/// What shows a state is out of date once a newer one is known in the room or waits for it, and where nothing stands for
/// its head while its group has another one.
const IS_OUTDATED: &str = "
    SELECT d.part IN ('head', 'edit', 'rest', 'rest-reply') AND (
        h.shown > d.id
        OR EXISTS (
            SELECT 1 FROM outbox_delivery n
            WHERE n.head_id = d.head_id AND n.id > d.id AND n.part = 'edit' AND n.state IN ('waiting', 'folded'))
        OR h.event_id IS NULL AND NOT EXISTS (SELECT 1 FROM outbox_group g WHERE g.head_id = h.id))
    FROM outbox_delivery d JOIN outbox_head h ON h.id = d.head_id WHERE d.id = $1";

/// The attempts stay counted, for what was ever tried is never folded; the horizon of giving up begins anew.
const REQUEUE: &str = "
    UPDATE outbox_delivery SET state = 'waiting', gives_way = false, position = nextval('outbox_position'),
        finished_at = NULL, first_attempt_at = NULL
    WHERE id = $1";
const WAKE_ROOM: &str = "UPDATE outbox_room SET due_at = 0, waits_since = 0, reason = NULL WHERE id = $1";

const DEAD_OF_ROOM: &str = "
    SELECT d.id FROM outbox_delivery d WHERE d.room_id = (SELECT id FROM outbox_room WHERE address = $1)
        AND d.state = 'dead'
    ORDER BY d.position";

const GIVE_UP: &str = "UPDATE outbox_delivery SET state = 'dead', finished_at = $2, last_error = $3 WHERE id = $1";
const REMOVE_MEMBERS: &str = "DELETE FROM outbox_delivery WHERE folded_into = $1";
const REMOVE: &str = "DELETE FROM outbox_delivery WHERE id = $1";

/// Members go before the digest that names them; what another replica is pruning is left to it.
const PRUNE_FOLDED: &str = "
    DELETE FROM outbox_delivery WHERE id IN (
        SELECT m.id FROM outbox_delivery d JOIN outbox_delivery m ON m.folded_into = d.id
        WHERE d.state = 'delivered' AND d.finished_at < $1 AND d.members > 0 LIMIT $2
        FOR UPDATE OF m SKIP LOCKED)";
/// What was taken up by an ordinary message: never more than a few rows each.
const PRUNE_TAKEN_UP: &str = "
    DELETE FROM outbox_delivery WHERE id IN (
        SELECT m.id FROM (
            SELECT id FROM outbox_delivery WHERE state = 'delivered' AND finished_at < $1 AND members = 0
            ORDER BY finished_at LIMIT $2) d
        JOIN outbox_delivery m ON m.folded_into = d.id FOR UPDATE OF m SKIP LOCKED)";
const PRUNE_DELIVERED: &str = "
    DELETE FROM outbox_delivery WHERE id IN (
        SELECT d.id FROM outbox_delivery d WHERE d.state = 'delivered' AND d.finished_at < $1
            AND NOT EXISTS (SELECT 1 FROM outbox_delivery m WHERE m.folded_into = d.id)
        ORDER BY d.finished_at LIMIT $2 FOR UPDATE OF d SKIP LOCKED)";
const PRUNE_REPEATS: &str = "
    DELETE FROM outbox_repeat WHERE key IN (
        SELECT key FROM outbox_repeat WHERE accepted_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// A group is not forgotten as long as the room has nothing of it and something could still be sent: by it is known
/// whether that is out of date.
const PRUNE_GROUPS: &str = "
    DELETE FROM outbox_group WHERE key IN (
        SELECT g.key FROM outbox_group g WHERE g.changed_at < $1 AND NOT EXISTS (
            SELECT 1 FROM outbox_head h JOIN outbox_delivery d ON d.head_id = h.id
            WHERE h.id = g.head_id AND h.event_id IS NULL AND d.state IN ('waiting', 'dead'))
        LIMIT $2 FOR UPDATE OF g SKIP LOCKED)";
const PRUNE_HEADS: &str = "
    DELETE FROM outbox_head WHERE id IN (
        SELECT h.id FROM outbox_head h WHERE NOT EXISTS (SELECT 1 FROM outbox_group g WHERE g.head_id = h.id)
            AND NOT EXISTS (SELECT 1 FROM outbox_delivery d WHERE d.head_id = h.id) LIMIT $1
        FOR UPDATE OF h SKIP LOCKED)";

/// How long what is kept, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    pub(super) delivered: i64,
    pub(super) keys: i64,
    pub(super) groups: i64,
}

/// Puts dead deliveries at the tail of their rooms, in the order given.
pub(super) async fn retry(pool: &PgPool, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
    let mut retried = Vec::with_capacity(ids.len());
    for &id in ids {
        let result = retry_one(pool, id, now).await?;
        retried.push(Retried { id, result });
    }
    Ok(retried)
}

async fn retry_one(pool: &PgPool, id: DeliveryId, now: Timestamp) -> Result<RetryResult, OutboxError> {
    let mut transaction = begin(pool).await?;
    let result = requeue(&mut transaction, id, now).await?;
    // Also where nothing has changed: a transaction that is only dropped holds the room a moment longer.
    transaction.commit().await?;
    Ok(result)
}

async fn requeue(connection: &mut PgConnection, id: DeliveryId, now: Timestamp) -> Result<RetryResult, OutboxError> {
    let Some(standing) = standing(connection, id, "").await? else {
        return Ok(RetryResult::Unknown);
    };
    let state = standing.state.seen(standing.in_flight);
    if state != DeliveryState::Dead {
        return Ok(RetryResult::NotDead(state));
    }
    let lock_tail = sqlx::query(LOCK_TAIL).bind(LOCKS).bind(standing.room_id);
    lock_tail.execute(&mut *connection).await?;
    let is_outdated = sqlx::query_scalar(IS_OUTDATED).bind(id.0);
    let is_outdated: Option<bool> = is_outdated.fetch_optional(&mut *connection).await?;
    if is_outdated.unwrap_or_default() {
        return Ok(RetryResult::Outdated);
    }
    sqlx::query(REQUEUE).bind(id.0).execute(&mut *connection).await?;
    let wake = sqlx::query(WAKE_ROOM).bind(standing.room_id);
    wake.execute(connection).await?;
    let idle = standing
        .last_attempt_at
        .map(|last| SignedDuration::from_millis(millis(now).saturating_sub(last)));
    Ok(RetryResult::Queued { idle })
}

/// The dead deliveries of a room, in their order.
pub(super) async fn dead_of_room(pool: &PgPool, room: &RoomAddress) -> Result<Vec<DeliveryId>, OutboxError> {
    let ids: Vec<i64> = sqlx::query_scalar(DEAD_OF_ROOM)
        .bind(room.as_str())
        .fetch_all(pool)
        .await?;
    Ok(ids.into_iter().map(DeliveryId).collect())
}

/// First use gives a waiting delivery up, second use removes the dead one.
pub(super) async fn discard(pool: &PgPool, id: DeliveryId, now: Timestamp) -> Result<Dropped, OutboxError> {
    let mut transaction = begin(pool).await?;
    let Some(standing) = standing(&mut transaction, id, "").await? else {
        return Ok(Dropped::Unknown);
    };
    let dropped = match standing.state.seen(standing.in_flight) {
        DeliveryState::Pending => {
            let give_up = sqlx::query(GIVE_UP).bind(id.0).bind(millis(now)).bind(DROPPED);
            give_up.execute(&mut *transaction).await?;
            Dropped::GivenUp
        }
        DeliveryState::Dead => {
            sqlx::query(REMOVE_MEMBERS)
                .bind(id.0)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(REMOVE).bind(id.0).execute(&mut *transaction).await?;
            Dropped::Removed
        }
        kept @ (DeliveryState::InFlight | DeliveryState::Delivered | DeliveryState::Folded) => Dropped::Kept(kept),
    };
    transaction.commit().await?;
    Ok(dropped)
}

/// Removes one step's worth of what is old; 0 when there is no more.
pub(super) async fn prune_step(pool: &PgPool, now: Timestamp, keep: Keep) -> Result<u64, OutboxError> {
    let mut removed = 0;
    for (statement, keep) in [
        (PRUNE_FOLDED, keep.delivered),
        (PRUNE_TAKEN_UP, keep.delivered),
        (PRUNE_DELIVERED, keep.delivered),
        (PRUNE_REPEATS, keep.keys),
        (PRUNE_GROUPS, keep.groups),
    ] {
        let prune = sqlx::query(statement)
            .bind(millis(now).saturating_sub(keep))
            .bind(PRUNE_STEP);
        removed += prune.execute(pool).await?.rows_affected();
    }
    let heads = sqlx::query(PRUNE_HEADS).bind(PRUNE_STEP).execute(pool).await?;
    Ok(removed + heads.rows_affected())
}
