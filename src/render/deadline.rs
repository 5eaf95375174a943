//! How long somebody waits for what is rendered, and whether they still do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// One for all that is rendered on behalf of one request; clones of it end together.
#[derive(Debug, Clone, Default)]
pub struct Deadline {
    at: Option<Instant>,
    is_cancelled: Arc<AtomicBool>,
}

/// Cancels a deadline when it is dropped; see [`Deadline::guard`].
#[derive(Debug)]
pub struct Guard(Deadline);

impl Deadline {
    /// Whoever waits has all the time that a job may take.
    pub fn none() -> Self {
        Self::default()
    }

    /// So long from now.
    pub fn after(time: Duration) -> Self {
        Self {
            at: Instant::now().checked_add(time),
            is_cancelled: Arc::default(),
        }
    }

    /// Nobody waits any more: processes that work for it are ended.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Cancels it when what is returned is dropped.
    pub fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    /// Whether nobody waits any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed) || self.at.is_some_and(|at| at <= Instant::now())
    }

    /// When it ends, or this moment if that is sooner.
    pub(super) fn or_sooner(&self, moment: Instant) -> Instant {
        self.at.map_or(moment, |at| at.min(moment))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
