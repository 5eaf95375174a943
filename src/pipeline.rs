//! The sentence that this program is: a notification is routed, rendered and put into the outbox.
//!
//! Guarantees: what [`Pipeline::accept`] returned is on disk, all of it or nothing. It does not know HTTP, and it never
//! talks to a homeserver.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::alert::{Notification, Source};
use crate::message::{RouteName, TemplateName};
use crate::outbox::{Acceptance, Enqueued, NewDelivery, Outbox, OutboxError, Receipt};
use crate::render::{Rendered, Renderer, TemplateProblem};
use crate::route::Router;

/// Notifications of more alerts than this are rendered off the threads that serve requests.
const RENDERED_INLINE: usize = 50;

/// Everything that acceptance needs.
pub struct Pipeline {
    router: Router,
    renderer: Renderer,
    outbox: Outbox,
    problems: Arc<Problems>,
}

/// A notification that will be delivered.
#[derive(Debug)]
pub struct Accepted {
    /// One receipt for each message.
    pub receipts: Vec<Receipt>,
    /// Whether it is a repetition that was accepted before.
    pub recognised: bool,
}

/// What a request says beside its notification.
#[derive(Debug, Default)]
pub struct Wishes {
    /// The template that the caller chose instead of the route's.
    pub template: Option<TemplateName>,
    /// Identity of a request whose signature covers its time: the same again is that request, sent again by whomever.
    pub signed: Option<String>,
}

/// Why a notification was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The store cannot take it; the caller has to send it again.
    #[error(transparent)]
    Store(#[from] OutboxError),
    /// There is no such route, or not any more.
    #[error("there is no route `{0}`")]
    UnknownRoute(RouteName),
}

impl Pipeline {
    /// Puts the rooms of the house together.
    pub fn new(router: Router, renderer: Renderer, outbox: Outbox) -> Self {
        Self {
            router,
            renderer,
            outbox,
            problems: Arc::default(),
        }
    }

    /// Whether this template can be chosen.
    pub fn knows(&self, template: &TemplateName) -> bool {
        self.renderer.knows(template)
    }

    /// Whether there is such a route.
    pub fn has_route(&self, route: &RouteName) -> bool {
        self.router.knows(route)
    }

    /// Routes, renders and stores a notification that arrived at `now`.
    pub async fn accept(
        &self,
        route: &RouteName,
        notification: Notification,
        now: Timestamp,
    ) -> Result<Accepted, AcceptError> {
        self.accept_with(route, notification, Wishes::default(), now).await
    }

    /// The same, as the caller asked for it.
    pub async fn accept_with(
        &self,
        route: &RouteName,
        notification: Notification,
        wishes: Wishes,
        now: Timestamp,
    ) -> Result<Accepted, AcceptError> {
        let repeat_key = repeat_key(route, &notification, &wishes);
        let template = wishes.template;
        let (group_key, alerts) = (notification.group_key.clone(), notification.alerts.len());

        let deliveries = self.render(route.clone(), notification, template, now).await;
        // The route may have gone from the routes file since the caller was let in: that must not look accepted.
        let deliveries = deliveries.ok_or_else(|| AcceptError::UnknownRoute(route.clone()))?;
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
        tracing::info!(
            alert.route = %route, alert.group_key = %group_key, alert.count = alerts, delivery.id = ids,
            "notification {outcome}"
        );
        Ok(Accepted { receipts, recognised })
    }

    /// The messages; `None` if there is no such route.
    async fn render(
        &self,
        route: RouteName,
        notification: Notification,
        template: Option<TemplateName>,
        now: Timestamp,
    ) -> Option<Vec<NewDelivery>> {
        let (router, renderer, problems) = (self.router.clone(), self.renderer.clone(), Arc::clone(&self.problems));
        let alerts = notification.alerts.len();
        let work = move || {
            let started = Instant::now();
            let routed = router.route(&route, &notification);
            if routed.is_empty() {
                return None;
            }
            let mut deliveries = Vec::new();
            for routed in routed {
                let (destination, notification) = (routed.destination, routed.notification);
                let template = template.as_ref().unwrap_or(&destination.template);
                let written = renderer.render(template, &notification, now);
                problems.note(template, &written);
                deliveries.extend(written.messages.into_iter().map(|message| NewDelivery {
                    room: destination.room.clone(),
                    message,
                    starts_at: notification.starts_at(),
                }));
            }
            metrics::histogram!("relay_render_seconds").record(started.elapsed());
            Some(deliveries)
        };
        if alerts <= RENDERED_INLINE {
            return work();
        }
        match tokio::task::spawn_blocking(work).await {
            Ok(deliveries) => deliveries,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// What is wrong with which template at present, so that the log says it once and not for every notification.
#[derive(Default)]
struct Problems(Mutex<BTreeMap<TemplateName, TemplateProblem>>);

impl Problems {
    /// Counts what a rendering went through, and logs a problem that is new, another one, or over.
    fn note(&self, template: &TemplateName, rendered: &Rendered) {
        for (step, taken) in rendered.budget.taken() {
            metrics::counter!("relay_budget_steps_total", "step" => step).increment(u64::from(taken));
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &rendered.problem {
            Some(problem) => {
                metrics::counter!("relay_template_errors_total").increment(1);
                if known.insert(template.clone(), problem.clone()).as_ref() != Some(problem) {
                    tracing::warn!(
                        template = %template,
                        "template {problem}. Notifications are rendered by the built-in one until this is corrected"
                    );
                }
            }
            None if known.remove(template).is_some() => {
                tracing::info!(template = %template, "template `{template}` works again");
            }
            None => {}
        }
    }
}

/// What makes two requests the same notification: a caller's retry, or a second replica of the sender.
///
/// The group and which alerts fire since when; not the texts and values, in which replicas differ. A genuine repeat
/// has the same key and is told apart by its time. Legacy bodies carry no times, so nothing tells two episodes apart,
/// and their sender never retries: they have no key. A caller that asks for another route or template wants another message.
///
/// Where the time was signed, a replay has to be recognised as well, over restarts and by every relay: it has the same
/// content and so the same key, for as long as its time is accepted (see `SignatureSettings::check`). Without a key of its
/// own it gets one from its signature. The template is left out then, because it stands in the URL, which nobody signed.
fn repeat_key(route: &RouteName, notification: &Notification, wishes: &Wishes) -> Option<String> {
    if notification.source == Source::Legacy || notification.alerts.iter().any(|alert| alert.starts_at.is_none()) {
        let signed = wishes.signed.as_ref();
        return signed.map(|signed| format!("{route} {signed}"));
    }
    let mut alerts: Vec<String> = notification
        .alerts
        .iter()
        .map(|alert| format!("{} {} {:?}", alert.fingerprint, alert.status, alert.starts_at))
        .collect();
    alerts.sort_unstable();
    let mut hash = Sha256::new();
    let head = [
        route.as_str(),
        notification.group_key.0.as_str(),
        &notification.receiver,
        &notification.notification_reason,
    ];
    let template = wishes.template.as_ref().filter(|_| wishes.signed.is_none());
    let template = template.map(TemplateName::as_str);
    for part in head
        .into_iter()
        .chain(alerts.iter().map(String::as_str))
        .chain(template)
    {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(notification.truncated_alerts.to_le_bytes());
    Some(hex::encode(hash.finalize()))
}
