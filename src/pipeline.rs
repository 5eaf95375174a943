//! The sentence that this program is: a notification is routed, compared with what its rooms know, rendered and put into
//! the outbox.
//!
//! Guarantees: what [`Pipeline::accept`] returned is on disk, all of it or nothing, together with what the rooms know of
//! the group from then on. It does not know HTTP, and it never talks to a homeserver.

mod aside;
mod memo;
mod problems;
pub mod rehearsal;
mod repeat;
mod story;
mod turns;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

pub use self::aside::{INLINE_BYTES, aside};
use self::memo::Memo;
use self::problems::{Problems, Templates};
use self::story::{Teller, Voice};
use self::turns::Turns;
use crate::alert::{Notification, Source};
use crate::group;
use crate::message::{Mode, RoomAddress, RouteName, TemplateName};
use crate::outbox::{Acceptance, Enqueued, GroupChange, KnownGroup, Outbox, OutboxError, Receipt};
use crate::render::{Rendered, Renderer, TemplateProblem};
use crate::route::{Destination, MentionPolicy, Router, Share};

/// Notifications of more alerts than this are routed and rendered aside, however small their bodies are.
const INLINE_ALERTS: usize = 50;

/// How often a notification is compared anew because another relay accepted one of its group meanwhile.
const TRIES: usize = 8;

/// Everything that acceptance needs.
pub struct Pipeline {
    router: Router,
    outbox: Outbox,
    tools: Tools,
    turns: Turns,
}

/// What rendering needs.
#[derive(Clone)]
struct Tools {
    renderer: Renderer,
    problems: Arc<Problems>,
}

/// A notification that will be delivered.
#[derive(Debug)]
pub struct Accepted {
    /// One receipt for each row that carries a message of it; none where a room knows all of it already.
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
    /// Bytes of its body, as far as they are known: how much work it may be.
    pub body_bytes: usize,
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

/// What goes to one destination.
struct Target {
    destination: Destination,
    template: TemplateName,
    share: Share,
    /// The group whose story it continues; `None`: a message of its own.
    group: Option<String>,
}

impl Pipeline {
    /// Puts the rooms of the house together.
    pub fn new(router: Router, renderer: Renderer, outbox: Outbox) -> Self {
        let problems = Arc::default();
        Self {
            router,
            outbox,
            tools: Tools { renderer, problems },
            turns: Turns::default(),
        }
    }

    /// What went wrong lately while notifications were rendered.
    pub fn template_problems(&self, now: Timestamp) -> Vec<TemplateProblem> {
        self.tools.problems.present(now)
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
        let repeat_key = repeat::key(route, &notification, &wishes);
        let template = wishes.template;
        let (group_key, alerts) = (notification.group_key.clone(), notification.alerts.len());
        let is_large = alerts > INLINE_ALERTS || wishes.body_bytes > INLINE_BYTES;

        let (router, of_route, notification) = (self.router.clone(), route.clone(), Arc::new(notification));
        let find = move || targets(&router, &of_route, &notification, template.as_ref());
        let targets = aside(is_large, find).await;
        if targets.is_empty() {
            // It may have gone from the routes file since the caller was let in: that must not look accepted.
            return Err(AcceptError::UnknownRoute(route.clone()));
        }
        let enqueued = self.enqueue(targets, repeat_key, is_large, now).await?;

        let recognised = matches!(enqueued, Enqueued::Recognised(_));
        let receipts = enqueued.receipts().to_vec();
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

    /// Compares, renders and stores, anew where another relay has accepted something of the group meanwhile.
    async fn enqueue(
        &self,
        targets: Vec<Target>,
        repeat_key: Option<String>,
        is_large: bool,
        now: Timestamp,
    ) -> Result<Enqueued, OutboxError> {
        let groups: Vec<(RoomAddress, String)> = targets
            .iter()
            .filter_map(|target| Some((target.destination.room.clone(), target.group.clone()?)))
            .collect();
        let _turn = self.turns.take(&groups).await;
        let targets = Arc::new(targets);
        for attempt in 0..=TRIES {
            // Rather messages of its own than none.
            let known = if attempt < TRIES {
                Some(self.outbox.groups(&groups).await?)
            } else {
                None
            };
            let (tools, targets, repeat_key) = (self.tools.clone(), Arc::clone(&targets), repeat_key.clone());
            let compose = move || tools.compose(&targets, known, repeat_key.as_deref(), now);
            match self.outbox.enqueue(aside(is_large, compose).await).await? {
                Enqueued::Outdated => tracing::debug!("another relay accepted a notification of the group meanwhile"),
                done => return Ok(done),
            }
        }
        // Not reached: what is about no group is never out of date.
        Err(OutboxError::Unavailable {
            reason: "a group changed again and again".to_owned(),
        })
    }
}

impl Tools {
    fn templates(&self) -> Templates {
        Templates {
            version: self.renderer.version(),
            problems: self.renderer.problems(),
        }
    }

