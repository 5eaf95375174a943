//! What a notification means, worked out once: kinds, names, order, what its alerts share.
//!
//! Guarantees: pure, linear in the number of alerts, and silent about templates. It does not decide wording beyond the
//! few words that templates, headline and digest have to agree on.

mod alert;
mod change;
mod headline;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub(crate) use alert::AlertFacts;
pub(crate) use change::ChangeFacts;
use jiff::Timestamp;

use super::digest::Digest;
use super::kind::Kind;
use super::links::{self, Link};
use super::severity::Severity;
use super::shield::clean_line;
use super::words::spoken;
use crate::alert::{Alert, AlertStatus, Labels, Notification, is_private};
use crate::group::Change;
use crate::text::truncated;

/// How many characters of a name are shown. No rule, folder or severity that somebody gave is longer, but a sender could
/// send one that fills a message, and names are in every part of it.
const LONGEST_NAME: usize = 200;

/// How many characters of the line are kept that names a notification on a lock screen.
const LONGEST_LINE: usize = 300;

/// Labels that say how the alert is organised and not what it is about; they have their own place in a message.
const ORGANISING: [&str; 5] = ["alertname", "grafana_folder", "rulename", "datasource_uid", "ref_id"];

fn names_severity(label: &str) -> bool {
    matches!(label, "severity" | "priority" | "level")
}

/// The whole notification and what is known about it.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) notification: &'a Notification,
    pub(crate) now: Timestamp,
    pub(crate) kind: Kind,
    /// Those that fire, worst first and then newest first.
    pub(crate) firing: Vec<AlertFacts<'a>>,
    /// Those that do not, the ones that did not recover first and then newest first.
    pub(crate) resolved: Vec<AlertFacts<'a>>,
    /// Every rule's name once, in order of appearance.
    pub(crate) names: Vec<String>,
    /// The worst severity of the alerts that matter: those firing, or all if none is.
    pub(crate) severity: String,
    pub(crate) level: Severity,
    /// Labels that every alert has with the same value.
    pub(crate) shared: Labels,
    /// Links that every alert has.
    pub(crate) links: Vec<Link<'a>>,
    /// What is new, where the message is about that.
    pub(crate) change: Option<ChangeFacts<'a>>,
    /// What waited, where the message is a digest.
    pub(crate) digest: Option<&'a Digest>,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(notification: &'a Notification, now: Timestamp) -> Self {
        let is_test = is_test(notification);
        let alerts: Vec<_> = notification
            .alerts
            .iter()
            .map(|alert| AlertFacts::new(alert, is_test))
            .collect();
        let names = distinct_names(&alerts);
        let (mut firing, mut resolved): (Vec<_>, Vec<_>) = alerts
            .into_iter()
            .partition(|facts| facts.alert.status == AlertStatus::Firing);
        firing.sort_by(|a, b| {
            // What is sure comes before what nobody knows.
            let blind = |facts: &AlertFacts<'_>| matches!(facts.kind, Kind::Error | Kind::NoData);
            b.level
                .cmp(&a.level)
                .then_with(|| blind(a).cmp(&blind(b)))
                .then_with(|| b.alert.starts_at.cmp(&a.alert.starts_at))
        });
        resolved.sort_by(|a, b| {
            let recovered = |facts: &AlertFacts<'_>| facts.kind != Kind::NotRecovered;
            recovered(a)
                .cmp(&recovered(b))
                .then_with(|| b.alert.ends_at.cmp(&a.alert.ends_at))
        });
        let worst = if firing.is_empty() { &resolved } else { &firing }
            .iter()
            .max_by_key(|facts| facts.level);
        let (severity, level) = worst.map_or((String::new(), Severity::Unknown), |w| (w.severity.clone(), w.level));
        let kind = group_kind(is_test, notification.truncated_alerts, &firing, &resolved);
        let shared = shared_labels(&notification.alerts);
        let mut facts = Self {
            notification,
            now,
            kind,
            firing,
            resolved,
            names,
            severity,
            level,
            shared,
            links: Vec::new(),
            change: None,
            digest: None,
        };
        facts.links = links::of_group(&facts);
        facts
    }

    /// The same for what a notification changes in its group.
    pub(crate) fn of_change(notification: &'a Notification, change: &'a Change, now: Timestamp) -> Self {
        let mut facts = Self::new(notification, now);
        facts.change = Some(ChangeFacts::new(change));
        facts
    }

    /// The same for messages that waited.
    pub(crate) fn of_digest(notification: &'a Notification, digest: &'a Digest, now: Timestamp) -> Self {
        let mut facts = Self::new(notification, now);
        if facts.firing.is_empty() {
            facts.kind = Kind::Resolved;
        }
        facts.digest = Some(digest);
        facts
    }

    /// How many fire, with those of a digest that no message named.
    pub(crate) fn firing_count(&self) -> usize {
        self.firing.len() + self.digest.map_or(0, |digest| digest.more_firing.values().sum())
    }

    /// What to call the group: its one rule, or the first two of several.
    pub(crate) fn name(&self) -> String {
        match self.names.as_slice() {
            [] => spoken().get("unnamed").to_owned(),
            [name] => name.clone(),
            [first, second] => format!("{first}, {second}"),
            [first, second, rest @ ..] => format!("{first}, {second} +{}", rest.len()),
        }
    }

    /// Grafana's folder if it is the same for all.
    pub(crate) fn folder(&self) -> String {
        self.shared
            .get("grafana_folder")
            .map(|folder| short(folder))
            .unwrap_or_default()
    }

    /// What the data source said, where all rules that cannot be evaluated say the same.
    pub(crate) fn error(&self) -> Cow<'a, str> {
        let blind = self.firing.iter().filter(|facts| facts.kind == Kind::Error);
        let mut errors = blind.map(AlertFacts::error);
        let first = errors.next().unwrap_or_default();
        if errors.all(|error| error == first) {
            first
        } else {
            "".into()
        }
    }

    /// Labels worth showing once for all.
    pub(crate) fn shared_details(&self) -> impl Iterator<Item = (&String, &String)> {
        self.shared.iter().filter(|(name, _)| is_detail(name))
    }

    /// Labels worth showing that tell this alert from the others.
    pub(crate) fn differing<'b>(&self, alert: &'b Alert) -> impl Iterator<Item = (&'b String, &'b String)> {
        alert
            .labels
            .iter()
            .filter(|(name, value)| is_detail(name) && self.shared.get(*name) != Some(value))
    }

    pub(crate) fn total(&self) -> usize {
        self.firing.len() + self.resolved.len()
    }

    /// How long the longest list is that a template may see.
    pub(crate) fn most(&self) -> usize {
        let change = self.change.as_ref();
        change
            .map_or(0, |c| c.starting.len().max(c.ended.len()).max(c.gone.len()))
            .max(self.total())
    }

    pub(crate) fn not_recovered(&self) -> usize {
        self.resolved
            .iter()
            .filter(|facts| facts.kind == Kind::NotRecovered)
            .count()
    }
}

