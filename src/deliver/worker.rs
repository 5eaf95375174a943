//! The loop: claim what is due, send it, record what came of it, until it is to stop.
//!
//! Guarantees: one attempt at a time for a room, rooms independent, also of however many whose requests hang; what was sent is recorded before the room goes on;
//! a store that fails only delays. It holds no state that a restart would miss: the rows are in the outbox.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::{Id, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::attempt::Sender;
use super::gate::{HANGS_AFTER, InFlight, TOGETHER};
use super::moment::{Clock, Moment};
use crate::message::{RenderedMessage, RoomAddress};
use crate::outbox::{Delivery, DeliveryId, DigestPolicy, Outbox, OutboxError, Outcome, Part, Recorded, Waiting};

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
    pub async fn step(&self, now: Moment) -> Result<usize, OutboxError> {
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
            self.launch(&mut flight).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.work(flight.claimed_at) => {}
                () = tokio::time::sleep(flight.pause) => {}
                Some(ended) = flight.attempts.join_next_with_id() => self.landed(&mut flight, ended).await,
                _ = renewal.tick() => self.renew(&flight).await,
            }
        }
        self.drain(flight, grace).await;
    }

    /// Waits for work, and a moment more where the last claim was only just made: many notifications at once are then
    /// claimed once. It may be given up at any time, since whatever ends the waiting leads to a claim.
    async fn work(&self, claimed_at: Option<Instant>) {
        self.outbox.work().await;
        if let Some(claimed_at) = claimed_at {
            tokio::time::sleep_until((claimed_at + CALM).into()).await;
        }
    }

    async fn claim(&self, now: Moment, free: usize) -> Result<Vec<Delivery>, OutboxError> {
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
            flight.claimed_at = Some(now.tick);
            flight.cut_off(now.tick);
            let free = self.sender.capacity(flight.in_flight(now.tick), now.tick);
            flight.pause = if free == 0 { TOGETHER } else { POLL };
            let claimed = match self.claim(now, free).await {
                Ok(claimed) => claimed,
                Err(error) => return flight.store_fails(&error),
            };
            if free > 0 {
                flight.store_works();
            }
            let is_all = claimed.len() < free || free == 0;
            self.begin(flight, claimed, now);
            if is_all {
                return;
            }
        }
    }

    fn begin(&self, flight: &mut Flight, claimed: Vec<Delivery>, now: Moment) {
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
            let span = span(&delivery);
            let attempt = async move {
                let Some(delivery) = written_at_last(&outbox, &compose, delivery, &clock).await else {
                    return;
                };
                let began = clock();
                let outcome = tokio::select! {
                    outcome = sender.attempt(&delivery, began) => outcome,
                    () = cut.cancelled() => sender.cut_off(&delivery, began, clock()),
                };
                record(&outbox, &delivery, outcome, &clock).await;
            };
            let task = flight.attempts.spawn(attempt.instrument(span));
            flight.claims.insert(task.id(), claim);
        }
    }

    /// Forgets an attempt that ended. One that panicked has recorded nothing, so its row is given back here; one that
    /// panics again and again is given up, because its room would wait behind it for ever.
    async fn landed(&self, flight: &mut Flight, ended: Result<(Id, ()), tokio::task::JoinError>) {
        match ended {
            Ok((task, ())) => {
                let landed = flight.claims.remove(&task);
                landed.map(|claim| flight.panics.remove(&claim.delivery.id));
            }
            Err(error) => {
                let Some(Claim { delivery, .. }) = flight.claims.remove(&error.id()) else {
                    return;
                };
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
                record(&self.outbox, &delivery, outcome, &self.clock).await;
            }
        }
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
        let finish = async {
            while let Some(ended) = flight.attempts.join_next_with_id().await {
                self.landed(&mut flight, ended).await;
            }
        };
        if tokio::time::timeout(grace, finish).await.is_ok() {
            return;
        }
        tracing::warn!(
            "deliveries in flight did not finish in time; the relay repeats them under the same transaction IDs"
        );
        flight.attempts.shutdown().await;
        // Another relay on the same database need not wait for the leases to run out.
        if let Err(error) = self.outbox.release(&flight.ids()).await {
            tracing::warn!(error.message = %error, "cannot release the deliveries that were in flight");
        }
    }
}

/// What all log lines of an attempt have in common. It has the level of an error so that no filter hides it from one.
fn span(delivery: &Delivery) -> tracing::Span {
    tracing::error_span!("delivery", delivery.id = %delivery.id, delivery.attempt = delivery.attempts)
}

/// A delivery with its text: that of a digest is made when it is first sent, and kept. `None` if somebody else has it now.
async fn written(
    outbox: &Outbox,
    compose: &Composer,
    mut delivery: Delivery,
    now: Timestamp,
) -> Result<Option<Delivery>, OutboxError> {
    let Some(waiting) = delivery.digest_of.take() else {
        return Ok(Some(delivery));
    };
    let (compose, room) = (Arc::clone(compose), delivery.room.clone());
    let composed = tokio::task::spawn_blocking(move || compose(&room, &waiting, now));
    // A panic is the attempt's, which is made again and counted.
    let message = composed
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    let kept = outbox.set_digest(delivery.id, message.clone()).await?;
    delivery.message = message;
    Ok((kept == Recorded::Done).then_some(delivery))
}

