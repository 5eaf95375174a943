//! One attempt: send a delivery, and turn what came of it into an outcome for the outbox.
//!
//! Guarantees: every failure becomes an outcome and a count, and where it is tried again a log line that says what happens
//! next; that a delivery has ended is said by the worker, once it is recorded. An operator is
//! told once that something is wrong and once that it is over, not at each try.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::fallback;
use super::gate::{Gate, Hold};
use super::moment::Moment;
use super::policy::{self, Decision, Tried};
use crate::matrix::{Carrier, Failure, RoomTrouble, TokenTrouble, Verdict};
use crate::message::{RenderedMessage, RoomAddress};
use crate::outbox::{Delivery, Outcome};

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long transient failures of one delivery are retried, from its first attempt on.
    pub horizon: Duration,
}

/// What keeps messages from their rooms at present; empty strings where nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles {
    /// What keeps all messages of the account back.
    pub account: Option<String>,
    /// What keeps single rooms back.
    pub rooms: Vec<(RoomAddress, String)>,
}

/// Carries deliveries to the homeserver and remembers what the account and the rooms have to wait for.
pub struct Courier {
    carrier: Carrier,
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    gate: Gate,
    account: Option<String>,
    rooms: HashMap<RoomAddress, Parked>,
}

struct Parked {
    verdict: Verdict,
    line: String,
}

impl Courier {
    /// A courier for one account.
    pub fn new(carrier: impl Into<Carrier>, settings: Settings) -> Self {
        Self {
            carrier: carrier.into(),
            settings,
            state: Mutex::default(),
        }
    }

    /// Bytes of a message's event, as it would go from here.
    pub(super) fn event_bytes(&self, message: &RenderedMessage) -> usize {
        self.carrier.event_bytes(message)
    }

    /// How many deliveries may be in flight now.
    pub(super) fn width(&self, now: Instant) -> usize {
        self.state().gate.width(now)
    }

    /// What keeps messages back at present.
    pub fn troubles(&self, now: Instant) -> Troubles {
        let state = self.state();
        let mut rooms: Vec<_> = state
            .rooms
            .iter()
            .map(|(room, parked)| (room.clone(), parked.line.clone()))
            .collect();
        rooms.sort();
        Troubles {
            account: state.account.clone().filter(|_| !state.gate.is_history(now)),
            rooms,
        }
    }

    /// Sends `delivery` once, and says what to record.
    pub(super) async fn attempt(&self, delivery: &Delivery, now: Moment) -> Outcome {
        let began = Instant::now();
        let sent = match self.send(delivery).await {
            Err(failure) if self.joins(&failure, &delivery.room).await => self.send(delivery).await,
            sent => sent,
        };
        match sent {
            Ok(event_id) => self.delivered(delivery, event_id, now, began.elapsed()),
            Err(failure) => self.failed(delivery, &failure, now),
        }
    }

    async fn send(&self, delivery: &Delivery) -> Result<String, Failure> {
        self.carrier
            .send(
                &delivery.room,
                &delivery.txn_id,
                &delivery.outgoing(),
                delivery.relation.as_ref(),
            )
            .await
    }

    /// Whether the failure was that the account is not in the room, and joining it has just helped. Tried once with
    /// each attempt, so that an invitation is taken up whenever it comes; a ban is no storm of joins, because a parked
    /// room is attempted every few minutes only.
    async fn joins(&self, failure: &Failure, room: &RoomAddress) -> bool {
        let absent = matches!(
            failure.verdict,
            Verdict::Room(RoomTrouble::NotJoined | RoomTrouble::Forbidden)
        );
        if !absent || !self.carrier.join(room).await {
            return false;
        }
        tracing::info!(matrix.room_id = %room, "joined the room");
        true
    }

    fn delivered(&self, delivery: &Delivery, event_id: String, now: Moment, took: Duration) -> Outcome {
        let (hold, parked) = {
            let mut state = self.state();
            let hold = state.gate.passed(now.tick);
            if hold.is_some() {
                state.account = None;
            }
            (hold, state.rooms.remove(&delivery.room))
        };
        if hold == Some(Hold::Token) {
            tracing::info!("messages can be sent again; delivery goes on");
        }
        if parked.is_some() {
            tracing::info!(matrix.room_id = %delivery.room, "the room takes messages again");
        }
        count("delivered");
        observe(
            "relay_acceptance_to_delivery_seconds",
            delivery.accepted_at,
            now.wall,
            took,
        );
        if let Some(starts_at) = delivery.starts_at {
            observe("relay_start_to_delivery_seconds", starts_at, now.wall, took);
        }
        Outcome::Delivered { event_id }
    }

