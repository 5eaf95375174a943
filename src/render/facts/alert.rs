//! What is known about one alert.

use jiff::Timestamp;

use super::short;
use crate::alert::{Alert, AlertStatus};
use crate::render::kind::Kind;
use crate::render::severity::{Level, severity};

/// One alert and what is known about it.
#[derive(Debug, Clone)]
pub(crate) struct AlertFacts<'a> {
    pub(crate) alert: &'a Alert,
    pub(crate) kind: Kind,
    /// As the sender spells it; empty if there is none.
    pub(crate) severity: String,
    pub(crate) level: Level,
    /// The rule's name, also where Grafana puts `DatasourceError` in its place.
    pub(crate) name: String,
}

impl<'a> AlertFacts<'a> {
    pub(super) fn new(alert: &'a Alert, is_test: bool) -> Self {
        let (severity, level) = severity(&alert.labels);
        let kind = if is_test { Kind::Test } else { alert.state().into() };
        Self {
            alert,
            kind,
            severity: short(severity),
            level,
            name: name_of(alert),
        }
    }

    /// Grafana's own word for why the state is not what the query says.
    pub(crate) fn reason(&self) -> &'a str {
        self.alert
            .annotations
            .get("grafana_state_reason")
            .map_or("", |reason| reason.trim())
    }

    /// Seconds it has been firing, or was firing until it ended.
    pub(crate) fn seconds(&self, now: Timestamp) -> Option<i64> {
        let start = self.alert.starts_at?;
        let end = match self.alert.status {
            AlertStatus::Firing => now,
            AlertStatus::Resolved => self.alert.ends_at?,
        };
        Some(end.as_second().saturating_sub(start.as_second()).max(0))
    }

    /// Whether Grafana filled every value with -1, its sign for "no data or error now".
    pub(crate) fn has_no_values(&self) -> bool {
        let Some(values) = &self.alert.values else { return true };
        let all_minus_one = values.values().all(|value| (*value + 1.0).abs() < f64::EPSILON);
        all_minus_one && (values.len() != 1 || matches!(self.kind, Kind::NoData | Kind::Error))
    }
}

fn is_datasource_alert(alert: &Alert) -> bool {
    matches!(
        alert.labels.get("alertname").map(String::as_str),
        Some("DatasourceNoData" | "DatasourceError")
    )
}

fn name_of(alert: &Alert) -> String {
    let label = |name| {
        alert
            .labels
            .get(name)
            .map(|value| short(value))
            .filter(|value| !value.is_empty())
    };
    let name = if is_datasource_alert(alert) {
        label("rulename").or_else(|| label("alertname"))
    } else {
        label("alertname")
    };
    name.unwrap_or_else(|| "unnamed alert".to_owned())
}
