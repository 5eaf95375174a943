//! What makes two requests the same notification: a caller's retry, or a second replica of the sender.

use sha2::{Digest, Sha256};

use crate::alert::{Notification, Source};
use crate::message::{RouteName, TemplateName};

use super::RequestOptions;

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
/// has the same key and is told apart by its time. Legacy bodies carry no times, so nothing tells two episodes apart,
/// and their sender never retries: they have no key. A caller that asks for another
/// route or template wants another message.
fn content(route: &RouteName, notification: &Notification, template: Option<&TemplateName>) -> Option<String> {
    if notification.source == Source::Legacy || notification.alerts.iter().any(|alert| alert.starts_at.is_none()) {
        return None;
    }
    let mut alerts: Vec<String> = notification
        .alerts
        .iter()
        .map(|alert| format!("{} {} {:?}", alert.fingerprint, alert.status, alert.starts_at))
        .collect();
    alerts.sort_unstable();
    let mut hash = Sha256::new();
    let parts = [
        route.as_str(),
        notification.group_key.0.as_str(),
        &notification.receiver,
        &notification.notification_reason,
    ];
    let template = template.map(TemplateName::as_str);
    for part in parts
        .into_iter()
        .chain(alerts.iter().map(String::as_str))
        .chain(template)
    {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(notification.truncated_alerts.to_le_bytes());
    Some(hex::encode(hash.finalize()))
}

/// The key in the course of its groups: what came before something else did is no repetition when it comes again.
pub(super) fn in_course(key: &str, generations: &[u64]) -> String {
    generations
        .iter()
        .fold(key.to_owned(), |key, generation| format!("{key}-{generation}"))
}
