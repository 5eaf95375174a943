//! Grafana's dashboard alerts (Grafana 4 to 10): one rule with its series → a [`Notification`].
//!
//! Such a body has no group, no times and no fingerprints, so the rule stands for the group and each series for an
//! alert. It invents no time: what was not sent stays unknown.

use std::collections::BTreeMap;

use super::address::{self, TooLong};
use super::body::{EvalMatch, LegacyAlert};
use super::bounds;
use super::parse::{ParseError, bounded, fingerprint};
use crate::alert::{Alert, AlertStatus, Fingerprint, GroupKey, Labels, Notification, Source};

/// The rule as a group of its series, of which there are `sent` in the body and not always all are kept.
pub(super) fn notification(mut body: LegacyAlert, sent: usize) -> Result<Notification, ParseError> {
    let state = body.state.clone().filter(|state| !state.is_empty());
    let state = state.ok_or_else(|| ParseError::field("state", "missing"))?;
    let rule_name = body
        .rule_name
        .clone()
        .or_else(|| body.title.clone())
        .unwrap_or_default();
    let status = if matches!(state.as_str(), "ok" | "paused") {
        AlertStatus::Resolved
    } else {
        AlertStatus::Firing
    };

    let mut labels = body.tags.clone().unwrap_or_default();
    if state == "no_data" {
        // The spelling of unified alerting, so that templates meet one form.
        labels.insert("alertname".to_owned(), "DatasourceNoData".to_owned());
        labels.insert("rulename".to_owned(), rule_name.clone());
    } else {
        labels.insert("alertname".to_owned(), rule_name.clone());
    }
    let mut annotations = Labels::new();
    if let Some(message) = body.message.clone().filter(|text| !text.is_empty()) {
        annotations.insert("summary".to_owned(), message);
    }
    if state == "paused" {
        annotations.insert("grafana_state_reason".to_owned(), "Paused".to_owned());
    }

    let mut too_long = TooLong::default();
    for url in [&mut body.rule_url, &mut body.image_url] {
        *url = Some(too_long.address(url.take()));
    }
    address::log(too_long.note(&mut annotations));

    // Each alert holds a copy of what the body says once.
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let shared: usize = labels
        .iter()
        .chain(&annotations)
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let shared = shared + text(&body.rule_url) + text(&body.image_url);
    let series = body.eval_matches.as_deref().unwrap_or_default();
    let series = &series[..series
        .len()
        .min(bounds::copies(labels.len() + annotations.len(), shared))];
    let one = |series: &EvalMatch| alert(&body, status, &labels, &annotations, series);
    let alerts: Vec<Alert> = if series.is_empty() {
        vec![one(&EvalMatch::default())]
    } else {
        series.iter().map(one).collect()
    };
    let rule = body.rule_id.map_or_else(|| rule_name.clone(), |id| id.to_string());
    Ok(Notification {
        source: Source::Legacy,
        receiver: String::new(),
        status,
        alerts,
        group_labels: Labels::from([("alertname".to_owned(), labels["alertname"].clone())]),
        common_labels: labels,
        common_annotations: annotations,
        external_url: String::new(),
        group_key: GroupKey(bounded(format!("legacy/{}/{rule}", body.org_id.unwrap_or(0)))),
        truncated_alerts: bounds::left_out(sent, series.len()),
        org_id: body.org_id,
        version: String::new(),
        app_version: String::new(),
        title: body.title.unwrap_or_default(),
        state,
        message: body.message.unwrap_or_default(),
        notification_reason: String::new(),
        route_labels: Labels::new(),
    })
}

fn alert(body: &LegacyAlert, status: AlertStatus, shared: &Labels, annotations: &Labels, series: &EvalMatch) -> Alert {
    let mut labels = shared.clone();
    labels.extend(series.tags.clone().unwrap_or_default());
    let metric = series.metric.clone().unwrap_or_default();
    // Series of one rule may differ in nothing but their name.
    if !metric.is_empty() && series.tags.as_ref().is_none_or(BTreeMap::is_empty) {
        labels.insert("metric".to_owned(), metric.clone());
    }
    let name = if metric.is_empty() { "value".to_owned() } else { metric };
    Alert {
        status,
        fingerprint: Fingerprint(fingerprint(&labels)),
        labels,
        annotations: annotations.clone(),
        starts_at: None,
        ends_at: None,
        generator_url: body.rule_url.clone().unwrap_or_default(),
        silence_url: String::new(),
        dashboard_url: String::new(),
        panel_url: String::new(),
        rule_uid: String::new(),
        values: series.value.map(|value| BTreeMap::from([(name, value)])),
        last_values: None,
        departed: None,
        value_string: String::new(),
        image_url: body.image_url.clone().unwrap_or_default(),
        org_id: body.org_id,
        enrichments: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::parse::notification;
    use crate::alert::AlertStatus;

    #[test]
    fn each_series_of_a_rule_is_an_alert() {
        let body = json!({"ruleId": 9_223_372_036_854_775_807_i64, "ruleName": "Load", "state": "alerting", "orgId": 1,
            "evalMatches": [{"value": 1.5, "metric": "a", "tags": null}, {"value": null, "metric": "b", "tags": {"i": 1}}]});
        let parsed = notification(body.to_string().as_bytes()).unwrap();
        assert_eq!(parsed.group_key.0, "legacy/1/9223372036854775807");
        assert_eq!(parsed.alerts.len(), 2);
        assert_eq!(parsed.alerts[0].labels["metric"], "a");
        assert!((parsed.alerts[0].values.as_ref().unwrap()["a"] - 1.5).abs() < f64::EPSILON);
        assert_eq!(parsed.alerts[1].labels["i"], "1");
    }

    #[test]
    fn ok_is_resolved_and_no_data_keeps_the_rule_name() {
        let ok = notification(br#"{"ruleName": "Load", "state": "ok", "evalMatches": []}"#).unwrap();
        assert_eq!((ok.status, ok.alerts.len()), (AlertStatus::Resolved, 1));
        let blind = notification(br#"{"ruleName": "Load", "state": "no_data"}"#).unwrap();
        assert_eq!(blind.status, AlertStatus::Firing);
        assert_eq!(blind.alerts[0].labels["rulename"], "Load");
        assert!(notification(br#"{"ruleName": "Load"}"#).is_err());
    }
}
