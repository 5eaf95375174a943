//! What an operator, or the calendar, does to rows: retry, give up, delete, prune.

use jiff::{SignedDuration, Timestamp};

use super::accept::lock_rooms;
use super::columns::{message_text, millis};
use super::record::{self, news_row};
use super::session::{Session, values};
use super::store::{GIVEN_UP, Keep, PRUNE_STEP};
use super::{DeliveryId, DeliveryState, Ended, OutboxError, Part, RetryResult, edits};
use crate::message::RoomAddress;

/// The attempts stay counted, for what was ever tried is never a member of a digest; the horizon of giving up begins anew.
const REQUEUE: &str = "
    UPDATE outbox_news SET state = 'waiting', position = ?2, finished_at = NULL, first_attempt_at = NULL WHERE id = ?1";
const WAKE_ROOM: &str = "UPDATE outbox_room SET due_at = 0, waits_since = 0, reason = NULL WHERE id = ?1";
/// A message of a group is it again, if the group has no other one by now. What was tried keeps its text, so it may have to be
/// brought up to date then.
const ROOT_AGAIN: &str = "
    UPDATE outbox_group SET root_news = ?2, tried_rev = (SELECT rev FROM outbox_news WHERE id = ?2)
    WHERE id = ?1 AND root_news IS NULL";
/// The same for all that a digest names.
const NAMED: &str = "SELECT group_id, id FROM outbox_news WHERE combined_into = ?1 AND kind = 'root'";
const HAS_ROOT: &str = "SELECT 1 FROM outbox_group WHERE id = ?1 AND root_news = ?2";
/// Where it has one, it comes late, in the thread of that.
const AS_LINE: &str = "
    UPDATE outbox_news SET kind = 'line', message = coalesce(message, ?2)
    WHERE id = ?1";

const DEAD_OF_ROOM: &str = "
    SELECT d.id FROM outbox_news d WHERE d.room_id = (SELECT id FROM outbox_room WHERE address = ?1) AND d.state = 'dead'
    ORDER BY d.position";
const DELETE_MEMBERS: &str = "DELETE FROM outbox_news WHERE combined_into = ?1";
const DELETE: &str = "DELETE FROM outbox_news WHERE id = ?1";

/// Members go before the row that is sent in their place; what another relay is pruning is left to it.
const PRUNE_COMBINED: &str = "
    DELETE FROM outbox_news WHERE id IN (
        SELECT m.id FROM outbox_news d JOIN outbox_news m ON m.combined_into = d.id
        WHERE d.state = 'delivered' AND d.finished_at < ?1 AND d.members > 0 LIMIT ?2
        /*pg FOR UPDATE OF m SKIP LOCKED*/)";
const PRUNE_DELIVERED: &str = "
    DELETE FROM outbox_news WHERE id IN (
        SELECT d.id FROM outbox_news d WHERE d.state = 'delivered' AND d.finished_at < ?1
            AND NOT EXISTS (SELECT 1 FROM outbox_news m WHERE m.combined_into = d.id)
        ORDER BY d.finished_at LIMIT ?2 /*pg FOR UPDATE OF d SKIP LOCKED*/)";
const PRUNE_REPEATS: &str = "
    DELETE FROM outbox_repeat WHERE key IN (
        SELECT key FROM outbox_repeat WHERE accepted_at < ?1 LIMIT ?2 /*pg FOR UPDATE SKIP LOCKED*/)";
/// A group is not forgotten as long as something of it could still be sent.
const OLD_GROUPS: &str = "
    SELECT g.id FROM outbox_group g WHERE g.changed_at < ?1 AND g.owed IS NULL AND NOT EXISTS (
        SELECT 1 FROM outbox_news n WHERE n.group_id = g.id AND n.state IN ('waiting', 'dead'))
    LIMIT ?2 /*pg FOR UPDATE OF g SKIP LOCKED*/";
const PRUNE_GROUP: [&str; 3] = [
    "DELETE FROM outbox_alert WHERE group_id = ?1",
    "DELETE FROM outbox_group_text WHERE group_id = ?1",
    "DELETE FROM outbox_group WHERE id = ?1",
];
/// Senders list a resolved alert again while another receiver of theirs fails, but not for so long.
const OLD_ALERTS: &str = "
    SELECT group_id, name FROM outbox_alert WHERE firing = 0 AND changed_at < ?1 LIMIT ?2";
const PRUNE_ALERT: &str = "DELETE FROM outbox_alert WHERE group_id = ?1 AND name = ?2 AND firing = 0";
const FEWER: &str = "UPDATE outbox_group SET remembered = remembered - 1 WHERE id = ?1";
const KEEP_ALERTS_MS: i64 = 24 * 3_600 * 1_000;

