//! Which of several relays encrypts: the one that leads, for as long as it was confirmed lately.
//!
//! One device has one set of keys, and two processes that use it at once would use a key twice. So with several relays on one
//! database only the holder of a lock there encrypts. Why two never do so at once: each confirmation of the lock counts
//! for [`CONFIRMED_FOR`] from when it was asked for, and at that time the lock was held. Whoever gets the lock after it waits
//! for [`TAKEOVER`], which is longer, before it begins. So the one before has stopped, whether or not it knows that its
//! connection is gone; that takes clocks that run equally fast, and no agreement about the time. A process or a machine that
//! is suspended in the middle of a step may wake later: the time since is measured by both clocks, of which one goes on during
//! that, what it encrypts is looked at once more before it is sent, and its successor has begun new room keys, so that no key
//! is used at one index twice.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

/// How long a confirmation of the lock counts.
const CONFIRMED_FOR: Duration = Duration::from_secs(4);
/// How long the next holder of the lock waits before it encrypts.
pub const TAKEOVER: Duration = Duration::from_secs(6);

/// Whether this process may encrypt now.
#[derive(Debug)]
pub(in crate::matrix) struct Leadership {
    term: Mutex<Term>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Clone, Copy)]
enum Term {
    /// There is no other relay.
    Alone,
    /// Another one leads, or none does yet.
    Follows,
    /// Until then, by both clocks.
    Leads { until: Instant, wall: SystemTime },
}

impl Default for Leadership {
    fn default() -> Self {
        Self {
            term: Mutex::new(Term::Alone),
            changed: watch::Sender::new(()),
        }
    }
}

impl Leadership {
    /// There are other relays: from now on it leads only as far as that is confirmed.
    pub(super) fn share(&self) {
        self.set(Term::Follows);
    }

    /// The lock was held when this was asked for.
    pub(super) fn confirm(&self, asked: Instant) {
        let left = (asked + CONFIRMED_FOR).saturating_duration_since(Instant::now());
        self.set(Term::Leads {
            until: asked + CONFIRMED_FOR,
            wall: SystemTime::now() + left,
        });
    }

    /// The lock is lost, or was given back.
    pub(super) fn end(&self) {
        self.set(Term::Follows);
    }

    pub(super) fn holds(&self) -> bool {
        match *self.term() {
            Term::Alone => true,
            Term::Follows => false,
            Term::Leads { until, wall } => Instant::now() < until && SystemTime::now() < wall,
        }
    }

    /// Waits until it leads.
    pub(super) async fn begins(&self) {
        let mut changed = self.changed.subscribe();
        while !self.holds() && changed.changed().await.is_ok() {}
    }

    /// Waits until it does not lead any more.
    #[cfg_attr(
        not(any(feature = "encryption", test)),
        expect(dead_code, reason = "only an open device waits for it")
    )]
    pub(super) async fn ends(&self) {
        let mut changed = self.changed.subscribe();
        while self.holds() {
            let left = match *self.term() {
                Term::Leads { until, .. } => until.saturating_duration_since(Instant::now()),
                Term::Alone | Term::Follows => Duration::MAX,
            };
            drop(tokio::time::timeout(left, changed.changed()).await);
        }
    }

    fn set(&self, term: Term) {
        *self.term() = term;
        self.changed.send_replace(());
    }

    fn term(&self) -> MutexGuard<'_, Term> {
        self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_among_several_leads_only_as_long_as_it_was_confirmed() {
        let leadership = Leadership::default();
        assert!(leadership.holds(), "alone");
        leadership.share();
        assert!(!leadership.holds());
        leadership.confirm(Instant::now());
        assert!(leadership.holds());
        let long_ago = Instant::now().checked_sub(CONFIRMED_FOR).unwrap();
        leadership.confirm(long_ago);
        assert!(!leadership.holds(), "what took too long to confirm");
        leadership.confirm(Instant::now());
        leadership.end();
        assert!(!leadership.holds());
    }

    #[test]
    fn the_next_one_begins_after_the_one_before_has_stopped() {
        assert!(TAKEOVER > CONFIRMED_FOR + Duration::from_secs(1));
    }

    #[tokio::test]
    async fn who_waits_for_it_learns_of_its_beginning_and_its_end() {
        let leadership = std::sync::Arc::new(Leadership::default());
        leadership.share();
        let waiting = tokio::spawn({
            let leadership = std::sync::Arc::clone(&leadership);
            async move {
                leadership.begins().await;
                leadership.ends().await;
            }
        });
        leadership.confirm(Instant::now());
        tokio::task::yield_now().await;
        leadership.end();
        // It may have seen neither, if it began late; then it sees the next ones.
        let nearly = CONFIRMED_FOR.saturating_sub(Duration::from_millis(50));
        leadership.confirm(Instant::now().checked_sub(nearly).unwrap());
        waiting.await.unwrap();
    }
}
