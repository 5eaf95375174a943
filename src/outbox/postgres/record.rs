//! Recording in PostgreSQL how an attempt ended, and what a room waits for.
//!
//! The room's row is locked first and the delivery read after that, so what is read is what holds.

use jiff::Timestamp;
use sqlx::{PgConnection, PgPool};

use super::database::begin;
use crate::message::RoomAddress;
use crate::outbox::store::{Stored, clean, counts, message_text, millis};
use crate::outbox::{DeliveryId, OutboxError, Outcome, Recorded, RoomWait};

const LOCK_ROOM: &str = "
    SELECT r.id, r.in_flight IS NOT DISTINCT FROM $1, r.owner IS NOT DISTINCT FROM $2 FROM outbox_room r
    WHERE r.id = (SELECT room_id FROM outbox_delivery WHERE id = $1) FOR NO KEY UPDATE";
const STATE: &str = "
    SELECT state, last_attempt_at, head_id IS NOT NULL, members > 0 FROM outbox_delivery WHERE id = $1";

const FREE_ROOM: &str = "
    UPDATE outbox_room SET in_flight = NULL, owner = NULL, due_at = $2, waits_since = $3, reason = $4 WHERE id = $1";

const DELIVERED: &str = "
    UPDATE outbox_delivery SET state = 'delivered', finished_at = $2, event_id = $3 WHERE id = $1";
/// Whatever goes out while there is no head becomes it.
const HEAD_DELIVERED: &str = "
    UPDATE outbox_head h SET rang = true,
        shown = CASE WHEN d.part IN ('head', 'edit') THEN greatest(h.shown, d.id) ELSE h.shown END,
        latest = CASE WHEN h.event_id IS NOT NULL AND d.part IN ('head', 'line', 'rest') THEN $2 ELSE h.latest END,
        event_id = coalesce(h.event_id, $2)
    FROM outbox_delivery d WHERE d.id = $1 AND h.id = d.head_id";
/// A digest has rung for the heads that it names.
const HEADS_NAMED: &str = "
    UPDATE outbox_head h SET rang = true, shown = greatest(h.shown, m.shown)
    FROM (
        SELECT head_id, max(id) FILTER (WHERE part IN ('head', 'edit')) AS shown FROM outbox_delivery
        WHERE folded_into = $1 GROUP BY head_id) m
    WHERE h.id = m.head_id";
const HEAD_GONE: &str = "
    UPDATE outbox_head SET event_id = NULL, latest = NULL
    WHERE id = (SELECT head_id FROM outbox_delivery WHERE id = $1)";
/// What only shows a head's state can wait once the head is in the room, and stands for it where it is not.
const GIVE_WAY: &str = "
    UPDATE outbox_delivery SET gives_way = $2
    WHERE head_id = (SELECT head_id FROM outbox_delivery WHERE id = $1) AND state = 'waiting' AND attempts = 0
        AND last_error IS NULL AND part IN ('edit', 'rest', 'rest-reply', 'reaction')";
const REFUSED: &str = "UPDATE outbox_delivery SET last_error = $2 WHERE id = $1";
const FAILED: &str = "
    UPDATE outbox_delivery SET last_error = $2, first_attempt_at = CASE WHEN $3 THEN first_attempt_at END
    WHERE id = $1";
const REWRITTEN: &str = "UPDATE outbox_delivery SET message = $2, last_error = $3 WHERE id = $1";
const DEAD: &str = "UPDATE outbox_delivery SET state = 'dead', finished_at = $2, last_error = $3 WHERE id = $1";
/// Whether a row has ended exactly so; `now` is a part of what was said, so who says it again is who said it.
const HAS_ENDED_SO: &str = "
    SELECT coalesce(finished_at = $2 AND $3 = CASE state WHEN 'delivered' THEN event_id WHEN 'dead' THEN last_error END,
        false)
    FROM outbox_delivery WHERE id = $1";

const SET_ROOM_DUE: &str = "UPDATE outbox_room SET due_at = $2, waits_since = $3, reason = $4 WHERE address = $1";

/// A delivery and its room, which is locked until the transaction ends.
pub(super) struct Standing {
    pub(super) room_id: i32,
    pub(super) state: Stored,
    /// Whoever sends it.
    pub(super) in_flight: bool,
    /// Whether this relay sends it.
    pub(super) held: bool,
    pub(super) last_attempt_at: Option<i64>,
    role: Role,
}

/// What a delivery has to do with heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It is one, or refers to one.
    OfHead,
    /// It names some.
    Digest,
    Alone,
}

