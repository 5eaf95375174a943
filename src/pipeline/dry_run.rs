//! A dry run: a sequence of notifications as a room gets it, but with drafts, and nothing is sent.
//!
//! Guarantees: the code that handles real notifications compares and renders it, each group by itself; nothing is stored. Its room is
//! that of the default policy, but for the mode: whom an operator's settings mention besides is not shown. Event IDs are
//! made up: `$1-2` is the second event of the first step.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::digest;
use super::memory::{Before, GroupMemory};
use super::plan::{Plan, Planner, Render};
use super::target;
use crate::alert::Notification;
use crate::group::{self, Change};
use crate::message::{Mode, Relation, RenderedMessage, RoomAddress, TemplateName};
use crate::outbox::{NewDelivery, Root, RootState};
use crate::render::{Diagnostic, Draft, Drafts, Preview, Rendered, Renderer};
use crate::route::{Destination, MessagePolicy, Share};

/// What a template makes of the last of these notifications, or that of digests of all of them. There is at least one.
pub fn preview(drafts: &Drafts, template: &TemplateName, notifications: &[(Notification, Timestamp)]) -> Preview {
    match notifications.last() {
        Some((last, now)) if *template != TemplateName::digest() => drafts.preview(template, last, *now),
        _ => {
            let (firing, digest) = digest::dry_run(drafts, notifications);
            drafts.preview_digest(&firing, &digest, digest.until)
        }
    }
}

/// One event of the room.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its made-up name.
    pub event_id: String,
    /// Which notification led to it, counted from 1.
    pub step: usize,
    /// When that notification came.
    pub at: Timestamp,
    /// What it says.
    pub message: RenderedMessage,
    /// To which event it refers.
    pub relation: Option<Relation>,
}

/// What the room gets, and what the templates' author should know.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DryRun {
    /// In order; a notification that brings nothing new has none.
    pub events: Vec<Event>,
    /// What the templates wrote, in order.
    pub markdown: Vec<String>,
    /// Each remark once, errors first.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether something else was rendered in a draft's place, because it does not work.
    pub stands_in: bool,
}

