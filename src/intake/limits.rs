//! Limits of what is in flight at once: requests, the bytes of their bodies, and the bodies that are made into something.
//!
//! Guarantees: the bodies that are held at any moment are no more than the configured total, but for a buffer of each
//! connection, until the notification is stored. A body's permit grows with the bytes that have come and not with those that
//! were announced, so a sender that announces much and sends nothing keeps nobody out. A body without a permit waits, for as long as
//! a body may take, and is then refused as something to send again. The probes of the orchestrator never wait.
//!
//! A request takes its permit when its body is here and its credential is shown: until then it holds a connection and bytes, of
//! which each address has its share (see `connections::table`).
//!
//! What is made of a body can be forty times its size. So work on it needs a permit too, from before it is parsed until it is
//! stored: two large ones are worked on at once, small ones by their bytes and never behind a large one. A [`Permit`] goes along
//! with the work: a sender that hangs up makes no room for the next body while theirs is still worked on.
//!
//! Bodies that have come in part could wait for each other for ever. So enough for one largest body is kept free for one of
//! them at a time, which then comes to its end whatever the others do.

use std::sync::Arc;
use std::time::Duration;

use poem::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Problem;
use crate::pipeline::Size;

/// Permits are counted in units of this many bytes, because a semaphore's number is smaller than a memory.
const UNIT: usize = 1024;
/// Large bodies that are worked on at once: no more than processors of a small machine, since they work all the time.
const LARGE_AT_ONCE: usize = 2;
/// Bytes of small bodies that are worked on at once.
const SMALL_BYTES_AT_ONCE: usize = 2 * 1024 * 1024;
/// The least that a small body counts as: its message is no smaller.
const SMALL_LEAST: usize = 8 * 1024;
/// Requests of people that are worked on at once: as many as are rendered, and as many that are next.
const PAGES_AT_ONCE: usize = 4;

/// How much may be in flight.
#[derive(Debug, Clone, Copy)]
pub struct LimitSettings {
    /// Largest single body in bytes.
    pub max_body_bytes: usize,
    /// All bodies together, in bytes; at least one of the largest fits.
    pub max_bodies_bytes: usize,
    /// Requests that are worked on at once.
    pub max_requests: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 8 * 1024 * 1024,
            max_bodies_bytes: 64 * 1024 * 1024,
            max_requests: 256,
            // Grafana itself gives up after 30 seconds.
            body_time: Duration::from_secs(30),
        }
    }
}

/// The semaphores for requests and bodies.
pub(super) struct Limits {
    pub(super) settings: LimitSettings,
    bodies: Arc<Semaphore>,
    /// Holds one largest body, whatever else is in flight.
    last: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    large: Arc<Semaphore>,
    small: Arc<Semaphore>,
    pages: Arc<Semaphore>,
}

/// What a body is for, as far as it matters for when it starts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// A notification, whose body has so many bytes.
    Notification(usize),
    /// What somebody asks for at a page. Never in the way of notifications.
    Page,
}

/// What a body holds of the limits; dropping it gives that back.
#[derive(Debug, Default)]
pub struct Permit {
    permits: Option<OwnedSemaphorePermit>,
    last: Option<OwnedSemaphorePermit>,
    request: Option<OwnedSemaphorePermit>,
    work: Option<OwnedSemaphorePermit>,
}

impl Limits {
    pub(super) fn new(settings: LimitSettings) -> Self {
        let beside_the_last = settings.max_bodies_bytes.saturating_sub(settings.max_body_bytes) / UNIT;
        Self {
            settings,
            bodies: Arc::new(Semaphore::new(beside_the_last.min(Semaphore::MAX_PERMITS))),
            last: Arc::new(Semaphore::new(1)),
            requests: Arc::new(Semaphore::new(settings.max_requests.clamp(1, Semaphore::MAX_PERMITS))),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            small: Arc::new(Semaphore::new(SMALL_BYTES_AT_ONCE / UNIT)),
            pages: Arc::new(Semaphore::new(PAGES_AT_ONCE)),
        }
    }

