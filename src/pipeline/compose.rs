//! What is to be stored of a notification: for each place of its route the next part of what the group's room gets there, and what
//! is known there from then on.
//!
//! Guarantees: it only renders and compares; what is known is handed in, and nothing is stored here.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::digest;
use super::memory::{Before, GroupMemory};
use super::plan::{Planner, Render};
use super::problems::{Note, Problems, Templates};
use super::repeat;
use super::target::{Target, Targets};
use crate::alert::Notification;
use crate::group::{self, Compared, News};
use crate::message::words::Words;
use crate::message::{Locale, RenderedMessage, TemplateName};
use crate::outbox::{Acceptance, GroupUpdate, KnownGroup, NewDelivery, Waiting};
use crate::render::{Deadline, Rendered, Renderer, TemplateProblem};

/// What rendering needs.
#[derive(Clone)]
pub(super) struct Tools {
    renderer: Renderer,
    problems: Arc<Problems>,
}

/// What is to be stored, and what is to be said of it once it is: composing may have to be done again.
pub(super) struct Composed {
    pub(super) acceptance: Acceptance,
    pub(super) facts: Facts,
}

/// See [`Composed`].
pub(super) struct Facts {
    notes: Vec<Note>,
    news: Vec<News>,
    took: Duration,
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

    /// What messages of this language say.
    pub(super) fn words(&self, locale: &Locale) -> Arc<Words> {
        self.in_room(locale).words()
    }

    /// What renders for a room.
    pub(super) fn in_room(&self, locale: &Locale) -> Renderer {
        self.renderer.for_locale(locale)
    }

    /// What went wrong lately.
    pub(super) fn template_problems(&self, now: Timestamp) -> Vec<TemplateProblem> {
        self.problems.present(now)
    }

    /// Whether a template may be run that takes seconds.
    pub(super) fn may_take_long(&self) -> bool {
        self.renderer.may_take_long()
    }

    /// What waited as one message; says what went wrong with its template.
    pub(super) fn digest(&self, locale: &Locale, waiting: &[Waiting], now: Timestamp) -> RenderedMessage {
        let rendered = digest::compose(&self.renderer.for_locale(locale), waiting, now);
        let note = Note::of(&TemplateName::digest(), &rendered);
        self.problems.note(note, &self.templates(), now);
        rendered.messages.into_iter().next().unwrap_or_default()
    }

    fn templates(&self) -> Templates {
        Templates {
            version: self.renderer.version(),
            problems: self.renderer.problems(),
        }
    }

    /// Counts and says what has become of a notification that is stored.
    pub(super) fn count(&self, facts: Facts, now: Timestamp) {
        let templates = self.templates();
        for note in facts.notes {
            self.problems.note(note, &templates, now);
        }
        for news in facts.news {
            let news = match news {
                News::Begins => "begins",
                News::Changed => "changed",
                News::Nothing => "nothing",
            };
            metrics::counter!("grafana_matrix_relay_group_news_total", "news" => news).increment(1);
        }
        metrics::histogram!("grafana_matrix_relay_render_seconds").record(facts.took);
    }

