//! The sentence that this program is: a notification is routed, rendered and put into the outbox.
//!
//! Guarantees: what [`Pipeline::accept`] returned is on disk, all of it or nothing. It does not know HTTP, and it never
//! talks to a homeserver.

use std::fmt::Write as _;
use std::time::Instant;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::alert::{Notification, Source};
use crate::outbox::{Acceptance, Enqueued, NewDelivery, Outbox, OutboxError, Receipt};
use crate::render::Renderer;
use crate::route::Router;

/// Notifications of more alerts than this are rendered off the threads that serve requests.
const RENDERED_INLINE: usize = 50;

/// Everything that acceptance needs.
pub struct Pipeline {
    router: Router,
    renderer: Renderer,
    outbox: Outbox,
}

/// A notification that will be delivered.
#[derive(Debug)]
pub struct Accepted {
    /// One receipt for each message.
    pub receipts: Vec<Receipt>,
    /// Whether it is a repetition that was accepted before.
    pub recognised: bool,
}

/// Why a notification was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The store cannot take it; the caller has to send it again.
    #[error(transparent)]
    Store(#[from] OutboxError),
}

impl Pipeline {
    /// Puts the rooms of the house together.
    pub fn new(router: Router, renderer: Renderer, outbox: Outbox) -> Self {
        Self {
            router,
            renderer,
            outbox,
        }
    }

    /// Routes, renders and stores a notification that arrived at `now`.
    pub async fn accept(&self, notification: Notification, now: Timestamp) -> Result<Accepted, AcceptError> {
        let repeat_key = repeat_key(&notification);
        let (group_key, alerts) = (notification.group_key.clone(), notification.alerts.len());

        let deliveries = self.render(notification, now).await;
        let enqueued = self
            .outbox
            .enqueue(Acceptance {
                deliveries,
                repeat_key,
                at: now,
            })
            .await;

        let (receipts, recognised) = match enqueued? {
            Enqueued::Accepted(receipts) => (receipts, false),
            Enqueued::Recognised(receipts) => (receipts, true),
        };
        let ids = receipts.iter().fold(String::new(), |mut ids, receipt| {
            let _ = write!(ids, "{}{}", if ids.is_empty() { "" } else { "," }, receipt.id);
            ids
        });
        let outcome = if recognised { "recognised" } else { "accepted" };
        metrics::counter!("relay_notifications_total", "outcome" => outcome).increment(1);
        tracing::info!(alert.group_key = %group_key, alert.count = alerts, delivery.id = ids, "notification {outcome}");
        Ok(Accepted { receipts, recognised })
    }

    async fn render(&self, notification: Notification, now: Timestamp) -> Vec<NewDelivery> {
        let (router, renderer) = (self.router.clone(), self.renderer.clone());
        let alerts = notification.alerts.len();
        let work = move || deliveries(&router, &renderer, &notification, now);
        if alerts <= RENDERED_INLINE {
            return work();
        }
        match tokio::task::spawn_blocking(work).await {
            Ok(deliveries) => deliveries,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// The messages that a notification becomes, room by room.
fn deliveries(router: &Router, renderer: &Renderer, notification: &Notification, now: Timestamp) -> Vec<NewDelivery> {
    let started = Instant::now();
    let deliveries = router.route(notification).into_iter().flat_map(|destination| {
        let rendered = renderer.render(&destination.template, notification, now);
        let starts_at = notification.starts_at();
        let room = destination.room;
        rendered.messages.into_iter().map(move |message| NewDelivery {
            room: room.clone(),
            message,
            starts_at,
        })
    });
    let deliveries = deliveries.collect();
    metrics::histogram!("relay_render_seconds").record(started.elapsed());
    deliveries
}

/// What makes two requests the same notification: a caller's retry, or a second replica of the sender.
///
/// The group and which alerts fire since when; not the texts and values, in which replicas differ. A genuine repeat
/// has the same key and is told apart by its time. Legacy bodies carry no times, so nothing tells two episodes apart,
/// and their sender never retries: they have no key.
fn repeat_key(notification: &Notification) -> Option<String> {
    if notification.source == Source::Legacy || notification.alerts.iter().any(|alert| alert.starts_at.is_none()) {
        return None;
    }
    let mut alerts: Vec<String> = notification
        .alerts
        .iter()
        .map(|alert| format!("{} {} {:?}", alert.fingerprint, alert.status, alert.starts_at))
        .collect();
    alerts.sort_unstable();
    let mut hash = Sha256::new();
    let head = [
        &notification.group_key.0,
        &notification.receiver,
        &notification.notification_reason,
    ];
    for part in head.into_iter().chain(&alerts) {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(notification.truncated_alerts.to_le_bytes());
    Some(hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
