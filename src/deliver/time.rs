//! The time, as the worker gets it: by the wall for what is stored, by the monotonic clock for what is only waited.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A time on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// What a calendar says; may be set back.
    pub wall: Timestamp,
    /// What a stopwatch says; only goes forward.
    pub tick: Instant,
}

impl Time {
    /// The present; only the composition root asks for it.
    pub fn now() -> Self {
        Self {
            wall: Timestamp::now(),
            tick: Instant::now(),
        }
    }

    /// The time so much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self {
            wall: self.wall + wait,
            tick: self.tick + wait,
        }
    }
}

/// Tells the time; given by the composition root.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;
