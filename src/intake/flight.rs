//! What is in flight at once: requests, and the bytes of their bodies.
//!
//! Guarantees: the bodies that are held at any moment are no more than the configured total, from before the first byte
//! is read until the notification is stored; what finds no place waits, in order of arrival and for as long as a body may
//! take, and is then refused as something to send again. The probes of the orchestrator never wait.

use std::sync::Arc;
use std::time::Duration;

use poem::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Problem;

/// Permits are counted in units of this many bytes, because a semaphore's number is smaller than a memory.
const UNIT: usize = 1024;

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
    requests: Arc<Semaphore>,
}

/// A place that is held; dropping it gives it back.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held for what its drop does")] OwnedSemaphorePermit);

impl Flight {
    pub(super) fn new(settings: FlightSettings) -> Self {
        let total = settings.max_bodies_bytes.max(settings.max_body_bytes);
        Self {
            settings,
            bodies: Arc::new(Semaphore::new(units(total) as usize)),
            requests: Arc::new(Semaphore::new(settings.max_requests.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// A place for a request.
    pub(super) async fn request(&self) -> Result<Place, Problem> {
        self.place(&self.requests, 1).await
    }

    /// A place for a body of so many bytes.
    pub(super) async fn body(&self, bytes: usize) -> Result<Place, Problem> {
        self.place(&self.bodies, units(bytes)).await
    }

    /// The refusal of a body that is larger than the largest.
    pub(super) fn too_large(&self) -> Problem {
        let limit = self.settings.max_body_bytes;
        let detail = format!("the body is larger than {limit} bytes (RELAY_MAX_BODY_BYTES)");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    async fn place(&self, places: &Arc<Semaphore>, count: u32) -> Result<Place, Problem> {
        let place = Arc::clone(places).acquire_many_owned(count);
        match tokio::time::timeout(self.settings.body_time, place).await {
            Ok(Ok(permit)) => Ok(Place(permit)),
            // The semaphores are never closed, so this is the time that has passed.
            _ => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the relay has too many requests in flight; nothing was accepted, send it again",
            )
            .retry_after(1)),
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT).clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX)
}
