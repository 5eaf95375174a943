//! Claiming in SQLite: what is next in the rooms that are due, folded into a digest if it has become a storm.
//!
//! Guarantees: never more than one delivery of a room at a time, and always the one whose turn it is; the attempt is
//! counted, and a digest and its members are written, in the same transaction.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{fold, read};
use crate::outbox::store::{CLOCK_SLACK_MS, UNTRIED_MS, given_up, millis, timestamp};
use crate::outbox::turn::{Queue, Waits};
use crate::outbox::{Delivery, DeliveryId, FoldPolicy, OutboxError};

/// How long a claim is believed without being renewed. Other processes cannot claim, so this only frees a room whose
/// claim got lost inside this one; it is long because a clock that jumps ahead must not look like that.
const LEASE: Duration = Duration::from_mins(1);

/// Rooms that may be tried and have something waiting, least recently tried first: no room starves another.
const DUE: &str = "
    SELECT r.id, r.overtaken, f.gives_way, f.id, f.attempts, f.accepted_at, n.id, n.attempts, n.accepted_at
    FROM room r JOIN delivery f ON f.id = (
        SELECT w.id FROM delivery w WHERE w.room_id = r.id AND w.state = 'waiting' ORDER BY w.position LIMIT 1)
    LEFT JOIN delivery n ON f.gives_way AND n.id = (
        SELECT w.id FROM delivery w WHERE w.room_id = r.id AND w.state = 'waiting' AND w.gives_way = 0
        ORDER BY w.position LIMIT 1)
    WHERE (r.due_at <= ?1 OR r.waits_since > ?2) AND (r.in_flight IS NULL OR r.lease_until <= ?1)
    ORDER BY r.lease_until, f.id LIMIT ?3";

/// The time towards giving up goes on only if the last attempt was between ?3 and ?4, which is lately.
const BEGIN_ATTEMPT: &str = "
    UPDATE delivery SET attempts = attempts + 1, gives_way = 0, last_attempt_at = ?2,
        first_attempt_at = CASE WHEN last_attempt_at BETWEEN ?3 AND ?4 THEN coalesce(first_attempt_at, ?2) ELSE ?2 END
    WHERE id = ?1";
const HOLD_ROOM: &str = "UPDATE room SET in_flight = ?2, lease_until = ?3, overtaken = ?4 WHERE id = ?1";

const RENEW: &str =
    "UPDATE room SET lease_until = ?2 WHERE in_flight = ?1 AND id = (SELECT room_id FROM delivery WHERE id = ?1)";
const RELEASE: &str =
    "UPDATE room SET in_flight = NULL WHERE in_flight = ?1 AND id = (SELECT room_id FROM delivery WHERE id = ?1)";

const GIVE_UP: &str = "UPDATE delivery SET state = 'dead', finished_at = ?2, last_error = ?3 WHERE id = ?1";

/// Claims at most `limit` deliveries, one of each room. What cannot be read is given up instead.
pub(super) fn claim_due(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
    fold: &FoldPolicy,
) -> Result<Vec<Delivery>, OutboxError> {
    let mut claimed = Vec::new();
    let lately = (millis(now) - UNTRIED_MS, millis(now) + CLOCK_SLACK_MS);
    for (room, queue) in due(connection, now, limit)? {
        let turn = queue.turn();
        let digest = if turn.is_news {
            fold::folded(connection, room, turn.next, now, fold)?
        } else {
            None
        };
        let id = digest.unwrap_or(turn.next.id);
        connection
            .prepare_cached(BEGIN_ATTEMPT)?
            .execute([id.0, millis(now), lately.0, lately.1])?;
        connection
            .prepare_cached(HOLD_ROOM)?
            .execute([room, id.0, lease(now), i64::from(turn.overtaken)])?;
        match read::sendable(connection, id)? {
            Ok(delivery) => claimed.push(delivery),
            Err(error) => give_up(connection, id, &error, now)?,
        }
    }
    Ok(claimed)
}

/// No room waits behind a row that cannot be read.
fn give_up(connection: &Connection, id: DeliveryId, error: &str, now: Timestamp) -> Result<(), OutboxError> {
    let reason = given_up(id, &error);
    connection
        .prepare_cached(GIVE_UP)?
        .execute(params![id.0, millis(now), reason])?;
    release(connection, &[id])
}

fn due(connection: &Connection, now: Timestamp, limit: usize) -> Result<Vec<(i64, Queue)>, OutboxError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(DUE)?;
    let mut rows = statement.query([millis(now), millis(now) + CLOCK_SLACK_MS, limit])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let waits = |id: DeliveryId, at: usize| {
            Ok::<_, rusqlite::Error>(Waits {
                id,
                attempts: row.get(at)?,
                accepted_at: timestamp(row.get(at + 1)?),
            })
        };
        let news: Option<i64> = row.get(6)?;
        let queue = Queue {
            overtaken: row.get(1)?,
            gives_way: row.get(2)?,
            first: waits(DeliveryId(row.get(3)?), 4)?,
            news: news.map(|id| waits(DeliveryId(id), 7)).transpose()?,
        };
        due.push((row.get(0)?, queue));
    }
    Ok(due)
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
        for statement in [DUE, BEGIN_ATTEMPT, RENEW].iter().chain(&fold::STATEMENTS) {
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
