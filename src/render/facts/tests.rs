//! Kinds and headlines.

use super::*;
use crate::render::trial;

fn facts_of(change: impl Fn(usize, &mut Alert)) -> (Kind, String) {
    let mut notification = trial::notifications().remove(0);
    notification.alerts.push(notification.alerts[0].clone());
    for (number, alert) in notification.alerts.iter_mut().enumerate() {
        alert.annotations.clear();
        change(number, alert);
    }
    let facts = Facts::new(&notification, trial::now());
    (facts.kind, facts.headline())
}

fn reason(alert: &mut Alert, reason: &str) {
    alert
        .annotations
        .insert("grafana_state_reason".to_owned(), reason.to_owned());
}

#[test]
fn a_state_is_told_by_more_than_its_status() {
    let kind = |change: &dyn Fn(usize, &mut Alert)| facts_of(change).0;
    assert_eq!(kind(&|_, _| {}), Kind::Firing);
    assert_eq!(kind(&|_, alert| reason(alert, "NoData")), Kind::NoData);
    assert_eq!(kind(&|_, alert| reason(alert, "NoData, KeepLast")), Kind::Firing);
    assert_eq!(
        kind(&|number, alert| if number == 0 {
            reason(alert, "Error");
        }),
        Kind::Firing
    );
    assert_eq!(
        kind(&|number, alert| reason(alert, ["Error", "NoData"][number])),
        Kind::Error
    );
    let resolved = |alert: &mut Alert, why: &str| {
        alert.status = AlertStatus::Resolved;
        reason(alert, why);
    };
    assert_eq!(
        kind(&|number, alert| if number == 0 {
            resolved(alert, "");
        }),
        Kind::Mixed
    );
    assert_eq!(kind(&|_, alert| resolved(alert, "RuleDeleted")), Kind::NotRecovered);
    assert_eq!(
        kind(&|number, alert| resolved(alert, ["", "Paused"][number])),
        Kind::Resolved
    );
    let data_is_back = |_: usize, alert: &mut Alert| {
        resolved(alert, "MissingSeries");
        alert
            .labels
            .insert("alertname".to_owned(), "DatasourceNoData".to_owned());
    };
    assert_eq!(facts_of(data_is_back).1, "✅ 2 RESOLVED · R · critical");
}

#[test]
fn the_headline_names_the_worst_and_two_of_many_rules() {
    let (_, headline) = facts_of(|number, alert| {
        alert.labels.insert("alertname".to_owned(), format!("Rule\n{number}"));
        alert
            .labels
            .insert("severity".to_owned(), ["info", "warning"][number].to_owned());
    });
    assert_eq!(headline, "🟠 2 FIRING · Rule⏎0, Rule⏎1 · warning");
}

#[test]
fn the_headline_counts_what_is_blind_apart_and_calls_nothing_resolved_that_is_cut_off() {
    let error = |alert: &mut Alert| reason(alert, "Error");
    assert_eq!(
        facts_of(|_, alert| error(alert)).1,
        "⚠️ 2 CANNOT EVALUATE · A · critical"
    );
    let (kind, headline) = facts_of(|number, alert| {
        if number == 0 {
            error(alert);
        }
    });
    assert_eq!(kind, Kind::Firing);
    assert_eq!(headline, "🔥 1 FIRING · ⚠️ 1 CANNOT EVALUATE · A · critical");

    let cut_off = |count: usize, why: &str| {
        let mut notification = trial::notifications().remove(0);
        notification.alerts = vec![notification.alerts[0].clone(); count];
        for alert in &mut notification.alerts {
            alert.status = AlertStatus::Resolved;
            reason(alert, why);
        }
        notification.truncated_alerts = 29;
        let facts = Facts::new(&notification, trial::now());
        (facts.kind, facts.headline())
    };
    assert_eq!(
        cut_off(1, ""),
        (
            Kind::Unknown,
            "❔ UNKNOWN (1 of at least 30 resolved) · A · critical".to_owned()
        )
    );
    assert_eq!(
        cut_off(2, "Paused").1,
        "❔ UNKNOWN (2 of at least 31 no longer firing) · A · critical"
    );
}

#[test]
fn names_are_cut_to_what_a_line_can_hold() {
    let (_, headline) = facts_of(|number, alert| {
        let long = |text: &str| format!("{text}{}", "x".repeat(1 << 20));
        alert.labels.insert("alertname".to_owned(), long(&format!("{number}")));
        alert.labels.insert("severity".to_owned(), long("high"));
        alert.labels.insert("grafana_folder".to_owned(), long("Folder"));
    });
    assert!(
        headline.starts_with("🔥 2 FIRING · 0xxx") && headline.chars().count() <= 300,
        "{headline}"
    );
}