    /// Everything that is to be stored, given what is `known` of the groups of `targets`; `None`: nothing may be asked
    /// of them, and each target gets a message of its own.
    pub(super) fn compose(
        &self,
        targets: &Targets,
        known: Option<Vec<Option<KnownGroup>>>,
        keys: repeat::Keys,
        now: Timestamp,
    ) -> Composed {
        let started = Instant::now();
        let notes = RefCell::default();
        let render = |target: &Target| Templated {
            renderer: self.renderer.for_locale(&target.destination.policy.locale),
            notes: &notes,
        };
        let content = keys.content.as_deref();
        let mut known = known.map(Vec::into_iter);
        let mut before = |target: &Target| {
            let known = known.as_mut().filter(|_| target.group.is_some())?;
            Some(Before::read(known.next().flatten()))
        };
        let (mut deliveries, mut groups, mut generations) = (Vec::new(), Vec::new(), Vec::new());
        let mut news = Vec::new();
        for target in &targets.with_alerts {
            let before = before(target);
            let render = render(target);
            let planner = planner(&render, target, now);
            let (Some(key), Some(before)) = (&target.group, before) else {
                if targets.only_news {
                    continue;
                }
                deliveries.extend(render.renderer.speak(|| planner.alone(&target.share.notification())));
                continue;
            };
            let step = render
                .renderer
                .speak(|| Step::of(&planner, targets, key, before, content));
            if targets.only_news && step.news == News::Nothing {
                continue;
            }
            news.push(step.news);
            generations.push(step.generation);
            deliveries.extend(step.messages);
            groups.push(step.update);
        }
        for target in &targets.vacant {
            let before = before(target);
            let (Some(key), Some(before)) = (&target.group, before.filter(Before::is_going_on)) else {
                continue;
            };
            let render = render(target);
            let planner = planner(&render, target, now);
            let step = render
                .renderer
                .speak(|| Step::of(&planner, targets, key, before, content));
            // What has not changed there is not written, either: nobody said anything of it.
            if step.news == News::Changed {
                deliveries.extend(step.messages);
                groups.push(step.update);
            }
        }
        let acceptance = Acceptance {
            deliveries,
            groups,
            repeat_key: content.map(|key| repeat::in_course(key, &generations)),
            request_key: keys.request,
            at: now,
        };
        let facts = Facts {
            notes: notes.into_inner(),
            news,
            took: started.elapsed(),
        };
        Composed { acceptance, facts }
    }
}

/// What one destination adds to an acceptance.
struct Step {
    news: News,
    messages: Vec<NewDelivery>,
    update: GroupUpdate,
    generation: u64,
}

impl Step {
    fn of(planner: &Planner<'_>, targets: &Targets, key: &str, mut before: Before, content: Option<&str>) -> Self {
        let state = before.memory.as_mut().map(|memory| std::mem::take(&mut memory.state));
        let mut compared = group::compare(state, planner.share.notification(), planner.now);
        compared.note_elsewhere(&targets.whole);
        let mut plan = planner.next(&compared, &before);
        let Compared { state, change, .. } = compared;
        let last_key = content.unwrap_or_default().to_owned();
        let generation = GroupMemory::generation_of(before.memory.as_ref(), &last_key);
        let said = before.memory.map(|memory| (memory.text, memory.text_at));
        let (text, text_at) = plan.text.or(said).unwrap_or((String::new(), planner.now));
        let memory = GroupMemory {
            state,
            last_key,
            generation,
            text,
            text_at,
            was_sent: plan.by_messages,
        };
        let update = GroupUpdate {
            room: planner.destination.room.clone(),
            key: key.to_owned(),
            expected: before.version,
            memory: memory.text(),
            alerts: memory.changed_alerts(),
            message: plan.message.take(),
            root: plan.root,
            starts_at: plan.starts_at,
            live: plan.live,
            lines: plan.lines,
        };
        Self {
            news: change.news,
            messages: plan.messages,
            update,
            generation,
        }
    }
}

fn planner<'a>(render: &'a dyn Render, target: &'a Target, now: Timestamp) -> Planner<'a> {
    Planner {
        render,
        destination: &target.destination,
        share: &target.share,
        now,
    }
}

/// Renders with the relay's templates, and notes how that went.
struct Templated<'a> {
    renderer: Renderer,
    notes: &'a RefCell<Vec<Note>>,
}

impl Templated<'_> {
    fn noted(&self, template: &TemplateName, rendered: Rendered) -> Rendered {
        self.notes.borrow_mut().push(Note::of(template, &rendered));
        rendered
    }
}

impl Render for Templated<'_> {
    fn whole(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Rendered {
        self.noted(template, self.renderer.render(template, notification, now))
    }

    fn compared(&self, template: &TemplateName, notification: &Notification, then: Timestamp) -> Rendered {
        self.renderer.render(template, notification, then)
    }

    fn change(&self, notification: &Notification, change: &group::Change, now: Timestamp) -> Rendered {
        let rendered = self.renderer.render_change(notification, change, now);
        self.noted(&TemplateName::update(), rendered)
    }
}
