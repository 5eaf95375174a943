//! Sequences of notifications of one group, as an incident sends them one after another.

use serde_json::{Value, json};

/// Samples that follow each other in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// Short and stable.
    pub name: &'static str,
    /// What happens in it, in a few words.
    pub title: &'static str,
    /// The names of its samples, in order. The first comes at [`NOW`](super::NOW), each other one five minutes later.
    pub steps: &'static [&'static str],
}

/// All sequences that there are names for.
pub const SEQUENCES: [Sequence; 3] = [
    Sequence {
        name: "incident",
        title: "one fires, one more, one resolved, all resolved",
        steps: &["incident-1", "incident-2", "incident-3", "incident-4"],
    },
    Sequence {
        name: "short",
        title: "one alert fires and is resolved",
        steps: &["firing", "resolved"],
    },
    Sequence {
        name: "lost",
        title: "two fire, then one is not listed any more",
        steps: &["incident-1", "incident-2", "incident-1"],
    },
];

/// The sequence with this name.
pub fn sequence(name: &str) -> Option<Sequence> {
    SEQUENCES.into_iter().find(|sequence| sequence.name == name)
}

const FIRST: (&str, &str, f64) = ("worker-1", "09:13:10", 412.0);
const SECOND: (&str, &str, f64) = ("worker-2", "09:18:10", 388.0);

/// The body of one of the samples that only sequences name.
pub(super) fn body(name: &str) -> Option<String> {
    let alerts = match name {
        "incident-1" => vec![alert(FIRST, None)],
        "incident-2" => vec![alert(FIRST, None), alert(SECOND, None)],
        "incident-3" => vec![alert(FIRST, Some("09:23:10")), alert(SECOND, None)],
        "incident-4" => vec![alert(FIRST, Some("09:23:10")), alert(SECOND, Some("09:28:40"))],
        _ => return None,
    };
    let status = if name == "incident-4" { "resolved" } else { "firing" };
    let group = json!({"alertname": "QueueBacklog", "grafana_folder": "Shop"});
    let body = json!({
        "receiver": "on-call",
        "status": status,
        "alerts": alerts,
        "groupLabels": group,
        "commonLabels": {"alertname": "QueueBacklog", "grafana_folder": "Shop", "cluster": "eu-west"},
        "commonAnnotations": {"runbook_url": "https://runbooks.example.org/queue-backlog"},
        "externalURL": "https://grafana.example.org/",
        "version": "1",
        "groupKey": "{}:{alertname=\"QueueBacklog\", grafana_folder=\"Shop\"}",
        "truncatedAlerts": 0,
        "orgId": 1,
        "title": format!("[{}] QueueBacklog Shop", status.to_uppercase()),
        "state": if status == "firing" { "alerting" } else { "ok" },
        "message": "",
    });
    Some(body.to_string())
}

fn alert((instance, start, jobs): (&str, &str, f64), end: Option<&str>) -> Value {
    json!({
        "status": if end.is_some() { "resolved" } else { "firing" },
        "labels": {
            "alertname": "QueueBacklog", "grafana_folder": "Shop", "cluster": "eu-west", "instance": instance,
            "severity": if instance == "worker-1" { "critical" } else { "warning" },
        },
        "annotations": {
            "summary": format!("{jobs} jobs wait for {instance}"),
            "runbook_url": "https://runbooks.example.org/queue-backlog",
        },
        "startsAt": format!("2026-11-20T{start}Z"),
        "endsAt": end.map_or("0001-01-01T00:00:00Z".to_owned(), |end| format!("2026-11-20T{end}Z")),
        "generatorURL": "https://grafana.example.org/alerting/grafana/fb5fb5fb5fb5fb/view?orgId=1",
        "fingerprint": if instance == "worker-1" { "51de00000000a001" } else { "51de00000000a002" },
        "silenceURL": "https://grafana.example.org/alerting/silence/new?alertmanager=grafana\
            &matcher=__alert_rule_uid__%3Dfb5fb5fb5fb5fb&orgId=1",
        "dashboardURL": "",
        "panelURL": "",
        "values": {"A": if end.is_some() { 12.0 } else { jobs }},
        "valueString": "",
    })
}
