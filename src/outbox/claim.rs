//! Claiming: what a room sends next. News goes in its order, several rows as one where they wait together; where there is
//! none, or after ten, the message of a group is brought up to date.
//!
//! Guarantees: never more than one thing of a room at a time, over all relays; what was tried and has not ended goes first,
//! unchanged; a line never goes before the message in whose thread it is, which is sent once more where it is not in the
//! room; the attempt is written in the same transaction, and nothing of a template runs in it. Rooms are locked in the order of their addresses.

use std::collections::HashMap;

use jiff::Timestamp;

use super::accept::{NewRow, insert};
use super::delivery::Claims;
use super::session::{Row, Session, values};
use super::store::{CLOCK_SLACK_MS, UNTRIED_MS, clean, millis, timestamp};
use super::text::{self, Group};
use super::{Delivery, DeliveryId, DigestPolicy, OutboxError, Part, record, row, run};
use crate::message::RoomAddress;

/// How much news may go in a row while an edit is owed.
const PATIENCE: i64 = 10;

/// Rooms that may be tried and owe something, least recently tried first: no room starves another.
const DUE: &str = "
    SELECT r.address FROM outbox_room r
    WHERE (r.due_at <= ?1 OR r.waits_since > ?2) AND (r.owner IS NULL OR r.lease_until <= ?3 OR r.lease_until > ?4)
        AND (EXISTS (SELECT 1 FROM outbox_news w WHERE w.room_id = r.id AND w.state = 'waiting')
            OR EXISTS (SELECT 1 FROM outbox_group g WHERE g.room_id = r.id AND g.owed IS NOT NULL))
    ORDER BY r.lease_until, r.id LIMIT ?5";
/// The same once more, for another relay may have been quicker.
const STILL_DUE: &str = "
    SELECT r.id, r.current, r.news_run FROM outbox_room r
    WHERE r.address = ?1 AND (r.due_at <= ?2 OR r.waits_since > ?3)
        AND (r.owner IS NULL OR r.lease_until <= ?4 OR r.lease_until > ?5) /*pg FOR NO KEY UPDATE*/";
const NEWS: &str = "
    SELECT id, kind, group_id, root_id, attempts, accepted_at, position FROM outbox_news
    WHERE room_id = ?1 AND state = 'waiting' ORDER BY position LIMIT 1";
const OWED: &str = "SELECT id FROM outbox_group WHERE room_id = ?1 AND owed IS NOT NULL ORDER BY owed LIMIT 1";
const HOLD_ROOM: &str = "
    UPDATE outbox_room SET current = ?2, owner = ?3, lease_until = ?4, news_run = ?5 WHERE id = ?1";

/// The time towards giving up goes on only if the last attempt was between ?3 and ?4, which is lately.
const BEGIN_NEWS: &str = "
    UPDATE outbox_news SET attempts = attempts + 1, last_attempt_at = ?2,
        first_attempt_at = CASE WHEN last_attempt_at BETWEEN ?3 AND ?4 THEN coalesce(first_attempt_at, ?2) ELSE ?2 END
    WHERE id = ?1";

const SET_ROOT: &str = "UPDATE outbox_group SET root_news = ?2, tried_rev = 0, owed = NULL WHERE id = ?1";
const MOVE: &str = "UPDATE outbox_news SET position = ?2 WHERE id = ?1 AND state = 'waiting'";

const RENEW: &str = "UPDATE outbox_room SET lease_until = ?3 WHERE owner = ?1 AND current = ?2";
const RELEASE: &str = "UPDATE outbox_room SET owner = NULL WHERE owner = ?1 AND current = ?2";

/// A room that is claimed.
pub(super) struct Room {
    id: i64,
    pub(super) address: RoomAddress,
    current: Option<DeliveryId>,
    news_run: i64,
}

/// Who claims, and when.
struct Claimant<'a> {
    owner: &'a str,
    now: Timestamp,
    lease_until: i64,
    policy: &'a DigestPolicy,
}

