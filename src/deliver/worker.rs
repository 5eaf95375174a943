//! The loop: claim what is due, send it, record what came of it, until it is to stop.
//!
//! Guarantees: one attempt at a time for a room, rooms independent, also of however many whose requests hang; what was sent is
//! recorded before the room goes on; a store that fails only delays. While no room is due that has no place, a room goes on with
//! what is claimed in the commit that records what it sent; otherwise rooms take turns. It holds no state that a restart would miss: the rows are in the outbox.

mod digest;
mod flight;
mod outcome;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::digest::{written, written_at_last};
use self::flight::{Claim, Flight, Landing};
use self::outcome::{record, tally};
use super::attempt::Sender;
use super::gate::InFlight;
use super::time::{Clock, Time};
use crate::message::{RenderedMessage, RoomAddress};
use crate::outbox::{Delivery, DigestPolicy, Outbox, OutboxError, Outcome, Waiting};

/// How often the outbox is looked at when nobody says that there is work: finds what waited its time, and what another
/// relay accepted or left.
const POLL: Duration = Duration::from_millis(250);
/// Claims for new work are at least so far apart; a lone notification waits for nothing.
const CALM: Duration = Duration::from_millis(5);
/// How often the leases of what is in flight are renewed.
const RENEWAL: Duration = Duration::from_secs(3);
/// How long to wait before an outcome is recorded again that the store did not take.
const RECORD_AGAIN: Duration = Duration::from_millis(500);

/// How often in a row an attempt of one delivery may panic.
const PANICS: u32 = 5;
/// How long to wait before such an attempt is made again.
const AFTER_PANIC: Duration = Duration::from_secs(30);

/// Writes a digest of what waits for a room, as it reads at the moment that it is given. It may take seconds: templates run in it.
pub type Composer = Arc<dyn Fn(&RoomAddress, &[Waiting], Timestamp) -> RenderedMessage + Send + Sync>;

/// Drains the outbox.
pub struct Worker {
    outbox: Outbox,
    sender: Arc<Sender>,
    digest: DigestPolicy,
    compose: Composer,
    clock: Clock,
}

impl Worker {
    /// A worker that has not begun.
    pub fn new(outbox: Outbox, sender: Arc<Sender>, digest: DigestPolicy, compose: Composer, clock: Clock) -> Self {
        Self {
            outbox,
            sender,
            digest,
            compose,
            clock,
        }
    }

    /// One round: claims what is due at `now`, attempts all of it, records the outcomes. Returns how many attempts.
    pub async fn step(&self, now: Time) -> Result<usize, OutboxError> {
        let claimed = self
            .claim(now, self.sender.capacity(InFlight::default(), now.tick))
            .await?;
        let count = claimed.len();
        let mut attempts = JoinSet::new();
        for delivery in claimed {
            let (outbox, sender) = (self.outbox.clone(), Arc::clone(&self.sender));
            let (compose, span) = (Arc::clone(&self.compose), span(&delivery));
            let attempt = async move {
                let Some(delivery) = written(&outbox, &compose, delivery, now.wall).await? else {
                    return Ok(());
                };
                let outcome = sender.attempt(&delivery, now).await;
                note_encrypted(&outbox, &sender, &delivery.room).await;
                let recorded = outbox.record(delivery.id, outcome.clone(), now.wall).await?;
                tally(&delivery, &outcome, recorded, now.wall);
                Ok(())
            };
            attempts.spawn(attempt.instrument(span));
        }
        while let Some(recorded) = attempts.join_next().await {
            recorded.unwrap_or_else(|error| {
                Err(OutboxError::Unavailable {
                    reason: error.to_string(),
                })
            })?;
        }
        Ok(count)
    }

