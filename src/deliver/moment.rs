//! The time, as the worker gets it: by the wall for what is stored, by the monotonic clock for what is only waited.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// What a calendar says; may be set back.
    pub wall: Timestamp,
    /// What a stopwatch says; only goes forward.
    pub tick: Instant,
}

impl Moment {
    /// The present; only the composition root asks for it.
    pub fn now() -> Self {
        Self {
            wall: Timestamp::now(),
            tick: Instant::now(),
        }
    }

    /// The moment so much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self {
            wall: self.wall + wait,
            tick: self.tick + wait,
        }
    }
}

/// Tells the time; given by the composition root.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;
