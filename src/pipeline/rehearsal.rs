//! A sequence of notifications, told as a room gets it, but with drafts and to nobody.
//!
//! Guarantees: it is compared and told by the code that tells real stories, each group its own; nothing is sent or stored. Its room is
//! that of the default policy, but for the mode: whom an operator's settings ping besides is not shown. Event IDs are
//! made up: `$1-2` is the second event of the first step.

use std::cell::RefCell;
use std::collections::HashMap;

use jiff::Timestamp;

use super::memo::Memo;
use super::story::{Before, Teller, Voice};
use super::target;
use crate::alert::Notification;
use crate::group::{self, Change};
use crate::message::{Mode, Relation, RenderedMessage, RoomAddress, TemplateName};
use crate::outbox::{HeadStanding, NewDelivery, Part};
use crate::render::{Desk, Diagnostic, Draft, Preview, Rendered, Renderer};
use crate::route::{Destination, MessagePolicy};

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
pub struct Rehearsal {
    /// In order; a notification that brings nothing new has none.
    pub events: Vec<Event>,
    /// What the templates wrote, in order.
    pub markdown: Vec<String>,
    /// Each remark once, errors first.
    pub diagnostics: Vec<Diagnostic>,
}

/// Tells the notifications, each with the moment at which it comes, to a room of this mode.
pub fn rehearse(
    renderer: &Renderer,
    drafts: &[Draft<'_>],
    template: &TemplateName,
    mode: Mode,
    steps: &[(Notification, Timestamp)],
) -> Rehearsal {
    let prompter = Prompter {
        desk: renderer.with_drafts(drafts),
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
        let teller = Teller {
            voice: &prompter,
            destination: &destination,
            now: *now,
        };
        let mut alone = Story::default();
        let story = if target::has_group(notification) {
            let group = (notification.group_key.clone(), notification.receiver.clone());
            stories.entry(group).or_default()
        } else {
            &mut alone
        };
        let mut told = story.tell(&teller, notification);
        told.sort_by_key(|delivery| delivery.part.gives_way());
        for (number, delivery) in told.into_iter().enumerate() {
            let event_id = format!("${}-{}", index + 1, number + 1);
            events.push(Event {
                relation: story.place(&delivery.part, &event_id),
                event_id,
                step: index + 1,
                at: *now,
                message: delivery.message,
            });
        }
    }
    let Said {
        markdown,
        mut diagnostics,
    } = prompter.said.into_inner();
    prompter.desk.add_refusals(&mut diagnostics);
    Rehearsal {
        events,
        markdown,
        diagnostics,
    }
}

/// What the room knows of a group, and the events to which the next ones refer.
#[derive(Default)]
struct Story {
    memo: Option<Memo>,
    head: Option<String>,
    latest: Option<String>,
}

impl Story {
    fn tell(&mut self, teller: &Teller<'_>, notification: &Notification) -> Vec<NewDelivery> {
        if !target::has_group(notification) {
            return teller.alone(notification);
        }
        let state = self.memo.as_ref().map(|memo| &memo.state);
        let compared = group::compare(state, notification.clone(), teller.now);
        let before = self.memo.as_ref().map(|memo| Before {
            memo,
            head: HeadStanding::Present,
        });
        let told = teller.next(&compared, before);
        self.memo = Some(Memo {
            state: compared.state,
            at: teller.now,
            last_key: String::new(),
            generation: 0,
            head: told.head,
            head_at: told.head_at,
            kept: told.kept,
        });
        told.deliveries
    }

    /// How the next event refers to those before it.
    fn place(&mut self, part: &Part, event_id: &str) -> Option<Relation> {
        if *part == Part::Head {
            (self.head, self.latest) = (None, None);
        }
        let relation = part.relation(self.head.clone(), self.latest.clone());
        match part {
            Part::Head => self.head = Some(event_id.to_owned()),
            Part::Line | Part::Rest { .. } => self.latest = Some(event_id.to_owned()),
            Part::Message | Part::Edit | Part::Reply | Part::Reaction { .. } => {}
        }
        relation
    }
}

/// Renders with the drafts, and keeps what there is to say about them.
struct Prompter {
    desk: Desk,
    said: RefCell<Said>,
}

#[derive(Default)]
struct Said {
    markdown: Vec<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Prompter {
    fn say(&self, preview: Preview) -> Rendered {
        let mut said = self.said.borrow_mut();
        said.markdown.push(preview.rendered.markdown.to_string());
        for one in preview.diagnostics {
            if !said.diagnostics.contains(&one) {
                said.diagnostics.push(one);
            }
        }
        preview.rendered
    }
}

impl Voice for Prompter {
    fn whole(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Rendered {
        self.say(self.desk.preview(template, notification, now))
    }

    fn compared(&self, template: &TemplateName, notification: &Notification, then: Timestamp) -> Rendered {
        self.desk.preview(template, notification, then).rendered
    }

    fn change(&self, notification: &Notification, change: &Change, now: Timestamp) -> Rendered {
        self.say(self.desk.preview_change(notification, change, now))
    }
}
