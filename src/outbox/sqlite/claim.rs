//! Claiming in SQLite: the heads of the rooms that are due, each folded into a digest if it has become a storm.
//!
//! Guarantees: never more than one delivery of a room at a time, and always the head; the attempt is counted, and a
//! digest and its members are written, in the same transaction.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::read;
use crate::message::TxnId;
use crate::outbox::fold::FOLD_AT_MOST;
use crate::outbox::store::{CLOCK_SLACK_MS, Summary, UNTRIED_MS, message_text, millis, timestamp};
use crate::outbox::{Delivery, DeliveryId, Digest, FoldPolicy, OutboxError, Waiting};

/// How long a claim is believed without being renewed. Other processes cannot claim, so this only frees a room whose
/// claim got lost inside this one; it is long because a clock that jumps ahead must not look like that.
const LEASE: Duration = Duration::from_mins(1);

/// Rooms that may be tried and have something waiting, least recently tried first: no room starves another.
const DUE_HEADS: &str = "
    SELECT d.room_id, d.id, d.attempts, d.accepted_at
    FROM room r JOIN delivery d ON d.id = (
        SELECT h.id FROM delivery h WHERE h.room_id = r.id AND h.state = 'waiting' ORDER BY h.position LIMIT 1)
    WHERE (r.due_at <= ?1 OR r.waits_since > ?2) AND (r.in_flight IS NULL OR r.lease_until <= ?1)
    ORDER BY r.lease_until, d.id LIMIT ?3";

const WAITS_BEHIND: &str = "
    SELECT EXISTS (
        SELECT 1 FROM delivery WHERE room_id = ?1 AND state = 'waiting' AND part NOT IN ('edit', 'reaction')
        ORDER BY position LIMIT 1 OFFSET ?2)";

const RUN: &str = "
    SELECT id, attempts, accepted_at, starts_at, message FROM delivery
    WHERE room_id = ?1 AND state = 'waiting' AND part NOT IN ('edit', 'reaction') ORDER BY position LIMIT ?2";

const FOLD: &str = "UPDATE delivery SET state = 'folded' WHERE id = ?1";
/// The digest rings for the heads that it names.
const RING: &str = "UPDATE head SET rang = 1 WHERE id = (SELECT head_id FROM delivery WHERE id = ?1)";
/// The digest takes the place of its first member, which leaves the queue just before; or, where an edit that is not
/// folded stands in front of that, the place in front of the edit.
const INSERT_DIGEST: &str = "
    INSERT INTO delivery (room_id, position, txn_id, message, accepted_at, starts_at, members)
    SELECT room_id, min(position, coalesce((
            SELECT w.position - 1 FROM delivery w WHERE w.room_id = d.room_id AND w.state = 'waiting'
            ORDER BY w.position LIMIT 1), position)),
        ?2, ?3, ?4, ?5, ?6 FROM delivery d WHERE id = ?1";
const NAME_DIGEST: &str = "UPDATE delivery SET folded_into = ?2 WHERE id = ?1";

/// The time towards giving up goes on only if the last attempt was between ?3 and ?4, which is lately.
const BEGIN_ATTEMPT: &str = "
    UPDATE delivery SET attempts = attempts + 1, last_attempt_at = ?2,
        first_attempt_at = CASE WHEN last_attempt_at BETWEEN ?3 AND ?4 THEN coalesce(first_attempt_at, ?2) ELSE ?2 END
    WHERE id = ?1";
const HOLD_ROOM: &str = "UPDATE room SET in_flight = ?2, lease_until = ?3 WHERE id = ?1";

const RENEW: &str =
    "UPDATE room SET lease_until = ?2 WHERE in_flight = ?1 AND id = (SELECT room_id FROM delivery WHERE id = ?1)";
const RELEASE: &str =
    "UPDATE room SET in_flight = NULL WHERE in_flight = ?1 AND id = (SELECT room_id FROM delivery WHERE id = ?1)";

struct Head {
    room_id: i64,
    id: i64,
    attempts: u32,
    accepted_at: Timestamp,
}

/// Claims at most `limit` heads.
pub(super) fn claim_due(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
    fold: &FoldPolicy,
) -> Result<Vec<Delivery>, OutboxError> {
    let mut claimed = Vec::new();
    for head in due_heads(connection, now, limit)? {
        let id = folded(connection, &head, now, fold)?.unwrap_or(head.id);
        let lately = (millis(now) - UNTRIED_MS, millis(now) + CLOCK_SLACK_MS);
        connection
            .prepare_cached(BEGIN_ATTEMPT)?
            .execute([id, millis(now), lately.0, lately.1])?;
        connection
            .prepare_cached(HOLD_ROOM)?
            .execute([head.room_id, id, lease(now)])?;
        claimed.extend(read::show(connection, DeliveryId(id))?);
    }
    Ok(claimed)
}

