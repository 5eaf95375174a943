//! Notifications that every edited template has to survive before it is used.
//!
//! Guarantees: together they make the shipped templates take each of their branches. They are no samples to look at
//! (those are in `crate::samples`), only enough to find a misspelt name when a file is saved and not at three at night.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::alert::{Alert, AlertStatus, Departure, Fingerprint, GroupKey, Notification, Source};
use crate::group::{Change, News};
use crate::render::digest::{Counted, Digest};

/// The moment at which the trials take place.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_166_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What [`notifications`], after them [`changes`], and after them [`digests`] are, in their order.
pub(crate) const NAMES: [&str; 15] = [
    "an alert that fires",
    "an alert that has only labels",
    "a resolved alert",
    "an alert that is no longer reported",
    "an error of the data source",
    "an alert without data",
    "a test",
    "a mixed group",
    "a group of which nothing fires",
    "a group that was cut off",
    "a change of every kind",
    "the end of a group",
    "a change of nothing",
    "a digest",
    "a digest in which nothing fires",
];

/// Those of which messages are made, by their place: one alert, and many. What takes long to read does so for all.
pub(crate) const READ: [usize; 2] = [0, 9];

/// Those of [`NAMES`] that are no rare kind: a template that fails for one of them is not used at all.
pub(crate) const COMMON: [&str; 6] = [NAMES[0], NAMES[2], NAMES[7], NAMES[10], NAMES[11], NAMES[13]];

/// One of each kind.
pub(crate) fn notifications() -> Vec<Notification> {
    use AlertStatus::{Firing, Resolved};
    let full = [
        ("summary", "a"),
        ("description", "b"),
        ("runbook_url", "https://e.org/r"),
        ("Error", "c"),
    ];
    let gone = [("grafana_state_reason", "MissingSeries")];
    let firing = alert(Firing, "A", &full);
    let bare = alert(Firing, "B", &[]);
    let resolved = alert(Resolved, "A", &full);
    let vanished = alert(Resolved, "A", &gone);
    let blind = alert(Firing, "DatasourceError", &full);
    let silent = alert(Firing, "DatasourceNoData", &[]);
    let test = alert(Firing, "TestAlert", &[("summary", "a")]);
    let groups = [
        vec![firing.clone()],
        vec![bare.clone()],
        vec![resolved.clone()],
        vec![vanished.clone()],
        vec![blind.clone()],
        vec![silent.clone()],
        vec![test],
        vec![firing.clone(), bare, resolved.clone(), vanished.clone(), blind, silent],
        vec![resolved, vanished],
    ];
    let mut all: Vec<_> = groups.into_iter().map(notification).collect();
    let mut truncated = notification(vec![firing; 60]);
    truncated.truncated_alerts = 3;
    truncated.source = Source::Alertmanager;
    all.push(truncated);
    all
}

/// What may change in a group: something of each kind at once, nothing at all, everything over.
pub(crate) fn changes() -> Vec<(Notification, Change)> {
    let all = notifications();
    let of = |status: AlertStatus| -> Vec<Alert> {
        let alerts = all.iter().flat_map(|notification| &notification.alerts);
        let mut alerts: Vec<Alert> = alerts
            .filter(|alert| alert.status == status)
            .take(20)
            .cloned()
            .collect();
        for alert in &mut alerts {
            alert.last_values.clone_from(&alert.values);
        }
        alerts
    };
    let mut gone = of(AlertStatus::Resolved);
    for (alert, departed) in gone.iter_mut().zip([Departure::Unlisted, Departure::Elsewhere]) {
        alert.departed = Some(departed);
    }
    let every = Change {
        news: News::Changed,
        starting: of(AlertStatus::Firing),
        ended: of(AlertStatus::Resolved),
        gone,
        ..Change::default()
    };
    let over = Change {
        starting: Vec::new(),
        over: true,
        recovered: true,
        ..every.clone()
    };
    let mixed = all.get(7).cloned();
    let resolved = all.get(2).cloned();
    let single = all.first().cloned();
    let pairs = [(mixed, every), (resolved, over), (single, Change::default())];
    pairs
        .into_iter()
        .filter_map(|(notification, change)| Some((notification?, change)))
        .collect()
}

/// Messages that waited: of everything something, and of what fires nothing.
pub(crate) fn digests() -> Vec<(Notification, Digest)> {
    let named = |name: &str, count| Counted {
        name: name.to_owned(),
        count,
    };
    let full = Digest {
        messages: 20,
        from: now(),
        until: now(),
        more_firing: [("critical".to_owned(), 3)].into(),
        went: 2,
        ended: 2,
        rules: vec![named("A", 12), named("B", 1)],
        came_and_went: vec![named("A", 3), named("B", 1)],
        over: vec![named("A", 2), named("B", 1)],
        cut_off: 3,
        others: vec!["a".to_owned()],
    };
    let quiet = Digest {
        more_firing: BTreeMap::new(),
        rules: Vec::new(),
        ..full.clone()
    };
    let firing: Vec<Alert> = notifications()
        .into_iter()
        .flat_map(|notification| notification.alerts)
        .filter(|alert| alert.status == AlertStatus::Firing)
        .take(12)
        .collect();
    vec![(notification(firing), full), (notification(Vec::new()), quiet)]
}

fn notification(alerts: Vec<Alert>) -> Notification {
    Notification {
        receiver: "trial".to_owned(),
        external_url: "https://grafana.example.com/".to_owned(),
        group_key: GroupKey("{}:{}".to_owned()),
        org_id: Some(1),
        version: "1".to_owned(),
        ..Notification::of(alerts)
    }
}

fn alert(status: AlertStatus, name: &str, annotations: &[(&str, &str)]) -> Alert {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let is_bare = annotations.is_empty();
    let url = |path: &str| {
        if is_bare {
            String::new()
        } else {
            format!("https://grafana.example.com/{path}")
        }
    };
    let at = |minutes: i64| Timestamp::from_second(now().as_second() - minutes * 60).ok();
    Alert {
        status,
        labels: text(&[
            ("alertname", name),
            ("rulename", "R"),
            ("instance", name),
            ("severity", "critical"),
        ]),
        annotations: text(annotations),
        starts_at: if is_bare { None } else { at(40) },
        ends_at: if status == AlertStatus::Resolved { at(2) } else { None },
        generator_url: url("rule"),
        fingerprint: Fingerprint(format!("{name}-{}", annotations.len())),
        silence_url: url("silence"),
        dashboard_url: url("dashboard"),
        panel_url: url("panel"),
        rule_uid: String::new(),
        values: if is_bare {
            None
        } else {
            Some(BTreeMap::from([("A".to_owned(), 96.4), ("C".to_owned(), 1.0)]))
        },
        last_values: None,
        departed: None,
        value_string: String::new(),
        image_url: String::new(),
        org_id: None,
        enrichments: (!is_bare).then(|| serde_json::json!({"assistant": {"title": "d"}})),
    }
}