/// A name as it fits into a line, whatever was sent as one.
pub(super) fn short(text: &str) -> String {
    truncated(&clean_line(text), LONGEST_NAME)
}

fn is_detail(label: &str) -> bool {
    !is_private(label) && !ORGANISING.contains(&label) && !names_severity(label)
}

fn is_test(notification: &Notification) -> bool {
    let named = |alert: &Alert| alert.labels.get("alertname").is_some_and(|name| name == "TestAlert");
    // Grafana groups a test under its integration's name instead of a route; people may rename the alert itself.
    notification.alerts.iter().all(named) || notification.group_key.0.starts_with("webhook-")
}

fn distinct_names(alerts: &[AlertFacts<'_>]) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    alerts
        .iter()
        .map(|facts| &facts.name)
        .filter(|name| seen.insert(name.as_str()))
        .cloned()
        .collect()
}

fn group_kind(is_test: bool, cut_off: u64, firing: &[AlertFacts<'_>], resolved: &[AlertFacts<'_>]) -> Kind {
    let all = |alerts: &[AlertFacts<'_>], kind| alerts.iter().all(|facts| facts.kind == kind);
    if is_test {
        Kind::Test
    } else if firing.is_empty() {
        if cut_off > 0 {
            Kind::Unknown
        } else if all(resolved, Kind::NotRecovered) {
            Kind::NotRecovered
        } else {
            Kind::Resolved
        }
    } else if !resolved.is_empty() {
        Kind::Mixed
    } else if all(firing, Kind::NoData) {
        Kind::NoData
    } else if firing
        .iter()
        .all(|facts| matches!(facts.kind, Kind::Error | Kind::NoData))
    {
        Kind::Error
    } else {
        Kind::Firing
    }
}

fn shared_labels(alerts: &[Alert]) -> Labels {
    let mut shared: BTreeMap<_, _> = alerts.first().map(|alert| alert.labels.clone()).unwrap_or_default();
    for alert in alerts.iter().skip(1) {
        shared.retain(|name, value| alert.labels.get(name) == Some(value));
    }
    shared
}

#[cfg(test)]
mod tests;
