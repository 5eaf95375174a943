//! Rendered messages as news: how loud they are, whom they mention.
//!
//! Guarantees: everything beyond the first of several messages is quiet and mentions nobody.

use jiff::Timestamp;

use super::Planner;
use crate::alert::{Alert, AlertStatus, Notification};
use crate::group::Change;
use crate::message::{Mentions, MsgType, RenderedMessage};
use crate::outbox::{NewDelivery, NewLine};
use crate::text;

impl Planner<'_> {
    /// The whole notification as messages of its own.
    pub(super) fn messages(
        &self,
        notification: &Notification,
        starting: &[Alert],
        starts_at: Option<Timestamp>,
    ) -> Vec<NewDelivery> {
        let mut whole = self.whole(notification).into_iter();
        let first = whole
            .next()
            .map(|message| (self.mentioning(message, starting), starts_at));
        let rest = whole.map(|message| (quiet(message), None));
        let delivery = |(message, starts_at)| NewDelivery {
            room: self.destination.room.clone(),
            message,
            starts_at,
        };
        first.into_iter().chain(rest).map(delivery).collect()
    }

    /// What has changed, as lines.
    pub(super) fn lines(&self, notification: &Notification, change: &Change) -> Vec<NewLine> {
        let mut messages = self.render.change(notification, change, self.now).messages.into_iter();
        let first = messages.next().map(|message| NewLine {
            message: self.mentioning(message, &change.starting),
            starts_at: earliest(&change.starting),
        });
        let rest = messages.map(|message| NewLine {
            message: quiet(message),
            starts_at: None,
        });
        first.into_iter().chain(rest).collect()
    }

    /// Mentions those whom the template names, and whom the operator wants to be mentioned for what starts; nobody where
    /// nothing that fires is among it.
    fn mentioning(&self, mut message: RenderedMessage, starting: &[Alert]) -> RenderedMessage {
        if starting.iter().any(|alert| alert.status == AlertStatus::Firing) {
            message.mention(&self.share.mentions(starting));
        } else {
            message.mentions = Mentions::default();
        }
        message
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
    let parts = [&message.body, &message.formatted_body].into_iter().flat_map(|text| {
        let mut parts = text.split("to=");
        let first = parts.next().unwrap_or_default();
        let without_end = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
        std::iter::once(first).chain(without_end)
    });
    text::hash(parts)
}
