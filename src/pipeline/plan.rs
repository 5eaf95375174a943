//! The plan of what a room gets: what a notification does to its group's message there, and which news it brings, by the mode.
//!
//! | mode | the group begins | something changes | nothing is new |
//! |---|---|---|---|
//! | live | its message | the message is edited; a line in its thread | the message is edited if its text changes |
//! | thread | its message | a line in its thread | – |
//! | new | a message | a message | a message |
//!
//! Where the group's message is not in the room and none waits, the next notification that changes something, or a repeat
//! while something fires, brings it, whole and without a line beside it. A group that begins again before the room was shown
//! that it was over goes on in the same message. A mode that is changed holds at once, except that a message which was kept
//! true is kept true until all is over.
//!
//! Guarantees: only what starts firing notifies and mentions, once; where nothing starts nobody is mentioned, whatever the
//! template says. With reminders a notification that brings nothing new is a quiet line.

mod write;

use jiff::Timestamp;

use self::write::{earliest, quiet, text_hash};
use super::memory::{Before, GroupMemory};
use crate::alert::{Alert, AlertStatus, Notification};
use crate::group::{Change, Compared, News};
use crate::message::{Mentions, Mode, MsgType, RenderedMessage, TemplateName};
use crate::outbox::{GroupMessage, NewDelivery, NewLine, Root, RootState};
use crate::render::Rendered;
use crate::route::{Destination, Share};

/// What renders: the relay's templates for what is sent, drafts for a dry run.
pub(super) trait Render {
    /// The whole notification.
    fn whole(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Rendered;
    /// The same as of an earlier moment, to compare with what was sent then: nobody sees it, and it counts for nothing.
    fn compared(&self, template: &TemplateName, notification: &Notification, then: Timestamp) -> Rendered;
    /// What has changed.
    fn change(&self, notification: &Notification, change: &Change, now: Timestamp) -> Rendered;
}

/// Whoever tells: in which render, where, and whom the rules mention there.
pub(super) struct Planner<'a> {
    pub(super) render: &'a dyn Render,
    pub(super) destination: &'a Destination,
    pub(super) share: &'a Share,
    pub(super) now: Timestamp,
}

/// What the room gets of a notification.
#[derive(Default)]
pub(super) struct Plan {
    /// Messages that are no group's.
    pub(super) messages: Vec<NewDelivery>,
    /// What the group's message should say; `None`: as before.
    pub(super) message: Option<GroupMessage>,
    pub(super) root: Root,
    pub(super) live: bool,
    pub(super) lines: Vec<NewLine>,
    pub(super) starts_at: Option<Timestamp>,
    /// The hash of what the message says, and the moment as of which it does, if that is another one.
    pub(super) text: Option<(String, Timestamp)>,
    /// Whether the room got this episode as messages that are no group's.
    pub(super) by_messages: bool,
}

