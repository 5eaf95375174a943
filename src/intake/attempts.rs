//! Failed attempts to get in, counted for each client address.
//!
//! Guarantees: memory is bounded whatever addresses appear; nothing is counted for a client that nobody knows (see
//! `client`). It is memory of this process: a restart forgives.
//!
//! Deliberately no lock: who shows the right credential is let in however often others have failed from the same address.
//! Behind a NAT or a proxy that is one address for many, and a sender that is kept out loses alerts, since Grafana does
//! not send them again. So this keeps a log from being flooded and tells a broken sender to slow down; against guessing
//! there are secrets that cannot be guessed.
//!
//! Not one of the crates for rate limits: they take from a budget before the outcome is known, and this one may be
//! looked at without taking from it, because a sender with the right credential must never use it up.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// For how long failures are counted together, from the first of them on.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// How many addresses are remembered. Whoever has more of them than this has as many attempts anyway.
const REMEMBERED: usize = 4096;

/// Counts failures by address.
pub(super) struct Attempts {
    /// How many failures in a minute are let pass; 0 counts none.
    limit: u32,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    first: Timestamp,
    count: u32,
}

impl Failures {
    fn over(&self, now: Timestamp) -> bool {
        // A clock that was set back must not make a minute last for hours.
        now.duration_since(self.first).abs() >= WINDOW
    }
}

impl Attempts {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            failures: Mutex::default(),
        }
    }

    /// How many seconds this client should wait after so many failures; `None` if this is not too many.
    pub(super) fn blocked(&self, client: Option<IpAddr>, now: Timestamp) -> Option<u64> {
        let failures = *self.failures().get(&client?)?;
        let blocked = self.limit > 0 && failures.count >= self.limit && !failures.over(now);
        let left = WINDOW - now.duration_since(failures.first);
        blocked.then(|| left.as_secs().unsigned_abs().clamp(1, WINDOW.as_secs().unsigned_abs()))
    }

    /// Counts a failure. True if this one was the last that is let pass for now.
    pub(super) fn failed(&self, client: Option<IpAddr>, now: Timestamp) -> bool {
        let Some(client) = client.filter(|_| self.limit > 0) else {
            return false;
        };
        let mut all = self.failures();
        if all.len() >= REMEMBERED && !all.contains_key(&client) {
            all.retain(|_, failures| !failures.over(now));
            if all.len() >= REMEMBERED {
                let oldest = all.iter().min_by_key(|(_, failures)| failures.first);
                if let Some(oldest) = oldest.map(|(address, _)| *address) {
                    all.remove(&oldest);
                }
            }
        }
        let fresh = Failures { first: now, count: 0 };
        let failures = all.entry(client).or_insert(fresh);
        if failures.over(now) {
            *failures = fresh;
        }
        failures.count = failures.count.saturating_add(1);
        failures.count == self.limit
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(number))
    }

    #[test]
    fn an_address_is_blocked_after_the_limit_and_free_again_after_a_minute() {
        let attempts = Attempts::new(3);
        let failed = |second| attempts.failed(Some(address(1)), at(second));
        assert_eq!([failed(0), failed(1), failed(2)], [false, false, true]);
        assert_eq!(attempts.blocked(Some(address(1)), at(2)), Some(58));
        assert_eq!(attempts.blocked(Some(address(2)), at(2)), None);
        assert_eq!(attempts.blocked(None, at(2)), None);
        assert_eq!(attempts.blocked(Some(address(1)), at(60)), None);
        assert!(!attempts.failed(Some(address(1)), at(60)));
        assert_eq!(attempts.blocked(Some(address(1)), at(60)), None);
        assert_eq!(
            attempts.blocked(Some(address(1)), at(-100)),
            None,
            "the clock was set back"
        );
    }

    #[test]
    fn zero_blocks_nobody() {
        let attempts = Attempts::new(0);
        assert!((0..100).all(|second| !attempts.failed(Some(address(1)), at(second))));
        assert_eq!(attempts.blocked(Some(address(1)), at(100)), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_is_forgotten_first() {
        let attempts = Attempts::new(1);
        for number in 0..10_000 {
            attempts.failed(Some(address(number)), at(i64::from(number / 1000)));
        }
        assert_eq!(attempts.failures().len(), REMEMBERED);
        assert_eq!(attempts.blocked(Some(address(0)), at(9)), None);
        assert!(attempts.blocked(Some(address(9_999)), at(9)).is_some());
    }
}
