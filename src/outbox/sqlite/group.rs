//! What is known of alert groups, in SQLite, and the rows that wait for their heads.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::message::RenderedMessage;
use crate::outbox::part::Part;
use crate::outbox::plan::{Open, OpenRows, Plan, RowRef, Standing, Written};
use crate::outbox::store::PreparedAcceptance;
use crate::outbox::{DeliveryId, HeadStanding, KnownGroup, Lost, OutboxError};

/// In this order, so that where the head is in its room nothing is looked at but what was given up; the terms that say
/// nothing new are those of its index.
const KNOWN: &str = "
    SELECT g.version, g.state, CASE
        WHEN h.id IS NULL THEN 'none'
        WHEN h.event_id IS NOT NULL THEN 'present'
        WHEN EXISTS (SELECT 1 FROM delivery d WHERE d.head_id = h.id AND d.head_id IS NOT NULL AND d.state = 'waiting')
            THEN 'present'
        WHEN EXISTS (SELECT 1 FROM delivery d JOIN delivery digest ON digest.id = d.folded_into
            WHERE d.head_id = h.id AND d.head_id IS NOT NULL AND digest.state = 'waiting') THEN 'present'
        WHEN h.rang THEN 'rang' ELSE 'silent' END,
        (SELECT json_group_array(json_array(d.id, d.part IN ('head', 'edit', 'rest', 'rest-reply'), d.finished_at))
            FROM delivery d WHERE d.head_id = h.id AND h.event_id IS NOT NULL AND d.state = 'dead'
                AND d.state IN ('dead', 'folded') AND d.head_id IS NOT NULL
                AND (d.id > h.shown OR d.part NOT IN ('head', 'edit', 'rest', 'rest-reply'))),
        (SELECT json_group_array(json_array(digest.id, 0, 0))
            FROM delivery d JOIN delivery digest ON digest.id = d.folded_into AND digest.members > 0
            WHERE d.head_id = h.id AND d.state = 'folded' AND d.state IN ('dead', 'folded') AND d.head_id IS NOT NULL
                AND digest.state = 'dead')
    FROM alert_group g LEFT JOIN head h ON h.id = g.head_id WHERE g.key = ?1";
const STANDING: &str = "SELECT version, head_id FROM alert_group WHERE key = ?1";
/// Its index holds all of it, so texts are not read.
const OPEN: &str = "
    SELECT id, part, reaction FROM delivery
    WHERE head_id = ?1 AND state = 'waiting' AND attempts = 0 AND last_error IS NULL AND head_id IS NOT NULL
    ORDER BY position";
const MESSAGE: &str = "SELECT message FROM delivery WHERE id = ?1";

const NEW_HEAD: &str = "INSERT INTO head (id) VALUES (?1)";
const REWRITE: &str = "UPDATE delivery SET message = ?2 WHERE id = ?1";
const FOLD: &str = "UPDATE delivery SET state = 'folded', folded_into = ?2 WHERE id = ?1";
const WRITE: &str = "
    INSERT INTO alert_group (key, version, state, head_id, changed_at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (key) DO UPDATE SET version = excluded.version, state = excluded.state, head_id = excluded.head_id,
        changed_at = excluded.changed_at";

/// What is remembered of these groups, by stored key.
pub(super) fn known(connection: &Connection, keys: &[String]) -> Result<HashMap<String, KnownGroup>, OutboxError> {
    let mut statement = connection.prepare_cached(KNOWN)?;
    let mut known = HashMap::new();
    for key in keys {
        let group = statement.query_row([key], |row| {
            Ok(KnownGroup {
                version: row.get(0)?,
                state: row.get(1)?,
                head: HeadStanding::stored(row.get_ref(2)?.as_str()?),
                lost: Lost::stored([Some(row.get_ref(3)?.as_str()?), Some(row.get_ref(4)?.as_str()?)]),
            })
        });
        if let Some(group) = group.optional()? {
            known.insert(key.clone(), group);
        }
    }
    Ok(known)
}

/// The plan for an acceptance, on the groups that it is about.
pub(super) fn plan(connection: &Connection, acceptance: &PreparedAcceptance) -> Result<Plan, OutboxError> {
    let (mut standing, mut open) = (HashMap::new(), OpenRows::default());
    for key in acceptance.group_keys() {
        let group = connection
            .prepare_cached(STANDING)?
            .query_row([key], |row| {
                Ok(Standing {
                    version: row.get(0)?,
                    head: row.get(1)?,
                })
            })
            .optional()?;
        if let Some(group) = group {
            if let Some(head) = &group.head {
                open.0.extend(open_rows(connection, head)?);
            }
            standing.insert(key.to_owned(), group);
        }
    }
    for last in open.last_ones() {
        if let RowRef::Stored(id) = last.row {
            last.message = message(connection, id)?;
        }
    }
    Ok(Plan::new(standing, open))
}

fn open_rows(connection: &Connection, head: &str) -> Result<Vec<Open>, OutboxError> {
    let mut statement = connection.prepare_cached(OPEN)?;
    let mut rows = statement.query([head])?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        let word = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        open.push(Open {
            row: RowRef::Stored(DeliveryId(row.get(0)?)),
            head: head.to_owned(),
            part: Part::stored(word, row.get(2)?),
            message: None,
        });
    }
    Ok(open)
}

/// What a row says; `None` where that cannot be read, which whoever claims it deals with.
fn message(connection: &Connection, id: DeliveryId) -> Result<Option<RenderedMessage>, OutboxError> {
    let text: Option<String> = connection
        .prepare_cached(MESSAGE)?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Makes a head, without an event as yet.
pub(super) fn new_head(connection: &Connection, id: &str) -> Result<(), OutboxError> {
    connection.prepare_cached(NEW_HEAD)?.execute([id])?;
    Ok(())
}

/// Lets a row that waits say something else.
pub(super) fn rewrite(connection: &Connection, id: DeliveryId, text: &str) -> Result<(), OutboxError> {
    connection.prepare_cached(REWRITE)?.execute(params![id.0, text])?;
    Ok(())
}

/// Takes a row out of the queue, for another one says it now.
pub(super) fn fold(connection: &Connection, id: DeliveryId, into: DeliveryId) -> Result<(), OutboxError> {
    connection.prepare_cached(FOLD)?.execute([id.0, into.0])?;
    Ok(())
}

/// Remembers a group.
pub(super) fn write(connection: &Connection, key: &str, group: &Written) -> Result<(), OutboxError> {
    let values = params![key, group.version, group.state, group.head, group.changed_at];
    connection.prepare_cached(WRITE)?.execute(values)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::sqlite::files;

    /// They run in every acceptance, however much waits.
    #[test]
    fn no_statement_walks_over_what_waits() {
        let directory = tempfile::tempdir().unwrap();
        let _lock = files::take_directory(directory.path()).unwrap();
        let mut connection = files::open_writer(directory.path()).unwrap();
        files::migrate(&mut connection).unwrap();
        for statement in [KNOWN, STANDING, OPEN, REWRITE] {
            let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let parameters = vec![0; explained.parameter_count()];
            let plan = explained.query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail"));
            let plan: Vec<String> = plan.unwrap().map(Result::unwrap).collect();
            let covered = |step: &String| step.contains("COVERING INDEX delivery_open");
            assert!(statement != OPEN || plan.iter().all(covered), "{plan:#?}");
            assert!(
                !plan.is_empty() && plan.iter().all(|step| !step.starts_with("SCAN")),
                "{statement}\n{plan:#?}"
            );
        }
    }
}