/// Tells the notifications, each with the moment at which it comes, to a room of this mode.
pub fn run(
    renderer: &Renderer,
    drafts: &[Draft<'_>],
    template: &TemplateName,
    mode: Mode,
    steps: &[(Notification, Timestamp)],
) -> DryRun {
    let renderer = DraftRenderer {
        drafts: renderer.with_drafts(drafts),
        said: RefCell::default(),
    };
    let destination = Destination {
        room: RoomAddress::nowhere(),
        template: template.clone(),
        policy: MessagePolicy {
            mode,
            ..MessagePolicy::default()
        },
    };
    let (mut stories, mut events) = (HashMap::new(), Vec::new());
    for (index, (notification, now)) in steps.iter().enumerate() {
        let share = Share::of_all(&Arc::new(notification.clone()));
        let planner = Planner {
            render: &renderer,
            destination: &destination,
            share: &share,
            now: *now,
        };
        let mut alone = Story::default();
        let story = if target::has_group(notification) {
            let group = (notification.group_key.clone(), notification.receiver.clone());
            stories.entry(group).or_default()
        } else {
            &mut alone
        };
        let mut number = 0;
        story.tell(&planner, notification, &mut |message, relation| {
            number += 1;
            let event_id = format!("${}-{number}", index + 1);
            events.push(Event {
                relation,
                event_id: event_id.clone(),
                step: index + 1,
                at: *now,
                message,
            });
            event_id
        });
    }
    let Said {
        markdown,
        mut diagnostics,
        stands_in,
    } = renderer.said.into_inner();
    renderer.drafts.add_refusals(&mut diagnostics);
    DryRun {
        events,
        markdown,
        diagnostics,
        stands_in,
    }
}

/// What the room knows of a group, and the events to which the next ones refer.
#[derive(Default)]
struct Story {
    memory: Option<GroupMemory>,
    live: bool,
    root: Option<String>,
    latest: Option<String>,
}

/// Puts an event into the room, and says its ID.
type Send<'a> = &'a mut dyn FnMut(RenderedMessage, Option<Relation>) -> String;

impl Story {
    fn tell(&mut self, planner: &Planner<'_>, notification: &Notification, send: Send<'_>) {
        if !target::has_group(notification) {
            for NewDelivery { message, .. } in planner.alone(notification) {
                send(message, None);
            }
            return;
        }
        let mut before = Before {
            memory: self.memory.take(),
            root: if self.root.is_some() {
                RootState::InRoom
            } else {
                RootState::None
            },
            is_heard: self.root.is_some(),
            live: self.live,
            ..Before::default()
        };
        let state = before.memory.as_mut().map(|memory| std::mem::take(&mut memory.state));
        let compared = group::compare(state, notification.clone(), planner.now);
        let mut plan = planner.next(&compared, &before);
        let said = before.memory.map(|memory| (memory.text, memory.text_at));
        let (text, text_at) = plan.text.take().or(said).unwrap_or((String::new(), planner.now));
        self.memory = Some(GroupMemory {
            state: compared.state,
            last_key: String::new(),
            generation: 0,
            text,
            text_at,
            was_sent: plan.by_messages,
        });
        self.show(plan, send);
    }

    /// As the outbox and its worker do: news in order, then the message is brought up to date.
    fn show(&mut self, plan: Plan, send: Send<'_>) {
        self.live = plan.live;
        for NewDelivery { message, .. } in plan.messages {
            send(message, None);
        }
        let mut rest = Vec::new();
        let mut message = plan.message;
        match plan.root {
            Root::Keep => {}
            Root::Forget => (self.root, self.latest) = (None, None),
            Root::Begin | Root::Again => {
                if let Some(message) = message.take() {
                    self.root = Some(send(message.as_root(), None));
                    (self.latest, rest) = (None, message.rest);
                }
            }
        }
        for line in plan.lines.into_iter().map(|line| line.message).chain(rest) {
            self.line(line, send);
        }
        if let (Some(message), Some(of)) = (message.filter(|_| plan.live), self.root.clone()) {
            send(message.as_edit(), Some(Relation::Edit { of }));
            for line in message.rest {
                self.line(line, send);
            }
        }
    }

    fn line(&mut self, message: RenderedMessage, send: Send<'_>) {
        let Some(root) = self.root.clone() else { return };
        let latest = self.latest.clone().unwrap_or_else(|| root.clone());
        self.latest = Some(send(message, Some(Relation::Thread { root, latest })));
    }
}

/// Renders with the drafts, and keeps what there is to say about them.
struct DraftRenderer {
    drafts: Drafts,
    said: RefCell<Said>,
}

#[derive(Default)]
struct Said {
    markdown: Vec<String>,
    stands_in: bool,
    diagnostics: Vec<Diagnostic>,
}

impl DraftRenderer {
    fn say(&self, preview: Preview) -> Rendered {
        let mut said = self.said.borrow_mut();
        said.stands_in |= preview.stands_in;
        said.markdown.push(preview.rendered.markdown.to_string());
        for one in preview.diagnostics {
            if !said.diagnostics.contains(&one) {
                said.diagnostics.push(one);
            }
        }
        preview.rendered
    }
}

impl Render for DraftRenderer {
    fn whole(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Rendered {
        self.say(self.drafts.preview(template, notification, now))
    }

    fn compared(&self, template: &TemplateName, notification: &Notification, then: Timestamp) -> Rendered {
        self.drafts.preview(template, notification, then).rendered
    }

    fn change(&self, notification: &Notification, change: &Change, now: Timestamp) -> Rendered {
        self.say(self.drafts.preview_change(notification, change, now))
    }
}
