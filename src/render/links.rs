//! The places that a message can lead to.
//!
//! Guarantees: only addresses that a client opens, each once and none longer than [`LONGEST_ADDRESS`]; a silence is never wider
//! than what the message is about. Addresses are built for alerts that are shown, and compared by what they are built of: their
//! number may be large, and so may be what all of them repeat.

use std::borrow::Cow;
use std::fmt::Write;

use super::facts::{AlertFacts, Facts};
use super::kind::Kind;
use super::markdown::is_allowed;
use super::shield::clean_line;
use super::words::spoken;
use crate::alert::{Alert, AlertStatus, LONGEST_ADDRESS, Labels, Notification, Source, is_private};
use crate::text::truncated;

/// A word to press, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Clean, and on one line.
    pub(crate) url: Cow<'a, str>,
}

/// What a link is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    /// One of the words of messages.
    Known(&'static str),
    /// By the annotation that holds its address.
    Annotation(&'a str),
}

/// What the address of a link is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin<'a> {
    /// It was sent.
    Sent(&'a str),
    /// The silence of Alertmanager for exactly these labels.
    Silence(&'a Labels),
}

/// Annotations that hold the address of instructions, in the order in which they count.
pub(super) const RUNBOOK: [&str; 3] = ["runbook_url", "runbook", "runbookURL"];

/// The same for a dashboard, where the sender knows no field for it.
const DASHBOARD: [&str; 3] = ["dashboard_url", "dashboard", "dashboardURL"];

/// So many other annotations of an alert are shown as links.
const MOST_NAMED: usize = 4;
/// So many characters of an annotation's name.
const LONGEST_NAME: usize = 30;

/// The links of one alert, in the order in which somebody on call needs them.
pub(crate) fn of_alert<'a>(notification: &Notification, facts: &AlertFacts<'a>) -> Vec<Link<'a>> {
    let origins = origins(notification, facts).into_iter();
    origins.filter_map(|origin| link(notification, origin)).collect()
}

/// The words of an alert's links, each with what it leads to.
fn origins<'a>(notification: &Notification, facts: &AlertFacts<'a>) -> Vec<(Word<'a>, Origin<'a>)> {
    let alert = facts.alert;
    let known = |word, url: &'a str| {
        let is_link = url.len() <= LONGEST_ADDRESS && is_allowed(url.trim());
        is_link.then_some((Word::Known(word), Origin::Sent(url)))
    };
    let annotated = |word, names: [&str; 3]| {
        let mut texts = names.iter().filter_map(|name| alert.annotations.get(*name));
        texts.find_map(|text| known(word, text))
    };
    // The first two are those that a plain text spells out.
    let sent = [
        annotated("link_runbook", RUNBOOK),
        known(rule_word(notification, alert), &alert.generator_url),
        known("link_panel", &alert.panel_url),
        known("link_dashboard", &alert.dashboard_url).or_else(|| annotated("link_dashboard", DASHBOARD)),
    ];
    let mut origins: Vec<_> = sent.into_iter().flatten().collect();
    let mut named = alert
        .annotations
        .iter()
        .filter_map(|(name, text)| of_annotation(name, text));
    for _ in 0..MOST_NAMED {
        let is_new = |(_, origin): &(Word<'_>, Origin<'_>)| origins.iter().all(|(_, known)| known != origin);
        let Some(origin) = named.find(is_new) else { break };
        origins.push(origin);
    }
    let is_silenced = alert.status == AlertStatus::Resolved || facts.kind == Kind::Test;
    let silence = match notification.source {
        _ if is_silenced => None,
        Source::Alertmanager if alert.silence_url.is_empty() => {
            Some((Word::Known("link_silence"), Origin::Silence(&alert.labels)))
        }
        _ => known("link_silence", &alert.silence_url),
    };
    origins.extend(silence);
    origins
}

fn link<'a>(notification: &Notification, (word, origin): (Word<'a>, Origin<'a>)) -> Option<Link<'a>> {
    let url = match origin {
        Origin::Sent(url) => openable(url)?,
        Origin::Silence(labels) => alertmanager_silence(&root(notification)?, labels)?.into(),
    };
    let text = match word {
        Word::Known(word) => spoken().get(word).to_owned().into(),
        Word::Annotation(name) => word_of(name).into(),
    };
    Some(Link { text, url })
}

/// The address as it is shown, if a client opens it.
fn openable(url: &str) -> Option<Cow<'_, str>> {
    if url.len() > LONGEST_ADDRESS {
        return None;
    }
    let url = clean_line(url);
    is_allowed(&url).then_some(url)
}

/// An annotation that is nothing but a web address.
fn of_annotation<'a>(name: &'a str, text: &'a str) -> Option<(Word<'a>, Origin<'a>)> {
    let is_web = text.trim_start().starts_with("https://") || text.trim_start().starts_with("http://");
    let is_known = || is_private(name) || RUNBOOK.contains(&name) || DASHBOARD.contains(&name);
    if !is_web || is_known() || text.len() > LONGEST_ADDRESS {
        return None;
    }
    let is_link = is_allowed(text.trim()) && !text.trim().contains(char::is_whitespace);
    is_link.then_some((Word::Annotation(name), Origin::Sent(text)))
}

