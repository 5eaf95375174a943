//! Claiming: what a room sends next. News goes in its order, several rows as one where they wait together; where there is
//! none, or after ten, the message of a group is brought up to date.
//!
//! Guarantees: never more than one thing of a room at a time, over all relays; what was tried and has not ended goes first,
//! unchanged; a line never goes before the message in whose thread it is, which is sent once more where it is not in the
//! room; the attempt is written in the same transaction, and nothing of a template runs in it. Rooms are locked in the order of their addresses.

mod end;
mod lease;
mod next;

use std::collections::HashMap;

use jiff::Timestamp;

pub(super) use self::end::end;
pub(super) use self::lease::{release, renew};
use self::next::{Next, next};
use super::claimed::{Attempts, CLOCK_SLACK_MS, Claimant, Room};
use super::columns::{clean, millis};
use super::outcome::Claims;
use super::row::Sendable;
use super::session::{Session, values};
use super::text;
use super::{Delivery, DeliveryId, DeliveryState, DigestPolicy, OutboxError, record, row, run};
use crate::message::RoomAddress;

/// How many rows that cannot be read are given up in one transaction.
const UNREADABLE: usize = 20;

/// Rooms that may be tried and owe something, least recently tried first: no room starves another.
const DUE: &str = "
    SELECT r.address FROM outbox_room r
    WHERE (r.due_at <= ?1 OR r.waits_since > ?2) AND (r.owner IS NULL OR r.lease_until <= ?3 OR r.lease_until > ?4)
        AND (EXISTS (SELECT 1 FROM outbox_news w WHERE w.room_id = r.id AND w.state = 'waiting')
            OR EXISTS (SELECT 1 FROM outbox_group g WHERE g.room_id = r.id AND g.owed IS NOT NULL))
        AND (r.encrypted IS NULL OR ?6 = 1)
    ORDER BY r.lease_until, r.id LIMIT ?5";
/// The same once more, for another relay may have been quicker.
const STILL_DUE: &str = "
    SELECT r.id, r.current, r.news_run FROM outbox_room r
    WHERE r.address = ?1 AND (r.due_at <= ?2 OR r.waits_since > ?3)
        AND (r.owner IS NULL OR r.lease_until <= ?4 OR r.lease_until > ?5) /*pg FOR NO KEY UPDATE*/";
/// The lease goes by the database's clock where it has one, and otherwise by the caller's, ?4.
const HOLD_ROOM: &str = "
    UPDATE outbox_room SET current = ?2, owner = ?3, due_at = 0, waits_since = 0, reason = NULL, news_run = ?6,
        lease_until = coalesce(/*pg CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT), */ ?4, 0) + ?5
    WHERE id = ?1";

const BEGIN_NEWS: &str = "
    UPDATE outbox_news SET attempts = ?2, first_attempt_at = ?3, last_attempt_at = ?4 WHERE id = ?1";

const SET_ROOT: &str = "UPDATE outbox_group SET root_news = ?2, tried_rev = 0, owed = NULL WHERE id = ?1";
const MOVE: &str = "UPDATE outbox_news SET position = ?2 WHERE id = ?1 AND state = 'waiting'";

/// Claims at most `limit` deliveries, one of each room, `encrypted_too` or of other rooms alone. What cannot be read is given up
/// instead.
pub(super) async fn claim_due<S: Session>(
    session: &mut S,
    owner: &str,
    now: Timestamp,
    limit: usize,
    policy: &DigestPolicy,
    encrypted_too: bool,
) -> Result<Claims, OutboxError> {
    let clock = session.clock(now).await?;
    let (far, slack) = (clock.saturating_add(S::LEASE_AHEAD_MS), millis(now) + CLOCK_SLACK_MS);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let due = session
        .rows(DUE, values![millis(now), slack, clock, far, limit, encrypted_too])
        .await?;
    let due: Vec<String> = due.into_iter().map(|mut row| row.text()).collect::<Result<_, _>>()?;
    let mut sorted: Vec<&String> = due.iter().collect();
    sorted.sort_unstable();
    let claimant = Claimant { owner, now, policy };
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

/// Claims what a room sends next, where its last delivery has just ended.
async fn claim_next<S: Session>(
    session: &mut S,
    room: &mut Room,
    claimant: &Claimant<'_>,
) -> Result<Claims, OutboxError> {
    let mut claims = Claims::default();
    while claims.unreadable.len() < UNREADABLE {
        match claim(session, room, claimant).await? {
            Some(Err(unreadable)) => claims.unreadable.push(unreadable),
            Some(Ok(delivery)) => {
                claims.deliveries.push(delivery);
                break;
            }
            None => break,
        }
        room.current = None;
    }
    Ok(claims)
}

/// Claims what is next in a room; the reason why that cannot be read.
async fn claim<S: Session>(
    session: &mut S,
    room: &mut Room,
    claimant: &Claimant<'_>,
) -> Result<Option<Claimed>, OutboxError> {
    let next = match room.current {
        Some(id) => Next::of(id),
        None => match next(session, room, claimant).await? {
            Some(next) => next,
            None => return Ok(None),
        },
    };
    let id = next.id;
    let now = millis(claimant.now);
    let holds = values![room.id, id.0, claimant.owner, now, S::LEASE_MS, room.news_run];
    session.run(HOLD_ROOM, holds).await?;
    let begun = if let Some(group) = id.edited_group() {
        let Some(edit) = text::edit(session, room, group, claimant.now).await? else {
            // What it was to bring up to date was left behind meanwhile.
            record::give_up(session, id, "its message is not in the room", claimant.now).await?;
            return Ok(None);
        };
        edit
    } else {
        begin_news(session, room, next, claimant.now).await?
    };
    Ok(Some(match begun {
        Ok(delivery) => Ok(delivery),
        Err(reason) => {
            let reason = clean(&format!("cannot read it: {reason}"));
            record::give_up(session, id, &reason, claimant.now).await?;
            Err((id, reason))
        }
    }))
}

/// Begins an attempt of a row of news. A digest that has no text yet comes with what it is to be made of.
async fn begin_news<S: Session>(
    session: &mut S,
    room: &Room,
    next: Next,
    now: Timestamp,
) -> Result<Result<Delivery, String>, OutboxError> {
    let read = match next.read {
        Some(read) => read,
        None => row::sendable(session, next.id).await?,
    };
    let Sendable { mut delivery, unsent } = match read {
        Ok(read) => read,
        Err(reason) => return Ok(Err(reason)),
    };
    delivery.state = DeliveryState::InFlight;
    let attempts = Attempts {
        count: delivery.attempts,
        first_at: delivery.first_attempt_at,
        last_at: delivery.last_attempt_at,
    };
    let attempts = attempts.begun(now);
    (delivery.attempts, delivery.first_attempt_at, delivery.last_attempt_at) =
        (attempts.count, attempts.first_at, attempts.last_at);
    if let Some(unsent) = unsent {
        text::begin_root(session, room, &delivery, unsent, now).await?;
    } else {
        let (first, last) = (attempts.first_at.map(millis), attempts.last_at.map(millis));
        let begin = values![delivery.id.0, i64::from(attempts.count), first, last];
        session.run(BEGIN_NEWS, begin).await?;
    }
    if let Some(members) = &mut delivery.digest_of {
        *members = run::members(session, delivery.id).await?;
    }
    Ok(Ok(delivery))
}