/// The same, until the store takes it.
async fn written_at_last(
    outbox: &Outbox,
    compose: &Composer,
    delivery: Arc<Delivery>,
    clock: &Clock,
) -> Option<Arc<Delivery>> {
    if delivery.digest_of.is_none() {
        return Some(delivery);
    }
    loop {
        let unwritten = Delivery::clone(&delivery);
        match written(outbox, compose, unwritten, clock().wall).await {
            Ok(written) => return written.map(Arc::new),
            Err(error) => {
                tracing::debug!(error.message = %error, "the text of a digest could not be stored yet");
            }
        }
        tokio::time::sleep(RECORD_AGAIN).await;
    }
}

/// What the loop remembers from one round to the next.
struct Flight {
    claimed_at: Option<Instant>,
    /// How long until it looks again by itself.
    pause: Duration,
    attempts: JoinSet<()>,
    claims: HashMap<Id, Claim>,
    /// How often an attempt of a delivery has panicked, one after the other.
    panics: HashMap<DeliveryId, u32>,
    /// Whether the store failed the last time that it was asked.
    stalled: bool,
}

/// A delivery in flight.
struct Claim {
    delivery: Arc<Delivery>,
    began: Instant,
    /// Whether the attempt before this one hung.
    hangs: bool,
    /// Ends it, when others need its place.
    cut: CancellationToken,
}

impl Default for Flight {
    fn default() -> Self {
        Self {
            claimed_at: None,
            pause: POLL,
            attempts: JoinSet::default(),
            claims: HashMap::default(),
            panics: HashMap::default(),
            stalled: false,
        }
    }
}

impl Flight {
    fn in_flight(&self, now: Instant) -> InFlight {
        let since = |age: Duration| {
            let young = |claim: &&Claim| !claim.hangs && now.saturating_duration_since(claim.began) < age;
            self.claims.values().filter(young).count()
        };
        InFlight {
            fresh: since(TOGETHER),
            brisk: since(HANGS_AFTER),
            all: self.claims.len(),
        }
    }

    /// Cuts off what hangs longest, where others could not begin otherwise. Its rooms are tried again as after any answer that
    /// did not come, under the same transaction.
    fn cut_off(&self, now: Instant) {
        let hangs = |claim: &&Claim| now.saturating_duration_since(claim.began) >= HANGS_AFTER;
        let mut hanging: Vec<&Claim> = self.claims.values().filter(hangs).collect();
        hanging.sort_by_key(|claim| claim.began);
        for claim in hanging.into_iter().take(self.in_flight(now).too_many()) {
            claim.cut.cancel();
        }
    }

    fn ids(&self) -> Vec<DeliveryId> {
        self.claims.values().map(|claim| claim.delivery.id).collect()
    }

    /// Said once: the loop asks four times a second, and a log must not grow with the length of a fault.
    fn store_fails(&mut self, error: &OutboxError) {
        if std::mem::replace(&mut self.stalled, true) {
            tracing::debug!(error.message = %error, "the outbox is still unavailable");
        } else {
            tracing::error!(error.message = %error, "the outbox is unavailable: the relay delivers nothing until it is back");
        }
    }

    fn store_works(&mut self) {
        if std::mem::take(&mut self.stalled) {
            tracing::info!("the outbox is available again; delivery goes on");
        }
    }
}

/// Records an outcome, again and again until the store takes it: the message may be in the room already.
async fn record(outbox: &Outbox, delivery: &Delivery, outcome: Outcome, clock: &Clock) {
    let mut said = false;
    // The same moment each time, by which the store knows an outcome again whose first answer was lost.
    let now = clock().wall;
    loop {
        match outbox.record(delivery.id, outcome.clone(), now).await {
            Ok(recorded) => return tally(delivery, &outcome, recorded, now),
            Err(error) if !std::mem::replace(&mut said, true) => {
                tracing::warn!(delivery.id = %delivery.id, error.message = %error, "cannot record an outcome yet");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RECORD_AGAIN).await;
    }
}

/// Counts and says what a delivery came to, once, and only when that is on disk: an outcome that came too late is another
/// relay's to count.
fn tally(delivery: &Delivery, outcome: &Outcome, recorded: Recorded, now: Timestamp) {
    let (id, room, attempts) = (delivery.id, &delivery.room, delivery.attempts);
    match (outcome, recorded) {
        (_, Recorded::Superseded)
        | (Outcome::Wait { .. } | Outcome::Rewrite { .. } | Outcome::Detached { .. }, Recorded::Done) => {}
        (Outcome::Delivered { event_id }, Recorded::Done) => {
            tracing::info!(
                delivery.id = %id, delivery.attempt = attempts, matrix.room_id = %room, matrix.event_id = event_id,
                "delivered"
            );
            metrics::counter!("grafana_matrix_relay_deliveries_delivered_total").increment(1);
            metrics::gauge!("grafana_matrix_relay_last_delivery_timestamp_seconds")
                .set(now.as_duration().as_secs_f64());
        }
        (Outcome::Dead { error }, Recorded::Done) => {
            let kept = match delivery.part {
                Part::Edit => "the next change of its group brings the message up to date".to_owned(),
                _ => format!("`grafana-matrix-relay outbox show {id}` shows it, `outbox retry {id}` sends it again"),
            };
            tracing::error!(
                delivery.id = %id, delivery.attempt = attempts, matrix.room_id = %room, error.message = error,
                "given up after {attempts} attempts: {error}; {kept}"
            );
            metrics::counter!("grafana_matrix_relay_deliveries_dead_total").increment(1);
        }
    }
}

#[cfg(test)]
mod tests;
