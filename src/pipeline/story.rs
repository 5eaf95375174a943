//! How a group's story is told in a room: which messages a notification becomes there, by the room's mode.
//!
//! | mode | the group begins | something changes | nothing is new |
//! |---|---|---|---|
//! | live | head | the head is edited; a line in its thread | the head is edited if its text changes |
//! | thread | head | a line in its thread | – |
//! | reply | head | a reply to it | – |
//! | reaction | head | a message if something starts or returns, ✅ (⚪ if not all recovered) on the head when all is over | – |
//! | new | message | message | message |
//!
//! Where there is no head, or not any more, the next notification that changes something, or a repeat while something
//! fires, becomes it, whole and without a line beside it. A mode that is changed holds at once, except that a head which
//! was kept true in mode live is kept true until all is over.
//!
//! What returns, having been called no longer reported a moment ago, changes something and does not start.
//!
//! Guarantees: only what starts firing rings and pings, once; an edit never does, and where nothing starts nobody is
//! pinged, whatever the template says. With reminders a notification that brings nothing new is a quiet line (a reply in
//! the modes without a thread), if the last one is over a minute old.

mod write;

use jiff::Timestamp;

use self::write::{earliest, quiet, text_hash};
use super::memo::{Kept, Memo};
use crate::alert::{Alert, AlertStatus, Notification};
use crate::group::{Change, Compared, LATE, News};
use crate::message::{Mode, MsgType, TemplateName};
use crate::outbox::{HeadStanding, NewDelivery, Part};
use crate::render::Rendered;
use crate::route::Destination;

/// What renders: the relay's templates for what is sent, drafts for a rehearsal.
pub(super) trait Voice {
    /// The whole notification.
    fn whole(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Rendered;
    /// The same as of an earlier moment, to compare with what was sent then: nobody sees it, and it counts for nothing.
    fn compared(&self, template: &TemplateName, notification: &Notification, then: Timestamp) -> Rendered;
    /// What has changed.
    fn change(&self, notification: &Notification, change: &Change, now: Timestamp) -> Rendered;
}

/// Whoever tells: in which voice, and where.
pub(super) struct Teller<'a> {
    pub(super) voice: &'a dyn Voice,
    pub(super) destination: &'a Destination,
    pub(super) now: Timestamp,
}

/// What was told before.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) memo: &'a Memo,
    pub(super) head: HeadStanding,
}

/// What goes out, and what the head says from now on.
pub(super) struct Told {
    pub(super) deliveries: Vec<NewDelivery>,
    pub(super) head: String,
    pub(super) head_at: Timestamp,
    pub(super) kept: Kept,
}

impl Before<'_> {
    /// Whether there is nothing that could be referred to, and if so whether people have heard of the group.
    fn headless(&self) -> Option<bool> {
        match (self.memo.kept, self.head) {
            (Kept::None, _) | (_, HeadStanding::None) => Some(true),
            (_, HeadStanding::Absent { rang }) => Some(rang),
            (_, HeadStanding::Present) => None,
        }
    }
}

