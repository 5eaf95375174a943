//! The end of a claim: how the attempt went is recorded, and the room is free, waits, or goes on with what it sends next.

use jiff::Timestamp;

use super::super::claimed::{Claimant, Room};
use super::super::outcome::Claims;
use super::super::record::{self, end_hold, free_room, lock, record};
use super::super::session::Session;
use super::super::{DeliveryId, DigestPolicy, OutboxError, Outcome, Recorded};
use super::claim_next;
use crate::message::RoomAddress;

/// Writes an outcome down, if it counts, and ends the claim. With a policy, and where the room need not wait, what it sends next is
/// claimed in the same transaction.
pub(in crate::outbox) async fn end<S: Session>(
    session: &mut S,
    owner: &str,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
    next: Option<&DigestPolicy>,
) -> Result<(Recorded, Claims), OutboxError> {
    let Some(room) = lock(session, id).await? else {
        return Ok((Recorded::Superseded, Claims::default()));
    };
    let is_held = room.is_held(id, owner);
    let next = next.filter(|_| is_held && !matches!(outcome, Outcome::Wait { .. }));
    if is_held && next.is_none() {
        free_room(session, &room, id, outcome, now).await?;
    }
    let recorded = record(session, &room, is_held, id, outcome, now).await?;
    let claims = match next {
        Some(policy) => {
            let is_rewritten = recorded == Recorded::Done && matches!(outcome, Outcome::Rewrite { .. });
            let current = Some(id).filter(|_| is_rewritten);
            go_on(session, &room, current, &Claimant { owner, now, policy }).await?
        }
        None => Claims::default(),
    };
    Ok((recorded, claims))
}

/// Passes the claim of a room on to what it sends next, or ends it.
async fn go_on<S: Session>(
    session: &mut S,
    room: &record::Room,
    current: Option<DeliveryId>,
    claimant: &Claimant<'_>,
) -> Result<Claims, OutboxError> {
    let mut next = Room {
        id: room.id,
        address: room.address.parse().unwrap_or_else(|_| RoomAddress::nowhere()),
        current,
        news_run: room.news_run,
    };
    let claims = claim_next(session, &mut next, claimant).await?;
    if claims.deliveries.is_empty() {
        end_hold(session, room.id).await?;
    }
    Ok(claims)
}
