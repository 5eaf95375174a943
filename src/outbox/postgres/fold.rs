//! Folding in PostgreSQL: the digest that takes the place of a room's backlog. The room's row is locked.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::PgConnection;

use crate::message::TxnId;
use crate::outbox::fold::FOLD_AT_MOST;
use crate::outbox::store::{Summary, message_text, millis, timestamp};
use crate::outbox::turn::Waits;
use crate::outbox::{DeliveryId, Digest, FoldPolicy, OutboxError, Waiting};

/// Edits have no line in a digest, nor have the rests of heads.
const WAITS_BEHIND: &str = "
    SELECT EXISTS (
        SELECT 1 FROM outbox_delivery WHERE room_id = $1 AND state = 'waiting' AND NOT gives_way
            AND part NOT IN ('edit', 'rest', 'rest-reply')
        ORDER BY position LIMIT 1 OFFSET $2)";

/// What was tried ends the run, be it an edit. Locked, so that no acceptance rewrites a row
/// after the digest has named it.
const RUN: &str = "
    SELECT id, attempts, accepted_at, starts_at, message FROM outbox_delivery
    WHERE room_id = $1 AND state = 'waiting' AND NOT gives_way
        AND (part NOT IN ('edit', 'rest', 'rest-reply') OR attempts > 0)
    ORDER BY position LIMIT $2 FOR NO KEY UPDATE";

const FOLD: &str = "UPDATE outbox_delivery SET state = 'folded' WHERE id = ANY($1)";
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
/// Where a digest names a group's last line, and there is no head in the room that could be edited, the edit that was
/// accepted with the line would be one more message that says the same. Locked before it is asked whether a line waits:
/// an acceptance that has an edit rewritten adds its line with that, and one that is about to is not waited for.
const LOCK_EDITS: &str = "
    SELECT e.id FROM outbox_delivery e
    JOIN (
        SELECT m.head_id, max(m.id) AS last FROM outbox_delivery m JOIN outbox_head h ON h.id = m.head_id
        WHERE m.folded_into = $1 AND h.event_id IS NULL GROUP BY m.head_id) named ON named.head_id = e.head_id
    WHERE e.id < named.last AND e.part = 'edit' AND e.state = 'waiting' AND e.attempts = 0 AND e.last_error IS NULL
    FOR NO KEY UPDATE OF e SKIP LOCKED";
const FOLD_EDITS: &str = "
    UPDATE outbox_delivery e SET state = 'folded', folded_into = $1
    WHERE e.id = ANY($2) AND NOT EXISTS (
        SELECT 1 FROM outbox_delivery o WHERE o.head_id = e.head_id AND o.state = 'waiting'
            AND o.part NOT IN ('edit', 'rest', 'rest-reply'))";
/// And a rest goes with the head, or the edit, that it is the rest of.
const FOLD_RESTS: &str = "
    UPDATE outbox_delivery r SET state = 'folded', folded_into = $1
    WHERE part IN ('rest', 'rest-reply') AND state = 'waiting' AND attempts = 0 AND last_error IS NULL
        AND head_id IN (
            SELECT h.id FROM outbox_delivery m JOIN outbox_head h ON h.id = m.head_id
            WHERE m.folded_into = $1 AND h.event_id IS NULL)
        AND NOT EXISTS (
            SELECT 1 FROM outbox_delivery o WHERE o.head_id = r.head_id AND o.state = 'waiting'
                AND o.part NOT IN ('rest', 'rest-reply'))";
/// What one of them had taken up goes with it.
const FOLD_TAKEN_UP: &str = "
    UPDATE outbox_delivery SET folded_into = $1
    WHERE folded_into IN (SELECT id FROM outbox_delivery WHERE folded_into = $1)";

/// The digest that now stands where `next` did, if the backlog from there on called for one.
pub(super) async fn folded(
    connection: &mut PgConnection,
    room: i32,
    next: Waits,
    now: Timestamp,
    fold: &FoldPolicy,
) -> Result<Option<DeliveryId>, OutboxError> {
    let Some(behind) = fold.looks_behind(next.attempts, next.accepted_at, now) else {
        return Ok(None);
    };
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

/// The deliveries up to the first that was ever tried, or that cannot be read.
async fn untried_run(connection: &mut PgConnection, room: i32) -> Result<Vec<Waiting>, OutboxError> {
    let limit = i64::try_from(FOLD_AT_MOST).unwrap_or(i64::MAX);
    let query = sqlx::query_as::<_, (i64, i32, i64, Option<i64>, String)>(RUN)
        .bind(room)
        .bind(limit);
    let mut rows = query.fetch(connection);
    let mut run = Vec::new();
    let mut untried = true;
    // The stream is read to its end: what is left unread would be read by the next statement.
    while let Some((id, attempts, accepted_at, starts_at, message)) = rows.try_next().await? {
        let summary = serde_json::from_str::<Summary>(&message);
        untried &= attempts == 0 && summary.is_ok();
        if let Ok(summary) = summary
            && untried
        {
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

async fn write_digest(
    connection: &mut PgConnection,
    members: &[Waiting],
    digest: &Digest,
) -> Result<DeliveryId, OutboxError> {
    let ids: Vec<i64> = members.iter().map(|member| member.id.0).collect();
    sqlx::query(FOLD).bind(&ids).execute(&mut *connection).await?;
    let id: i64 = sqlx::query_scalar(INSERT_DIGEST)
        .bind(ids.first())
        .bind(TxnId::generate().as_str())
        .bind(message_text(&digest.message)?)
        .bind(members.iter().map(|member| millis(member.accepted_at)).min())
        .bind(members.iter().filter_map(|member| member.starts_at).min().map(millis))
        .bind(i32::try_from(members.len()).unwrap_or(i32::MAX))
        .fetch_one(&mut *connection)
        .await?;
    let name = sqlx::query(NAME_DIGEST).bind(&ids).bind(id);
    name.execute(&mut *connection).await?;
    let edits: Vec<i64> = sqlx::query_scalar(LOCK_EDITS)
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    let fold = sqlx::query(FOLD_EDITS).bind(id).bind(edits);
    fold.execute(&mut *connection).await?;
    for along in [FOLD_RESTS, FOLD_TAKEN_UP] {
        sqlx::query(along).bind(id).execute(&mut *connection).await?;
    }
    Ok(DeliveryId(id))
}