    /// Everything that is to be stored, given what is `known` of the groups of `targets`; `None`: nothing may be asked
    /// of them, and each target gets a message of its own.
    fn compose(
        &self,
        targets: &[Target],
        known: Option<Vec<Option<KnownGroup>>>,
        repeat_key: Option<&str>,
        now: Timestamp,
    ) -> Acceptance {
        let started = Instant::now();
        let has_groups = known.is_some();
        let mut known = known.into_iter().flatten();
        let (mut deliveries, mut groups, mut generations) = (Vec::new(), Vec::new(), Vec::new());
        for target in targets {
            let teller = Teller {
                voice: self,
                destination: &target.destination,
                template: &target.template,
                now,
            };
            let Some(key) = target.group.as_ref().filter(|_| has_groups) else {
                deliveries.extend(teller.alone(&target.share.notification()));
                continue;
            };
            let known = known.next().flatten();
            let before = known.as_ref().and_then(Memo::read);
            let compared = group::compare(
                before.as_ref().map(|memo| &memo.state),
                target.share.notification(),
                now,
            );
            let told = teller.next(&compared, before.as_ref());
            count(compared.change.news);
            deliveries.extend(told.deliveries.into_iter().map(|mut delivery| {
                delivery.group = Some(key.clone());
                delivery
            }));
            let last_key = repeat_key.unwrap_or_default().to_owned();
            let generation = Memo::generation_of(before.as_ref(), &last_key);
            generations.push(generation);
            let memo = Memo {
                state: compared.state,
                at: now,
                last_key,
                generation,
                head: told.head,
                head_at: told.head_at,
            };
            groups.push(GroupChange {
                room: target.destination.room.clone(),
                key: key.clone(),
                expected: known.map_or(0, |known| known.version),
                state: memo.text(),
            });
        }
        metrics::histogram!("relay_render_seconds").record(started.elapsed());
        Acceptance {
            deliveries,
            groups,
            repeat_key: repeat_key.map(|key| repeat::in_course(key, &generations)),
            at: now,
        }
    }
}

impl Voice for Tools {
    fn whole(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Rendered {
        let templates = self.templates();
        let rendered = self.renderer.render(template, notification, now);
        self.problems.note(template, &rendered, &templates, now);
        rendered
    }

    fn compared(&self, template: &TemplateName, notification: &Notification, then: Timestamp) -> Rendered {
        self.renderer.render(template, notification, then)
    }

    fn change(&self, notification: &Notification, change: &group::Change, now: Timestamp) -> Rendered {
        let templates = self.templates();
        let rendered = self.renderer.render_change(notification, change, now);
        self.problems.note(&TemplateName::update(), &rendered, &templates, now);
        rendered
    }
}

/// What goes to which destination.
fn targets(
    router: &Router,
    route: &RouteName,
    notification: &Arc<Notification>,
    template: Option<&TemplateName>,
) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for routed in router.route(route, notification) {
        let template = template.unwrap_or(&routed.destination.template).clone();
        let is_same = |other: &&Target| other.destination.room == routed.destination.room && other.template == template;
        let occurrence = targets.iter().filter(is_same).count();
        let group = follows_group(&routed.destination, notification)
            .then(|| group_id(route, notification, &template, occurrence));
        targets.push(Target {
            destination: routed.destination,
            share: routed.share,
            template,
            group,
        });
    }
    targets
}

/// Whether it matters there what came before.
fn follows_group(destination: &Destination, notification: &Notification) -> bool {
    let policy = &destination.policy;
    let is_told = policy.mode != Mode::New || policy.mentions != MentionPolicy::default();
    // A dashboard alert has no times and no group; a body without a group key and labels to group by has none either.
    is_told && notification.source != Source::Legacy && notification.group_key.0 != "{}"
}

/// A group for one route, receiver and template: two contact points that post the same group tell two stories.
fn group_id(route: &RouteName, notification: &Notification, template: &TemplateName, occurrence: usize) -> String {
    let mut hash = Sha256::new();
    let (group_key, receiver) = (&notification.group_key.0, &notification.receiver);
    for part in [route.as_str(), group_key, receiver, template.as_str()] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.update(occurrence.to_le_bytes());
    hex::encode(hash.finalize())
}

fn count(news: group::News) {
    let news = match news {
        group::News::Begins => "begins",
        group::News::Changed => "changed",
        group::News::Nothing => "nothing",
    };
    metrics::counter!("relay_group_news_total", "news" => news).increment(1);
}
