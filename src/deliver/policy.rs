//! What to do after a failed attempt, as a pure function: the one place that decides retry or give up.
//!
//! Guarantees: total, deterministic for given jitter, never shorter than what the homeserver asked for. It reads no
//! clock and knows no store.

use std::time::Duration;

use crate::matrix::{Failure, Verdict};

/// First wait after a transient failure; doubled each time.
const TRANSIENT_FIRST: Duration = Duration::from_secs(1);
/// Longest wait after a transient failure: how late a message may be after the homeserver is back.
const TRANSIENT_MOST: Duration = Duration::from_mins(1);
/// First wait of a parked room.
const ROOM_FIRST: Duration = Duration::from_secs(15);
/// Failures in a row after which a message that a bridge fails with goes out plain: two minutes of its homeserver's restart are
/// no reason to.
const BRIDGE_PATIENCE: u32 = 8;
/// Longest wait of a parked room.
const ROOM_MOST: Duration = Duration::from_mins(5);
/// Refusals in a row after which a message that only a proxy refuses goes out plain.
const PROXY_PATIENCE: u32 = 4;
/// First wait after the token was refused.
const TOKEN_FIRST: Duration = Duration::from_secs(5);
/// Longest wait after the token was refused.
const TOKEN_MOST: Duration = Duration::from_mins(1);
/// The wait after a 429 that does not say how long: one token of Synapse's default limit.
const RATE_LIMIT_UNTOLD: Duration = Duration::from_secs(5);
/// The least wait after a 429: a homeserver whose clock is behind names a time that has passed, again and again.
const RATE_LIMIT_LEAST: Duration = TRANSIENT_FIRST;
/// No homeserver is believed that asks for more.
const RATE_LIMIT_MOST: Duration = Duration::from_hours(1);

/// The wait of a room for which another relay has to encrypt: none for that one, which claims it as soon as this is over, and
/// none of this one's business until then.
const OTHER_RELAY: Duration = Duration::from_millis(200);

/// What was tried so far.
#[derive(Debug, Clone, Copy)]
pub struct Tried {
    /// How many attempts in a row this verdict has had, the last one included: for the room, or for the account where it is
    /// the account that is refused. Waits grow with it. What failed before for another reason is another story.
    pub in_a_row: u32,
    /// How many attempts in a row of this very message had exactly this answer, the last one included.
    pub same_answers: u32,
    /// How long transient failures alone have gone on.
    pub since_first: Duration,
    /// Whether the message is already the plain fallback.
    pub plain: bool,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The room waits; others go on.
    HoldRoom(Duration),
    /// Everything that is sent with this account waits.
    HoldAccount(Duration),
    /// The message is replaced by a plain one that says what happened, and sent at once.
    Simplify,
    /// The same message goes out at once without its relation, and becomes the group's root message.
    Unrelate,
    /// It becomes `Dead`.
    GiveUp,
}

/// Decides after `failure`. `jitter` is a random number in 0..1, `horizon` how long transient failures are retried.
pub fn decide(failure: &Failure, tried: Tried, horizon: Duration, jitter: f64) -> Decision {
    match failure.verdict {
        // What was asked for is a lower bound; the jitter keeps replicas apart.
        Verdict::RateLimited { retry_after } => {
            let asked = retry_after.unwrap_or(RATE_LIMIT_UNTOLD);
            let asked = asked.clamp(RATE_LIMIT_LEAST, RATE_LIMIT_MOST);
            Decision::HoldAccount(asked + Duration::from_millis(250).mul_f64(jitter))
        }
        Verdict::Transient | Verdict::Bridge if tried.since_first >= horizon => Decision::GiveUp,
        // A bridge that is down fails with every message, and one that the homeserver refuses fails alone: the room must
        // not wait behind that for a day.
        Verdict::Bridge if !tried.plain && tried.same_answers >= BRIDGE_PATIENCE => Decision::Simplify,
        // A proxy may dislike this one text, or its size, and the room must not wait behind it for a day.
        Verdict::Transient if failure.is_refused_by_proxy() && !tried.plain && tried.same_answers >= PROXY_PATIENCE => {
            Decision::Simplify
        }
        Verdict::Transient | Verdict::Bridge => {
            Decision::HoldRoom(backoff(TRANSIENT_FIRST, TRANSIENT_MOST, tried.in_a_row, jitter))
        }
        Verdict::Room(_) => Decision::HoldRoom(backoff(ROOM_FIRST, ROOM_MOST, tried.in_a_row, jitter)),
        Verdict::Token(_) => Decision::HoldAccount(backoff(TOKEN_FIRST, TOKEN_MOST, tried.in_a_row, jitter)),
        Verdict::Message(_) if tried.plain => Decision::GiveUp,
        Verdict::Message(_) => Decision::Simplify,
        Verdict::Relation => Decision::Unrelate,
        Verdict::OtherRelay => Decision::HoldRoom(OTHER_RELAY),
    }
}

