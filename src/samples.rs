//! Notification bodies to try things with: previews, checks, demonstrations, tests.
//!
//! Guarantees: each is a body as its sender would write it, with made-up names. It knows nothing of the rest of the
//! crate; who wants a `Notification` parses a body like any other.

mod incident;
mod webhooks;

use serde_json::{Value, json};

pub use self::incident::{SEQUENCES, Sequence, sequence};
pub use self::webhooks::webhooks;

/// A body and what it is an example of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Short and stable, for command lines and addresses.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub title: &'static str,
    /// The JSON as it is posted.
    pub body: String,
    /// Whether it is worth offering where only a few can be, as in Swagger UI.
    pub offered: bool,
    /// Of a body of any shape: the template that is for it. Its `body` then holds what the rules of a route say of it as well.
    pub template: Option<&'static str>,
}

/// The moment at which all samples are a few minutes old (RFC 3339).
pub const NOW: &str = "2026-11-20T09:14:20Z";

/// Those that show the three formats and the states that matter most.
const OFFERED: [&str; 6] = ["firing", "mixed", "resolved", "no-data", "alertmanager", "test"];

const FILES: &[(&str, &str, &str)] = &[
    ("firing", "one alert fires", include_str!("samples/firing.json")),
    (
        "mixed",
        "a group of three: two fire, one is resolved",
        include_str!("samples/mixed.json"),
    ),
    ("resolved", "one alert is over", include_str!("samples/resolved.json")),
    (
        "not-recovered",
        "resolved only because its series went away",
        include_str!("samples/not-recovered.json"),
    ),
    (
        "no-data",
        "the query returns nothing",
        include_str!("samples/no-data.json"),
    ),
    (
        "datasource-error",
        "the data source cannot be reached",
        include_str!("samples/datasource-error.json"),
    ),
    (
        "datasource-errors",
        "two rules that share a data source are blind",
        include_str!("samples/datasource-errors.json"),
    ),
    (
        "firing-and-error",
        "one alert fires, another rule cannot be evaluated",
        include_str!("samples/firing-and-error.json"),
    ),
    (
        "truncated",
        "Grafana cut off most of the group",
        include_str!("samples/truncated.json"),
    ),
    (
        "truncated-over",
        "one alert is over, and Grafana cut off all others",
        include_str!("samples/truncated-over.json"),
    ),
    (
        "missing-annotations",
        "nothing but a name",
        include_str!("samples/missing-annotations.json"),
    ),
    (
        "hostile",
        "labels full of Markdown, HTML and worse",
        include_str!("samples/hostile.json"),
    ),
    (
        "alertmanager",
        "from Prometheus Alertmanager",
        include_str!("samples/alertmanager.json"),
    ),
    ("test", "Grafana's Test button", include_str!("samples/test.json")),
];

/// Every sample.
pub fn all() -> Vec<Sample> {
    let files = FILES
        .iter()
        .map(|(name, title, body)| sample(name, title, (*body).to_owned()));
    let generated = [
        sample("many", "a group of 20, two of them resolved", group_of(20)),
        sample("storm", "a group of 200", group_of(200)),
    ];
    files.chain(generated).collect()
}

fn sample(name: &'static str, title: &'static str, body: String) -> Sample {
    Sample {
        name,
        title,
        body,
        offered: OFFERED.contains(&name),
        template: None,
    }
}

/// The sample with this name: one of all, or one that only a sequence names.
pub fn find(name: &str) -> Option<Sample> {
    let of_sequence = || {
        let names = SEQUENCES.iter().flat_map(|sequence| sequence.steps);
        let name = *names.into_iter().find(|step| **step == name)?;
        Some(sample(name, "a step of a sequence", incident::body(name)?))
    };
    all()
        .into_iter()
        .chain(webhooks())
        .find(|sample| sample.name == name)
        .or_else(of_sequence)
}

/// The body of a group with so many alerts, about a seventh of them resolved.
pub fn group_of(count: usize) -> String {
    let alerts: Vec<Value> = (0..count)
        .map(|number| alert(number, number + 1 > count - count / 7))
        .collect();
    let labels = json!({"alertname": "NodeNotReady", "grafana_folder": "Kubernetes", "cluster": "eu-west"});
    json!({
        "receiver": "on-call",
        "status": "firing",
        "alerts": alerts,
        "groupLabels": {"alertname": "NodeNotReady", "grafana_folder": "Kubernetes"},
        "commonLabels": labels,
        "commonAnnotations": {"runbook_url": "https://runbooks.example.org/node-not-ready"},
        "externalURL": "https://grafana.example.org/",
        "version": "1",
        "groupKey": "{}:{alertname=\"NodeNotReady\", grafana_folder=\"Kubernetes\"}",
        "truncatedAlerts": 0,
        "orgId": 1,
        "title": "[FIRING] NodeNotReady Kubernetes",
        "state": "alerting",
        "message": "",
    })
    .to_string()
}

fn alert(number: usize, resolved: bool) -> Value {
    let node = format!("node-{:03}", number + 1);
    let severity = if number % 5 == 1 { "critical" } else { "warning" };
    json!({
        "status": if resolved { "resolved" } else { "firing" },
        "labels": {
            "alertname": "NodeNotReady", "grafana_folder": "Kubernetes", "cluster": "eu-west",
            "node": node, "severity": severity,
        },
        "annotations": {
            "summary": format!("{node} has not been ready for {} minutes", 3 + number % 9),
            "runbook_url": "https://runbooks.example.org/node-not-ready",
        },
        "startsAt": format!("2026-11-20T09:{:02}:{:02}Z", number % 9, number % 60),
        "endsAt": if resolved { "2026-11-20T09:13:40Z" } else { "0001-01-01T00:00:00Z" },
        "generatorURL": "https://grafana.example.org/alerting/grafana/fa57fa57fa57fa/view?orgId=1",
        "fingerprint": format!("{:016x}", 0xabc0_0000 + number),
        "silenceURL": format!(
            "https://grafana.example.org/alerting/silence/new?alertmanager=grafana\
             &matcher=__alert_rule_uid__%3Dfa57fa57fa57fa&matcher=cluster%3Deu-west&matcher=node%3D{node}&orgId=1"
        ),
        "dashboardURL": "",
        "panelURL": "",
        "values": {"A": 0, "B": 1},
        "valueString": "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_bodies_are_json() {
        let mut names: Vec<_> = all().into_iter().map(|sample| sample.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FILES.len() + 2);
        for sample in all() {
            assert!(
                serde_json::from_str::<Value>(&sample.body).unwrap().is_object(),
                "{}",
                sample.name
            );
        }
        for sequence in SEQUENCES {
            assert!(
                sequence.steps.iter().all(|step| find(step).is_some()),
                "{}",
                sequence.name
            );
        }
        assert!(find("storm").unwrap().body.matches("resolved").count() > 20 && find("x").is_none());
    }
}
