//! The sentence that this program is: a notification is routed, compared with what its rooms know, rendered and put into
//! the outbox.
//!
//! Guarantees: what [`Pipeline::accept`] returned is on disk, all of it or nothing, together with what the rooms know of
//! the group from then on. It does not know HTTP, and it never talks to a homeserver.

mod blocking;
mod compose;
mod digest;
pub mod dry_run;
mod group_locks;
mod input;
mod memory;
mod plan;
mod problems;
mod relay_news;
mod repeat;
mod target;
mod watchdog;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use self::blocking::{Size, blocking};
use self::compose::{Composed, Tools};
use self::group_locks::GroupLocks;
pub use self::input::notification as notification_of;
pub use self::relay_news::RelayNews;
use self::target::Targets;
pub use self::watchdog::{Standing, Watched};
use crate::alert::Notification;
use crate::message::{RenderedMessage, RoomAddress, RouteName, TemplateName};
use crate::outbox::{Enqueued, Outbox, OutboxError, Receipt, Waiting};
pub use crate::render::Deadline;
use crate::render::{Renderer, TemplateProblem};
use crate::route::{Input, Router};

/// How often a notification is compared anew because another relay accepted one of its group meanwhile.
const TRIES: usize = 8;

/// How long an acceptance may wait for templates, from when its body has come to all that is rendered for all of its rooms.
/// What is not rendered by then is so by what is built in: senders give up after ten seconds or more.
pub const TIME_FOR_TEMPLATES: Duration = Duration::from_secs(7);

/// Everything that acceptance needs.
pub struct Pipeline {
    router: Router,
    outbox: Outbox,
    tools: Tools,
    group_locks: GroupLocks,
}

/// A notification that will be delivered.
#[derive(Debug)]
pub struct Accepted {
    /// One receipt for each row that carries a message of it; none where a room knows all of it already.
    pub receipts: Vec<Receipt>,
    /// Whether it is a repetition that was accepted before.
    pub recognised: bool,
}

/// What a request asks for beside its notification.
#[derive(Debug, Default)]
pub struct RequestOptions {
    /// The template that the caller chose instead of the route's.
    pub template: Option<TemplateName>,
    /// Identity of a request whose signature covers its time: the same again is that request, sent again by whomever.
    pub signed: Option<String>,
    /// Bytes of its body, as far as they are known: how much work it may be.
    pub body_bytes: usize,
    /// Until when templates may be run for it; without one, each as long as it may take.
    pub deadline: Deadline,
}

/// Why a notification was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The store cannot take it; the caller has to send it again.
    #[error(transparent)]
    Store(#[from] OutboxError),
    /// There is no such route, or not any more.
    #[error("unknown route `{0}`")]
    UnknownRoute(RouteName),
}

impl Pipeline {
    /// Joins router, renderer and outbox.
    pub fn new(router: Router, renderer: Renderer, outbox: Outbox) -> Self {
        Self {
            router,
            outbox,
            tools: Tools::new(renderer),
            group_locks: GroupLocks::default(),
        }
    }

    /// What went wrong lately while notifications were rendered.
    pub fn template_problems(&self, now: Timestamp) -> Vec<TemplateProblem> {
        self.tools.template_problems(now)
    }

    /// Whether there is such a route.
    pub fn has_route(&self, route: &RouteName) -> bool {
        self.router.knows(route)
    }

    /// How a route reads bodies of any shape; `None` for one that takes alerts.
    pub fn input(&self, route: &RouteName) -> Option<Arc<Input>> {
        self.router.input(route)
    }

    /// What many messages that waited for a room look like as one at `now`.
    pub fn digest(&self, room: &RoomAddress, waiting: &[Waiting], now: Timestamp) -> RenderedMessage {
        self.tools.digest(&self.router.locale(room), waiting, now)
    }

