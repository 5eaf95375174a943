//! How a group appears in a room: what a notification does to its message there, and which news it brings, by the mode.
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
use super::memo::{Before, Memo};
use crate::alert::{Alert, AlertStatus, Notification};
use crate::group::{Change, Compared, News};
use crate::message::{Mentions, Mode, MsgType, RenderedMessage, TemplateName};
use crate::outbox::{GroupMessage, NewDelivery, NewLine, Root, RootStanding};
use crate::render::Rendered;
use crate::route::{Destination, Share};

/// What renders: the relay's templates for what is sent, drafts for a rehearsal.
pub(super) trait Voice {
    /// The whole notification.
    fn whole(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Rendered;
    /// The same as of an earlier moment, to compare with what was sent then: nobody sees it, and it counts for nothing.
    fn compared(&self, template: &TemplateName, notification: &Notification, then: Timestamp) -> Rendered;
    /// What has changed.
    fn change(&self, notification: &Notification, change: &Change, now: Timestamp) -> Rendered;
}

/// Whoever tells: in which voice, where, and whom the rules mention there.
pub(super) struct Teller<'a> {
    pub(super) voice: &'a dyn Voice,
    pub(super) destination: &'a Destination,
    pub(super) share: &'a Share,
    pub(super) now: Timestamp,
}

/// What a notification comes to.
#[derive(Default)]
pub(super) struct Told {
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
    /// Whether the room was told of this episode by messages that are no group's.
    pub(super) by_messages: bool,
}

impl Teller<'_> {
    /// A notification that belongs to no group: messages of its own.
    pub(super) fn alone(&self, notification: &Notification) -> Vec<NewDelivery> {
        self.messages(notification, &notification.alerts, notification.starts_at())
    }

    /// What a notification of a group comes to.
    pub(super) fn next(&self, compared: &Compared, before: &Before) -> Told {
        let Compared {
            change, notification, ..
        } = compared;
        let begins = before.memo.is_none() || change.news == News::Begins;
        let has_root = before.root != RootStanding::None;
        let was_told = !begins && before.memo.as_ref().is_some_and(|memo| memo.was_told);
        let told = Told {
            live: before.live && has_root,
            by_messages: was_told,
            ..Told::default()
        };
        if self.mode() == Mode::New {
            return self.by_messages(notification, change, begins, told);
        }
        // Nobody was shown an end of what begins again.
        let goes_on = before.root == RootStanding::Waiting || (before.live && !before.is_shown);
        let is_new = if has_root {
            begins && !goes_on
        } else {
            begins || change.news == News::Changed || notification.status == AlertStatus::Firing
        };
        let told = Told {
            live: self.mode() == Mode::Live || (told.live && !is_new),
            ..told
        };
        if is_new {
            let is_heard = before.is_heard || was_told;
            return self.new_root(notification, change, (begins, is_heard), told);
        }
        match &before.memo {
            _ if !has_root => told,
            Some(memo) if change.news == News::Nothing => self.nothing_new(notification, change, memo, told),
            _ => self.changed(notification, change, told),
        }
    }

    /// A message of the whole for each notification; one that shows the group, and was kept true, is kept true.
    fn by_messages(&self, notification: &Notification, change: &Change, begins: bool, told: Told) -> Told {
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
        let told = Told {
            messages: self.messages(notification, starting, starts_at),
            by_messages: true,
            ..told
        };
        if begins {
            return Told {
                root: Root::Forget,
                live: false,
                ..told
            };
        }
        if told.live {
            self.shown(notification, &[], told)
        } else {
            told
        }
    }

    /// The message of a group. Where the room has heard of the group, it notifies only for what starts.
    fn new_root(
        &self,
        notification: &Notification,
        change: &Change,
        (begins, is_heard): (bool, bool),
        told: Told,
    ) -> Told {
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
        let mut told = self.shown(notification, starting, told);
        if let Some(message) = &mut told.message {
            // What nobody was told of rings as its template has it.
            message.loud = message.text.msgtype == MsgType::Text && (begins || !starting.is_empty());
        }
        Told {
            root: if begins { Root::Begin } else { Root::Again },
            starts_at,
            by_messages: false,
            ..told
        }
    }

    fn changed(&self, notification: &Notification, change: &Change, told: Told) -> Told {
        Told {
            lines: self.lines(notification, change),
            starts_at: earliest(&change.starting),
            ..self.shown(notification, &change.starting, told)
        }
    }

    fn nothing_new(&self, notification: &Notification, change: &Change, memo: &Memo, told: Told) -> Told {
        let mut told = told;
        if told.live {
            // As of the moment as of which it was written: that time has passed changes every text.
            let template = &self.destination.template;
            let same_moment = self.voice.compared(template, notification, memo.text_at);
            if same_moment.messages.first().map(text_hash).as_ref() != Some(&memo.text) {
                told = self.shown(notification, &[], told);
            }
        }
        if self.destination.policy.reminders && notification.status == AlertStatus::Firing {
            told.lines = self.lines(notification, change);
        }
        told
    }

    /// With what the group's message should say; `starting` are those for whom it notifies if it is sent as one of its own.
    fn shown(&self, notification: &Notification, starting: &[Alert], told: Told) -> Told {
        let mut whole = self.whole(notification).into_iter();
        let Some(mut text) = whole.next() else { return told };
        let hash = text_hash(&text);
        let fires = starting.iter().any(|alert| alert.status == AlertStatus::Firing);
        let pings = self.share.mentions(starting);
        if !fires {
            text.mentions = Mentions::default();
        }
        let message = GroupMessage {
            loud: fires && text.msgtype == MsgType::Text,
            text,
            rest: whole.map(quiet).collect(),
            pings,
        };
        Told {
            message: Some(message),
            text: Some((hash, self.now)),
            ..told
        }
    }

    fn whole(&self, notification: &Notification) -> Vec<RenderedMessage> {
        let template = &self.destination.template;
        self.voice.whole(template, notification, self.now).messages
    }

    fn mode(&self) -> Mode {
        self.destination.policy.mode
    }
}
