//! What is to be stored of a notification: for each place of its route the next part of the group's story there, and what
//! is known there from then on.
//!
//! Guarantees: it only renders and compares; what is known is handed in, and nothing is stored here.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::memo::Memo;
use super::problems::{Problems, Templates};
use super::repeat;
use super::story::{Before, Teller, Voice};
use super::target::Targets;
use crate::alert::Notification;
use crate::group::{self, Compared, News};
use crate::message::TemplateName;
use crate::outbox::{Acceptance, GroupChange, KnownGroup, NewDelivery};
use crate::render::{Rendered, Renderer, TemplateProblem};
use crate::route::Destination;

/// What rendering needs.
#[derive(Clone)]
pub(super) struct Tools {
    renderer: Renderer,
    problems: Arc<Problems>,
}

impl Tools {
    pub(super) fn new(renderer: Renderer) -> Self {
        let problems = Arc::default();
        Self { renderer, problems }
    }

    /// What went wrong lately.
    pub(super) fn template_problems(&self, now: Timestamp) -> Vec<TemplateProblem> {
        self.problems.present(now)
    }

    /// Whether a template may be run that takes seconds.
    pub(super) fn may_take_long(&self) -> bool {
        self.renderer.may_take_long()
    }

    fn templates(&self) -> Templates {
        Templates {
            version: self.renderer.version(),
            problems: self.renderer.problems(),
        }
    }

    /// Everything that is to be stored, given what is `known` of the groups of `targets`; `None`: nothing may be asked
    /// of them, and each target gets a message of its own.
    pub(super) fn compose(
        &self,
        targets: &Targets,
        known: Option<Vec<Option<KnownGroup>>>,
        keys: repeat::Keys,
        now: Timestamp,
    ) -> Acceptance {
        let started = Instant::now();
        let content = keys.content.as_deref();
        let has_groups = known.is_some();
        let mut known = known.into_iter().flatten();
        let (mut deliveries, mut groups, mut generations) = (Vec::new(), Vec::new(), Vec::new());
        for target in &targets.told {
            let Some(key) = target.group.as_ref().filter(|_| has_groups) else {
                deliveries.extend(teller(self, &target.destination, now).alone(&target.share.notification()));
                continue;
            };
            let known = known.next().flatten();
            let memo = known.as_ref().and_then(Memo::read);
            let state = memo.as_ref().map(|memo| &memo.state);
            let mut compared = group::compare(state, target.share.notification(), now);
            compared.note_elsewhere(&targets.whole);
            count(compared.change.news);
            let told = self.tell(&target.destination, key, compared, known.zip(memo), content, now);
            generations.push(told.generation);
            deliveries.extend(told.deliveries);
            groups.push(told.group);
        }
        for vacant in &targets.vacant {
            let Some(known) = known.next().flatten() else { continue };
            let Some(memo) = Memo::read(&known).filter(|memo| !memo.state.is_over()) else {
                continue;
            };
            let mut compared = group::compare(Some(&memo.state), targets.nothing(), now);
            // What has not changed there is not written, either: nobody said anything of it.
            if compared.change.news == News::Changed {
                compared.note_elsewhere(&targets.whole);
                let (to, key) = (&vacant.destination, &vacant.group);
                let told = self.tell(to, key, compared, Some((known, memo)), content, now);
                deliveries.extend(told.deliveries);
                groups.push(told.group);
            }
        }
        metrics::histogram!("relay_render_seconds").record(started.elapsed());
        Acceptance {
            deliveries,
            groups,
            repeat_key: content.map(|key| repeat::in_course(key, &generations)),
            request_key: keys.request,
            at: now,
        }
    }

    /// The next part of a group's story in one place, and what is known there from then on.
    fn tell(
        &self,
        destination: &Destination,
        key: &str,
        compared: Compared,
        before: Option<(KnownGroup, Memo)>,
        content: Option<&str>,
        now: Timestamp,
    ) -> Step {
        let told = teller(self, destination, now).next(
            &compared,
            before.as_ref().map(|(known, memo)| Before { memo, head: known.head }),
        );
        let last_key = content.unwrap_or_default().to_owned();
        let generation = Memo::generation_of(before.as_ref().map(|(_, memo)| memo), &last_key);
        let memo = Memo {
            state: compared.state,
            at: now,
            last_key,
            generation,
            head: told.head,
            head_at: told.head_at,
            kept: told.kept,
        };
        let of_group = |delivery| NewDelivery {
            group: Some(key.to_owned()),
            ..delivery
        };
        Step {
            deliveries: told.deliveries.into_iter().map(of_group).collect(),
            group: GroupChange {
                room: destination.room.clone(),
                key: key.to_owned(),
                expected: before.map_or(0, |(known, _)| known.version),
                state: memo.text(),
            },
            generation,
        }
    }
}

/// What one place adds to an acceptance.
struct Step {
    deliveries: Vec<NewDelivery>,
    group: GroupChange,
    generation: u64,
}

fn teller<'a>(voice: &'a dyn Voice, destination: &'a Destination, now: Timestamp) -> Teller<'a> {
    Teller {
        voice,
        destination,
        now,
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

fn count(news: News) {
    let news = match news {
        News::Begins => "begins",
        News::Changed => "changed",
        News::Nothing => "nothing",
    };
    metrics::counter!("relay_group_news_total", "news" => news).increment(1);
}
