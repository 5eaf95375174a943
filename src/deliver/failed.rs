//! What an attempt that failed leads to: the outcome for the outbox, what has to wait, and what the operator is told.
//!
//! Guarantees: says once that something is wrong, not at each try; the decision itself is the [`policy`]'s.

use std::time::{Duration, Instant};

use super::attempt::{Courier, Parked, count, retried_for};
use super::fallback;
use super::gate::{HANGS_AFTER, Hold};
use super::moment::Moment;
use super::policy::{self, Decision, Tried};
use crate::matrix::{Failure, TokenTrouble, Verdict};
use crate::outbox::{Delivery, Outcome};

impl Courier {
    pub(super) fn failed(&self, delivery: &Delivery, failure: &Failure, began: Moment, took: Duration) -> Outcome {
        // Whatever is waited for is waited from the answer on, which may have taken as long as the wait.
        let now = began.after(took);
        count(failure.verdict.label());
        let tried = Tried {
            attempts: delivery.attempts,
            since_first: retried_for(delivery),
            plain: fallback::is_last(&delivery.message, failure),
        };
        let error = failure.to_string();
        // Days without a token or in a parked room are not the message's; the horizon is for transient failures alone.
        let counts = matches!(failure.verdict, Verdict::Transient | Verdict::Bridge);
        match policy::decide(failure, tried, self.settings.horizon, rand::random()) {
            Decision::HoldRoom(wait) => {
                self.hold_room(delivery, failure, wait, took >= HANGS_AFTER);
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
            Decision::GiveUp => {
                self.state().rooms.remove(&delivery.room);
                Outcome::Dead { error }
            }
        }
    }

    fn hold_room(&self, delivery: &Delivery, failure: &Failure, wait: Duration, hung: bool) {
        let parked = Parked {
            verdict: failure.verdict.clone(),
            line: failure.to_string(),
            hung,
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
}