impl Planner<'_> {
    /// A notification that belongs to no group: messages of its own.
    pub(super) fn alone(&self, notification: &Notification) -> Vec<NewDelivery> {
        self.messages(notification, &notification.alerts, notification.starts_at())
    }

    /// What a notification of a group comes to.
    pub(super) fn next(&self, compared: &Compared, before: &Before) -> Plan {
        let Compared {
            change, notification, ..
        } = compared;
        let begins = before.memory.is_none() || change.news == News::Begins;
        let has_root = before.root != RootState::None;
        let was_sent = !begins && before.memory.as_ref().is_some_and(|memory| memory.was_sent);
        let plan = Plan {
            live: before.live && has_root,
            by_messages: was_sent,
            ..Plan::default()
        };
        if self.mode() == Mode::New {
            return self.by_messages(notification, change, begins, plan);
        }
        // Nobody was shown an end of what begins again.
        let goes_on = before.root == RootState::Waiting || (before.live && !before.is_shown);
        let is_new = if has_root {
            begins && !goes_on
        } else {
            begins || change.news == News::Changed || notification.status == AlertStatus::Firing
        };
        let plan = Plan {
            live: self.mode() == Mode::Live || (plan.live && !is_new),
            ..plan
        };
        if is_new {
            let is_heard = before.is_heard || was_sent;
            return self.new_root(notification, change, (begins, is_heard), plan);
        }
        match &before.memory {
            _ if !has_root => plan,
            Some(memory) if change.news == News::Nothing => self.nothing_new(notification, change, memory, plan),
            _ => self.changed(notification, change, plan),
        }
    }

    /// A message of the whole for each notification; one that shows the group, and was kept true, is kept true.
    fn by_messages(&self, notification: &Notification, change: &Change, begins: bool, plan: Plan) -> Plan {
        let starting = if change.news == News::Nothing {
            &[][..]
        } else {
            &change.starting
        };
        let starts_at = if begins {
            notification.starts_at()
        } else {
            earliest(starting)
        };
        let plan = Plan {
            messages: self.messages(notification, starting, starts_at),
            by_messages: true,
            ..plan
        };
        if begins {
            return Plan {
                root: Root::Forget,
                live: false,
                ..plan
            };
        }
        if plan.live {
            self.shown(notification, &[], plan)
        } else {
            plan
        }
    }

    /// The message of a group. Where the room has heard of the group, it notifies only for what starts.
    fn new_root(
        &self,
        notification: &Notification,
        change: &Change,
        (begins, is_heard): (bool, bool),
        plan: Plan,
    ) -> Plan {
        let is_all_new = !begins && !is_heard;
        let starting = if is_all_new {
            &notification.alerts
        } else {
            &change.starting
        };
        let starts_at = if begins || is_all_new {
            notification.starts_at()
        } else {
            earliest(starting)
        };
        let mut plan = self.shown(notification, starting, plan);
        if let Some(message) = &mut plan.message {
            // What the room has not heard of notifies as its template says.
            message.loud = message.text.msgtype == MsgType::Text && (begins || !starting.is_empty());
        }
        Plan {
            root: if begins { Root::Begin } else { Root::Again },
            starts_at,
            by_messages: false,
            ..plan
        }
    }

    fn changed(&self, notification: &Notification, change: &Change, plan: Plan) -> Plan {
        Plan {
            lines: self.lines(notification, change),
            starts_at: earliest(&change.starting),
            ..self.shown(notification, &change.starting, plan)
        }
    }

    fn nothing_new(&self, notification: &Notification, change: &Change, memory: &GroupMemory, plan: Plan) -> Plan {
        let mut plan = plan;
        if plan.live {
            // As of the moment as of which it was written: that time has passed changes every text.
            let template = &self.destination.template;
            let same_moment = self.render.compared(template, notification, memory.text_at);
            if same_moment.messages.first().map(text_hash).as_ref() != Some(&memory.text) {
                plan = self.shown(notification, &[], plan);
            }
        }
        if self.destination.policy.reminders && notification.status == AlertStatus::Firing {
            plan.lines = self.lines(notification, change);
        }
        plan
    }

    /// With what the group's message should say; `starting` are those for whom it notifies if it is sent as one of its own.
    fn shown(&self, notification: &Notification, starting: &[Alert], plan: Plan) -> Plan {
        let mut whole = self.whole(notification).into_iter();
        let Some(mut text) = whole.next() else { return plan };
        let hash = text_hash(&text);
        let fires = starting.iter().any(|alert| alert.status == AlertStatus::Firing);
        let mentions = self.share.mentions(starting);
        if !fires {
            text.mentions = Mentions::default();
        }
        let message = GroupMessage {
            loud: fires && text.msgtype == MsgType::Text,
            text,
            rest: whole.map(quiet).collect(),
            mentions,
        };
        Plan {
            message: Some(message),
            text: Some((hash, self.now)),
            ..plan
        }
    }

    fn whole(&self, notification: &Notification) -> Vec<RenderedMessage> {
        let template = &self.destination.template;
        self.render.whole(template, notification, self.now).messages
    }

    fn mode(&self) -> Mode {
        self.destination.policy.mode
    }
}
