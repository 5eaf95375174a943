//! What one account's messages share: a rate limit, or a token that is refused.
//!
//! Guarantees: while the gate is closed nothing is claimed, so nothing is attempted in vain. It measures with the
//! monotonic clock, so that a clock that is set back holds nothing.

use std::time::{Duration, Instant};

/// Why the account waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The homeserver said how long.
    RateLimit,
    /// The access token is refused.
    Token,
}

/// How many deliveries may be in flight when nothing is wrong.
const OPEN: usize = 32;
/// How long after its end a hold is still worth a word; waits are at most a minute apart.
const REMEMBERED: Duration = Duration::from_secs(90);
/// And for a while after a rate limit: more would only be refused.
const CAREFUL: usize = 2;
/// How long that is.
const CAREFUL_FOR: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
struct Closed {
    at: Instant,
    until: Instant,
    hold: Hold,
}

#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: Option<Closed>,
    limited_at: Option<Instant>,
}

impl Gate {
    /// Closes it for `wait`, never opening it earlier than an earlier hold would. Says whether this is news.
    pub(super) fn close(&mut self, hold: Hold, wait: Duration, now: Instant) -> bool {
        let news = self.closed.is_none_or(|before| before.hold != hold);
        let until = self.closed.map_or(now + wait, |before| before.until.max(now + wait));
        self.closed = Some(Closed { at: now, until, hold });
        if hold == Hold::RateLimit {
            self.limited_at = Some(now);
        }
        news
    }

    /// An attempt that began at `started` went through: if the gate was closed before that, the reason is over, and is
    /// returned. A success that was under way when the gate closed says nothing about it.
    pub(super) fn passed(&mut self, started: Instant) -> Option<Hold> {
        self.closed
            .take_if(|closed| closed.at <= started)
            .map(|closed| closed.hold)
    }

    /// Whether what closed it is history: its time has long passed, and nothing was refused for the same reason since. An
    /// account without messages has no success that would say so.
    pub(super) fn is_history(&self, now: Instant) -> bool {
        self.closed.is_none_or(|closed| now >= closed.until + REMEMBERED)
    }

    /// How many deliveries may be in flight now.
    pub(super) fn width(&self, now: Instant) -> usize {
        match self.closed {
            Some(closed) if now < closed.until => 0,
            // One goes first and shows whether the token works again.
            Some(Closed { hold: Hold::Token, .. }) => 1,
            _ if self.limited_at.is_some_and(|at| now.duration_since(at) < CAREFUL_FOR) => CAREFUL,
            _ => OPEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_lets_nothing_through_until_its_time() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        assert_eq!(gate.width(start), OPEN);
        assert!(gate.close(Hold::RateLimit, Duration::from_secs(5), start));
        assert!(!gate.close(Hold::RateLimit, Duration::from_secs(1), start));
        assert_eq!(gate.width(start + Duration::from_secs(4)), 0);
        assert_eq!(gate.width(start + Duration::from_secs(5)), CAREFUL);
        assert!(!gate.is_history(start + Duration::from_secs(94)) && gate.is_history(start + Duration::from_secs(95)));
        assert_eq!(gate.passed(start + Duration::from_secs(5)), Some(Hold::RateLimit));
        assert_eq!(gate.width(start + Duration::from_secs(36)), OPEN);
    }

    #[test]
    fn a_success_from_before_does_not_open_it() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        gate.close(Hold::RateLimit, Duration::from_secs(5), start + Duration::from_secs(1));
        assert_eq!(gate.passed(start), None);
        assert_eq!(gate.width(start + Duration::from_secs(2)), 0);
    }

    #[test]
    fn after_a_refused_token_one_delivery_goes_first() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        gate.close(Hold::Token, Duration::from_secs(5), start);
        assert_eq!(gate.width(start + Duration::from_secs(6)), 1);
        gate.passed(start + Duration::from_secs(6));
        assert_eq!(gate.width(start + Duration::from_secs(6)), OPEN);
    }
}