/// `logs_url` as "Logs".
fn word_of(name: &str) -> String {
    let name = ["_url", "-url", "_link", "-link", "URL", "Url"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    let words = clean_line(name).replace(['_', '-'], " ");
    let words = truncated(words.trim(), LONGEST_NAME);
    let mut letters = words.chars();
    match letters.next() {
        Some(_) if words.eq_ignore_ascii_case("url") => spoken().get("link_other").to_owned(),
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => spoken().get("link_other").to_owned(),
    }
}

/// What the address of the rule shows: Prometheus names its expression there.
fn rule_word(notification: &Notification, alert: &Alert) -> &'static str {
    if notification.source == Source::Alertmanager && !alert.generator_url.contains("/alerting/") {
        "link_query"
    } else {
        "link_rule"
    }
}

/// The links that all alerts have in common. Several alerts also get one link that silences them together.
pub(crate) fn of_group<'a>(facts: &Facts<'a>) -> Vec<Link<'a>> {
    let notification = facts.notification;
    let mut alerts = facts.firing.iter().chain(&facts.resolved);
    let Some(first) = alerts.next() else { return Vec::new() };
    let mut common = origins(notification, first);
    for alert in alerts {
        if common.is_empty() {
            break;
        }
        let own = origins(notification, alert);
        common.retain(|origin| own.contains(origin));
    }
    let has_silence = common.iter().any(|(word, _)| *word == Word::Known("link_silence"));
    let links = common.into_iter().filter_map(|origin| link(notification, origin));
    let mut common: Vec<Link<'_>> = links.collect();
    if facts.total() > 1 && facts.kind != Kind::Test && !facts.firing.is_empty() && !has_silence {
        common.extend(group_silence(notification, &facts.shared).map(|url| Link {
            text: spoken().get("link_silence_all").to_owned().into(),
            url: url.into(),
        }));
    }
    common
}

/// Where all alerts of the sender can be seen, or empty.
pub(crate) fn overview(notification: &Notification) -> String {
    let Some(root) = root(notification).filter(|_| notification.source != Source::Json) else {
        return String::new();
    };
    match (notification.source, org(notification)) {
        (Source::Alertmanager, _) => format!("{root}/#/alerts"),
        (_, Some(org)) => format!("{root}/alerting/groups?orgId={org}"),
        (_, None) => format!("{root}/alerting/groups"),
    }
}

/// The address of the sender, if it leads anywhere. Grafana 8 calls itself by that of the Alertmanager inside of it, but its
/// rules lead to the right one.
fn root(notification: &Notification) -> Option<Cow<'_, str>> {
    let named = notification.external_url.trim().trim_end_matches('/');
    let rule = notification
        .alerts
        .first()
        .map_or("", |alert| alert.generator_url.trim());
    let of_rule = rule.split_once("/alerting/").map(|(root, _)| root);
    let of_rule = of_rule.filter(|_| notification.source == Source::Grafana);
    openable(of_rule.unwrap_or(named)).or_else(|| openable(named))
}

/// Grafana shows another organisation's page without it.
fn org(notification: &Notification) -> Option<i64> {
    let of_alert = || notification.alerts.first().and_then(|alert| alert.org_id);
    notification.org_id.or_else(of_alert)
}

/// A silence for exactly the labels that the alerts share; none where those do not name the rule, because it would silence
/// whatever else is in the same folder or environment.
fn group_silence(notification: &Notification, shared: &Labels) -> Option<String> {
    if !names_rule(shared) {
        return None;
    }
    let root = root(notification)?;
    match notification.source {
        Source::Json => None,
        Source::Alertmanager => alertmanager_silence(&root, shared),
        Source::Grafana => {
            let mut url = format!("{root}/alerting/silence/new?alertmanager=grafana");
            for (name, value) in shared {
                url.push_str("&matcher=");
                if !push_encoded(&mut url, &[name, "=", value]) {
                    return None;
                }
            }
            if let Some(org) = org(notification) {
                let _ = write!(url, "&orgId={org}");
            }
            Some(url)
        }
    }
}

/// Whether labels say which rule it is. Under Grafana's names for missing data, those of all rules meet.
fn names_rule(labels: &Labels) -> bool {
    let has = |name| labels.get(name).is_some_and(|value| !value.is_empty());
    match labels.get("alertname").map(String::as_str) {
        None | Some("" | "DatasourceError" | "DatasourceNoData") => has("rulename") || has("__alert_rule_uid__"),
        Some(_) => true,
    }
}

/// Alertmanager's form reads classic label names and JSON's escapes. Without a matcher that it cannot read, or that does not fit,
/// the silence would be wider, so there is none.
fn alertmanager_silence(root: &str, labels: &Labels) -> Option<String> {
    let mut url = format!("{root}/#/silences/new?filter=");
    let mut before = "{";
    for (name, value) in labels {
        if !is_classic(name) || value.len() > LONGEST_ADDRESS {
            return None;
        }
        let value = serde_json::to_string(value).ok()?;
        if !push_encoded(&mut url, &[before, name, "=", &value]) {
            return None;
        }
        before = ", ";
    }
    url.push_str("%7D");
    (!labels.is_empty()).then_some(url)
}

fn is_classic(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_letter) && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
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
