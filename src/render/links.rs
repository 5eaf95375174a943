//! The places that a message can lead to.
//!
//! Guarantees: never an empty address. Whether an address may stand in a message is decided later, for all links alike.

use std::borrow::Cow;
use std::fmt::Write;

use super::facts::{AlertFacts, Facts};
use super::kind::Kind;
use super::shield::clean_line;
use crate::alert::{AlertStatus, Labels, Notification, Source};

/// A word to press, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link<'a> {
    pub(crate) text: &'static str,
    /// Clean, and on one line.
    pub(crate) url: Cow<'a, str>,
}

/// The links of one alert, in the order in which somebody on call needs them.
pub(crate) fn of_alert<'a>(notification: &Notification, facts: &AlertFacts<'a>) -> Vec<Link<'a>> {
    let alert = facts.alert;
    let annotation = |name| alert.annotations.get(name).map(String::as_str);
    let runbook = ["runbook_url", "runbook", "runbookURL"]
        .into_iter()
        .find_map(annotation)
        .unwrap_or_default();
    let runbook = if super::markdown::is_allowed(runbook.trim()) {
        runbook
    } else {
        ""
    };
    let rule = if notification.source == Source::Alertmanager {
        "Query"
    } else {
        "Rule"
    };
    let silence = if alert.status == AlertStatus::Resolved || facts.kind == Kind::Test {
        Cow::Borrowed("")
    } else if alert.silence_url.is_empty() && notification.source == Source::Alertmanager {
        let url = alertmanager_silence(&notification.external_url, &alert.labels);
        Cow::Owned(clean_line(&url).into_owned())
    } else {
        clean_line(&alert.silence_url)
    };
    let candidates = [
        (rule, clean_line(&alert.generator_url)),
        ("Panel", clean_line(&alert.panel_url)),
        ("Dashboard", clean_line(&alert.dashboard_url)),
        ("Runbook", clean_line(runbook)),
        ("Silence", silence),
    ];
    candidates
        .into_iter()
        .map(|(text, url)| Link { text, url })
        .filter(|link| !link.url.is_empty())
        .collect()
}

/// The links that all alerts have in common. Several alerts also get one link that silences them together.
pub(crate) fn of_group<'a>(facts: &Facts<'a>) -> Vec<Link<'a>> {
    let notification = facts.notification;
    let mut alerts = facts.firing.iter().chain(&facts.resolved);
    let Some(first) = alerts.next() else { return Vec::new() };
    let mut common = of_alert(notification, first);
    for alert in alerts {
        if common.is_empty() {
            break;
        }
        let own = of_alert(notification, alert);
        common.retain(|link| own.contains(link));
    }
    let has_silence = common.iter().any(|link| link.text == "Silence");
    if facts.total() > 1 && facts.kind != Kind::Test && !facts.firing.is_empty() && !has_silence {
        let url = group_silence(notification, &facts.shared);
        common.extend((!url.is_empty()).then_some(Link {
            text: "Silence all",
            url: Cow::Owned(clean_line(&url).into_owned()),
        }));
    }
    common
}

/// Where all alerts of the sender can be seen, or empty.
pub(crate) fn overview(notification: &Notification) -> String {
    let root = clean_line(&notification.external_url);
    let root = root.trim_end_matches('/');
    match notification.source {
        _ if root.is_empty() => String::new(),
        Source::Alertmanager => format!("{root}/#/alerts"),
        Source::Grafana | Source::Legacy => format!("{root}/alerting/groups"),
    }
}

/// A silence for exactly the labels that the alerts share; those of the group where they share none.
fn group_silence(notification: &Notification, shared: &Labels) -> String {
    let root = notification.external_url.trim_end_matches('/');
    if root.is_empty() || shared.is_empty() {
        return String::new();
    }
    match notification.source {
        Source::Legacy => String::new(),
        Source::Alertmanager => alertmanager_silence(root, shared),
        Source::Grafana => {
            let matchers = shared
                .iter()
                .map(|(name, value)| format!("&matcher={}", encoded(&format!("{name}={value}"))));
            format!(
                "{root}/alerting/silence/new?alertmanager=grafana{}",
                matchers.collect::<String>()
            )
        }
    }
}

fn alertmanager_silence(root: &str, labels: &Labels) -> String {
    let root = root.trim_end_matches('/');
    if root.is_empty() {
        return String::new();
    }
    let matchers: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!(
        "{root}/#/silences/new?filter={}",
        encoded(&format!("{{{}}}", matchers.join(", ")))
    )
}

/// Percent-encoded for a query.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