/// Locks the delivery's room and then reads the delivery; `None` if there is no such row.
pub(super) async fn standing(
    connection: &mut PgConnection,
    id: DeliveryId,
    owner: &str,
) -> Result<Option<Standing>, OutboxError> {
    let room = sqlx::query_as(LOCK_ROOM).bind(id.0).bind(owner);
    let room: Option<(i32, bool, bool)> = room.fetch_optional(&mut *connection).await?;
    let Some((room_id, in_flight, own)) = room else {
        return Ok(None);
    };
    let row: Option<(String, Option<i64>, bool, bool)> =
        sqlx::query_as(STATE).bind(id.0).fetch_optional(connection).await?;
    row.map(|(state, last_attempt_at, has_head, is_digest)| {
        Ok(Standing {
            room_id,
            state: Stored::parse(&state)?,
            in_flight,
            held: in_flight && own,
            last_attempt_at,
            role: match (has_head, is_digest) {
                (true, _) => Role::OfHead,
                (false, true) => Role::Digest,
                (false, false) => Role::Alone,
            },
        })
    })
    .transpose()
}

/// Writes an outcome down, if it counts, and gives the claim back.
pub(super) async fn record(
    pool: &PgPool,
    owner: &str,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Recorded, OutboxError> {
    let mut transaction = begin(pool).await?;
    let Some(standing) = standing(&mut transaction, id, owner).await? else {
        return Ok(Recorded::Superseded);
    };
    if standing.held {
        free_room(&mut transaction, standing.room_id, outcome, now).await?;
    }
    let counts = counts(outcome, standing.state, standing.held);
    let done = if counts {
        change_heads(&mut transaction, id, &standing, outcome).await?;
        write(&mut transaction, id, outcome, now).await?;
        true
    } else {
        has_ended_so(&mut transaction, id, outcome, now).await?
    };
    transaction.commit().await?;
    Ok(if done { Recorded::Done } else { Recorded::Superseded })
}

async fn has_ended_so(
    connection: &mut PgConnection,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<bool, OutboxError> {
    let Some(end) = outcome.end() else { return Ok(false) };
    let query = sqlx::query_scalar(HAS_ENDED_SO)
        .bind(id.0)
        .bind(millis(now))
        .bind(clean(end));
    Ok(query.fetch_one(connection).await?)
}

async fn free_room(
    connection: &mut PgConnection,
    room_id: i32,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), OutboxError> {
    let (due_at, waits_since, reason) = match outcome {
        Outcome::Wait { until, reason, .. } => (millis(*until), millis(now), Some(clean(reason))),
        Outcome::Delivered { .. } | Outcome::Rewrite { .. } | Outcome::Detached { .. } | Outcome::Dead { .. } => {
            (0, 0, None)
        }
    };
    let free = sqlx::query(FREE_ROOM)
        .bind(room_id)
        .bind(due_at)
        .bind(waits_since)
        .bind(reason);
    free.execute(connection).await?;
    Ok(())
}

async fn write(
    connection: &mut PgConnection,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), OutboxError> {
    let query = match outcome {
        Outcome::Delivered { event_id } => sqlx::query(DELIVERED)
            .bind(id.0)
            .bind(millis(now))
            .bind(clean(event_id)),
        Outcome::Wait { error, counts, .. } => sqlx::query(FAILED).bind(id.0).bind(clean(error)).bind(*counts),
        Outcome::Rewrite { message, error } => sqlx::query(REWRITTEN)
            .bind(id.0)
            .bind(message_text(message)?)
            .bind(clean(error)),
        Outcome::Detached { error } => sqlx::query(REFUSED).bind(id.0).bind(clean(error)),
        Outcome::Dead { error } => sqlx::query(DEAD).bind(id.0).bind(millis(now)).bind(clean(error)),
    };
    query.execute(connection).await?;
    Ok(())
}

/// What an outcome means for the head that the delivery is, or refers to, or for those that it names.
async fn change_heads(
    connection: &mut PgConnection,
    id: DeliveryId,
    standing: &Standing,
    outcome: &Outcome,
) -> Result<(), OutboxError> {
    let (head, is_there) = match (outcome, standing.role) {
        (Outcome::Delivered { event_id }, Role::OfHead) => {
            (sqlx::query(HEAD_DELIVERED).bind(id.0).bind(clean(event_id)), true)
        }
        (Outcome::Detached { .. }, Role::OfHead) => (sqlx::query(HEAD_GONE).bind(id.0), false),
        (Outcome::Delivered { .. }, Role::Digest) => {
            sqlx::query(HEADS_NAMED).bind(id.0).execute(connection).await?;
            return Ok(());
        }
        _ => return Ok(()),
    };
    head.execute(&mut *connection).await?;
    sqlx::query(GIVE_WAY)
        .bind(id.0)
        .bind(is_there)
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets a room wait, or not any more.
pub(super) async fn set_room_due(
    pool: &PgPool,
    room: &RoomAddress,
    wait: Option<&RoomWait>,
    now: Timestamp,
) -> Result<(), OutboxError> {
    sqlx::query(SET_ROOM_DUE)
        .bind(room.as_str())
        .bind(wait.map_or(0, |wait| millis(wait.until)))
        .bind(wait.map_or(0, |_| millis(now)))
        .bind(wait.map(|wait| clean(&wait.reason)))
        .execute(pool)
        .await?;
    Ok(())
}
