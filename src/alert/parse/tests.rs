//! What a body has to hold, and what is said of one that does not.

use serde_json::json;

use super::*;

fn parsed(body: &serde_json::Value) -> Result<Notification, ParseError> {
    notification(body.to_string().as_bytes())
}

fn refused_field(body: &serde_json::Value) -> String {
    match parsed(body) {
        Err(ParseError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_alert_needs_only_status_and_labels() {
    let minimal = parsed(&json!({"alerts": [{"status": "firing", "labels": {}}]})).unwrap();
    assert_eq!(minimal.status, AlertStatus::Firing);
    assert_eq!(minimal.alerts[0].fingerprint.0.len(), 16);
    let nulls = parsed(
        &json!({"alerts": [{"status": "resolved", "labels": {"a": null, "n": 7, "b": true},
        "annotations": null, "startsAt": null, "values": null, "orgId": null}],
        "groupLabels": null, "truncatedAlerts": null, "version": null, "title": null}),
    )
    .unwrap();
    assert_eq!(nulls.status, AlertStatus::Resolved);
    assert_eq!(
        nulls.alerts[0].labels,
        Labels::from([("b".into(), "true".into()), ("n".into(), "7".into())])
    );
}

#[test]
fn the_sender_is_told_which_field_is_missing() {
    assert_eq!(refused_field(&json!({"text": "custom"})), "alerts");
    assert_eq!(refused_field(&json!({"alerts": []})), "alerts");
    assert_eq!(
        refused_field(&json!({"alerts": [{"status": "firing"}]})),
        "alerts[0].labels"
    );
    assert_eq!(refused_field(&json!({"alerts": [{"labels": {}}]})), "alerts[0].status");
    assert_eq!(
        refused_field(&json!({"alerts": [{"status": "firing", "labels": null}]})),
        "alerts[0].labels"
    );
    assert_eq!(
        refused_field(&json!({"alerts": [{"status": "on", "labels": {}}]})),
        "alerts[0].status"
    );
    assert_eq!(refused_field(&json!({"alerts": {"a": 1}})), "alerts");
    assert_eq!(
        refused_field(&json!([[{"status": "firing", "labels": {}}]])),
        "the body"
    );
}

#[test]
fn what_is_not_json_is_told_apart_from_a_wrong_field() {
    for body in [&b""[..], b"  \n", b"{", b"{\"alerts\":[]} x", b"\xff\xfe", b"a=b"] {
        assert!(matches!(notification(body), Err(ParseError::NotJson(_))), "{body:?}");
    }
}

#[test]
fn sender_is_told_by_all_that_tells_it() {
    let body = |more: serde_json::Value| {
        let alert = json!({"status": "firing", "labels": {}, "endsAt": "2026-11-20T08:00:00Z"});
        let mut body = json!({"version": "4", "alerts": [alert]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        parsed(&body).unwrap()
    };
    let plain = body(json!({}));
    assert_eq!((plain.source, plain.alerts[0].ends_at), (Source::Alertmanager, None));
    // Grafana 8, and Grafana's rules in an Alertmanager.
    assert_eq!(
        body(json!({"title": "[FIRING:1]", "state": "alerting"})).source,
        Source::Grafana
    );
    let of_rule = json!({"status": "firing", "labels": {"__alert_rule_uid__": "a", "grafana_folder": "F"},
        "generatorURL": "https://grafana.example.org/alerting/grafana/a/view"});
    assert_eq!(body(json!({"alerts": [of_rule]})).source, Source::Alertmanager);
    let with_values = json!({"status": "firing", "labels": {}, "values": {"A": 1}});
    assert_eq!(body(json!({"alerts": [with_values]})).source, Source::Grafana);
    let unversioned = json!({"version": null, "notification_reason": "first notification"});
    assert_eq!(body(unversioned).source, Source::Alertmanager);
    assert_eq!(body(json!({"version": null})).source, Source::Grafana);
}

#[test]
fn a_receiver_name_comes_back_as_it_was_written() {
    assert_eq!(unquote(r"Ops \(EU\) a\\b \d"), r"Ops (EU) a\b \d");
}
