//! Storms: when many never-tried deliveries of one room have waited too long, one digest is sent in their place.
//!
//! Guarantees: a delivery that was ever tried is in no digest, because it may be in the room already; a digest names
//! an unbroken run from the front of the queue, so the order holds; a composer that panics costs the digest and
//! never a delivery. How a digest reads is the composer's matter, not the outbox's.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::delivery::DeliveryId;
use crate::message::{Mentions, MsgType, RenderedMessage};

/// How many waiting deliveries a composer is shown at most, so that memory stays bounded.
pub const DIGEST_AT_MOST: usize = 1_000;

/// Writes a digest of what waits, as it reads at the moment that it is given.
pub type Composer = Arc<dyn Fn(&[Waiting], Timestamp) -> Digest + Send + Sync>;

/// When a room's backlog becomes a digest, and who writes that.
#[derive(Clone)]
pub struct DigestPolicy {
    /// A digest when more than this many wait. `usize::MAX`: never. More than [`DIGEST_AT_MOST`] counts as that.
    pub threshold: usize,
    /// Only when the oldest of them has waited this long.
    pub min_age: Duration,
    /// Writes the digest.
    pub compose: Composer,
}

impl fmt::Debug for DigestPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestPolicy")
            .field("threshold", &self.threshold)
            .field("min_age", &self.min_age)
            .finish_non_exhaustive()
    }
}

/// What a composer needs of a waiting delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which one.
    pub id: DeliveryId,
    /// The line that stands for it.
    pub headline: String,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When its alerts began.
    pub starts_at: Option<Timestamp>,
    /// How loud it would have been.
    pub msgtype: MsgType,
    /// Whom it would have mentioned.
    pub mentions: Mentions,
}

/// What a composer answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// The message that names them.
    pub message: RenderedMessage,
    /// How many of the slice it names, from its start. One is no digest: then the delivery goes out as itself.
    pub taken: usize,
}

impl DigestPolicy {
    /// Sends everything as itself.
    pub fn never() -> Self {
        Self {
            threshold: usize::MAX,
            min_age: Duration::ZERO,
            compose: Arc::new(|_, _| Digest {
                message: RenderedMessage {
                    body: String::new(),
                    formatted_body: String::new(),
                    msgtype: MsgType::Notice,
                    mentions: Mentions::default(),
                    headline: String::new(),
                },
                taken: 1,
            }),
        }
    }

    /// How many have to wait behind the first for a digest; `None` where that rules it out.
    pub(super) fn looks_behind(&self, attempts: u32, accepted_at: Timestamp, now: Timestamp) -> Option<usize> {
        let old_enough = || now.duration_since(accepted_at).unsigned_abs() >= self.min_age && now >= accepted_at;
        (self.threshold != usize::MAX && attempts == 0 && old_enough())
            .then(|| self.threshold.clamp(1, DIGEST_AT_MOST - 1))
    }

    /// The digest of a run of waiting deliveries; `None` if there is none to write after all.
    pub(super) fn digest(&self, run: &[Waiting], now: Timestamp) -> Option<Digest> {
        if run.len() <= self.threshold.clamp(1, DIGEST_AT_MOST - 1) {
            return None;
        }
        // A composer's fault must not stop a room: its deliveries then go out one by one.
        let digest = catch_unwind(AssertUnwindSafe(|| (self.compose)(run, now)))
            .inspect_err(|_| tracing::error!("the digest composer panicked; the messages are sent one by one"))
            .ok()?;
        let taken = digest.taken.min(run.len());
        (taken > 1).then_some(Digest { taken, ..digest })
    }
}
