//! What is remembered of a group: small, serialisable, bounded, and each alert by itself.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::LATER;
use crate::alert::{Alert, AlertStatus, Departure, Fingerprint, Labels};
use crate::text;

/// The most alerts that are remembered to fire of one group.
pub(super) const MOST: usize = 1_000;
/// How much of an alert's labels is remembered, in bytes of names and values, for the line that says that it is not
/// reported any more.
const LABELS: usize = 600;
/// And how much of one label or of its summary, in characters.
const TEXT: usize = 120;
/// How many of its values are, with names that are no longer than this, in bytes.
const VALUES: usize = 20;
const NAME: usize = 40;
/// A longer fingerprint is remembered by its hash. Those of Grafana and Alertmanager have 16 digits.
const FINGERPRINT: usize = 64;

/// What a room knows of a group. At most 1,000 alerts that fire are remembered one by one; where more do, those that are not
/// remembered count as known and go without a line of their own. Of each alert so much is kept that a line can name it,
/// however much the sender says of it. Of the alerts that are resolved it holds those that the notification at hand lists.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Whether nothing fires any more.
    #[serde(default)]
    pub(super) over: bool,
    /// Whether something ended in this episode without having recovered.
    #[serde(default)]
    pub(super) unrecovered: bool,
    /// When there were too many to remember all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) overflow: Option<Timestamp>,
    /// The alerts, which are kept apart.
    #[serde(skip)]
    pub(super) alerts: BTreeMap<String, Known>,
    /// Those of which something else is known than before, and those of which nothing was.
    #[serde(skip)]
    changed: BTreeSet<String>,
    #[serde(skip)]
    new: BTreeSet<String>,
    /// How many of them fire.
    #[serde(skip)]
    firing: usize,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Whether it fires. Kept beside the rest.
    #[serde(skip)]
    pub firing: bool,
    /// Since when, as the first notification said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_at: Option<Timestamp>,
    /// What it last fired with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<BTreeMap<String, f64>>,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    summary: String,
}

impl Known {
    fn firing(alert: &Alert) -> Self {
        Self {
            firing: true,
            starts_at: alert.starts_at,
            values: alert.values.as_ref().map(some_of),
            labels: remembered(&alert.labels),
            summary: summary(alert),
        }
    }

    /// Whether an alert is another episode of it: its end was missed.
    pub(super) fn is_before(&self, alert: &Alert) -> bool {
        let starts = self.starts_at.zip(alert.starts_at);
        starts.is_some_and(|(before, start)| start.duration_since(before) > LATER)
    }
}

impl State {
    /// The same, with what is known of its alerts. Of a notification from which alerts were cut off, those that it lists are
    /// enough; of the others only how many fire.
    #[must_use]
    pub fn with_alerts(self, alerts: impl IntoIterator<Item = (String, Known)>, others_firing: usize) -> Self {
        let alerts: BTreeMap<String, Known> = alerts.into_iter().collect();
        Self {
            firing: others_firing + alerts.values().filter(|known| known.firing).count(),
            alerts,
            ..self
        }
    }

    /// Since when an alert is known to fire.
    pub fn fires_since(&self, fingerprint: &Fingerprint) -> Option<Timestamp> {
        self.known(fingerprint).filter(|known| known.firing)?.starts_at
    }

    /// Whether nothing fires any more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The alerts of which something else is known than before, each with whether nothing was.
    pub fn changed(&self) -> impl Iterator<Item = (&String, &Known, bool)> {
        let known = self
            .changed
            .iter()
            .filter_map(|name| Some((name, self.alerts.get(name)?)));
        known.map(|(name, known)| (name, known, self.new.contains(name)))
    }

    pub(super) fn known(&self, fingerprint: &Fingerprint) -> Option<&Known> {
        self.alerts.get(&*name_of(fingerprint))
    }

    pub(super) fn any_fires(&self) -> bool {
        self.firing > 0
    }

    fn set(&mut self, fingerprint: &Fingerprint, known: Known) {
        let name = name_of(fingerprint).into_owned();
        let before = self.alerts.get(&name);
        if before == Some(&known) {
            return;
        }
        self.firing += usize::from(known.firing);
        self.firing -= usize::from(before.is_some_and(|before| before.firing));
        if before.is_none() {
            self.new.insert(name.clone());
        }
        self.changed.insert(name.clone());
        self.alerts.insert(name, known);
    }

