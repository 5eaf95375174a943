//! An incident from beginning to end, as the notifications that Grafana would post: one alert fires, another joins, that
//! one is resolved, then all are, and the first fires again.
//!
//! Guarantees: an alert keeps its fingerprint and the time at which it began over all notifications, as Grafana's do.

use anyhow::Context as _;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use crate::samples;

/// What a notification says of the two alerts.
#[derive(Clone, Copy)]
enum InNotification {
    Nothing,
    Fires,
    Resolved,
    FiresAgain,
}

/// The notifications in order: what each says of the first alert and of the second one.
const STORY: [[InNotification; 2]; 5] = [
    [InNotification::Fires, InNotification::Nothing],
    [InNotification::Fires, InNotification::Fires],
    [InNotification::Fires, InNotification::Resolved],
    [InNotification::Resolved, InNotification::Nothing],
    [InNotification::FiresAgain, InNotification::Nothing],
];

/// What each of them says, for people.
pub(super) const TITLES: [&str; STORY.len()] = [
    "the disk of pg-2 fills. The room gets a message that mentions the person on call",
    "the disk of pg-3 fills, too. The message is edited, and its thread gets a line",
    "pg-3 has recovered. Again an edit and a line, without a sound",
    "pg-2 has recovered, too. The message says RESOLVED now",
    "pg-2 fires again. That is a new message",
];

/// How many notifications it has.
pub(super) const LENGTH: usize = STORY.len();

/// The body of a notification of an incident that is shown from `base` on; `now` is when it is posted.
pub(super) fn notification(number: usize, base: Timestamp, now: Timestamp) -> anyhow::Result<Value> {
    let sample = samples::all().into_iter().find(|sample| sample.name == "mixed");
    let mut body: Value = serde_json::from_str(&sample.context("no sample `mixed`")?.body)?;
    let cast: Vec<Value> = body["alerts"]
        .as_array()
        .into_iter()
        .flatten()
        .skip(1)
        .cloned()
        .collect();
    let mut alerts = Vec::new();
    let began = [base - 12.minutes(), base - 3.minutes()];
    for ((mut alert, state), began) in cast.into_iter().zip(STORY[number]).zip(began) {
        let (status, starts_at, ends_at) = match state {
            InNotification::Nothing => continue,
            InNotification::Fires => ("firing", began, None),
            InNotification::Resolved => ("resolved", began, Some(now)),
            InNotification::FiresAgain => ("firing", now, None),
        };
        alert["status"] = status.into();
        alert["startsAt"] = starts_at.to_string().into();
        alert["endsAt"] = ends_at
            .map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string())
            .into();
        alerts.push(alert);
    }
    let firing = alerts.iter().any(|alert| alert["status"] == "firing");
    body["status"] = if firing { "firing" } else { "resolved" }.into();
    body["state"] = if firing { "alerting" } else { "ok" }.into();
    body["alerts"] = alerts.into();
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_keep_their_names_and_their_beginning() {
        let base: Timestamp = "2026-11-20T09:14:20Z".parse().unwrap();
        let bodies: Vec<Value> = (0..LENGTH)
            .map(|number| notification(number, base, base + i64::try_from(number).unwrap().seconds()).unwrap())
            .collect();
        let statuses: Vec<&str> = bodies.iter().map(|body| body["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["firing", "firing", "firing", "resolved", "firing"]);
        for body in &bodies[..4] {
            assert_eq!(body["groupKey"], bodies[0]["groupKey"]);
            assert_eq!(body["alerts"][0]["fingerprint"], bodies[0]["alerts"][0]["fingerprint"]);
            assert_eq!(body["alerts"][0]["startsAt"], "2026-11-20T09:02:20Z");
        }
        assert_ne!(bodies[4]["alerts"][0]["startsAt"], bodies[0]["alerts"][0]["startsAt"]);
        assert_eq!(bodies[2]["alerts"][1]["status"], "resolved");
    }
}
