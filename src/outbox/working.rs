//! What the worker asks of an outbox: what to send next, and how that ended.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::outcome::Claims;
use super::{Delivery, DeliveryId, DigestPolicy, Lead, Outbox, OutboxError, Outcome, Recorded, RoomWait};
use crate::message::{RenderedMessage, RoomAddress};

impl Outbox {
    /// Claims what is next in at most `limit` rooms that are due and not claimed, least recently claimed room first. The
    /// attempt is on disk before this returns. A backlog that `policy` speaks of becomes a digest on the way, which may have no text
    /// yet. What cannot be read is given up, and kept.
    pub async fn claim_due(
        &self,
        now: Timestamp,
        limit: usize,
        policy: &DigestPolicy,
    ) -> Result<Vec<Delivery>, OutboxError> {
        let encrypted_too = !self.leaves_encrypted.load(Ordering::SeqCst);
        let claims = self.store()?.claim_due(now, limit, policy, encrypted_too).await;
        Ok(claimed(self.soundness.note_claim(claims)?))
    }

    /// From now on claims nothing for rooms that were seen encrypted, or claims that, too.
    pub fn leave_encrypted(&self, leaves: bool) {
        if self.leaves_encrypted.swap(leaves, Ordering::SeqCst) && !leaves {
            self.work.notify_one();
        }
    }

    /// Notes for all relays that a room was seen encrypted, under this ID. It counts as encrypted for ever.
    pub async fn mark_encrypted(&self, room: &RoomAddress, id: String) -> Result<(), OutboxError> {
        self.store()?.mark_encrypted(room, id).await
    }

    /// The IDs under which rooms were ever seen encrypted.
    pub async fn encrypted_rooms(&self) -> Result<Vec<String>, OutboxError> {
        self.store()?.encrypted_rooms().await
    }

    /// Lets rooms that were seen encrypted try now, whatever they waited for: another relay encrypts from now on.
    pub async fn wake_encrypted(&self) -> Result<(), OutboxError> {
        self.store()?.wake_encrypted().await
    }

    /// The lock of the one relay that encrypts; `None` if another one has it.
    pub async fn lead(&self) -> Result<Option<Box<dyn Lead>>, OutboxError> {
        self.store()?.lead().await
    }

    /// Gives a digest that was claimed the text that it keeps over all attempts, before the first of them. If it has one already,
    /// or the claim has passed to somebody else, nothing is changed.
    pub async fn set_digest(&self, id: DeliveryId, message: RenderedMessage) -> Result<Recorded, OutboxError> {
        self.soundness.note(self.store()?.set_digest(id, message).await)
    }

    /// Says that these are still in flight. Due every few seconds; a claim that is not renewed passes to somebody else.
    pub async fn renew(&self, ids: &[DeliveryId], now: Timestamp) -> Result<(), OutboxError> {
        self.store()?.renew(ids, now).await
    }

    /// Gives claims back without an outcome, such as at a shutdown whose deadline has passed. The attempt stays counted.
    pub async fn release(&self, ids: &[DeliveryId]) -> Result<(), OutboxError> {
        self.store()?.release(ids).await
    }

    /// Writes down how an attempt ended, and ends the claim. A late word from somebody who lost the claim is ignored,
    /// except that the message is in the room. The same word again, with the same `now`, has the same answer: that of
    /// the first may have been lost.
    pub async fn record(&self, id: DeliveryId, outcome: Outcome, now: Timestamp) -> Result<Recorded, OutboxError> {
        let recorded = self.store()?.record(id, outcome, now, None).await;
        Ok(self.soundness.note(recorded)?.0)
    }

    /// The same, and claims what the room sends next in the same commit, if the claim was this relay's and the room need not wait.
    /// Other rooms that are due get nothing by it, so it is for when none is.
    pub async fn record_and_claim(
        &self,
        id: DeliveryId,
        outcome: Outcome,
        now: Timestamp,
        policy: &DigestPolicy,
    ) -> Result<(Recorded, Option<Delivery>), OutboxError> {
        let recorded = self.store()?.record(id, outcome, now, Some(policy)).await;
        let (recorded, claims) = self.soundness.note(recorded)?;
        Ok((recorded, claimed(claims).pop()))
    }

    /// What the room waits for; `None` if it may be tried.
    pub async fn room_due(&self, room: &RoomAddress, now: Timestamp) -> Result<Option<RoomWait>, OutboxError> {
        self.store()?.room_due(room, now).await
    }

    /// Lets a room wait, or with `None` try again now.
    pub async fn set_room_due(
        &self,
        room: &RoomAddress,
        wait: Option<RoomWait>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        self.store()?
            .set_room_due(room, wait, now)
            .await
            .inspect(|()| self.work.notify_one())
    }
}

/// What was claimed; says what cannot be read of it.
pub(super) fn claimed(claims: Claims) -> Vec<Delivery> {
    for (id, reason) in claims.unreadable {
        tracing::error!(
            delivery.id = %id, error.message = reason,
            "cannot read a delivery of the outbox, so it is dead now; `grafana-matrix-relay outbox show {id}` shows what can be read"
        );
        metrics::counter!("grafana_matrix_relay_deliveries_dead_total").increment(1);
    }
    claims.deliveries
}
