//! A group's message that is not in the room any more, as the homeserver answers what refers to it.
//!
//! Guarantees: it is owed once more, quietly, and what waits in its thread goes with it; where another one is on its way by
//! then, only the lines do.

use super::group::GroupMessage;
use super::session::{Session, values};
use super::{DeliveryId, OutboxError};

/// A line whose own message never came into the room is in the thread of the present one.
const LOST: &str = "
    SELECT g.root_news, t.wanted, CASE WHEN n.root_id = g.root_news OR NOT EXISTS (
        SELECT 1 FROM outbox_news r WHERE r.id = n.root_id AND r.event_id IS NOT NULL) THEN 1 ELSE 0 END
    FROM outbox_group g JOIN outbox_group_text t ON t.group_id = g.id LEFT JOIN outbox_news n ON n.id = ?2
    WHERE g.id = ?1 AND g.root_event IS NOT NULL";
const LOSE_ROOT: &str = "
    UPDATE outbox_group SET root_news = NULL, root_event = NULL, latest_event = NULL, wanted_rev = wanted_rev + 1,
        tried_rev = 0, owed = NULL
    WHERE id = ?1";
const WANTED: &str = "UPDATE outbox_group_text SET wanted = ?2 WHERE group_id = ?1";
/// Lines of a message that is gone are those of the one that takes its place, those that were given up and may be tried again too.
const LEAVE_ROOT: &str =
    "UPDATE outbox_news SET root_id = NULL WHERE group_id = ?1 AND state IN ('waiting', 'dead') AND root_id = ?2";
const LEAVE_ITS_ROOT: &str = "
    UPDATE outbox_news SET root_id = NULL
    WHERE group_id = ?1 AND state IN ('waiting', 'dead') AND root_id = (SELECT root_id FROM outbox_news WHERE id = ?2)";

/// The message of a group is not in the room any more, as the answer to a line or an edit said. It is owed once
/// more, quietly; where a line waits, that is claimed after it. Says whether it is that message which is gone.
pub(super) async fn lose_root<S: Session>(
    session: &mut S,
    group: i64,
    line: Option<DeliveryId>,
) -> Result<bool, OutboxError> {
    let lost = session.row(LOST, values![group, line.map(|id| id.0)]).await?;
    let Some(mut row) = lost else {
        // Another one is on its way.
        if let Some(line) = line {
            session.run(LEAVE_ITS_ROOT, values![group, line.0]).await?;
        }
        return Ok(false);
    };
    let (root, wanted, is_of_root) = (row.maybe_int()?, row.maybe_text()?, row.flag()?);
    if let Some(line) = line.filter(|_| !is_of_root) {
        session.run(LEAVE_ITS_ROOT, values![group, line.0]).await?;
        return Ok(false);
    }
    session.run(LOSE_ROOT, values![group]).await?;
    session.run(LEAVE_ROOT, values![group, root]).await?;
    hush(session, group, wanted).await?;
    Ok(true)
}

/// Lets what a message should say wake nobody: the room has heard of it.
pub(super) async fn hush<S: Session>(session: &mut S, group: i64, wanted: Option<String>) -> Result<(), OutboxError> {
    let wanted = wanted.and_then(|text| serde_json::from_str::<GroupMessage>(&text).ok());
    if let Some(wanted) = wanted {
        let quiet = serde_json::to_string(&wanted.quiet())?;
        session.run(WANTED, values![group, quiet]).await?;
    }
    Ok(())
}