    /// Works until `stop`, then lets what is in flight finish for at most `grace`.
    pub async fn run(self, stop: CancellationToken, grace: Duration) {
        let mut flight = Flight::default();
        let mut renewal = tokio::time::interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            if flight.pace.is_due {
                self.launch(&mut flight).await;
            }
            let next = flight.pace.next((self.clock)().tick);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.outbox.work(), if !flight.pace.has_work => flight.pace.has_work = true,
                () = tokio::time::sleep_until(next.into()) => flight.pace.is_due = true,
                Some(ended) = flight.attempts.join_next_with_id() => {
                    if let Some(next) = self.landed(&mut flight, ended).await {
                        self.begin(&mut flight, vec![next], (self.clock)());
                    }
                }
                _ = renewal.tick() => self.renew(&flight).await,
            }
        }
        self.drain(flight, grace).await;
    }

    async fn claim(&self, now: Time, free: usize) -> Result<Vec<Delivery>, OutboxError> {
        if free == 0 {
            Ok(Vec::new())
        } else {
            self.outbox.claim_due(now.wall, free, &self.digest).await
        }
    }

    /// Claims and begins what may begin now. Where all that could be claimed was for rooms that let the last attempt hang, there
    /// are as many capacity for others.
    async fn launch(&self, flight: &mut Flight) {
        loop {
            let now = (self.clock)();
            flight.cut_off(now.tick);
            let free = self.sender.capacity(flight.in_flight(now.tick), now.tick);
            flight.pace.claims(now.tick, free);
            let claimed = match self.claim(now, free).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    flight.let_rooms_go_on(false);
                    return flight.store_fails(&error);
                }
            };
            if free > 0 {
                flight.store_works();
            }
            let found_all = claimed.len() < free;
            flight.let_rooms_go_on(found_all);
            self.begin(flight, claimed, now);
            if found_all || free == 0 {
                return;
            }
        }
    }

    fn begin(&self, flight: &mut Flight, claimed: Vec<Delivery>, now: Time) {
        for delivery in claimed {
            let (outbox, sender, clock) = (self.outbox.clone(), Arc::clone(&self.sender), Arc::clone(&self.clock));
            let delivery = Arc::new(delivery);
            let claim = Claim {
                delivery: Arc::clone(&delivery),
                began: now.tick,
                hangs: self.sender.hangs(&delivery.room),
                cut: CancellationToken::new(),
            };
            let (cut, compose) = (claim.cut.clone(), Arc::clone(&self.compose));
            let (span, goes_on, policy) = (span(&delivery), Arc::clone(&flight.goes_on), self.digest);
            let attempt = async move {
                let Some(delivery) = written_at_last(&outbox, &compose, delivery, &clock).await else {
                    return Landing::Claim;
                };
                let began = clock();
                let outcome = tokio::select! {
                    outcome = sender.attempt(&delivery, began) => outcome,
                    () = cut.cancelled() => sender.cut_off(&delivery, began, clock()),
                };
                note_encrypted(&outbox, &sender, &delivery.room).await;
                let goes_on = goes_on.load(Ordering::SeqCst) && sender.is_open(clock().tick);
                record(&outbox, &delivery, outcome, &clock, Some(policy).filter(|_| goes_on)).await
            };
            let task = flight.attempts.spawn(attempt.instrument(span));
            flight.claims.insert(task.id(), claim);
        }
    }

    /// Forgets an attempt that ended; what its room goes on with. One that panicked has recorded nothing, so its row is given back
    /// here; one that panics again and again is given up, because its room would wait behind it for ever.
    async fn landed(&self, flight: &mut Flight, ended: Result<(Id, Landing), JoinError>) -> Option<Delivery> {
        match ended {
            Ok((task, landing)) => {
                let landed = flight.claims.remove(&task);
                landed.map(|claim| flight.panics.remove(&claim.delivery.id));
                match landing {
                    Landing::Next(next) => return Some(*next),
                    Landing::Nothing => {}
                    Landing::Claim => flight.pace.is_due = true,
                }
            }
            Err(error) => {
                flight.pace.is_due = true;
                let Claim { delivery, .. } = flight.claims.remove(&error.id())?;
                let panics = flight.panics.entry(delivery.id).or_default();
                *panics += 1;
                tracing::error!(delivery.id = %delivery.id, error.message = %error, "an attempt failed inside the relay");
                let error =
                    format!("{panics} attempts failed inside the relay: please report it, with the relay's log");
                let outcome = if *panics < PANICS {
                    Outcome::Wait {
                        until: (self.clock)().wall + AFTER_PANIC,
                        reason: error.clone(),
                        error,
                        counts: true,
                    }
                } else {
                    flight.panics.remove(&delivery.id);
                    Outcome::Dead { error }
                };
                record(&self.outbox, &delivery, outcome, &self.clock, None).await;
            }
        }
        None
    }

    async fn renew(&self, flight: &Flight) {
        if flight.claims.is_empty() {
            return;
        }
        if let Err(error) = self.outbox.renew(&flight.ids(), (self.clock)().wall).await {
            tracing::debug!(error.message = %error, "cannot renew the leases of deliveries in flight");
        }
    }

    async fn drain(&self, mut flight: Flight, grace: Duration) {
        flight.let_rooms_go_on(false);
        let mut unbegun = Vec::new();
        let finish = async {
            while let Some(ended) = flight.attempts.join_next_with_id().await {
                unbegun.extend(self.landed(&mut flight, ended).await.map(|next| next.id));
            }
        };
        if tokio::time::timeout(grace, finish).await.is_err() {
            tracing::warn!(
                "deliveries in flight did not finish in time; the relay repeats them under the same transaction IDs"
            );
            flight.attempts.shutdown().await;
        }
        unbegun.extend(flight.ids());
        if unbegun.is_empty() {
            return;
        }
        // Another relay on the same database need not wait for the leases to run out.
        if let Err(error) = self.outbox.release(&unbegun).await {
            tracing::warn!(error.message = %error, "cannot release the deliveries that were in flight");
        }
    }
}

/// What all log lines of an attempt have in common. It has the level of an error so that no filter hides it from one.
fn span(delivery: &Delivery) -> tracing::Span {
    tracing::error_span!("delivery", delivery.id = %delivery.id, delivery.attempt = delivery.attempts)
}

/// Writes down that a room was seen encrypted, for other relays and later starts. What fails is done after the next attempt.
async fn note_encrypted(outbox: &Outbox, sender: &Sender, room: &RoomAddress) {
    let Some(id) = sender.newly_encrypted(room) else { return };
    match outbox.mark_encrypted(room, id.to_string()).await {
        Ok(()) => sender.noted_encrypted(room, id),
        Err(error) => {
            tracing::debug!(matrix.room_id = %room, error.message = %error, "cannot note yet that the room is encrypted");
        }
    }
}

#[cfg(test)]
mod tests;
