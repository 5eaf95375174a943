//! How a group's story is told in a room: which messages a notification becomes there, by the room's mode.
//!
//! | mode | the group begins | something changes | nothing is new |
//! |---|---|---|---|
//! | live | head | the head is edited; a line in its thread | the head is edited if its text changes |
//! | thread | head | a line in its thread | – |
//! | reply | head | a reply to it | – |
//! | reaction | head | a message if something starts, ✅ (⚪ if not all recovered) on the head when all is over | – |
//! | new | message | message | message |
//!
//! Guarantees: only what starts firing rings and pings, once; an edit never does. With reminders a notification that
//! brings nothing new is a quiet line (a reply in the modes without a thread), if the last one is over a minute old.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::memo::Memo;
use crate::alert::{AlertStatus, Notification};
use crate::group::{Change, Compared, LATE, News};
use crate::message::{Mentions, Mode, MsgType, RenderedMessage, TemplateName};
use crate::outbox::{NewDelivery, Part};
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
    pub(super) template: &'a TemplateName,
    pub(super) now: Timestamp,
}

/// What goes out, and what the head says from now on.
pub(super) struct Told {
    pub(super) deliveries: Vec<NewDelivery>,
    pub(super) head: String,
    pub(super) head_at: Timestamp,
}

impl Teller<'_> {
    /// A notification that belongs to no story: a message of its own.
    pub(super) fn alone(&self, notification: &Notification) -> Vec<NewDelivery> {
        let mut messages = self.whole(notification, self.now);
        if let Some(first) = messages.first_mut() {
            self.ping(
                first,
                notification
                    .alerts
                    .iter()
                    .filter(|alert| alert.status == AlertStatus::Firing),
            );
        }
        messages
            .into_iter()
            .map(|message| self.delivery(message, Part::Message, notification.starts_at()))
            .collect()
    }

    /// The next part of a story that `before` was the last of.
    pub(super) fn next(&self, compared: &Compared, before: Option<&Memo>) -> Told {
        let Compared {
            change, notification, ..
        } = compared;
        match change.news {
            News::Begins => self.begins(notification),
            News::Changed => self.changed(notification, change, before),
            News::Nothing => self.nothing_new(notification, change, before),
        }
    }

    fn begins(&self, notification: &Notification) -> Told {
        let mut messages = self.whole(notification, self.now);
        let head = messages.first().map_or_else(String::new, text_hash);
        let firing = |alert: &&crate::alert::Alert| alert.status == AlertStatus::Firing;
        if let Some(first) = messages.first_mut() {
            if notification.status == AlertStatus::Resolved {
                first.mentions = Mentions::default();
            }
            self.ping(first, notification.alerts.iter().filter(firing));
        }
        let part = match self.destination.policy.mode {
            Mode::New => Part::Message,
            _ => Part::Head,
        };
        let deliveries = self.parts(messages, part, notification.starts_at());
        self.told(deliveries, head)
    }

    fn changed(&self, notification: &Notification, change: &Change, before: Option<&Memo>) -> Told {
        let kept = before.map_or_else(String::new, |memo| memo.head.clone());
        let starts_at = change.starting.iter().filter_map(|alert| alert.starts_at).min();
        match self.destination.policy.mode {
            Mode::Live => {
                let messages = self.whole(notification, self.now);
                let head = messages.first().map_or_else(String::new, text_hash);
                let mut deliveries = self.edit(messages);
                deliveries.extend(self.lines(notification, change, &Part::Line));
                self.told(deliveries, head)
            }
            Mode::Thread => self.told(self.lines(notification, change, &Part::Line), kept),
            Mode::Reply => self.told(self.lines(notification, change, &Part::Reply), kept),
            Mode::Reaction => {
                let mut deliveries = Vec::new();
                if !change.starting.is_empty() {
                    let mut messages = self.whole(notification, self.now);
                    if let Some(first) = messages.first_mut() {
                        self.ping(first, &change.starting);
                    }
                    deliveries.extend(self.parts(messages, Part::Message, starts_at));
                }
                if change.over {
                    let key = if change.recovered { "✅" } else { "⚪" }.to_owned();
                    let whole = self.whole(notification, self.now).into_iter().take(1);
                    deliveries
                        .extend(whole.map(|m| self.delivery(quiet(m), Part::Reaction { key: key.clone() }, None)));
                }
                self.told(deliveries, kept)
            }
            Mode::New => {
                let mut messages = self.whole(notification, self.now);
                if let Some(first) = messages.first_mut() {
                    self.ping(first, &change.starting);
                }
                self.told(self.parts(messages, Part::Message, starts_at), kept)
            }
        }
    }

    fn nothing_new(&self, notification: &Notification, change: &Change, before: Option<&Memo>) -> Told {
        let (mut head, mut head_at) =
            before.map_or_else(|| (String::new(), self.now), |memo| (memo.head.clone(), memo.head_at));
        let mode = self.destination.policy.mode;
        let mut deliveries = Vec::new();
        if mode == Mode::New {
            let messages = self.whole(notification, self.now);
            deliveries.extend(self.parts(messages, Part::Message, None));
        } else if mode == Mode::Live && !change.doubtful {
            // As of the moment as of which the head was written: that time has passed changes every text.
            let same_moment = self.voice.compared(self.template, notification, head_at);
            if same_moment.messages.first().map(text_hash).as_ref() != Some(&head) {
                let messages = self.whole(notification, self.now);
                head = messages.first().map_or_else(String::new, text_hash);
                head_at = self.now;
                deliveries.extend(self.edit(messages));
            }
        }
        let is_old = before.is_none_or(|memo| self.now.duration_since(memo.at).abs() >= LATE);
        let reminds = self.destination.policy.reminders && notification.status == AlertStatus::Firing;
        if reminds && is_old && !change.doubtful && mode != Mode::New {
            let part = match mode {
                Mode::Live | Mode::Thread => Part::Line,
                _ => Part::Reply,
            };
            deliveries.extend(self.lines(notification, change, &part));
        }
        Told {
            deliveries,
            head,
            head_at,
        }
    }

    /// The whole notification by the room's template.
    fn whole(&self, notification: &Notification, now: Timestamp) -> Vec<RenderedMessage> {
        self.voice.whole(self.template, notification, now).messages
    }

    /// What has changed, as a line or a reply.
    fn lines(&self, notification: &Notification, change: &Change, part: &Part) -> Vec<NewDelivery> {
        let mut messages = self.voice.change(notification, change, self.now).messages;
        if let Some(first) = messages.first_mut() {
            if change.starting.is_empty() {
                first.mentions = Mentions::default();
            }
            self.ping(first, &change.starting);
        }
        let starts_at = change.starting.iter().filter_map(|alert| alert.starts_at).min();
        let mut messages = messages.into_iter();
        let first = messages
            .next()
            .map(|message| self.delivery(message, part.clone(), starts_at));
        let rest = messages.map(|message| self.delivery(quiet(message), part.clone(), None));
        first.into_iter().chain(rest).collect()
    }

    /// A head can only be one event; what does not fit into it follows in its thread.
    fn edit(&self, messages: Vec<RenderedMessage>) -> Vec<NewDelivery> {
        let unmentioned = |message| RenderedMessage {
            mentions: Mentions::default(),
            ..message
        };
        self.parts(messages.into_iter().map(unmentioned).collect(), Part::Edit, None)
    }

    fn parts(&self, messages: Vec<RenderedMessage>, part: Part, starts_at: Option<Timestamp>) -> Vec<NewDelivery> {
        let threaded = matches!(self.destination.policy.mode, Mode::Live | Mode::Thread);
        let is_message = part == Part::Message;
        let rest = |number| {
            if is_message {
                Part::Message
            } else {
                Part::Rest { number, threaded }
            }
        };
        let mut messages = (1..).zip(messages);
        let first = messages.next();
        let first = first.map(|(_, message)| self.delivery(message, part, starts_at));
        let rest = messages.map(|(number, message)| self.delivery(quiet(message), rest(number), None));
        first.into_iter().chain(rest).collect()
    }

    /// Adds those whom the operator wants to be pinged for what starts.
    fn ping<'b>(&self, message: &mut RenderedMessage, starting: impl IntoIterator<Item = &'b crate::alert::Alert>) {
        message.ping(&self.destination.policy.mentions.of(starting));
    }

    fn delivery(&self, message: RenderedMessage, part: Part, starts_at: Option<Timestamp>) -> NewDelivery {
        NewDelivery {
            starts_at,
            part,
            ..NewDelivery::message(self.destination.room.clone(), message)
        }
    }

    fn told(&self, deliveries: Vec<NewDelivery>, head: String) -> Told {
        Told {
            deliveries,
            head,
            head_at: self.now,
        }
    }
}

fn quiet(message: RenderedMessage) -> RenderedMessage {
    RenderedMessage {
        msgtype: MsgType::Notice,
        mentions: Mentions::default(),
        ..message
    }
}

/// A hash of what people read, without the end of the time range that Grafana writes into links of each notification.
fn text_hash(message: &RenderedMessage) -> String {
    let mut hash = Sha256::new();
    for text in [&message.body, &message.formatted_body] {
        let mut parts = text.split("to=");
        hash.update(parts.next().unwrap_or_default());
        for part in parts {
            hash.update("to=");
            hash.update(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        hash.update([0]);
    }
    hex::encode(hash.finalize())
}
