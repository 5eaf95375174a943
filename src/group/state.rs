//! What is remembered of a group: small, serialisable, bounded.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::alert::{Alert, AlertStatus, Departure, Fingerprint, Labels};

/// The most alerts that are remembered of one group.
pub(super) const MOST: usize = 1_000;
/// How long a resolved alert is remembered, because senders list one again while another receiver of theirs fails.
const RESOLVED: SignedDuration = SignedDuration::from_hours(24);
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

/// What a room knows of a group. At most 1,000 alerts are remembered one by one, resolved ones for a day; where more
/// fire, those that are not remembered count as known and go without a line of their own. Of each alert so much is kept
/// that a line can name it, however much the sender says of it.
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
    pub(super) alerts: BTreeMap<String, Known>,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) firing: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) gone: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) starts_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<Timestamp>,
    /// When the episode before this one began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) earlier: Option<Timestamp>,
    /// When it was last listed.
    seen_at: Timestamp,
    /// When it last began or ended, by the relay's clock.
    pub(super) changed_at: Timestamp,
    /// What it last fired with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<BTreeMap<String, f64>>,
    labels: Labels,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    summary: String,
}

impl Known {
    fn firing(alert: &Alert, now: Timestamp) -> Self {
        Self {
            firing: true,
            gone: false,
            starts_at: alert.starts_at,
            ended_at: None,
            earlier: None,
            seen_at: now,
            changed_at: now,
            values: alert.values.as_ref().map(some_of),
            labels: remembered(&alert.labels),
            summary: summary(alert),
        }
    }

    pub(super) fn seen_before(&self, at: Timestamp) -> bool {
        self.seen_at <= at
    }
}

impl State {
    /// Whether nothing fires any more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What is known of an alert.
    pub(super) fn known(&self, fingerprint: &Fingerprint) -> Option<&Known> {
        self.alerts.get(&*identity(fingerprint))
    }

    /// The alert fires from now on.
    pub(super) fn starts(&mut self, alert: &Alert, now: Timestamp) {
        let before = self.alerts.remove(&*identity(&alert.fingerprint));
        let mut known = Known::firing(alert, now);
        if let Some(before) = before {
            let is_later = known.starts_at.is_none() || known.starts_at > before.starts_at;
            known.earlier = if is_later { before.starts_at } else { before.earlier };
            // If its end was missed.
            known.values = known.values.or(before.values.filter(|_| before.firing));
        }
        self.alerts.insert(identity(&alert.fingerprint).into_owned(), known);
    }

    /// The alert fires as before: since when it was first known to, whatever a replica of the sender, a snapshot that
    /// comes late, or Alertmanager moving a start back says now. If it went by those, the next snapshot would look like
    /// another episode.
    pub(super) fn goes_on(&mut self, alert: &mut Alert, now: Timestamp) {
        let before = self.alerts.remove(&*identity(&alert.fingerprint));
        let mut known = Known::firing(alert, now);
        if let Some(before) = before {
            known.starts_at = before.starts_at.or(known.starts_at);
            known.earlier = before.earlier;
            known.changed_at = before.changed_at;
            known.values = known.values.or(before.values);
            alert.starts_at = known.starts_at;
        }
        self.alerts.insert(identity(&alert.fingerprint).into_owned(), known);
    }

    /// The alert is resolved from now on; it learns what it last fired with.
    pub(super) fn resolved(&mut self, alert: &mut Alert, now: Timestamp) {
        let before = self
            .alerts
            .remove(&*identity(&alert.fingerprint))
            .filter(|known| known.firing || known.gone);
        let values = before.and_then(|known| known.values);
        alert.last_values.clone_from(&values);
        let known = Known {
            firing: false,
            gone: false,
            starts_at: alert.starts_at,
            ended_at: alert.ends_at,
            earlier: None,
            seen_at: now,
            changed_at: now,
            values,
            labels: Labels::new(),
            summary: String::new(),
        };
        self.alerts.insert(identity(&alert.fingerprint).into_owned(), known);
    }

    /// The alert is known to be resolved.
    pub(super) fn seen_resolved(&self, alert: &mut Alert) {
        if let Some(known) = self.known(&alert.fingerprint) {
            alert.last_values.clone_from(&known.values);
        }
    }

    /// Gives an alert that comes too late the state that it is known to be in.
    pub(super) fn put_right(&mut self, alert: &mut Alert, now: Timestamp) {
        let Some(known) = self.alerts.get_mut(&*identity(&alert.fingerprint)) else {
            return;
        };
        known.seen_at = now;
        alert.starts_at = known.starts_at.or(alert.starts_at);
        if known.firing {
            alert.status = AlertStatus::Firing;
            alert.ends_at = None;
            alert.values.clone_from(&known.values);
        } else {
            alert.status = AlertStatus::Resolved;
            alert.ends_at = known.ended_at;
            alert.last_values.clone_from(&known.values);
        }
    }

    /// The alert is not listed any more: what is to be said of it.
    pub(super) fn gone(&mut self, fingerprint: &str, now: Timestamp) -> Option<Alert> {
        let known = self.alerts.get_mut(fingerprint)?;
        known.firing = false;
        known.gone = true;
        known.changed_at = now;
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let summary = std::mem::take(&mut known.summary);
        Some(Alert {
            status: AlertStatus::Resolved,
            labels: std::mem::take(&mut known.labels),
            annotations: Labels::from_iter((!summary.is_empty()).then(|| text("summary", &summary))),
            starts_at: known.starts_at,
            last_values: known.values.clone(),
            departed: Some(Departure::Unlisted),
            ..Alert::unknown(Fingerprint(fingerprint.to_owned()))
        })
    }

    /// Keeps within the bounds: what was resolved longest ago goes first.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.alerts
            .retain(|_, known| known.firing || now.duration_since(known.changed_at) < RESOLVED);
        self.overflow = None;
        if self.alerts.len() <= MOST {
            return;
        }
        let mut order: Vec<(bool, Timestamp, String)> = self
            .alerts
            .iter()
            .map(|(fingerprint, known)| (!known.firing, known.changed_at, fingerprint.clone()))
            .collect();
        // Firing before resolved, and of these the newest first; of those that fire the oldest stay.
        order.sort_by(|a, b| {
            let by_age = if a.0 { b.1.cmp(&a.1) } else { a.1.cmp(&b.1) };
            a.0.cmp(&b.0).then(by_age).then_with(|| a.2.cmp(&b.2))
        });
        for (resolved, _, fingerprint) in order.split_off(MOST) {
            self.alerts.remove(&fingerprint);
            if !resolved {
                self.overflow = Some(now);
            }
        }
    }
}

/// The key that an alert is remembered by.
pub(super) fn identity(fingerprint: &Fingerprint) -> Cow<'_, str> {
    if fingerprint.0.len() <= FINGERPRINT {
        Cow::Borrowed(&fingerprint.0)
    } else {
        Cow::Owned(hex::encode(Sha256::digest(&fingerprint.0)))
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
    text.chars().take(TEXT).collect()
}
