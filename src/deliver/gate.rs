//! What one account's messages share: a rate limit, or a token that is refused.
//!
//! Guarantees: while the gate is closed nothing is claimed, so nothing is attempted in vain. Rooms whose requests hang take
//! no place from those that answer, however many they are. It measures with the monotonic clock,
//! so that a clock that is set back holds nothing.

use std::time::{Duration, Instant};

/// Why the account waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The homeserver said how long.
    RateLimit,
    /// The access token is refused.
    Token,
}

/// How many deliveries may begin together when nothing is wrong: a homeserver is not flooded.
const OPEN: usize = 32;
/// What has not been answered for so long takes no place from what comes next.
pub(super) const TOGETHER: Duration = Duration::from_millis(100);
/// How many may be in flight at all; memory and connections have to be bounded. Past it those that hang longest are cut off.
const MOST: usize = 512;
/// What has not been answered for so long hangs.
pub(super) const HANGS_AFTER: Duration = Duration::from_secs(3);
/// How long after its end a hold is still worth a word; waits are at most a minute apart.
const REMEMBERED: Duration = Duration::from_secs(90);
/// And for a while after a rate limit: more would only be refused.
const CAREFUL: usize = 2;
/// How long that is.
const CAREFUL_FOR: Duration = Duration::from_secs(30);

/// What is in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct InFlight {
    /// Attempts that have only just begun, to rooms that did not let the last one hang.
    pub(super) fresh: usize,
    /// Those, and others of which an answer is expected any moment.
    pub(super) brisk: usize,
    /// All of them.
    pub(super) all: usize,
}

impl InFlight {
    /// How many of them have to be cut off, that others may begin.
    pub(super) fn too_many(self) -> usize {
        (self.all + OPEN).saturating_sub(MOST)
    }
}

#[derive(Debug, Clone, Copy)]
struct Closed {
    at: Instant,
    until: Instant,
    hold: Hold,
    in_a_row: u32,
}

#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: Option<Closed>,
    /// The last rate limit, which a success in between does not end: under one that lasts, hardly a message goes out at
    /// its first try.
    limited: Option<Closed>,
}

impl Gate {
    /// How often in a row the account was refused for this reason, with the refusal at `now`. What was under way together and is
    /// refused while the gate is closed for it already counts once.
    pub(super) fn in_a_row(&self, hold: Hold, now: Instant) -> u32 {
        match self.closed.filter(|before| before.hold == hold) {
            None => 1,
            Some(before) if now < before.until => before.in_a_row,
            Some(before) => before.in_a_row.saturating_add(1),
        }
    }

    /// Closes it for `wait`, never opening it earlier than an earlier hold would. Says whether this is news.
    pub(super) fn close(&mut self, hold: Hold, wait: Duration, now: Instant) -> bool {
        let news = match hold {
            Hold::RateLimit => self.limited.is_none_or(|last| now >= last.until + REMEMBERED),
            Hold::Token => self.closed.is_none_or(|before| before.hold != hold),
        };
        let until = self.closed.map_or(now + wait, |before| before.until.max(now + wait));
        let in_a_row = self.in_a_row(hold, now);
        let closed = Closed {
            at: now,
            until,
            hold,
            in_a_row,
        };
        self.closed = Some(closed);
        if hold == Hold::RateLimit {
            self.limited = Some(closed);
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

    /// How many more deliveries may be attempted now.
    pub(super) fn capacity(&self, in_flight: InFlight, now: Instant) -> usize {
        let free = match self.width(now) {
            OPEN => OPEN.saturating_sub(in_flight.fresh),
            narrow => narrow.saturating_sub(in_flight.brisk),
        };
        free.min(MOST.saturating_sub(in_flight.all))
    }

    /// Whether nothing is wrong with the account.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.width(now) == OPEN
    }

    /// How many may begin together, or where the account was refused lately, how many may be in flight that do not hang.
    fn width(&self, now: Instant) -> usize {
        match self.closed {
            Some(closed) if now < closed.until => 0,
            // One goes first and shows whether the token works again.
            Some(Closed { hold: Hold::Token, .. }) => 1,
            _ if self
                .limited
                .is_some_and(|last| now.duration_since(last.at) < CAREFUL_FOR) =>
            {
                CAREFUL
            }
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
        assert!(!gate.is_open(start + Duration::from_secs(4)) && !gate.is_open(start + Duration::from_secs(5)));
        assert_eq!(gate.width(start + Duration::from_secs(5)), CAREFUL);
        assert!(!gate.is_history(start + Duration::from_secs(94)) && gate.is_history(start + Duration::from_secs(95)));
        assert_eq!(gate.passed(start + Duration::from_secs(5)), Some(Hold::RateLimit));
        assert!(gate.is_open(start + Duration::from_secs(36)));
    }

    #[test]
    fn a_rate_limit_that_lasts_is_news_once() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        let mut news = Vec::new();
        for second in (0..600).step_by(5).map(Duration::from_secs) {
            // Each message is refused, waits as long as asked, and goes out.
            news.push(gate.close(Hold::RateLimit, Duration::from_secs(5), start + second));
            gate.passed(start + second + Duration::from_secs(5));
        }
        assert!(news[0] && news[1..].iter().all(|again| !again), "{news:?}");
        assert!(gate.close(Hold::Token, Duration::from_secs(5), start + Duration::from_mins(10)));
        assert!(gate.close(
            Hold::RateLimit,
            Duration::from_secs(5),
            start + Duration::from_secs(690)
        ));
    }

    #[test]
    fn what_hangs_takes_no_place_from_what_answers() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        let in_flight = |fresh, brisk, hanging| InFlight {
            fresh,
            brisk,
            all: brisk + hanging,
        };
        assert_eq!(gate.capacity(in_flight(2, 2, 0), start), OPEN - 2);
        assert_eq!(gate.capacity(in_flight(2, 200, 200), start), OPEN - 2);
        assert_eq!(gate.capacity(in_flight(0, 0, MOST - 10), start), 10);
        assert_eq!(gate.capacity(in_flight(0, 0, MOST), start), 0);
        assert_eq!(in_flight(0, 0, MOST - OPEN).too_many(), 0);
        assert_eq!(in_flight(0, 0, MOST - 10).too_many(), OPEN - 10);
        gate.close(Hold::RateLimit, Duration::from_secs(1), start);
        let after = start + Duration::from_secs(1);
        assert_eq!(gate.capacity(in_flight(0, 0, 100), start), 0);
        assert_eq!(gate.capacity(in_flight(0, CAREFUL, 0), after), 0);
        assert_eq!(gate.capacity(in_flight(0, 0, 100), after), CAREFUL);
    }

    #[test]
    fn refusals_in_a_row_are_counted_by_rounds_and_by_reason() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        let second = |second| start + Duration::from_secs(second);
        for (at, expected) in [(0, 1), (0, 1), (4, 1), (10, 2), (20, 3)] {
            assert_eq!(gate.in_a_row(Hold::Token, second(at)), expected, "at {at} s");
            gate.close(Hold::Token, Duration::from_secs(5), second(at));
        }
        assert_eq!(gate.in_a_row(Hold::RateLimit, second(30)), 1);
        gate.passed(second(31));
        assert_eq!(gate.in_a_row(Hold::Token, second(32)), 1);
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
