//! Folding in SQLite: the digest that takes the place of a room's backlog.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::message::TxnId;
use crate::outbox::fold::FOLD_AT_MOST;
use crate::outbox::store::{Summary, message_text, millis, timestamp};
use crate::outbox::turn::Waits;
use crate::outbox::{DeliveryId, Digest, FoldPolicy, OutboxError, Waiting};

/// Edits have no line in a digest, nor have the rests of heads.
const WAITS_BEHIND: &str = "
    SELECT EXISTS (
        SELECT 1 FROM delivery WHERE room_id = ?1 AND state = 'waiting' AND gives_way = 0
            AND part NOT IN ('edit', 'rest', 'rest-reply')
        ORDER BY position LIMIT 1 OFFSET ?2)";

/// What was tried ends the run, be it an edit.
const RUN: &str = "
    SELECT id, attempts, accepted_at, starts_at, message FROM delivery
    WHERE room_id = ?1 AND state = 'waiting' AND gives_way = 0
        AND (part NOT IN ('edit', 'rest', 'rest-reply') OR attempts > 0)
    ORDER BY position LIMIT ?2";

const FOLD: &str = "UPDATE delivery SET state = 'folded' WHERE id = ?1";
/// The digest takes the place of its first member, which leaves the queue just before; or, where an edit that is not
/// folded stands in front of that, the place in front of the edit.
const INSERT_DIGEST: &str = "
    INSERT INTO delivery (room_id, position, txn_id, message, accepted_at, starts_at, members)
    SELECT room_id, min(position, coalesce((
            SELECT w.position - 1 FROM delivery w WHERE w.room_id = d.room_id AND w.state = 'waiting'
            ORDER BY w.position LIMIT 1), position)),
        ?2, ?3, ?4, ?5, ?6 FROM delivery d WHERE id = ?1";
const NAME_DIGEST: &str = "UPDATE delivery SET folded_into = ?2 WHERE id = ?1";
/// Where a digest names a group's last line, and there is no head in the room that could be edited, the edit that was
/// accepted with the line would be one more message that says the same.
const FOLD_EDITS: &str = "
    UPDATE delivery AS e SET state = 'folded', folded_into = ?1
    WHERE part = 'edit' AND state = 'waiting' AND attempts = 0 AND last_error IS NULL AND head_id IS NOT NULL
        AND head_id IN (
            SELECT h.id FROM delivery m JOIN head h ON h.id = m.head_id
            WHERE m.folded_into = ?1 AND h.event_id IS NULL)
        AND id < (SELECT max(m.id) FROM delivery m WHERE +m.folded_into = ?1 AND m.head_id = e.head_id)
        AND NOT EXISTS (
            SELECT 1 FROM delivery o WHERE o.head_id = e.head_id AND o.state = 'waiting'
                AND o.part NOT IN ('edit', 'rest', 'rest-reply'))";
/// And a rest goes with the head, or the edit, that it is the rest of.
const FOLD_RESTS: &str = "
    UPDATE delivery AS r SET state = 'folded', folded_into = ?1
    WHERE part IN ('rest', 'rest-reply') AND state = 'waiting' AND attempts = 0 AND last_error IS NULL AND head_id IS NOT NULL
        AND head_id IN (
            SELECT h.id FROM delivery m JOIN head h ON h.id = m.head_id
            WHERE m.folded_into = ?1 AND h.event_id IS NULL)
        AND NOT EXISTS (
            SELECT 1 FROM delivery o WHERE o.head_id = r.head_id AND o.state = 'waiting'
                AND o.part NOT IN ('rest', 'rest-reply'))";
/// What one of them had taken up goes with it.
const FOLD_TAKEN_UP: &str = "
    UPDATE delivery SET folded_into = ?1
    WHERE folded_into IN (SELECT id FROM delivery WHERE folded_into = ?1)";

#[cfg(test)]
pub(super) const STATEMENTS: [&str; 6] = [WAITS_BEHIND, RUN, INSERT_DIGEST, FOLD_EDITS, FOLD_RESTS, FOLD_TAKEN_UP];

/// The digest that now stands where `next` did, if the backlog from there on called for one.
pub(super) fn folded(
    connection: &Connection,
    room: i64,
    next: Waits,
    now: Timestamp,
    fold: &FoldPolicy,
) -> Result<Option<DeliveryId>, OutboxError> {
    let Some(behind) = fold.looks_behind(next.attempts, next.accepted_at, now) else {
        return Ok(None);
    };
    let behind = i64::try_from(behind).unwrap_or(i64::MAX);
    let enough: bool = connection
        .prepare_cached(WAITS_BEHIND)?
        .query_row([room, behind], |row| row.get(0))?;
    if !enough {
        return Ok(None);
    }
    let run = untried_run(connection, room)?;
    match fold.digest(&run, now) {
        Some(digest) => write_digest(connection, &run[..digest.taken], &digest).map(Some),
        None => Ok(None),
    }
}

/// The deliveries up to the first that was ever tried, or that cannot be read.
fn untried_run(connection: &Connection, room: i64) -> Result<Vec<Waiting>, OutboxError> {
    let limit = i64::try_from(FOLD_AT_MOST).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(RUN)?;
    let mut rows = statement.query([room, limit])?;
    let mut run = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, u32>(1)? > 0 {
            break;
        }
        let message = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
        let Ok(summary) = serde_json::from_str::<Summary>(message) else {
            break;
        };
        run.push(Waiting {
            id: DeliveryId(row.get(0)?),
            accepted_at: timestamp(row.get(2)?),
            starts_at: row.get::<_, Option<i64>>(3)?.map(timestamp),
            headline: summary.headline,
            msgtype: summary.msgtype,
            mentions: summary.mentions,
        });
    }
    Ok(run)
}

fn write_digest(connection: &Connection, members: &[Waiting], digest: &Digest) -> Result<DeliveryId, OutboxError> {
    for member in members {
        connection.prepare_cached(FOLD)?.execute([member.id.0])?;
    }
    connection.prepare_cached(INSERT_DIGEST)?.execute(params![
        members.first().map(|first| first.id.0),
        TxnId::generate().as_str(),
        message_text(&digest.message)?,
        members.iter().map(|member| millis(member.accepted_at)).min(),
        members.iter().filter_map(|member| member.starts_at).min().map(millis),
        i64::try_from(members.len()).unwrap_or(i64::MAX),
    ])?;
    let id = DeliveryId(connection.last_insert_rowid());
    for member in members {
        connection.prepare_cached(NAME_DIGEST)?.execute([member.id.0, id.0])?;
    }
    for along in [FOLD_EDITS, FOLD_RESTS, FOLD_TAKEN_UP] {
        connection.prepare_cached(along)?.execute([id.0])?;
    }
    Ok(id)
}
