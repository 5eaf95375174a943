//! What a story is written with: rendered messages as deliveries, how loud they are, whom they ping.
//!
//! Guarantees: an edit pings nobody, and so does everything beyond the first of several messages, which is quiet, too.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::Teller;
use crate::alert::{Alert, AlertStatus, Notification};
use crate::group::Change;
use crate::message::{Mentions, Mode, MsgType, RenderedMessage};
use crate::outbox::{NewDelivery, Part};

impl Teller<'_> {
    /// The whole notification by the room's template.
    pub(super) fn whole(&self, notification: &Notification, now: Timestamp) -> Vec<RenderedMessage> {
        self.voice.whole(&self.destination.template, notification, now).messages
    }

    /// What has changed, as a line or a reply; what returns is told in a quiet one of its own.
    pub(super) fn lines(&self, notification: &Notification, change: &Change, part: &Part) -> Vec<NewDelivery> {
        let mut deliveries = Vec::new();
        let is_only_return = change.starting.is_empty() && change.ended.is_empty() && change.gone.is_empty();
        if change.returned.is_empty() || !is_only_return {
            let mut messages = self.voice.change(notification, change, self.now).messages;
            if let Some(first) = messages.first_mut() {
                self.ping(first, &change.starting);
            }
            let mut messages = messages.into_iter();
            let first = messages.next();
            let starts_at = earliest(&change.starting);
            deliveries.extend(first.map(|message| self.delivery(message, part.clone(), starts_at)));
            deliveries.extend(messages.map(|message| self.delivery(quiet(message), part.clone(), None)));
        }
        if !change.returned.is_empty() {
            let returned = Change {
                news: change.news,
                starting: change.returned.clone(),
                ..Change::default()
            };
            let messages = self.voice.change(notification, &returned, self.now).messages;
            deliveries.extend(
                messages
                    .into_iter()
                    .map(|m| self.delivery(quiet(m), part.clone(), None)),
            );
        }
        deliveries
    }

    /// A head can only be one event; what does not fit into it follows in its thread.
    pub(super) fn edit(&self, messages: Vec<RenderedMessage>) -> Vec<NewDelivery> {
        let unmentioned = |message| RenderedMessage {
            mentions: Mentions::default(),
            ..message
        };
        self.parts(messages.into_iter().map(unmentioned).collect(), Part::Edit, None)
    }

    pub(super) fn parts(
        &self,
        messages: Vec<RenderedMessage>,
        part: Part,
        starts_at: Option<Timestamp>,
    ) -> Vec<NewDelivery> {
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

    /// Pings those whom the template names, and whom the operator wants to be pinged for what starts; nobody where nothing
    /// that fires is among it.
    pub(super) fn ping<'a>(
        &self,
        message: &mut RenderedMessage,
        starting: impl IntoIterator<Item = &'a Alert> + Clone,
    ) {
        let mut alerts = starting.clone().into_iter();
        if alerts.any(|alert| alert.status == AlertStatus::Firing) {
            message.ping(&self.destination.policy.mentions.of(starting));
        } else {
            message.mentions = Mentions::default();
        }
    }

    pub(super) fn delivery(&self, message: RenderedMessage, part: Part, starts_at: Option<Timestamp>) -> NewDelivery {
        NewDelivery {
            starts_at,
            part,
            ..NewDelivery::message(self.destination.room.clone(), message)
        }
    }
}

pub(super) fn earliest(alerts: &[Alert]) -> Option<Timestamp> {
    alerts.iter().filter_map(|alert| alert.starts_at).min()
}

pub(super) fn quiet(message: RenderedMessage) -> RenderedMessage {
    RenderedMessage {
        msgtype: MsgType::Notice,
        mentions: Mentions::default(),
        ..message
    }
}

/// A hash of what people read, without the end of the time range that Grafana writes into links of each notification.
pub(super) fn text_hash(message: &RenderedMessage) -> String {
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
