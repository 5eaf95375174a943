//! The inbound nouns: what a notification is, from any sender.
//!
//! Guarantees: a [`Notification`] has at least one alert, every alert has a status and labels, and a time that the
//! sender did not know is `None` and never the year 1. It does not know HTTP. How a body becomes a notification is in
//! [`parse`], which is pure; templates use the names of the bodies.

mod address;
pub(crate) mod body;
mod bounds;
mod lenient;
pub mod parse;
pub mod payload;
mod status;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::status::{AlertState, AlertStatus, Departure};

/// Label or annotation names with their values, sorted by name.
pub type Labels = BTreeMap<String, String>;

/// The longest address that is kept, in bytes. Browsers and servers refuse much longer ones, and a message may repeat one for
/// each of its alerts.
pub const LONGEST_ADDRESS: usize = 4096;

/// The annotation that says how many links of an alert were left out because they are longer; never sent.
pub const LINKS_LEFT_OUT: &str = "(links left out)";

/// Whether a label or an annotation is for the sender's own use: Grafana puts two underscores on both sides of such names.
pub fn is_private(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}

/// Identity of an alert: stable for one label set, the same over its episodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identity of an alert group: the route that matched and its group labels, as the sender spells them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupKey(pub String);

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which program's format the notification came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Grafana's unified alerting (body version "1"; Grafana 8 sent "4" as well).
    Grafana,
    /// Prometheus Alertmanager, or what speaks as it does (body version "4").
    Alertmanager,
    /// Any other program: a body of whatever shape, which a route takes with `input = "json"`.
    Json,
}

/// One webhook request: an alert group in its present state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// The format it came in.
    pub source: Source,
    /// Contact point or receiver name; `webhook` from Grafana's Test button. Never used for routing.
    pub receiver: String,
    /// Firing if any alert in this notification fires.
    pub status: AlertStatus,
    /// The members of the group, in the sender's order; never empty as it is accepted.
    pub alerts: Vec<Alert>,
    /// The labels that the sender grouped by.
    pub group_labels: Labels,
    /// Labels that all alerts share.
    pub common_labels: Labels,
    /// Annotations that all alerts share.
    pub common_annotations: Labels,
    /// Root URL of the Grafana or Alertmanager that sent it; may be empty.
    #[serde(rename = "externalURL")]
    pub external_url: String,
    /// Identity of the group.
    pub group_key: GroupKey,
    /// How many alerts the sender cut off; their state is unknown.
    pub truncated_alerts: u64,
    /// Grafana's organisation.
    pub org_id: Option<i64>,
    /// Body version as sent: "1", "4", or empty.
    pub version: String,
    /// Grafana's version, where it says so.
    pub app_version: String,
    /// The sender's own title.
    pub title: String,
    /// Grafana's word for the status: `alerting` or `ok`.
    pub state: String,
    /// The sender's own message text.
    pub message: String,
    /// Why Alertmanager (0.32 and newer) sent it.
    #[serde(rename = "notification_reason")]
    pub notification_reason: String,
    /// Labels of the Alertmanager route (0.34 and newer).
    pub route_labels: Labels,
    /// The body as it was sent, where its shape is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<serde_json::Value>,
    /// By which route of the relay it came; never sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
}

/// One member of a notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Whether this alert fires.
    pub status: AlertStatus,
    /// Its identity.
    pub labels: Labels,
    /// Its text.
    pub annotations: Labels,
    /// When this episode began.
    pub starts_at: Option<Timestamp>,
    /// When it ended; `None` while it fires.
    pub ends_at: Option<Timestamp>,
    /// Where the rule can be seen.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    /// Identity over all notifications.
    pub fingerprint: Fingerprint,
    /// Where it can be silenced.
    #[serde(rename = "silenceURL")]
    pub silence_url: String,
    /// The dashboard it belongs to.
    #[serde(rename = "dashboardURL")]
    pub dashboard_url: String,
    /// The panel it belongs to.
    #[serde(rename = "panelURL")]
    pub panel_url: String,
    /// Grafana's rule UID.
    #[serde(rename = "ruleUID")]
    pub rule_uid: String,
    /// Query results by refID; `None` where the sender did not know them.
    pub values: Option<BTreeMap<String, f64>>,
    /// What a resolved alert last fired with, as far as the relay has seen it; never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_values: Option<BTreeMap<String, f64>>,
    /// Why it is not reported any more, where the relay says so and not the sender; never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departed: Option<Departure>,
    /// Grafana's text form of the values.
    pub value_string: String,
    /// A screenshot; its address comes from the alert, so it is never fetched.
    #[serde(rename = "imageURL")]
    pub image_url: String,
    /// Grafana's organisation.
    pub org_id: Option<i64>,
    /// What Grafana Cloud and Enterprise found out about it, as they write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrichments: Option<serde_json::Value>,
}