    /// A permit for a request.
    pub(super) async fn request(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.requests).acquire_owned();
        match tokio::time::timeout(self.settings.body_time, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphores are never closed, so this is the time that has passed.
            _ => Err(full()),
        }
    }

    /// The same for one whose body has come in full; it lasts as long as the permit of that.
    pub(super) async fn admit(&self, permit: &mut Permit) -> Result<(), Problem> {
        permit.request = Some(self.request().await?);
        Ok(())
    }

    /// Makes a permit large enough for so many bytes; it may be given up while it waits.
    pub(super) async fn grow(&self, permit: &mut Permit, bytes: usize) {
        let held = permit.permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(UNIT).saturating_sub(held);
        if more == 0 || permit.last.is_some() {
            return;
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            Ok(permits) = Arc::clone(&self.bodies).acquire_many_owned(more) => match &mut permit.permits {
                Some(held) => held.merge(permits),
                none => *none = Some(permits),
            },
            Ok(last) = Arc::clone(&self.last).acquire_owned() => permit.last = Some(last),
            // The semaphores are never closed.
            else => {}
        }
    }

    /// Waits until work on a body that has come in full may start. What that takes is held as long as its permit.
    pub(super) async fn start(&self, permit: &mut Permit, work: Work) -> Result<(), Problem> {
        let (semaphore, permits) = match work {
            Work::Notification(bytes) if Size::of(bytes, 0) == Size::Large => (&self.large, 1),
            Work::Notification(bytes) => (&self.small, bytes.max(SMALL_LEAST).div_ceil(UNIT)),
            Work::Page => (&self.pages, 1),
        };
        let start = Arc::clone(semaphore).acquire_many_owned(u32::try_from(permits).unwrap_or(u32::MAX));
        match tokio::time::timeout(self.settings.body_time, start).await {
            Ok(Ok(start)) => {
                permit.work = Some(start);
                Ok(())
            }
            _ => Err(full()),
        }
    }

    /// The refusal of a body that is larger than it may be.
    pub(super) fn too_large(&self, limit: usize) -> Problem {
        let setting = if limit == self.settings.max_body_bytes {
            " (RELAY_MAX_BODY_BYTES)"
        } else {
            ""
        };
        let detail = format!("the body is larger than {limit} bytes{setting}");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }
}

/// The refusal of what got no permit in time.
pub(super) fn full() -> Problem {
    let detail = "the relay has too many requests in flight and accepted nothing: send it again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: Work = Work::Notification(1 << 20);

    /// Whoever would have to wait is refused.
    fn impatient() -> Limits {
        Limits::new(LimitSettings {
            body_time: Duration::ZERO,
            ..LimitSettings::default()
        })
    }

    async fn start(limits: &Limits, work: Work) -> Option<Permit> {
        let mut permit = Permit::default();
        limits.start(&mut permit, work).await.ok().map(|()| permit)
    }

    #[tokio::test]
    async fn two_large_bodies_are_worked_on_at_once_and_nobody_else_waits_for_them() {
        let limits = impatient();
        let (first, second) = (start(&limits, LARGE).await, start(&limits, LARGE).await);
        assert!(first.is_some() && second.is_some() && start(&limits, LARGE).await.is_none());
        assert!(start(&limits, Work::Notification(1)).await.is_some() && start(&limits, Work::Page).await.is_some());
        drop(first);
        assert!(start(&limits, LARGE).await.is_some());
    }

    #[tokio::test]
    async fn small_bodies_are_worked_on_by_their_bytes() {
        let limits = impatient();
        for (bytes, at_once) in [(64 * 1024, 32), (64, 256)] {
            let mut held = Vec::new();
            while let Some(permit) = start(&limits, Work::Notification(bytes)).await {
                held.push(permit);
            }
            assert_eq!(held.len(), at_once, "{bytes}");
        }
    }
}