    fn failed(&self, delivery: &Delivery, failure: &Failure, now: Moment) -> Outcome {
        count(failure.verdict.label());
        let tried = Tried {
            attempts: delivery.attempts,
            since_first: delivery
                .first_attempt_at
                .map_or(Duration::ZERO, |first| elapsed(first, now.wall)),
            plain: fallback::is_last(&delivery.message, failure),
        };
        let error = failure.to_string();
        // Days without a token or in a parked room are not the message's; the horizon is for transient failures alone.
        let counts = matches!(failure.verdict, Verdict::Transient | Verdict::Bridge);
        match policy::decide(failure, tried, self.settings.horizon, rand::random()) {
            Decision::HoldRoom(wait) => {
                self.hold_room(delivery, failure, wait);
                Outcome::Wait {
                    until: now.wall + wait,
                    reason: failure.verdict.label().to_owned(),
                    error,
                    counts,
                }
            }
            Decision::HoldAccount(wait) => {
                self.hold_account(delivery, failure, wait, now.tick);
                // The gate is what waits, so that a restart or another replica may try at once.
                Outcome::Wait {
                    until: now.wall,
                    reason: failure.verdict.label().to_owned(),
                    error,
                    counts,
                }
            }
            Decision::Simplify => {
                tracing::warn!(
                    delivery.id = %delivery.id, matrix.room_id = %delivery.room, matrix.errcode = failure.errcode,
                    "the message was refused ({failure}); a plain one goes out instead"
                );
                Outcome::Rewrite {
                    message: fallback::plain(&delivery.message, delivery.members, failure),
                    error,
                }
            }
            Decision::Unrelate => {
                tracing::warn!(
                    delivery.id = %delivery.id, matrix.room_id = %delivery.room, matrix.errcode = failure.errcode,
                    "the message that this one refers to is gone ({failure}); it goes out by itself and takes its place"
                );
                Outcome::Detached { error }
            }
            Decision::GiveUp => Outcome::Dead { error },
        }
    }

    fn hold_room(&self, delivery: &Delivery, failure: &Failure, wait: Duration) {
        let line = failure.to_string();
        let parked = Parked {
            verdict: failure.verdict.clone(),
            line,
        };
        let before = self.state().rooms.insert(delivery.room.clone(), parked);
        let news = before.is_none_or(|before| before.verdict != failure.verdict);
        let (room, id, attempt) = (&delivery.room, delivery.id, delivery.attempts);
        let seconds = wait.as_secs_f32();
        match failure.verdict {
            Verdict::Room(_) if news => tracing::error!(
                delivery.id = %id, delivery.attempt = attempt, matrix.room_id = %room, matrix.errcode = failure.errcode,
                "the room takes no messages: {failure}. Its messages are kept and tried again, next in {seconds:.0} s"
            ),
            _ if news => tracing::warn!(
                delivery.id = %id, delivery.attempt = attempt, matrix.room_id = %room, matrix.errcode = failure.errcode,
                "not delivered yet: {failure}. It is kept and tried again, next in {seconds:.1} s"
            ),
            _ => tracing::debug!(
                delivery.id = %id, delivery.attempt = attempt, matrix.room_id = %room, matrix.errcode = failure.errcode,
                "still not delivered: {failure}. Next try in {seconds:.1} s"
            ),
        }
    }

    fn hold_account(&self, delivery: &Delivery, failure: &Failure, wait: Duration, now: Instant) {
        let hold = if matches!(failure.verdict, Verdict::Token(_)) {
            Hold::Token
        } else {
            Hold::RateLimit
        };
        let news = {
            let mut state = self.state();
            state.account = Some(failure.to_string());
            state.gate.close(hold, wait, now)
        };
        let seconds = wait.as_secs_f32();
        match hold {
            Hold::Token if news => {
                let setting = match failure.verdict {
                    Verdict::Token(TokenTrouble::WrongHook) => "MATRIX_HOOK_URL",
                    Verdict::Token(TokenTrouble::WrongAddress) => "MATRIX_HOME_SERVER_URL",
                    _ => "MATRIX_ACCESS_TOKEN",
                };
                tracing::error!(
                    delivery.id = %delivery.id, matrix.errcode = failure.errcode,
                    "nothing can be sent: {failure}. All messages are kept; check {setting}. Delivery goes on by itself \
                     when it works again"
                );
            }
            Hold::RateLimit if news => tracing::warn!(
                delivery.id = %delivery.id, matrix.errcode = failure.errcode,
                "the homeserver limits the rate of messages; next in {seconds:.1} s"
            ),
            _ => tracing::debug!(delivery.id = %delivery.id, "the account still waits, {seconds:.1} s: {failure}"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(verdict: &'static str) {
    metrics::counter!("relay_attempts_total", "verdict" => verdict).increment(1);
}

fn observe(histogram: &'static str, from: Timestamp, began: Timestamp, took: Duration) {
    metrics::histogram!(histogram).record((elapsed(from, began) + took).as_secs_f64());
}

/// From `from` to `to`, zero where the clock was set back in between.
fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    let elapsed: SignedDuration = to.duration_since(from);
    elapsed.try_into().unwrap_or(Duration::ZERO)
}
