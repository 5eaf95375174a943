//! A token bucket like the one that homeservers put before sending.
//!
//! Guarantees: refused requests cost nothing, and waiting exactly as long as the answer says lets the next one pass. The
//! time is a parameter.

use std::time::Duration;

use tokio::time::Instant;

/// How many messages an account may send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// How many in the long run, per second.
    pub per_second: f64,
    /// How many at once.
    pub burst: u32,
}

impl Limit {
    /// Synapse's default for messages (`rc_message`): ten at once, then one per five seconds.
    pub const SYNAPSE: Self = Self {
        per_second: 0.2,
        burst: 10,
    };
}

/// What is left for one account.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn full(limit: Limit, now: Instant) -> Self {
        Self {
            tokens: f64::from(limit.burst),
            at: now,
        }
    }

    /// Takes one, or says how long to wait for it.
    pub(super) fn take(&mut self, limit: Limit, now: Instant) -> Result<(), Duration> {
        let refilled = self.tokens + (now - self.at).as_secs_f64() * limit.per_second;
        self.tokens = refilled.min(f64::from(limit.burst));
        self.at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::try_from_secs_f64((1.0 - self.tokens) / limit.per_second).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_passes_then_waiting_as_told_lets_one_pass() {
        let now = Instant::now();
        let mut bucket = Bucket::full(Limit::SYNAPSE, now);
        for _ in 0..10 {
            bucket.take(Limit::SYNAPSE, now).unwrap();
        }
        let wait = bucket.take(Limit::SYNAPSE, now).unwrap_err();
        assert_eq!(wait, Duration::from_secs(5));
        bucket.take(Limit::SYNAPSE, now + wait).unwrap();
        assert!(bucket.take(Limit::SYNAPSE, now + wait).is_err());
    }
}
