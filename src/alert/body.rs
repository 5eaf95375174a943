//! The bodies that senders post, field by field, as the `OpenAPI` document shows them and as they are parsed.
//!
//! Guarantees: one definition serves both, so the document cannot drift from the parser. Only an alert's `status` and
//! `labels` are required; unknown fields are ignored. It does not decide what the fields mean: see `parse`.

use std::collections::BTreeMap;

use poem_openapi::Object;
use poem_openapi::types::Any;
use serde::Deserialize;
use serde_json::Value;

use super::{bounds, lenient};

/// An alert group, as Grafana's webhook contact point (version "1") and Prometheus Alertmanager (version "4") send it.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(rename_all = "camelCase", default)]
#[oai(rename = "Notification", rename_all = "camelCase")]
pub(crate) struct NotificationBody {
    /// Name of the contact point or receiver. Always sent; Grafana's Test button sends `webhook`.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) receiver: Option<String>,
    /// `firing` if any alert of this body fires, else `resolved`. Always sent; derived from the alerts where missing.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) status: Option<String>,
    /// The alerts of the group; at least one. At most 10,000 are kept, with 200,000 labels and annotations in all; further
    /// ones count as cut off.
    #[serde(deserialize_with = "bounds::alerts")]
    pub(super) alerts: Vec<AlertBody>,
    /// The labels that the sender grouped by. Always sent, may be `{}`.
    #[serde(deserialize_with = "lenient::optional_labels")]
    pub(super) group_labels: Option<BTreeMap<String, String>>,
    /// Labels that all alerts share. Always sent, may be `{}`.
    #[serde(deserialize_with = "lenient::optional_labels")]
    pub(super) common_labels: Option<BTreeMap<String, String>>,
    /// Annotations that all alerts share. Always sent, may be `{}`.
    #[serde(deserialize_with = "lenient::optional_labels")]
    pub(super) common_annotations: Option<BTreeMap<String, String>>,
    /// Root URL of the Grafana or Alertmanager that sent it. Always sent. An address of more than 4,096 bytes is left out, here
    /// and below.
    #[serde(rename = "externalURL", deserialize_with = "lenient::text")]
    #[oai(rename = "externalURL")]
    pub(super) external_url: Option<String>,
    /// `1` from Grafana, `4` from Alertmanager. Always sent.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) version: Option<String>,
    /// Identity of the group: the route that matched and the group labels. Always sent.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) group_key: Option<String>,
    /// How many alerts the sender cut off (`maxAlerts`); 0 if none. Always sent.
    #[serde(deserialize_with = "lenient::integer")]
    pub(super) truncated_alerts: Option<i64>,
    /// Grafana only: the organisation.
    #[serde(deserialize_with = "lenient::integer")]
    pub(super) org_id: Option<i64>,
    /// Grafana only: the title that its own template made; may be empty.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) title: Option<String>,
    /// Grafana only: `alerting` or `ok`, mirrors `status`.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) state: Option<String>,
    /// Grafana only: the text that its own template made; may be empty.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) message: Option<String>,
    /// Grafana 12.4 and newer: its version.
    #[serde(deserialize_with = "lenient::text")]
    pub(super) app_version: Option<String>,
    /// Alertmanager 0.32 and newer: why it sent this, for example `first notification`.
    #[serde(rename = "notification_reason", deserialize_with = "lenient::text")]
    #[oai(rename = "notification_reason")]
    pub(super) notification_reason: Option<String>,
    /// Alertmanager 0.34 and newer: labels of the route.
    #[serde(deserialize_with = "lenient::optional_labels")]
    pub(super) route_labels: Option<BTreeMap<String, String>>,
}

/// One alert of a group.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Alert", rename_all = "camelCase")]
pub(super) struct AlertBody {
    /// `firing` or `resolved`. Required.
    pub(super) status: String,
    /// The labels that identify the alert. Required, may be `{}`; numbers are taken as their text. At most 1,000 are kept, in
    /// the order in which they were sent; a label `(left out)` then says how many more there were.
    #[serde(deserialize_with = "lenient::labels")]
    pub(super) labels: BTreeMap<String, String>,
    /// Text for people: `summary`, `description`, `runbook_url` and more. Always sent, may be `{}`. At most 1,000 are kept,
    /// like labels.
    #[serde(default, deserialize_with = "lenient::optional_labels")]
    pub(super) annotations: Option<BTreeMap<String, String>>,
    /// When this firing episode began, RFC 3339. Always sent.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) starts_at: Option<String>,
    /// When it ended, RFC 3339; `0001-01-01T00:00:00Z` while it fires. Always sent.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) ends_at: Option<String>,
    /// Where the rule or its expression can be seen. Always sent, may be empty.
    #[serde(rename = "generatorURL", default, deserialize_with = "lenient::text")]
    #[oai(rename = "generatorURL")]
    pub(super) generator_url: Option<String>,
    /// Identity of the alert: 16 hexadecimal digits, the same over its episodes. Computed from the labels where missing.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) fingerprint: Option<String>,
    /// Grafana only: where the alert can be silenced; empty without an external URL.
    #[serde(rename = "silenceURL", default, deserialize_with = "lenient::text")]
    #[oai(rename = "silenceURL")]
    pub(super) silence_url: Option<String>,
    /// Grafana only: the dashboard of the rule; empty if it has none.
    #[serde(rename = "dashboardURL", default, deserialize_with = "lenient::text")]
    #[oai(rename = "dashboardURL")]
    pub(super) dashboard_url: Option<String>,
    /// Grafana only: the panel of the rule; empty if it has none.
    #[serde(rename = "panelURL", default, deserialize_with = "lenient::text")]
    #[oai(rename = "panelURL")]
    pub(super) panel_url: Option<String>,
    /// Grafana 12.4 and newer: UID of the rule.
    #[serde(rename = "ruleUID", default, deserialize_with = "lenient::text")]
    #[oai(rename = "ruleUID")]
    pub(super) rule_uid: Option<String>,
    /// Grafana only: query results by refID. `null` when unknown (test alerts, no data, NaN); `-1` for every key means
    /// that there was no data.
    #[serde(default, deserialize_with = "lenient::values")]
    pub(super) values: Option<BTreeMap<String, f64>>,
    /// Grafana only: the values as text; may be empty.
    #[serde(default, deserialize_with = "lenient::text")]
    pub(super) value_string: Option<String>,
    /// Grafana only, where an image store is set up: a screenshot.
    #[serde(rename = "imageURL", default, deserialize_with = "lenient::text")]
    #[oai(rename = "imageURL")]
    pub(super) image_url: Option<String>,
    /// Grafana only: the organisation, where known.
    #[serde(default, deserialize_with = "lenient::integer")]
    pub(super) org_id: Option<i64>,
    /// Grafana Cloud and Enterprise: what was found out about the alert, in whatever form. At most 4 KiB of it are kept, as a
    /// whole or not at all.
    #[serde(default, deserialize_with = "lenient::anything")]
    pub(super) enrichments: Option<Any<Value>>,
}

impl AlertBody {
    /// Whether it has a field that only Grafana sends.
    pub(super) fn is_of_grafana(&self) -> bool {
        let texts = [
            &self.silence_url,
            &self.dashboard_url,
            &self.panel_url,
            &self.image_url,
            &self.value_string,
            &self.rule_uid,
        ];
        self.values.is_some() || self.org_id.is_some() || texts.into_iter().any(Option::is_some)
    }
}
