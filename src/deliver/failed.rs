//! What an attempt that failed leads to: the outcome for the outbox, what has to wait, and what the log says.
//!
//! Guarantees: what keeps a room back is recorded with its wait, so that who asks for it after a restart learns it too; says once that something is wrong, not at each try; the decision itself is the [`policy`]'s.

use std::mem::discriminant;
use std::time::{Duration, Instant};

use super::attempt::{Parked, Sender, count, retried_for};
use super::fallback;
use super::gate::{HANGS_AFTER, Hold};
use super::policy::{self, Decision, Tried};
use super::time::Time;
use crate::matrix::{Failure, TokenTrouble, Verdict};
use crate::message::words;
use crate::outbox::{Delivery, Outcome};

/// A failure so long ago says nothing about the next one; waits are far shorter.
const REMEMBERED: Duration = Duration::from_mins(15);

/// How often in a row something has failed.
#[derive(Clone, Copy)]
struct Runs {
    in_a_row: u32,
    same_answers: u32,
}

impl Sender {
    pub(super) fn failed(&self, delivery: &Delivery, failure: &Failure, began: Time, took: Duration) -> Outcome {
        // Whatever is waited for is waited from the answer on, which may have taken as long as the wait.
        let now = began.after(took);
        count(failure.verdict.label());
        let runs = self.runs(delivery, failure, now.tick);
        let tried = Tried {
            in_a_row: runs.in_a_row,
            same_answers: runs.same_answers,
            since_first: retried_for(delivery),
            plain: fallback::is_last(&delivery.message, failure),
        };
        let error = failure.to_string();
        // Days without a token or in a parked room are not the message's; the horizon is for transient failures alone.
        let counts = matches!(failure.verdict, Verdict::Transient | Verdict::Bridge);
        match policy::decide(failure, tried, self.settings.horizon, rand::random()) {
            Decision::HoldRoom(wait) => {
                let parked = Parked {
                    verdict: failure.verdict.clone(),
                    at: now.tick,
                    in_a_row: runs.in_a_row,
                    hung: took >= HANGS_AFTER,
                    delivery: delivery.id,
                    errcode: failure.errcode.clone(),
                    status: failure.status,
                    same_answers: runs.same_answers,
                };
                self.hold_room(delivery, failure, wait, parked);
                Outcome::Wait {
                    until: now.wall + wait,
                    reason: error.clone(),
                    error,
                    counts,
                }
            }
            Decision::HoldAccount(wait) => {
                self.hold_account(delivery, failure, wait, now.tick);
                // The gate is what waits, so that a restart or another replica may try at once.
                Outcome::Wait {
                    until: now.wall,
                    reason: error.clone(),
                    error,
                    counts,
                }
            }
            Decision::Simplify => {
                tracing::warn!(
                    delivery.id = %delivery.id, matrix.room_id = %delivery.room, matrix.errcode = failure.errcode,
                    "the homeserver refused the message ({failure}); the relay sends a plain one instead"
                );
                Outcome::Rewrite {
                    message: words::with(&(self.words)(&delivery.room), || {
                        fallback::plain(&delivery.message, delivery.members, failure)
                    }),
                    error,
                }
            }
            Decision::Unrelate => {
                tracing::warn!(
                    delivery.id = %delivery.id, matrix.room_id = %delivery.room, matrix.errcode = failure.errcode,
                    "the message that this one refers to is gone ({failure}); the relay sends the group's message once more"
                );
                Outcome::Detached { error }
            }
            Decision::GiveUp => {
                self.state().rooms.remove(&delivery.room);
                Outcome::Dead { error }
            }
        }
    }

    /// How often in a row it has failed as it has now, as far as this process knows.
    fn runs(&self, delivery: &Delivery, failure: &Failure, now: Instant) -> Runs {
        let state = self.state();
        let recent = |before: &&Parked| now.saturating_duration_since(before.at) < REMEMBERED;
        let before = state.rooms.get(&delivery.room).filter(recent);
        let of_kind = before.filter(|before| discriminant(&before.verdict) == discriminant(&failure.verdict));
        let same_answer = of_kind.filter(|before| {
            let as_now = (&before.verdict, &before.errcode) == (&failure.verdict, &failure.errcode);
            as_now && before.status == failure.status && before.delivery == delivery.id
        });
        Runs {
            in_a_row: match &failure.verdict {
                Verdict::Token(_) => state.gate.in_a_row(Hold::Token, now),
                _ => of_kind.map_or(0, |before| before.in_a_row).saturating_add(1),
            },
            same_answers: same_answer.map_or(0, |before| before.same_answers).saturating_add(1),
        }
    }

    fn hold_room(&self, delivery: &Delivery, failure: &Failure, wait: Duration, parked: Parked) {
        let before = self.state().rooms.insert(delivery.room.clone(), parked);
        let news = before.is_none_or(|before| before.verdict != failure.verdict);
        let (room, id, attempt) = (&delivery.room, delivery.id, delivery.attempts);
        let seconds = wait.as_secs_f32();
        match failure.verdict {
            Verdict::OtherRelay => {
                tracing::debug!(delivery.id = %id, matrix.room_id = %room, "the relay that encrypts sends it");
            }
            Verdict::Room(_) if news => tracing::error!(
                delivery.id = %id, delivery.attempt = attempt, matrix.room_id = %room, matrix.errcode = failure.errcode,
                "the room takes no messages: {failure}. The relay keeps them; next attempt in {seconds:.0} s"
            ),
            _ if news => tracing::warn!(
                delivery.id = %id, delivery.attempt = attempt, matrix.room_id = %room, matrix.errcode = failure.errcode,
                "not delivered yet: {failure}. The relay keeps the message; next attempt in {seconds:.1} s"
            ),
            _ => tracing::debug!(
                delivery.id = %id, delivery.attempt = attempt, matrix.room_id = %room, matrix.errcode = failure.errcode,
                "still not delivered: {failure}. Next attempt in {seconds:.1} s"
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
                    "nothing can be sent: {failure}. Check {setting}. The relay keeps all messages and goes on by itself \
                     when it works again"
                );
            }
            Hold::RateLimit if news => tracing::warn!(
                delivery.id = %delivery.id, matrix.errcode = failure.errcode,
                "the homeserver limits the rate of messages; next attempt in {seconds:.1} s"
            ),
            _ => tracing::debug!(delivery.id = %delivery.id, "the relay still waits, {seconds:.1} s: {failure}"),
        }
    }
}

#[cfg(test)]
mod tests;
