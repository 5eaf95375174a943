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
