//! What makes two requests the same notification: a caller's retry, or a second replica of the sender.

use super::RequestOptions;
use crate::alert::Notification;
use crate::message::{RouteName, TemplateName};
use crate::text;

/// By what a notification is recognised when it comes again.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    /// The group and which alerts fire since when; see [`content`].
    pub(super) content: Option<String>,
    /// The signed request, whatever came between.
    pub(super) request: Option<String>,
}

impl Keys {
    /// Where the time was signed, a replay has to be recognised, over restarts and by every relay, for as long as its time
    /// is accepted (see `SignatureSettings::check`): also after another notification of its group, when its content is
    /// news again. The template is no part of it, because it stands in the URL, which nobody signed.
    pub(super) fn of(route: &RouteName, notification: &Notification, options: &RequestOptions) -> Self {
        Self {
            content: content(route, notification, options.template.as_ref()),
            request: options.signed.as_ref().map(|signed| format!("{route} {signed}")),
        }
    }
}

/// The group and which alerts fire since when; not the texts and values, in which replicas differ. A genuine repeat
/// has the same key, and another time. Where an alert has no time, two episodes look the same: then there is no key. A
/// caller that asks for another route or template wants another message.
fn content(route: &RouteName, notification: &Notification, template: Option<&TemplateName>) -> Option<String> {
    if notification.alerts.iter().any(|alert| alert.starts_at.is_none()) {
        return None;
    }
    let mut alerts: Vec<String> = notification
        .alerts
        .iter()
        .map(|alert| format!("{} {} {:?}", alert.fingerprint, alert.status, alert.starts_at))
        .collect();
    alerts.sort_unstable();
    let cut_off = notification.truncated_alerts.to_string();
    let whole = [
        route.as_str(),
        &notification.group_key.0,
        &notification.receiver,
        &notification.notification_reason,
        &cut_off,
    ];
    let alerts = alerts.iter().map(String::as_str);
    Some(text::hash(
        whole
            .into_iter()
            .chain(alerts)
            .chain(template.map(TemplateName::as_str)),
    ))
}

/// The key in the course of its groups: what came before something else did is no repetition when it comes again.
pub(super) fn in_course(key: &str, generations: &[u64]) -> String {
    generations
        .iter()
        .fold(key.to_owned(), |key, generation| format!("{key}-{generation}"))
}