    /// Routes, renders and stores a notification that arrived at `now`.
    pub async fn accept(
        &self,
        route: &RouteName,
        notification: Notification,
        now: Timestamp,
    ) -> Result<Accepted, AcceptError> {
        let options = RequestOptions {
            deadline: Deadline::after(TIME_FOR_TEMPLATES),
            ..RequestOptions::default()
        };
        self.accept_with(route, notification, options, now).await
    }

    /// The same, as the caller asked for it.
    pub async fn accept_with(
        &self,
        route: &RouteName,
        mut notification: Notification,
        options: RequestOptions,
        now: Timestamp,
    ) -> Result<Accepted, AcceptError> {
        let keys = repeat::Keys::of(route, &notification, &options);
        notification.route = route.to_string();
        let RequestOptions {
            template,
            body_bytes,
            deadline,
            ..
        } = options;
        let (group_key, alerts) = (notification.group_key.clone(), notification.alerts.len());
        let size = Size::of(body_bytes, alerts);

        let (router, of_route, notification) = (self.router.clone(), route.clone(), Arc::new(notification));
        let find = move || Targets::of(&router, &of_route, &notification, template.as_ref());
        let targets = blocking(size, find).await;
        if targets.with_alerts.is_empty() && targets.signs.is_none() {
            // It may have gone from the routes file since the caller was let in: that must not look accepted.
            return Err(AcceptError::UnknownRoute(route.clone()));
        }
        if let Some(names) = targets.signs.as_ref().filter(|names| !names.is_empty()) {
            // Also of a repetition: it lives.
            self.outbox.note_signs(names.clone(), now).await?;
        }
        let enqueued = self.enqueue(targets, keys, size, &deadline, now).await?;

        let recognised = matches!(enqueued, Enqueued::Recognised(_));
        let receipts = enqueued.receipts().to_vec();
        let ids = receipts.iter().fold(String::new(), |mut ids, receipt| {
            let _ = write!(ids, "{}{}", if ids.is_empty() { "" } else { "," }, receipt.id);
            ids
        });
        let outcome = if recognised { "recognised" } else { "accepted" };
        metrics::counter!(
            "grafana_matrix_relay_notifications_total",
            "route" => route.to_string(), "outcome" => outcome
        )
        .increment(1);
        tracing::info!(
            alert.route = %route, alert.group_key = %group_key, alert.count = alerts, delivery.id = %ids,
            "notification {outcome}"
        );
        Ok(Accepted { receipts, recognised })
    }

    /// Compares, renders and stores, anew where another relay has accepted something of the group meanwhile.
    async fn enqueue(
        &self,
        targets: Targets,
        keys: repeat::Keys,
        size: Size,
        deadline: &Deadline,
        now: Timestamp,
    ) -> Result<Enqueued, OutboxError> {
        let _lock = self.group_locks.lock(&targets.family()).await;
        let targets = Arc::new(targets);
        let work = if self.tools.may_take_long() { Size::Large } else { size };
        for attempt in 0..=TRIES {
            // Rather messages of its own than none.
            let known = if attempt < TRIES {
                Some(self.outbox.groups(&targets.groups()).await?)
            } else {
                None
            };
            let (tools, of_targets, keys) = (self.tools.within(deadline), Arc::clone(&targets), keys.clone());
            let compose = move || tools.compose(&of_targets, known, keys, now);
            let Composed { acceptance, facts } = blocking(work, compose).await;
            match self.outbox.enqueue(acceptance).await? {
                Enqueued::Outdated => tracing::debug!("another relay accepted a notification of the group meanwhile"),
                done => {
                    // Only now: what was refused is composed again.
                    if matches!(done, Enqueued::Accepted(_)) {
                        self.tools.count(facts, now);
                    }
                    return Ok(done);
                }
            }
        }
        // Not reached: what is about no group is never out of date.
        Err(OutboxError::Unavailable {
            reason: "a group changed again and again".to_owned(),
        })
    }
}