/// Exponential backoff with jitter: between half and all of the doubled wait, never over `most`.
fn backoff(first: Duration, most: Duration, in_a_row: u32, jitter: f64) -> Duration {
    let doublings = in_a_row.saturating_sub(1).min(16);
    let wait = first.saturating_mul(1 << doublings).min(most);
    wait.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{MessageTrouble, RoomTrouble, TokenTrouble};

    const HORIZON: Duration = Duration::from_hours(24);

    fn after(verdict: Verdict, in_a_row: u32, since_first: Duration, plain: bool) -> Decision {
        let failure = Failure {
            verdict,
            status: None,
            errcode: None,
            detail: String::new(),
        };
        decide(
            &failure,
            Tried {
                in_a_row,
                same_answers: in_a_row,
                since_first,
                plain,
            },
            HORIZON,
            1.0,
        )
    }

    #[test]
    fn a_rate_limit_is_waited_out_as_long_as_asked() {
        let limited = Verdict::RateLimited {
            retry_after: Some(Duration::from_millis(4783)),
        };
        let Decision::HoldAccount(wait) = after(limited, 1, Duration::ZERO, false) else {
            panic!()
        };
        assert!(wait >= Duration::from_millis(4783) && wait < Duration::from_secs(6));
        let limited = after(Verdict::RateLimited { retry_after: None }, 1, 2 * HORIZON, false);
        assert!(matches!(limited, Decision::HoldAccount(wait) if wait >= Duration::from_secs(5)));
        let at_once = Verdict::RateLimited {
            retry_after: Some(Duration::ZERO),
        };
        assert!(
            matches!(after(at_once, 1, Duration::ZERO, false), Decision::HoldAccount(wait) if wait >= TRANSIENT_FIRST)
        );
        let absurd = Verdict::RateLimited {
            retry_after: Some(Duration::MAX),
        };
        assert!(
            matches!(after(absurd, 1, Duration::ZERO, false), Decision::HoldAccount(wait) if wait < Duration::from_secs(3602))
        );
    }

    #[test]
    fn transient_failures_back_off_within_the_horizon() {
        let waits: Vec<_> = (1..=8)
            .map(|attempts| after(Verdict::Transient, attempts, Duration::ZERO, false))
            .collect();
        let seconds = [1, 2, 4, 8, 16, 32, 60, 60];
        assert_eq!(waits, seconds.map(|wait| Decision::HoldRoom(Duration::from_secs(wait))));
        assert!(matches!(
            after(Verdict::Transient, u32::MAX, Duration::ZERO, false),
            Decision::HoldRoom(_)
        ));
        assert_eq!(after(Verdict::Transient, 9, HORIZON, false), Decision::GiveUp);
    }

    #[test]
    fn rooms_and_tokens_never_cost_a_delivery() {
        let room = after(Verdict::Room(RoomTrouble::NotJoined), 1000, 10 * HORIZON, false);
        assert_eq!(room, Decision::HoldRoom(ROOM_MOST));
        let token = after(Verdict::Token(TokenTrouble::Missing), 1000, 10 * HORIZON, false);
        assert_eq!(token, Decision::HoldAccount(TOKEN_MOST));
    }

    #[test]
    fn a_text_that_a_proxy_refuses_goes_out_plain_instead_of_holding_its_room_for_a_day() {
        let refused = |attempts, plain, status| {
            let failure = Failure {
                verdict: Verdict::Transient,
                status: Some(status),
                errcode: None,
                detail: String::new(),
            };
            let tried = Tried {
                in_a_row: attempts,
                same_answers: attempts,
                since_first: Duration::ZERO,
                plain,
            };
            decide(&failure, tried, HORIZON, 1.0)
        };
        for status in [403, 413] {
            assert!(matches!(refused(3, false, status), Decision::HoldRoom(_)));
            assert_eq!(refused(4, false, status), Decision::Simplify);
            assert!(matches!(refused(5, true, status), Decision::HoldRoom(_)));
        }
        assert!(matches!(refused(9, false, 502), Decision::HoldRoom(_)));
    }

    #[test]
    fn a_message_that_a_bridge_fails_with_goes_out_plain_instead_of_holding_its_room_for_a_day() {
        let bridge = |attempts, since, plain| after(Verdict::Bridge, attempts, since, plain);
        assert!(matches!(bridge(7, Duration::ZERO, false), Decision::HoldRoom(_)));
        assert_eq!(bridge(8, Duration::ZERO, false), Decision::Simplify);
        assert_eq!(bridge(9, Duration::ZERO, true), Decision::HoldRoom(TRANSIENT_MOST));
        assert_eq!(bridge(9, HORIZON, true), Decision::GiveUp);
    }

    #[test]
    fn a_refused_relation_is_left_out_however_often_it_was_tried() {
        assert_eq!(after(Verdict::Relation, 9, 2 * HORIZON, true), Decision::Unrelate);
    }

    #[test]
    fn a_refused_message_is_simplified_once() {
        let refused = Verdict::Message(MessageTrouble::TooLarge);
        assert_eq!(after(refused.clone(), 1, Duration::ZERO, false), Decision::Simplify);
        assert_eq!(after(refused, 2, Duration::ZERO, true), Decision::GiveUp);
    }
}