impl Alert {
    /// One of which nothing is known but its identity.
    pub fn unknown(fingerprint: Fingerprint) -> Self {
        Self {
            status: AlertStatus::Firing,
            labels: Labels::new(),
            annotations: Labels::new(),
            starts_at: None,
            ends_at: None,
            generator_url: String::new(),
            fingerprint,
            silence_url: String::new(),
            dashboard_url: String::new(),
            panel_url: String::new(),
            rule_uid: String::new(),
            values: None,
            last_values: None,
            departed: None,
            value_string: String::new(),
            image_url: String::new(),
            org_id: None,
            enrichments: None,
        }
    }

    /// What is really the matter with it. Grafana says it in the name, or as the reason of the state.
    pub fn state(&self) -> AlertState {
        let reason = self.annotations.get("grafana_state_reason").map_or("", String::as_str);
        let has = |word: &str| reason.split(',').any(|part| part.trim() == word);
        match (self.status, self.labels.get("alertname").map(String::as_str)) {
            (AlertStatus::Firing, Some("DatasourceError")) => AlertState::Error,
            (AlertStatus::Firing, Some("DatasourceNoData")) => AlertState::NoData,
            // `KeepLast` means that the rule goes on with what it last knew, which was firing.
            (AlertStatus::Firing, _) if has("KeepLast") => AlertState::Firing,
            (AlertStatus::Firing, _) if has("Error") => AlertState::Error,
            (AlertStatus::Firing, _) if has("NoData") => AlertState::NoData,
            (AlertStatus::Firing, _) => AlertState::Firing,
            (AlertStatus::Resolved, _) if !self.recovered() => AlertState::NotRecovered,
            (AlertStatus::Resolved, _) => AlertState::Resolved,
        }
    }

    /// Whether Grafana says of the resolved alert that it has not simply gone away: its series is still there, and
    /// nobody has touched the rule.
    pub fn recovered(&self) -> bool {
        if self.departed.is_some() {
            return false;
        }
        let reason = self.annotations.get("grafana_state_reason").map_or("", String::as_str);
        let has = |word: &str| reason.split(',').any(|part| part.trim() == word);
        // When data comes back, Grafana ends the alert about missing data as a series that went away.
        let data_is_back = || {
            let name = self.labels.get("alertname").map(String::as_str);
            has("MissingSeries") && matches!(name, Some("DatasourceNoData" | "DatasourceError"))
        };
        let went_away = ["MissingSeries", "Paused", "Updated", "RuleDeleted"]
            .into_iter()
            .any(has);
        !went_away || data_is_back()
    }
}

impl Notification {
    /// One of which nothing is known but its alerts; it fires if one of them does.
    pub fn of(alerts: Vec<Alert>) -> Self {
        let fires = alerts.iter().any(|alert| alert.status == AlertStatus::Firing);
        Self {
            source: Source::Grafana,
            receiver: String::new(),
            status: if fires {
                AlertStatus::Firing
            } else {
                AlertStatus::Resolved
            },
            alerts,
            group_labels: Labels::new(),
            common_labels: Labels::new(),
            common_annotations: Labels::new(),
            external_url: String::new(),
            group_key: GroupKey(String::new()),
            truncated_alerts: 0,
            org_id: None,
            version: String::new(),
            app_version: String::new(),
            title: String::new(),
            state: String::new(),
            message: String::new(),
            notification_reason: String::new(),
            route_labels: Labels::new(),
            payload: None,
            route: String::new(),
        }
    }

    /// Whether it says nothing of a state: a message, and no alert.
    pub fn is_message(&self) -> bool {
        self.source == Source::Json && self.state.is_empty()
    }

    /// The earliest start of its firing alerts, or of all where none fires: what "since" means for the group.
    pub fn starts_at(&self) -> Option<Timestamp> {
        let earliest = |status| {
            self.alerts
                .iter()
                .filter(|alert| alert.status == status)
                .filter_map(|a| a.starts_at)
                .min()
        };
        earliest(AlertStatus::Firing).or_else(|| earliest(AlertStatus::Resolved))
    }
}
