//! What is in flight at once: requests, the bytes of their bodies, and the bodies that are made into something.
//!
//! Guarantees: the bodies that are held at any moment are no more than the configured total, but for a buffer of each
//! connection, until the notification is stored. A body's place grows with the bytes that have come and not with those that
//! were announced, so whoever announces much and sends nothing keeps nobody out. What finds no place waits, for as long as
//! a body may take, and is then refused as something to send again. The probes of the orchestrator never wait.
//!
//! A request takes its place when its body is here and its credential is shown: until then it holds a connection and bytes, of
//! which each address has its share (see `connections::table`).
//!
//! What is made of a body can be forty times its size. So it has a turn, from before it is parsed until it is stored: large
//! ones take turns two by two, small ones by their bytes and never behind a large one. A [`Place`] goes along with the work:
//! whoever hangs up makes no room for the next body while theirs is still worked on.
//!
//! Bodies that have come in part could wait for each other for ever. So the place of one largest body is kept free for one of
//! them at a time, which then comes to its end whatever the others do.

use std::sync::Arc;
use std::time::Duration;

use poem::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Problem;

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
pub struct FlightSettings {
    /// Largest single body in bytes.
    pub max_body_bytes: usize,
    /// All bodies together, in bytes; at least one of the largest fits.
    pub max_bodies_bytes: usize,
    /// Requests that are worked on at once.
    pub max_requests: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
}

impl Default for FlightSettings {
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

/// The places for requests and bodies.
pub(super) struct Flight {
    pub(super) settings: FlightSettings,
    bodies: Arc<Semaphore>,
    /// Holds one largest body, whatever else is in flight.
    last: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    large: Arc<Semaphore>,
    small: Arc<Semaphore>,
    pages: Arc<Semaphore>,
}

/// What a body is for, as far as it matters for its turn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// A notification whose body is done with at once, of so many bytes.
    Small(usize),
    /// A notification that takes its time.
    Large,
    /// What somebody asks for at a page. Never in the way of notifications.
    Page,
}

/// The place of a body, and its turn; dropping it gives them back.
#[derive(Debug, Default)]
pub struct Place {
    permits: Option<OwnedSemaphorePermit>,
    last: Option<OwnedSemaphorePermit>,
    request: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Flight {
    pub(super) fn new(settings: FlightSettings) -> Self {
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

    /// A place for a request.
    pub(super) async fn request(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.requests).acquire_owned();
        match tokio::time::timeout(self.settings.body_time, place).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphores are never closed, so this is the time that has passed.
            _ => Err(full()),
        }
    }

    /// The same for one whose body has come in full; it lasts as long as the place of that.
    pub(super) async fn admit(&self, place: &mut Place) -> Result<(), Problem> {
        place.request = Some(self.request().await?);
        Ok(())
    }

    /// Makes a place large enough for so many bytes; it may be given up while it waits.
    pub(super) async fn grow(&self, place: &mut Place, bytes: usize) {
        let held = place.permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(UNIT).saturating_sub(held);
        if more == 0 || place.last.is_some() {
            return;
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            Ok(permits) = Arc::clone(&self.bodies).acquire_many_owned(more) => match &mut place.permits {
                Some(held) => held.merge(permits),
                none => *none = Some(permits),
            },
            Ok(last) = Arc::clone(&self.last).acquire_owned() => place.last = Some(last),
            // The semaphores are never closed.
            else => {}
        }
    }

    /// Waits until it is the turn of a body that has come in full. It lasts as long as its place.
    pub(super) async fn turn(&self, place: &mut Place, work: Work) -> Result<(), Problem> {
        let (turns, permits) = match work {
            Work::Small(bytes) => (
                &self.small,
                bytes.clamp(SMALL_LEAST, SMALL_BYTES_AT_ONCE).div_ceil(UNIT),
            ),
            Work::Large => (&self.large, 1),
            Work::Page => (&self.pages, 1),
        };
        let turn = Arc::clone(turns).acquire_many_owned(u32::try_from(permits).unwrap_or(u32::MAX));
        match tokio::time::timeout(self.settings.body_time, turn).await {
            Ok(Ok(turn)) => {
                place.turn = Some(turn);
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

/// The refusal of what found no place in time.
pub(super) fn full() -> Problem {
    let detail = "the relay has too many requests in flight; nothing was accepted, send it again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever would have to wait is refused.
    fn impatient() -> Flight {
        Flight::new(FlightSettings {
            body_time: Duration::ZERO,
            ..FlightSettings::default()
        })
    }

    async fn turn(flight: &Flight, work: Work) -> Option<Place> {
        let mut place = Place::default();
        flight.turn(&mut place, work).await.ok().map(|()| place)
    }

    #[tokio::test]
    async fn large_bodies_take_turns_two_by_two_and_nobody_else_waits_for_them() {
        let flight = impatient();
        let (first, second) = (turn(&flight, Work::Large).await, turn(&flight, Work::Large).await);
        assert!(first.is_some() && second.is_some() && turn(&flight, Work::Large).await.is_none());
        assert!(turn(&flight, Work::Small(1)).await.is_some() && turn(&flight, Work::Page).await.is_some());
        drop(first);
        assert!(turn(&flight, Work::Large).await.is_some());
    }

    #[tokio::test]
    async fn small_bodies_take_turns_by_their_bytes() {
        let flight = impatient();
        for (bytes, at_once) in [(64 * 1024, 32), (64, 256)] {
            let mut turns = Vec::new();
            while let Some(place) = turn(&flight, Work::Small(bytes)).await {
                turns.push(place);
            }
            assert_eq!(turns.len(), at_once, "{bytes}");
        }
    }
}
