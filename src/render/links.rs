//! The places that a message can lead to.
//!
//! Guarantees: never an empty address, and none that is longer than [`LONGEST_ADDRESS`]. Addresses are built for alerts that
//! are shown, and compared by what they are built of: their number may be large, and so may be what all of them repeat.
//! Whether an address may stand in a message is decided later, for all links alike.

use std::borrow::Cow;
use std::fmt::Write;

use super::facts::{AlertFacts, Facts};
use super::kind::Kind;
use super::shield::clean_line;
use crate::alert::{AlertStatus, LONGEST_ADDRESS, Labels, Notification, Source};

/// A word to press, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link<'a> {
    pub(crate) text: &'static str,
    /// Clean, and on one line.
    pub(crate) url: Cow<'a, str>,
}

/// What the address of a link is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin<'a> {
    /// It was sent; empty where it was not.
    Sent(&'a str),
    /// The silence of Alertmanager for exactly these labels.
    Silence(&'a Labels),
}

/// The links of one alert, in the order in which somebody on call needs them.
pub(crate) fn of_alert<'a>(notification: &Notification, facts: &AlertFacts<'a>) -> Vec<Link<'a>> {
    let origins = origins(notification, facts).into_iter();
    origins.filter_map(|origin| link(notification, origin)).collect()
}

/// The words of an alert's links, each with what it leads to.
fn origins<'a>(notification: &Notification, facts: &AlertFacts<'a>) -> [(&'static str, Origin<'a>); 5] {
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
        Origin::Sent("")
    } else if alert.silence_url.is_empty() && notification.source == Source::Alertmanager {
        Origin::Silence(&alert.labels)
    } else {
        Origin::Sent(&alert.silence_url)
    };
    [
        (rule, Origin::Sent(&alert.generator_url)),
        ("Panel", Origin::Sent(&alert.panel_url)),
        ("Dashboard", Origin::Sent(&alert.dashboard_url)),
        ("Runbook", Origin::Sent(runbook)),
        ("Silence", silence),
    ]
}

fn link<'a>(notification: &Notification, (text, origin): (&'static str, Origin<'a>)) -> Option<Link<'a>> {
    let url = match origin {
        Origin::Sent(url) if url.len() > LONGEST_ADDRESS => return None,
        Origin::Sent(url) => clean_line(url),
        Origin::Silence(labels) => {
            let url = alertmanager_silence(&notification.external_url, labels);
            Cow::Owned(clean_line(&url).into_owned())
        }
    };
    (!url.is_empty()).then_some(Link { text, url })
}

/// The links that all alerts have in common. Several alerts also get one link that silences them together.
pub(crate) fn of_group<'a>(facts: &Facts<'a>) -> Vec<Link<'a>> {
    let notification = facts.notification;
    let mut alerts = facts.firing.iter().chain(&facts.resolved);
    let Some(first) = alerts.next() else { return Vec::new() };
    let mut common = origins(notification, first).to_vec();
    for alert in alerts {
        if common.is_empty() {
            break;
        }
        let own = origins(notification, alert);
        common.retain(|origin| own.contains(origin));
    }
    let links = common.into_iter().filter_map(|origin| link(notification, origin));
    let mut common: Vec<Link<'_>> = links.collect();
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
            let mut url = format!("{root}/alerting/silence/new?alertmanager=grafana");
            for (name, value) in shared {
                url.push_str("&matcher=");
                if !push_encoded(&mut url, &[name, "=", value]) {
                    return String::new();
                }
            }
            url
        }
    }
}

fn alertmanager_silence(root: &str, labels: &Labels) -> String {
    let root = root.trim_end_matches('/');
    if root.is_empty() {
        return String::new();
    }
    let mut url = format!("{root}/#/silences/new?filter=");
    let mut before = "{";
    for (name, value) in labels {
        let fits =
            value.len() <= LONGEST_ADDRESS && push_encoded(&mut url, &[before, name, "=", &format!("{value:?}")]);
        if !fits {
            return String::new();
        }
        before = ", ";
    }
    url.push_str(if labels.is_empty() { "%7B%7D" } else { "%7D" });
    url
}

/// Adds texts percent-encoded for a query, unless the address becomes longer than any that is opened.
fn push_encoded(url: &mut String, texts: &[&str]) -> bool {
    for byte in texts.iter().flat_map(|text| text.bytes()) {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
        if url.len() > LONGEST_ADDRESS {
            return false;
        }
    }
    true
}
