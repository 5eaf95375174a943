//! One attempt: send a delivery, and turn what came of it into an outcome for the outbox (a failure: see `failed`).
//!
//! Guarantees: every failure becomes an outcome and a count, and where it is tried again a log line that says what happens
//! next; that a delivery has ended is said by the worker, once it is recorded. An operator is
//! logged once that something is wrong and once that it is over, not at each try.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use ruma::OwnedRoomId;

use super::gate::{Gate, Hold, InFlight};
use super::resend;
use super::time::Time;
use crate::matrix::{Client, Failure, RoomTrouble, Transport, Verdict};
use crate::message::words::Words;
use crate::message::{RoomAddress, TxnId};
use crate::outbox::{Delivery, DeliveryId, Outcome, Part};

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long transient failures of one delivery are retried; time in which nothing was tried does not count.
    pub horizon: Duration,
}

/// Sends deliveries to the homeserver and remembers what the account and the rooms have to wait for.
pub struct Sender {
    transport: Transport,
    pub(super) settings: Settings,
    pub(super) words: WordsByRoom,
    state: Mutex<State>,
}

/// In which words a room is written to.
pub(crate) type WordsByRoom = Arc<dyn Fn(&RoomAddress) -> Arc<Words> + Send + Sync>;

#[derive(Default)]
pub(super) struct State {
    pub(super) gate: Gate,
    pub(super) account: Option<String>,
    pub(super) rooms: HashMap<RoomAddress, Parked>,
    /// Those of which the outbox knows that they are encrypted.
    encrypted: HashMap<RoomAddress, OwnedRoomId>,
    /// The last attempt of this process in each room.
    tried: HashMap<RoomAddress, Try>,
}

/// An attempt, and with which token.
#[derive(PartialEq, Eq)]
struct Try {
    txn_id: TxnId,
    attempt: u32,
    tokens: u64,
}

pub(super) struct Parked {
    pub(super) verdict: Verdict,
    /// When the answer came.
    pub(super) at: Instant,
    /// How often in a row the room has had a verdict of this kind.
    pub(super) in_a_row: u32,
    /// Whether the answer that is the reason, or that none came, took long.
    pub(super) hung: bool,
    /// Which delivery it was that failed last, and how often in a row with exactly this answer.
    pub(super) delivery: DeliveryId,
    pub(super) errcode: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) same_answers: u32,
}

impl Sender {
    /// One for the account that `transport` speaks for.
    pub fn new(transport: impl Into<Transport>, settings: Settings) -> Self {
        Self {
            transport: transport.into(),
            settings,
            words: Arc::new(|_| Arc::default()),
            state: Mutex::default(),
        }
    }

    /// The same for rooms that are not all written to in English.
    #[must_use]
    pub(crate) fn in_words(mut self, words: WordsByRoom) -> Self {
        self.words = words;
        self
    }

    /// How many deliveries may be attempted now, beside what is in flight.
    pub(super) fn capacity(&self, in_flight: InFlight, now: Instant) -> usize {
        self.state().gate.capacity(in_flight, now)
    }