impl Teller<'_> {
    /// A notification that belongs to no story: a message of its own.
    pub(super) fn alone(&self, notification: &Notification) -> Vec<NewDelivery> {
        let mut messages = self.whole(notification, self.now);
        if let Some(first) = messages.first_mut() {
            self.ping(first, &notification.alerts);
        }
        messages
            .into_iter()
            .map(|message| self.delivery(message, Part::Message, notification.starts_at()))
            .collect()
    }

    /// The next part of a story.
    pub(super) fn next(&self, compared: &Compared, before: Option<Before<'_>>) -> Told {
        let Compared {
            change, notification, ..
        } = compared;
        let Some(before) = before.filter(|_| change.news != News::Begins) else {
            return self.begins(notification, change);
        };
        let changed = change.news == News::Changed;
        match before.headless() {
            Some(heard) if self.mode() != Mode::New => {
                if changed || self.is_worth_showing(notification, change, before.memo) {
                    self.anew(notification, change, heard)
                } else {
                    kept(before.memo)
                }
            }
            headless if changed => self.changed(notification, change, before.memo, headless.is_none()),
            headless => self.nothing_new(notification, change, before.memo, headless.is_none()),
        }
    }

    fn begins(&self, notification: &Notification, change: &Change) -> Told {
        let mut messages = self.whole(notification, self.now);
        let head = messages.first().map_or_else(String::new, text_hash);
        if let Some(first) = messages.first_mut() {
            let has_rung = |alert: &&Alert| change.returned.iter().any(|one| one.fingerprint == alert.fingerprint);
            let starting = notification.alerts.iter().filter(|alert| !has_rung(alert));
            self.ping(first, starting);
        }
        let part = match self.mode() {
            Mode::New => Part::Message,
            _ => Part::Head,
        };
        let deliveries = self.parts(messages, part, notification.starts_at());
        self.told(deliveries, head)
    }

    /// A head in the middle of a story. Where people have `heard` of the group, it rings only for what starts.
    fn anew(&self, notification: &Notification, change: &Change, heard: bool) -> Told {
        let mut messages = self.whole(notification, self.now);
        let head = messages.first().map_or_else(String::new, text_hash);
        let starting = if heard { &change.starting } else { &notification.alerts };
        if let Some(first) = messages.first_mut() {
            self.ping(first, starting);
            if starting.is_empty() {
                first.msgtype = MsgType::Notice;
            }
        }
        let starts_at = if heard {
            earliest(starting)
        } else {
            notification.starts_at()
        };
        self.told(self.parts(messages, Part::Head, starts_at), head)
    }

    /// Whether a repeat is to be shown that has no head: a glance at the room has to tell what fires.
    fn is_worth_showing(&self, notification: &Notification, change: &Change, memo: &Memo) -> bool {
        notification.status == AlertStatus::Firing && self.is_old(memo) && !change.doubtful
    }

    fn is_old(&self, memo: &Memo) -> bool {
        self.now.duration_since(memo.at).abs() >= LATE
    }

    fn changed(&self, notification: &Notification, change: &Change, memo: &Memo, has_head: bool) -> Told {
        let starts_at = earliest(&change.starting);
        let mode = self.mode();
        let mut told = kept(memo);
        if has_head && (mode == Mode::Live || memo.kept == Kept::Live) {
            let messages = self.whole(notification, self.now);
            told.head = messages.first().map_or_else(String::new, text_hash);
            told.head_at = self.now;
            told.kept = Kept::Live;
            told.deliveries = self.edit(messages);
        }
        match mode {
            Mode::Live | Mode::Thread => told.deliveries.extend(self.lines(notification, change, &Part::Line)),
            Mode::Reply => told.deliveries.extend(self.lines(notification, change, &Part::Reply)),
            Mode::Reaction => {
                if !change.starting.is_empty() || !change.returned.is_empty() {
                    let mut messages = self.whole(notification, self.now);
                    if let Some(first) = messages.first_mut() {
                        self.ping(first, &change.starting);
                        if change.starting.is_empty() {
                            first.msgtype = MsgType::Notice;
                        }
                    }
                    told.deliveries.extend(self.parts(messages, Part::Message, starts_at));
                }
                if change.over {
                    let key = if change.recovered { "✅" } else { "⚪" }.to_owned();
                    let whole = self.whole(notification, self.now).into_iter().take(1);
                    told.deliveries
                        .extend(whole.map(|m| self.delivery(quiet(m), Part::Reaction { key: key.clone() }, None)));
                }
            }
            Mode::New => {
                let mut messages = self.whole(notification, self.now);
                if let Some(first) = messages.first_mut() {
                    self.ping(first, &change.starting);
                }
                told.deliveries.extend(self.parts(messages, Part::Message, starts_at));
            }
        }
        told
    }

    fn nothing_new(&self, notification: &Notification, change: &Change, memo: &Memo, has_head: bool) -> Told {
        let mode = self.mode();
        let mut told = kept(memo);
        if has_head && (mode == Mode::Live || memo.kept == Kept::Live) && !change.doubtful {
            // As of the moment as of which the head was written: that time has passed changes every text.
            let template = &self.destination.template;
            let same_moment = self.voice.compared(template, notification, memo.head_at);
            if same_moment.messages.first().map(text_hash).as_ref() != Some(&memo.head) {
                let messages = self.whole(notification, self.now);
                told.head = messages.first().map_or_else(String::new, text_hash);
                told.head_at = self.now;
                told.kept = Kept::Live;
                told.deliveries = self.edit(messages);
            }
        }
        if mode == Mode::New {
            let mut messages = self.whole(notification, self.now);
            if let Some(first) = messages.first_mut() {
                self.ping(first, &[]);
            }
            told.deliveries.extend(self.parts(messages, Part::Message, None));
        }
        let reminds = self.destination.policy.reminders && notification.status == AlertStatus::Firing;
        if reminds && self.is_old(memo) && !change.doubtful && mode != Mode::New {
            let part = match mode {
                Mode::Live | Mode::Thread => Part::Line,
                _ => Part::Reply,
            };
            told.deliveries.extend(self.lines(notification, change, &part));
        }
        told
    }

    fn mode(&self) -> Mode {
        self.destination.policy.mode
    }

    /// With a new head, if the mode has heads.
    fn told(&self, deliveries: Vec<NewDelivery>, head: String) -> Told {
        Told {
            deliveries,
            head,
            head_at: self.now,
            kept: match self.mode() {
                Mode::Live => Kept::Live,
                Mode::Thread | Mode::Reply | Mode::Reaction => Kept::Once,
                Mode::New => Kept::None,
            },
        }
    }
}

/// With the head as it was.
fn kept(memo: &Memo) -> Told {
    Told {
        deliveries: Vec::new(),
        head: memo.head.clone(),
        head_at: memo.head_at,
        kept: memo.kept,
    }
}