    /// The alert fires from now on, or did and was not remembered.
    pub(super) fn fires(&mut self, alert: &Alert, now: Timestamp) {
        let mut known = Known::firing(alert);
        if let Some(before) = self.known(&alert.fingerprint).filter(|before| before.firing) {
            // Its end was missed.
            known.values = known.values.or_else(|| before.values.clone());
        } else if self.firing >= MOST {
            self.overflow = Some(now);
            return;
        }
        self.set(&alert.fingerprint, known);
    }

    /// The alert fires as before: since when it was first known to, whatever a replica of the sender, or Alertmanager moving
    /// a start back, says now. If it went by those, the next snapshot would look like another episode.
    pub(super) fn goes_on(&mut self, alert: &mut Alert) {
        let mut known = Known::firing(alert);
        if let Some(before) = self.known(&alert.fingerprint) {
            known.starts_at = before.starts_at.or(known.starts_at);
            known.values = known.values.or_else(|| before.values.clone());
        }
        alert.starts_at = known.starts_at;
        self.set(&alert.fingerprint, known);
    }

    /// The alert is resolved from now on; it learns what it last fired with.
    pub(super) fn resolved(&mut self, alert: &mut Alert) {
        let values = self.known(&alert.fingerprint).and_then(|known| known.values.clone());
        alert.last_values.clone_from(&values);
        let known = Known {
            firing: false,
            starts_at: alert.starts_at,
            values,
            labels: Labels::new(),
            summary: String::new(),
        };
        self.set(&alert.fingerprint, known);
    }

    /// The alert is known not to fire.
    pub(super) fn seen_resolved(&self, alert: &mut Alert) {
        if let Some(known) = self.known(&alert.fingerprint) {
            alert.last_values.clone_from(&known.values);
        }
    }

    /// Whatever fires and is not listed any more: what is to be said of it.
    pub(super) fn gone(&mut self, listed: &HashSet<String>) -> Vec<Alert> {
        let is_gone = |(name, known): &(&String, &mut Known)| known.firing && !listed.contains(*name);
        let mut gone = Vec::new();
        for (name, known) in self.alerts.iter_mut().filter(is_gone) {
            known.firing = false;
            self.firing -= 1;
            self.changed.insert(name.clone());
            let summary = std::mem::take(&mut known.summary);
            let summary = (!summary.is_empty()).then(|| ("summary".to_owned(), summary));
            gone.push(Alert {
                status: AlertStatus::Resolved,
                labels: std::mem::take(&mut known.labels),
                annotations: Labels::from_iter(summary),
                starts_at: known.starts_at,
                last_values: known.values.clone(),
                departed: Some(Departure::Unlisted),
                ..Alert::unknown(Fingerprint(name.clone()))
            });
        }
        gone
    }
}

/// The name that an alert is remembered by.
pub fn name_of(fingerprint: &Fingerprint) -> Cow<'_, str> {
    if fingerprint.0.len() <= FINGERPRINT && !fingerprint.0.contains('\0') {
        Cow::Borrowed(&fingerprint.0)
    } else {
        Cow::Owned(text::hash([&fingerprint.0]))
    }
}

/// The names come first, then as many labels as there is room for.
fn remembered(labels: &Labels) -> Labels {
    let mut room = LABELS;
    let is_name = |name: &str| matches!(name, "alertname" | "rulename");
    let names = labels.iter().filter(|(name, _)| is_name(name));
    let others = labels.iter().filter(|(name, _)| !is_name(name));
    let cut = |(name, value): (&String, &String)| (name.clone(), start_of(value));
    let fits = |(name, value): &(String, String)| {
        let size = name.len() + value.len();
        let fits = size <= room;
        room -= if fits { size } else { 0 };
        fits
    };
    names.chain(others).map(cut).filter(fits).collect()
}

fn some_of(values: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let short = values.iter().filter(|(name, _)| name.len() <= NAME);
    short.take(VALUES).map(|(name, value)| (name.clone(), *value)).collect()
}

fn summary(alert: &Alert) -> String {
    alert
        .annotations
        .get("summary")
        .map_or_else(String::new, |text| start_of(text.trim()))
}

fn start_of(text: &str) -> String {
    text::beginning(text, TEXT).to_owned()
}
