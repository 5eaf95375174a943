//! What is in flight, and what the loop remembers from one round to the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::super::gate::{HANGS_AFTER, InFlight, TOGETHER};
use super::{CALM, POLL};
use crate::outbox::{Delivery, DeliveryId, OutboxError};

/// What the loop remembers from one round to the next.
pub(super) struct Flight {
    pub(super) attempts: JoinSet<Landing>,
    pub(super) claims: HashMap<Id, Claim>,
    /// How often an attempt of a delivery has panicked, one after the other.
    pub(super) panics: HashMap<DeliveryId, u32>,
    pub(super) pace: Pace,
    /// Whether a room may go on with what it sends next without a look at the others: none is due that has no place.
    pub(super) goes_on: Arc<AtomicBool>,
    /// Whether the store failed the last time that it was asked.
    stalled: bool,
}

/// A delivery in flight.
pub(super) struct Claim {
    pub(super) delivery: Arc<Delivery>,
    pub(super) began: Instant,
    /// Whether the attempt before this one hung.
    pub(super) hangs: bool,
    /// Ends it, when others need its place.
    pub(super) cut: CancellationToken,
}

/// What an attempt leaves to be done once its outcome is recorded.
pub(super) enum Landing {
    /// Its room goes on with this, which is claimed.
    Next(Box<Delivery>),
    /// Nothing: its room owes nothing more, or waits.
    Nothing,
    /// A claim, by which what is due is found.
    Claim,
}

/// When the loop looks for what is due.
pub(super) struct Pace {
    claimed_at: Option<Instant>,
    /// How long until it looks again by itself.
    pause: Duration,
    /// Whether there is news of work, which it sees a moment after the last claim: many notifications at once are then
    /// claimed once.
    pub(super) has_work: bool,
    /// Whether it looks at once.
    pub(super) is_due: bool,
}

impl Default for Flight {
    fn default() -> Self {
        Self {
            attempts: JoinSet::default(),
            claims: HashMap::default(),
            panics: HashMap::default(),
            pace: Pace {
                claimed_at: None,
                pause: POLL,
                has_work: false,
                is_due: true,
            },
            goes_on: Arc::default(),
            stalled: false,
        }
    }
}

impl Pace {
    /// A claim is made now, for so many places.
    pub(super) fn claims(&mut self, now: Instant, free: usize) {
        self.claimed_at = Some(now);
        self.pause = if free == 0 { TOGETHER } else { POLL };
        (self.has_work, self.is_due) = (false, false);
    }

    /// When the next one is.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let pause = if self.has_work { CALM } else { self.pause };
        self.claimed_at.map_or(now, |at| at + pause)
    }
}

impl Flight {
    pub(super) fn in_flight(&self, now: Instant) -> InFlight {
        let since = |age: Duration| {
            let young = |claim: &&Claim| !claim.hangs && now.saturating_duration_since(claim.began) < age;
            self.claims.values().filter(young).count()
        };
        InFlight {
            fresh: since(TOGETHER),
            brisk: since(HANGS_AFTER),
            all: self.claims.len(),
        }
    }

    /// Cuts off what hangs longest, where others could not begin otherwise. Its rooms are tried again as after any answer that
    /// did not come, under the same transaction.
    pub(super) fn cut_off(&self, now: Instant) {
        let hangs = |claim: &&Claim| now.saturating_duration_since(claim.began) >= HANGS_AFTER;
        let mut hanging: Vec<&Claim> = self.claims.values().filter(hangs).collect();
        hanging.sort_by_key(|claim| claim.began);
        for claim in hanging.into_iter().take(self.in_flight(now).too_many()) {
            claim.cut.cancel();
        }
    }

    /// Whether rooms may go on by themselves from now on.
    pub(super) fn let_rooms_go_on(&self, may: bool) {
        self.goes_on.store(may, Ordering::SeqCst);
    }

    pub(super) fn ids(&self) -> Vec<DeliveryId> {
        self.claims.values().map(|claim| claim.delivery.id).collect()
    }

    /// Said once: the loop asks four times a second, and a log must not grow with the length of a fault.
    pub(super) fn store_fails(&mut self, error: &OutboxError) {
        if std::mem::replace(&mut self.stalled, true) {
            tracing::debug!(error.message = %error, "the outbox is still unavailable");
        } else {
            tracing::error!(error.message = %error, "the outbox is unavailable: the relay delivers nothing until it is back");
        }
    }

    pub(super) fn store_works(&mut self) {
        if std::mem::take(&mut self.stalled) {
            tracing::info!("the outbox is available again; delivery goes on");
        }
    }
}
