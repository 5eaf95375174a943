//! A sequence of notifications of one group, told as a room in mode live gets it, but with drafts and to nobody.
//!
//! Guarantees: it is compared and told by the code that tells real stories; nothing is sent or stored. Its rooms are
//! those of the default policy: whom an operator's settings ping besides is not shown. Event IDs are made up: `$1-2` is
//! the second event of the first step.

use std::cell::RefCell;

use jiff::Timestamp;

use super::memo::Memo;
use super::story::{Teller, Voice};
use crate::alert::Notification;
use crate::group::{self, Change};
use crate::message::{Relation, RenderedMessage, RoomAddress, TemplateName};
use crate::outbox::Part;
use crate::render::{Diagnostic, Draft, Gravity, Preview, Rendered, Renderer};
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

/// Tells the notifications, each with the moment at which it comes.
pub fn rehearse(
    renderer: &Renderer,
    drafts: &[Draft<'_>],
    template: &TemplateName,
    steps: &[(Notification, Timestamp)],
) -> Rehearsal {
    let prompter = Prompter {
        renderer,
        drafts,
        said: RefCell::default(),
    };
    let destination = Destination {
        room: RoomAddress::nowhere(),
        template: template.clone(),
        policy: MessagePolicy::default(),
    };
    let (mut before, mut events) = (None::<Memo>, Vec::new());
    let (mut head, mut latest) = (None, None);
    for (index, (notification, now)) in steps.iter().enumerate() {
        let state = before.as_ref().map(|memo| &memo.state);
        let compared = group::compare(state, notification.clone(), *now);
        let teller = Teller {
            voice: &prompter,
            destination: &destination,
            template,
            now: *now,
        };
        let told = teller.next(&compared, before.as_ref());
        let mut deliveries = told.deliveries;
        deliveries.sort_by_key(|delivery| delivery.part.gives_way());
        for (number, delivery) in deliveries.into_iter().enumerate() {
            let event_id = format!("${}-{}", index + 1, number + 1);
            if delivery.part == Part::Head {
                (head, latest) = (None, None);
            }
            let relation = delivery.part.relation(head.clone(), latest.clone());
            match delivery.part {
                Part::Head => head = Some(event_id.clone()),
                Part::Line | Part::Rest { .. } => latest = Some(event_id.clone()),
                Part::Message | Part::Edit | Part::Reply | Part::Reaction { .. } => {}
            }
            events.push(Event {
                event_id,
                step: index + 1,
                at: *now,
                message: delivery.message,
                relation,
            });
        }
        before = Some(Memo {
            state: compared.state,
            at: *now,
            last_key: String::new(),
            generation: 0,
            head: told.head,
            head_at: told.head_at,
        });
    }
    let Said {
        markdown,
        mut diagnostics,
    } = prompter.said.into_inner();
    diagnostics.sort_by_key(|one| one.gravity != Gravity::Error);
    Rehearsal {
        events,
        markdown,
        diagnostics,
    }
}

/// Renders with the drafts, and keeps what there is to say about them.
struct Prompter<'a> {
    renderer: &'a Renderer,
    drafts: &'a [Draft<'a>],
    said: RefCell<Said>,
}

#[derive(Default)]
struct Said {
    markdown: Vec<String>,
    diagnostics: Vec<Diagnostic>,
}

impl Prompter<'_> {
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

impl Voice for Prompter<'_> {
    fn whole(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Rendered {
        self.say(self.renderer.preview(self.drafts, template, notification, now))
    }

    fn compared(&self, template: &TemplateName, notification: &Notification, then: Timestamp) -> Rendered {
        self.renderer
            .preview(self.drafts, template, notification, then)
            .rendered
    }

    fn change(&self, notification: &Notification, change: &Change, now: Timestamp) -> Rendered {
        self.say(self.renderer.preview_change(self.drafts, notification, change, now))
    }
}
