//! What a notification means, worked out once: kinds, names, order, what its alerts share.
//!
//! Guarantees: pure, linear in the number of alerts, and silent about templates. It does not decide wording beyond the
//! few words that templates, headline and digest have to agree on.

mod alert;
mod change;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::links::{self, Link};
pub(crate) use alert::AlertFacts;
pub(crate) use change::ChangeFacts;

use super::kind::Kind;
use super::severity::Level;
use super::shield::clean_line;
use crate::alert::{Alert, AlertStatus, Labels, Notification};
use crate::group::Change;

/// Labels that say how the alert is organised and not what it is about; they have their own place in a message.
const ORGANISING: [&str; 6] = [
    "alertname",
    "grafana_folder",
    "rulename",
    "datasource_uid",
    "ref_id",
    "__name__",
];

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
    pub(crate) level: Level,
    /// Labels that every alert has with the same value.
    pub(crate) shared: Labels,
    /// Links that every alert has.
    pub(crate) links: Vec<Link<'a>>,
    /// What is new, where that is what is told.
    pub(crate) change: Option<ChangeFacts<'a>>,
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
            b.level
                .cmp(&a.level)
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
        let (severity, level) = worst.map_or((String::new(), Level::Unknown), |w| (w.severity.clone(), w.level));
        let kind = group_kind(is_test, &firing, &resolved);
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

    /// What to call the group: its one rule, or the first two of several.
    pub(crate) fn name(&self) -> String {
        match self.names.as_slice() {
            [] => "unnamed alert".to_owned(),
            [name] => name.clone(),
            [first, second] => format!("{first}, {second}"),
            [first, second, rest @ ..] => format!("{first}, {second} +{}", rest.len()),
        }
    }

    /// Grafana's folder if it is the same for all.
    pub(crate) fn folder(&self) -> String {
        self.shared
            .get("grafana_folder")
            .map(|folder| clean_line(folder).into_owned())
            .unwrap_or_default()
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

    /// How many fire of each severity, worst first; one entry if severities are not in use.
    pub(crate) fn severities(&self) -> Vec<(String, Level, usize)> {
        let mut counts: Vec<(String, Level, usize)> = Vec::new();
        for facts in &self.firing {
            match counts.iter_mut().find(|(severity, ..)| *severity == facts.severity) {
                Some((.., count)) => *count += 1,
                None => counts.push((facts.severity.clone(), facts.level, 1)),
            }
        }
        counts
    }

    /// One plain line that names the notification.
    pub(crate) fn headline(&self) -> String {
        if let Some(change) = &self.change {
            return change.headline(&self.name(), &self.folder());
        }
        let mut parts = Vec::new();
        let (firing, resolved, gone) = (self.firing.len(), self.resolved.len(), self.not_recovered());
        if self.total() == 1 || self.kind == Kind::Test {
            parts.push(format!("{} {}", self.kind.emoji(self.level), self.kind.word()));
        } else {
            let word = if matches!(self.kind, Kind::Mixed) {
                Kind::Firing
            } else {
                self.kind
            };
            if firing > 0 {
                let rest = match self.notification.truncated_alerts {
                    0 => String::new(),
                    more => format!(" of at least {}", more.saturating_add(self.total() as u64)),
                };
                parts.push(format!("{} {firing} {}{rest}", word.emoji(self.level), word.word()));
            }
            if resolved > gone {
                parts.push(format!("✅ {} RESOLVED", resolved - gone));
            }
            if gone > 0 {
                parts.push(format!("⚪ {gone} NO LONGER REPORTED"));
            }
        }
        parts.push(self.name());
        parts.extend(
            [self.severity.clone(), self.folder()]
                .into_iter()
                .filter(|part| !part.is_empty()),
        );
        parts.join(" · ")
    }
}

fn is_detail(label: &str) -> bool {
    !ORGANISING.contains(&label) && !names_severity(label)
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

fn group_kind(is_test: bool, firing: &[AlertFacts<'_>], resolved: &[AlertFacts<'_>]) -> Kind {
    let all = |alerts: &[AlertFacts<'_>], kind| alerts.iter().all(|facts| facts.kind == kind);
    if is_test {
        Kind::Test
    } else if firing.is_empty() {
        if all(resolved, Kind::NotRecovered) {
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