/// The next of a room's news.
pub(super) struct Front {
    pub(super) id: DeliveryId,
    pub(super) part: Option<Part>,
    pub(super) group: Option<i64>,
    pub(super) root: Option<i64>,
    pub(super) attempts: u32,
    pub(super) accepted_at: Timestamp,
    pub(super) position: i64,
}

/// Claims at most `limit` deliveries, one of each room. What cannot be read is given up instead.
pub(super) async fn claim_due<S: Session>(
    session: &mut S,
    owner: &str,
    now: Timestamp,
    limit: usize,
    policy: &DigestPolicy,
) -> Result<Claims, OutboxError> {
    let clock = session.clock(now).await?;
    let (far, slack) = (clock.saturating_add(S::LEASE_AHEAD_MS), millis(now) + CLOCK_SLACK_MS);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let due = session
        .rows(DUE, values![millis(now), slack, clock, far, limit])
        .await?;
    let due: Vec<String> = due.into_iter().map(|mut row| row.text()).collect::<Result<_, _>>()?;
    let mut sorted: Vec<&String> = due.iter().collect();
    sorted.sort_unstable();
    let claimant = Claimant {
        owner,
        now,
        lease_until: clock + S::LEASE_MS,
        policy,
    };
    let (mut claims, mut claimed) = (Claims::default(), HashMap::new());
    for address in sorted {
        let again = values![address.as_str(), millis(now), slack, clock, far];
        let Some(mut row) = session.row(STILL_DUE, again).await? else {
            continue;
        };
        let mut room = Room {
            id: row.int()?,
            // One that cannot be read is seen when its delivery is.
            address: address.parse().unwrap_or_else(|_| RoomAddress::nowhere()),
            current: row.maybe_int()?.map(DeliveryId),
            news_run: row.int()?,
        };
        match claim(session, &mut room, &claimant).await? {
            Some(Ok(delivery)) => drop(claimed.insert(address.as_str(), delivery)),
            Some(Err(unreadable)) => claims.unreadable.push(unreadable),
            None => {}
        }
    }
    claims.deliveries = due
        .iter()
        .filter_map(|address| claimed.remove(address.as_str()))
        .collect();
    Ok(claims)
}

type Claimed = Result<Delivery, (DeliveryId, String)>;

/// Claims what is next in a room; the reason why that cannot be read.
async fn claim<S: Session>(
    session: &mut S,
    room: &mut Room,
    claimant: &Claimant<'_>,
) -> Result<Option<Claimed>, OutboxError> {
    let id = match room.current {
        Some(id) => id,
        None => match next(session, room, claimant).await? {
            Some(id) => id,
            None => return Ok(None),
        },
    };
    let holds = values![room.id, id.0, claimant.owner, claimant.lease_until, room.news_run];
    session.run(HOLD_ROOM, holds).await?;
    let now = millis(claimant.now);
    let lately = |id: i64| values![id, now, now - UNTRIED_MS, now + CLOCK_SLACK_MS];
    let read = if let Some(group) = id.edited_group() {
        let Some(edit) = text::edit(session, room, group, lately, now).await? else {
            // What it was to bring up to date was left behind meanwhile.
            record::give_up(session, id, "its message is not in the room", claimant.now).await?;
            return Ok(None);
        };
        edit
    } else {
        session.run(BEGIN_NEWS, lately(id.0)).await?;
        match text::take_wanted(session, room, id, now).await? {
            Ok(()) => {
                let read = row::sendable(session, id).await?;
                with_members(session, read).await?
            }
            Err(reason) => Err(reason),
        }
    };
    Ok(Some(match read {
        Ok(delivery) => Ok(delivery),
        Err(reason) => {
            let reason = clean(&format!("cannot read it: {reason}"));
            record::give_up(session, id, &reason, claimant.now).await?;
            Err((id, reason))
        }
    }))
}