fn due_heads(connection: &Connection, now: Timestamp, limit: usize) -> Result<Vec<Head>, OutboxError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(DUE_HEADS)?;
    let heads = statement.query_map([millis(now), millis(now) + CLOCK_SLACK_MS, limit], |row| {
        Ok(Head {
            room_id: row.get(0)?,
            id: row.get(1)?,
            attempts: row.get(2)?,
            accepted_at: timestamp(row.get(3)?),
        })
    })?;
    Ok(heads.collect::<Result<_, _>>()?)
}

/// The digest that now stands at the head of the room, if its backlog called for one.
fn folded(connection: &Connection, head: &Head, now: Timestamp, fold: &FoldPolicy) -> Result<Option<i64>, OutboxError> {
    let Some(behind) = fold.looks_behind(head.attempts, head.accepted_at, now) else {
        return Ok(None);
    };
    let behind = i64::try_from(behind).unwrap_or(i64::MAX);
    let enough: bool = connection
        .prepare_cached(WAITS_BEHIND)?
        .query_row([head.room_id, behind], |row| row.get(0))?;
    if !enough {
        return Ok(None);
    }
    let run = untried_run(connection, head.room_id)?;
    match fold.digest(&run, now) {
        Some(digest) => write_digest(connection, &run[..digest.taken], &digest).map(Some),
        None => Ok(None),
    }
}

/// The deliveries from the head on, up to the first that was ever tried.
fn untried_run(connection: &Connection, room_id: i64) -> Result<Vec<Waiting>, OutboxError> {
    let limit = i64::try_from(FOLD_AT_MOST).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(RUN)?;
    let mut rows = statement.query([room_id, limit])?;
    let mut run = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, u32>(1)? > 0 {
            break;
        }
        let summary: Summary = serde_json::from_str(row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?)?;
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

fn write_digest(connection: &Connection, members: &[Waiting], digest: &Digest) -> Result<i64, OutboxError> {
    for member in members {
        connection.prepare_cached(FOLD)?.execute([member.id.0])?;
        connection.prepare_cached(RING)?.execute([member.id.0])?;
    }
    connection.prepare_cached(INSERT_DIGEST)?.execute(params![
        members.first().map(|first| first.id.0),
        TxnId::generate().as_str(),
        message_text(&digest.message)?,
        members.iter().map(|member| millis(member.accepted_at)).min(),
        members.iter().filter_map(|member| member.starts_at).min().map(millis),
        i64::try_from(members.len()).unwrap_or(i64::MAX),
    ])?;
    let id = connection.last_insert_rowid();
    for member in members {
        connection.prepare_cached(NAME_DIGEST)?.execute([member.id.0, id])?;
    }
    Ok(id)
}

/// Extends the claims.
pub(super) fn renew(connection: &Connection, ids: &[DeliveryId], now: Timestamp) -> Result<(), OutboxError> {
    for id in ids {
        connection.prepare_cached(RENEW)?.execute([id.0, lease(now)])?;
    }
    Ok(())
}

/// Gives the claims back.
pub(super) fn release(connection: &Connection, ids: &[DeliveryId]) -> Result<(), OutboxError> {
    for id in ids {
        connection.prepare_cached(RELEASE)?.execute([id.0])?;
    }
    Ok(())
}

fn lease(now: Timestamp) -> i64 {
    millis(now) + i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::sqlite::files;

    /// With 100,000 waiting, a statement that walks over them would cost every claim milliseconds.
    #[test]
    fn no_statement_walks_over_what_waits() {
        let directory = tempfile::tempdir().unwrap();
        let _lock = files::take_directory(directory.path()).unwrap();
        let mut connection = files::open_writer(directory.path()).unwrap();
        files::migrate(&mut connection).unwrap();
        for statement in [DUE_HEADS, WAITS_BEHIND, RUN, BEGIN_ATTEMPT, INSERT_DIGEST, RENEW] {
            let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let parameters = vec![0; explained.parameter_count()];
            let plan = explained.query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail"));
            let plan: Vec<String> = plan.unwrap().map(Result::unwrap).collect();
            let walks = plan
                .iter()
                .any(|step| step.starts_with("SCAN") && step != "SCAN r" && !step.contains("CONSTANT"));
            assert!(!walks, "{statement}\n{plan:#?}");
        }
    }
}
