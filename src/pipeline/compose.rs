//! What is to be stored of a notification: for each place of its route the next part of the group's story there, and what
//! is known there from then on.
//!
//! Guarantees: it only renders and compares; what is known is handed in, and nothing is stored here.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::memo::{Knows, Memo};
use super::problems::{Problems, Templates};
use super::repeat;
use super::story::{Teller, Voice};
use super::target::{Target, Targets, Vacant};
use crate::alert::Notification;
use crate::group::{self, Compared, News};
use crate::message::TemplateName;
use crate::outbox::{Acceptance, GroupChange, KnownGroup, NewDelivery};
use crate::render::{Deadline, Rendered, Renderer, TemplateProblem};
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

    /// The same for an acceptance that waits for templates until then.
    pub(super) fn within(&self, deadline: &Deadline) -> Self {
        Self {
            renderer: self.renderer.within(deadline),
            problems: Arc::clone(&self.problems),
        }
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
        let mut known = known.into_iter().flatten().map(Knows::read);
        let of_told: Vec<Knows> = known.by_ref().take(targets.told.len()).collect();
        let mut of_vacant: Vec<(&Vacant, Knows)> = targets.vacant.iter().zip(known).collect();
        let mut of_told = of_told.into_iter();
        let (mut deliveries, mut groups, mut generations) = (Vec::new(), Vec::new(), Vec::new());
        for target in &targets.told {
            let Some(key) = target.group.as_ref().filter(|_| has_groups) else {
                deliveries.extend(teller(self, &target.destination, now).alone(&target.share.notification()));
                continue;
            };
            let of_target = (key.as_str(), of_told.next().unwrap_or_default());
            let (key, knows) = continued(target, of_target, &mut of_vacant);
            let mut compared = group::compare(knows.state(), target.share.notification(), now);
            compared.note_elsewhere(&targets.whole);
            count(compared.change.news);
            let told = self.tell(&target.destination, key, compared, &knows, content, now);
            generations.push(told.generation);
            deliveries.extend(told.deliveries);
            groups.push(told.group);
        }
        for (vacant, knows) in of_vacant {
            if !targets.is_complete || !knows.is_going_on() {
                continue;
            }
            let mut compared = group::compare(knows.state(), targets.nothing(), now);
            // What has not changed there is not written, either: nobody said anything of it.
            if compared.change.news == News::Changed {
                compared.note_elsewhere(&targets.whole);
                let told = self.tell(&vacant.destination, &vacant.group, compared, &knows, content, now);
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
        knows: &Knows,
        content: Option<&str>,
        now: Timestamp,
    ) -> Step {
        let told = teller(self, destination, now).next(&compared, knows.before());
        let last_key = content.unwrap_or_default().to_owned();
        let generation = Memo::generation_of(knows.memo.as_ref(), &last_key);
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
                expected: knows.version,
                state: memo.text(),
            },
            generation,
        }
    }
}

/// The group whose story a target continues, with what it knows; that of a former place is taken out. Where a rule leads
/// to this place that led to one of its own before, an alert that it has shown there stays in the message that shows it.
fn continued<'a>(target: &Target, own: (&'a str, Knows), vacant: &mut [(&'a Vacant, Knows)]) -> (&'a str, Knows) {
    if own.1.is_going_on() {
        return own;
    }
    let formers = vacant
        .iter_mut()
        .filter(|(vacant, _)| vacant.former && vacant.destination == target.destination);
    // Once all is over there as well, whichever story was told last knows what its end is a repeat of.
    let last = |knows: &Knows| (knows.is_going_on(), knows.memo.as_ref().map(|memo| memo.at));
    match formers.max_by_key(|(_, knows)| last(knows)) {
        Some((former, knows)) if last(knows) > last(&own.1) => (&former.group, std::mem::take(knows)),
        _ => own,
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
