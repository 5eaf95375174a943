//! What is known of a room while a relay holds it: who claims, what is next there, and how often that was tried.

use jiff::Timestamp;

use super::columns::{millis, timestamp};
use super::{DeliveryId, DigestPolicy, Part};
use crate::message::RoomAddress;

/// How far a clock may lie behind another, or be set back, before a room's wait is no longer believed.
pub(super) const CLOCK_SLACK_MS: i64 = 30_000;

/// A longer pause between two attempts of a delivery is none that the worker makes while it retries: the relay was off, the
/// machine slept, a clock was set, or everything waited for another reason. Such time does not count towards giving up.
pub(super) const UNTRIED_MS: i64 = 15 * 60 * 1_000;

/// A room that is claimed.
pub(super) struct Room {
    pub(super) id: i64,
    pub(super) address: RoomAddress,
    pub(super) current: Option<DeliveryId>,
    pub(super) news_run: i64,
}

/// Who claims, and when.
pub(super) struct Claimant<'a> {
    pub(super) owner: &'a str,
    pub(super) now: Timestamp,
    pub(super) policy: &'a DigestPolicy,
}

/// The attempts of a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    pub(super) count: u32,
    pub(super) first_at: Option<Timestamp>,
    pub(super) last_at: Option<Timestamp>,
}

impl Attempts {
    /// With one more. The time towards giving up goes on only if the last one was lately.
    pub(super) fn begun(self, now: Timestamp) -> Self {
        let now = millis(now);
        let lately = now - UNTRIED_MS..=now + CLOCK_SLACK_MS;
        let goes_on = self.last_at.is_some_and(|last| lately.contains(&millis(last)));
        Self {
            count: self.count.saturating_add(1),
            first_at: self.first_at.filter(|_| goes_on).or(Some(timestamp(now))),
            last_at: Some(timestamp(now)),
        }
    }
}

/// The next of a room's news.
pub(super) struct Front {
    pub(super) id: DeliveryId,
    pub(super) part: Option<Part>,
    pub(super) group: Option<i64>,
    pub(super) root: Option<i64>,
    pub(super) attempts: u32,
    pub(super) accepted_at: Timestamp,
    pub(super) position: i64,
}