    /// Whether nothing keeps the account's messages back.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.state().gate.is_open(now)
    }

    /// Whether the last attempt for this room hung.
    pub(super) fn hangs(&self, room: &RoomAddress) -> bool {
        self.state().rooms.get(room).is_some_and(|parked| parked.hung)
    }

    /// What keeps all messages of the account back at present. What keeps single rooms back stands in the outbox.
    pub fn trouble(&self, now: Instant) -> Option<String> {
        let state = self.state();
        state.account.clone().filter(|_| !state.gate.is_history(now))
    }

    /// The ID of a room that counts as encrypted, until the outbox knows it.
    pub(super) fn newly_encrypted(&self, room: &RoomAddress) -> Option<OwnedRoomId> {
        let id = self.transport.client()?.known_encrypted(room)?;
        (self.state().encrypted.get(room) != Some(&id)).then_some(id)
    }

    /// The outbox knows it.
    pub(super) fn noted_encrypted(&self, room: &RoomAddress, id: OwnedRoomId) {
        self.state().encrypted.insert(room.clone(), id);
    }

    /// Sends `delivery` once, and says what to record.
    pub(super) async fn attempt(&self, delivery: &Delivery, now: Time) -> Outcome {
        let began = Instant::now();
        let sent = match self.send(delivery, now.wall).await {
            Err(failure) if self.joins(&failure, &delivery.room).await => self.send(delivery, now.wall).await,
            sent => sent,
        };
        match sent {
            Ok(event_id) => self.delivered(delivery, event_id, now, began.elapsed()),
            Err(failure) => self.failed(delivery, &failure, now, began.elapsed()),
        }
    }

    /// What becomes of an attempt that was begun then and is cut off now.
    pub(super) fn cut_off(&self, delivery: &Delivery, began: Time, now: Time) -> Outcome {
        let took = now.tick.saturating_duration_since(began.tick);
        self.failed(delivery, &Failure::unanswered(took), began, took)
    }

    async fn send(&self, delivery: &Delivery, now: Timestamp) -> Result<String, Failure> {
        let is_strange = self.follows_another(delivery);
        if (is_strange || resend::may_be_forgotten(delivery, now))
            && let Some(event_id) = self.sent_before(delivery).await?
        {
            return Ok(event_id);
        }
        self.transport
            .send(
                &delivery.room,
                &delivery.txn_id,
                &delivery.message,
                delivery.relation.as_ref(),
            )
            .await
    }

    /// Notes the attempt; whether the one before it was not made here, with this token: then it was perhaps another device's, whose
    /// transactions the homeserver does not recognise.
    fn follows_another(&self, delivery: &Delivery) -> bool {
        let this = |attempt| Try {
            txn_id: delivery.txn_id.clone(),
            attempt,
            tokens: self.transport.client().map_or(0, Client::tokens),
        };
        let room = delivery.room.clone();
        let before = self.state().tried.insert(room, this(delivery.attempts));
        // An attempt may be two sends, with a join between.
        let is_ours = before
            .is_some_and(|one| one == this(delivery.attempts) || one == this(delivery.attempts.saturating_sub(1)));
        delivery.attempts > 1 && !is_ours
    }

    /// The event of an earlier attempt that came through without an answer.
    async fn sent_before(&self, delivery: &Delivery) -> Result<Option<String>, Failure> {
        let (room, id) = (&delivery.room, delivery.id);
        let (txn, relation) = (&delivery.txn_id, delivery.relation.as_ref());
        match self.transport.find(room, txn, relation, delivery.accepted_at).await {
            Ok(found) => {
                if found.is_some() {
                    tracing::info!(delivery.id = %id, matrix.room_id = %room, "an earlier attempt had reached the room");
                }
                Ok(found)
            }
            Err(failure) if resend::is_waited_for(&failure, retried_for(delivery)) => Err(failure),
            Err(failure) => {
                tracing::warn!(
                    delivery.id = %id, matrix.room_id = %room, matrix.errcode = failure.errcode,
                    "cannot find out whether the message is in the room already ({failure}); the relay sends it, so it may be there twice"
                );
                Ok(None)
            }
        }
    }

    /// Whether the failure was that the account is not in the room, and joining it has just helped. Tried once with
    /// each attempt, so that an invitation is taken up whenever it comes; a ban is no storm of joins, because a parked
    /// room is attempted every few minutes only.
    async fn joins(&self, failure: &Failure, room: &RoomAddress) -> bool {
        let absent = matches!(
            failure.verdict,
            Verdict::Room(RoomTrouble::NotJoined | RoomTrouble::Forbidden)
        );
        if !absent || !self.transport.join(room).await {
            return false;
        }
        tracing::info!(matrix.room_id = %room, "joined the room");
        true
    }

    fn delivered(&self, delivery: &Delivery, event_id: String, now: Time, took: Duration) -> Outcome {
        let (hold, parked) = {
            let mut state = self.state();
            let hold = state.gate.passed(now.tick);
            if hold.is_some() {
                state.account = None;
            }
            (hold, state.rooms.remove(&delivery.room))
        };
        if hold == Some(Hold::Token) {
            tracing::info!("the homeserver takes messages again; delivery goes on");
        }
        if parked.is_some() {
            tracing::info!(matrix.room_id = %delivery.room, "the room takes messages again");
        }
        count("delivered");
        // An edit is of no one acceptance.
        if delivery.part != Part::Edit {
            observe(
                "grafana_matrix_relay_acceptance_to_delivery_seconds",
                delivery.accepted_at,
                now.wall,
                took,
            );
        }
        if let Some(starts_at) = delivery.starts_at {
            observe(
                "grafana_matrix_relay_start_to_delivery_seconds",
                starts_at,
                now.wall,
                took,
            );
        }
        Outcome::Delivered { event_id }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long transient failures have gone on, from attempt to attempt: a machine that sleeps during one adds nothing.
pub(super) fn retried_for(delivery: &Delivery) -> Duration {
    let attempts = delivery.first_attempt_at.zip(delivery.last_attempt_at);
    attempts.map_or(Duration::ZERO, |(first, last)| elapsed(first, last))
}

pub(super) fn count(verdict: &'static str) {
    metrics::counter!("grafana_matrix_relay_attempts_total", "verdict" => verdict).increment(1);
}

fn observe(histogram: &'static str, from: Timestamp, began: Timestamp, took: Duration) {
    metrics::histogram!(histogram).record((elapsed(from, began) + took).as_secs_f64());
}

/// From `from` to `to`, zero where the clock was set back in between.
fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    let elapsed: SignedDuration = to.duration_since(from);
    elapsed.try_into().unwrap_or(Duration::ZERO)
}