/// Puts a dead delivery at the tail of its room.
pub(super) async fn retry<S: Session>(
    session: &mut S,
    id: DeliveryId,
    now: Timestamp,
) -> Result<RetryResult, OutboxError> {
    let Some((room, news)) = news_row(session, id).await? else {
        let edit = state(session, id).await?;
        return Ok(edit.map_or(RetryResult::Unknown, RetryResult::NotDead));
    };
    let state = news.state.seen(room.sends(id));
    if state != DeliveryState::Dead {
        return Ok(RetryResult::NotDead(state));
    }
    // What has no room that can be read is given up again when it is claimed.
    if let Ok(address) = room.address.parse::<RoomAddress>() {
        let mut rooms = lock_rooms(session, std::iter::once(&address)).await?;
        let position = rooms.append(&address, Part::Message, 0)?.position;
        rooms.write(session).await?;
        session.run(REQUEUE, values![id.0, position]).await?;
    }
    if let (Some(Part::Root), Some(group)) = (news.part, news.group) {
        session.run(ROOT_AGAIN, values![group, id.0]).await?;
        if session.row(HAS_ROOT, values![group, id.0]).await?.is_none() {
            let text = super::row::show(session, id).await?;
            let text = text.map(|delivery| message_text(&delivery.message)).transpose()?;
            session.run(AS_LINE, values![id.0, text]).await?;
        }
    }
    if news.is_digest {
        for mut named in session.rows(NAMED, values![id.0]).await? {
            session
                .run(ROOT_AGAIN, values![named.maybe_int()?, named.int()?])
                .await?;
        }
    }
    session.run(WAKE_ROOM, values![room.id]).await?;
    let idle = news
        .last_attempt_at
        .map(|last| SignedDuration::from_millis(millis(now).saturating_sub(last)));
    Ok(RetryResult::Queued { idle })
}

/// The dead deliveries of a room, in their order.
pub(super) async fn dead_of_room<S: Session>(
    session: &mut S,
    room: &RoomAddress,
) -> Result<Vec<DeliveryId>, OutboxError> {
    let rows = session.rows(DEAD_OF_ROOM, values![room.as_str()]).await?;
    rows.into_iter().map(|mut row| Ok(DeliveryId(row.int()?))).collect()
}

/// Gives up what waits. An edit ends with that: the group's next change owes another one.
pub(super) async fn give_up<S: Session>(session: &mut S, id: DeliveryId, now: Timestamp) -> Result<Ended, OutboxError> {
    let Some(state) = state(session, id).await? else {
        return Ok(Ended::Unknown);
    };
    if state != DeliveryState::Pending {
        return Ok(Ended::Kept(state));
    }
    record::give_up(session, id, GIVEN_UP, now).await?;
    Ok(Ended::Done)
}

/// Deletes what is dead, with whatever it was sent in place of.
pub(super) async fn delete<S: Session>(session: &mut S, id: DeliveryId) -> Result<Ended, OutboxError> {
    let Some(state) = state(session, id).await? else {
        return Ok(Ended::Unknown);
    };
    if state != DeliveryState::Dead {
        return Ok(Ended::Kept(state));
    }
    session.run(DELETE_MEMBERS, values![id.0]).await?;
    session.run(DELETE, values![id.0]).await?;
    Ok(Ended::Done)
}

/// The state of a delivery, or of an edit that is owed, its room locked.
async fn state<S: Session>(session: &mut S, id: DeliveryId) -> Result<Option<DeliveryState>, OutboxError> {
    if id.edited_group().is_some() {
        record::lock(session, id).await?;
        let edit = edits::show(session, id).await?;
        return Ok(edit.map(|edit| edit.delivery.state));
    }
    let news = news_row(session, id).await?;
    Ok(news.map(|(room, news)| news.state.seen(room.sends(id))))
}

/// Removes one step's worth of what is old; 0 when there is no more.
pub(super) async fn prune_step<S: Session>(session: &mut S, now: Timestamp, keep: Keep) -> Result<u64, OutboxError> {
    let before = |keep: i64| millis(now).saturating_sub(keep);
    let mut removed = 0;
    for (statement, keep) in [
        (PRUNE_COMBINED, keep.delivered),
        (PRUNE_DELIVERED, keep.delivered),
        (PRUNE_REPEATS, keep.keys),
    ] {
        removed += session.run(statement, values![before(keep), PRUNE_STEP]).await?;
    }
    for mut row in session
        .rows(OLD_GROUPS, values![before(keep.groups), PRUNE_STEP])
        .await?
    {
        let group = row.int()?;
        for statement in PRUNE_GROUP {
            removed += session.run(statement, values![group]).await?;
        }
    }
    for mut row in session
        .rows(OLD_ALERTS, values![before(KEEP_ALERTS_MS), PRUNE_STEP])
        .await?
    {
        let (group, name) = (row.int()?, row.text()?);
        let gone = session.run(PRUNE_ALERT, values![group, name]).await?;
        if gone > 0 {
            session.run(FEWER, values![group]).await?;
        }
        removed += gone;
    }
    Ok(removed)
}