/// A digest that has no text yet comes with what it is to be made of.
async fn with_members<S: Session>(
    session: &mut S,
    read: Result<Delivery, String>,
) -> Result<Result<Delivery, String>, OutboxError> {
    let Ok(mut delivery) = read else { return Ok(read) };
    if let Some(members) = &mut delivery.digest_of {
        *members = run::members(session, delivery.id).await?;
    }
    Ok(Ok(delivery))
}

/// What is next where nothing was begun.
async fn next<S: Session>(
    session: &mut S,
    room: &mut Room,
    claimant: &Claimant<'_>,
) -> Result<Option<DeliveryId>, OutboxError> {
    let news = session.row(NEWS, values![room.id]).await?.map(front).transpose()?;
    let owed = session.row(OWED, values![room.id]).await?;
    let owed = owed.map(|mut row| row.int()).transpose()?;
    let (Some(news), false) = (news, owed.is_some() && room.news_run >= PATIENCE) else {
        room.news_run = 0;
        return Ok(owed.map(DeliveryId::of_edit));
    };
    room.news_run = if owed.is_some() { room.news_run + 1 } else { 0 };
    if let Some(digest) = run::digest(session, room.id, &news, claimant.now, claimant.policy).await? {
        return Ok(Some(digest));
    }
    if news.part == Some(Part::Line) {
        if let Some(root) = root_before(session, room.id, &news, claimant.now).await? {
            return Ok(Some(root));
        }
        if let Some(joined) = run::joined(session, room.id, &news).await? {
            return Ok(Some(joined));
        }
    }
    Ok(Some(news.id))
}

fn front(mut row: Row) -> Result<Front, OutboxError> {
    Ok(Front {
        id: DeliveryId(row.int()?),
        part: Part::stored(&row.text()?),
        group: row.maybe_int()?,
        root: row.maybe_int()?,
        attempts: row.count()?,
        accepted_at: timestamp(row.int()?),
        position: row.int()?,
    })
}

/// The message in whose thread a line is to be, where it is not in the room: it goes first.
async fn root_before<S: Session>(
    session: &mut S,
    room: i64,
    line: &Front,
    now: Timestamp,
) -> Result<Option<DeliveryId>, OutboxError> {
    let Some(group) = line.group else { return Ok(None) };
    let is_placed = match row::sendable(session, line.id).await? {
        Ok(delivery) => delivery.relation.is_some(),
        // It is given up when it is claimed.
        Err(_) => true,
    };
    if is_placed {
        return Ok(None);
    }
    let Some(group_row) = Group::of(session, group).await? else {
        return Ok(None);
    };
    // No other row that waits stands before the line.
    let before = line.position - 1;
    if let Some(root) = group_row.root_news {
        // It may be named in a digest that was given up meanwhile; then there is nothing to move.
        if session.run(MOVE, values![root.0, before]).await? == 1 {
            return Ok(Some(root));
        }
    }
    let row = NewRow {
        room,
        position: before,
        part: Part::Root,
        group: Some(group),
        root: None,
        message: None,
        accepted_at: millis(now),
        starts_at: None,
    };
    let root = insert(session, row).await?;
    session.run(SET_ROOT, values![group, root.0]).await?;
    Ok(Some(root))
}

/// Extends the claims that are still this relay's.
pub(super) async fn renew<S: Session>(
    session: &mut S,
    owner: &str,
    ids: &[DeliveryId],
    now: Timestamp,
) -> Result<(), OutboxError> {
    let lease_until = session.clock(now).await? + S::LEASE_MS;
    for id in ids {
        session.run(RENEW, values![owner, id.0, lease_until]).await?;
    }
    Ok(())
}

/// Gives the claims back that are still this relay's.
pub(super) async fn release<S: Session>(session: &mut S, owner: &str, ids: &[DeliveryId]) -> Result<(), OutboxError> {
    for id in ids {
        session.run(RELEASE, values![owner, id.0]).await?;
    }
    Ok(())
}
