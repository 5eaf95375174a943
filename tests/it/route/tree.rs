//! Where alerts go: the tree of rules means what Alertmanager's means, and a group is split without losing an alert.

use std::collections::BTreeMap;
use std::sync::Arc;

use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::alert::{AlertStatus, Notification};
use grafana_matrix_relay::config::routes::RoutesSource;
use grafana_matrix_relay::message::RouteName;
use grafana_matrix_relay::route::{Routed, Router, Rule, Table, matchers};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::file::parse as parse_file;

fn router(text: &str) -> Router {
    Router::new(parse_file(&RoutesSource::default(), text).unwrap().table)
}

fn alert(name: &str, status: &str, labels: &Value) -> Value {
    let mut labels = labels.clone();
    labels["alertname"] = json!(name);
    json!({"status": status, "labels": labels, "annotations": {"summary": name, "runbook": "r"},
        "startsAt": "2026-11-20T09:14:10Z", "fingerprint": name})
}

fn notification(alerts: &[Value]) -> Notification {
    let body = json!({"version": "1", "receiver": "r", "status": "firing", "state": "alerting", "groupKey": "{}:{g}",
        "groupLabels": {"g": "1"}, "commonLabels": {}, "commonAnnotations": {"runbook": "r"}, "truncatedAlerts": 3,
        "externalURL": "https://grafana.example.org", "title": "[FIRING:2] all", "message": "all of them", "orgId": 1,
        "alerts": alerts});
    parse::notification(body.to_string().as_bytes()).unwrap()
}

fn route(router: &Router, notification: &Notification) -> Vec<Routed> {
    router.route(&RouteName::default(), &Arc::new(notification.clone()))
}

/// Room, template, and the names of the alerts.
fn seen(routed: &[Routed]) -> Vec<(String, String, Vec<String>)> {
    let names = |notification: &Notification| notification.alerts.iter().map(|a| a.fingerprint.0.clone()).collect();
    routed
        .iter()
        .map(|part| {
            let to = &part.destination;
            (
                to.room.to_string(),
                to.template.to_string(),
                names(&part.share.notification()),
            )
        })
        .collect()
}

fn to(room: &str, template: &str, alerts: &[&str]) -> (String, String, Vec<String>) {
    let alerts = alerts.iter().map(|name| (*name).to_owned()).collect();
    (room.to_owned(), template.to_owned(), alerts)
}

const TEAMS: &str = r##"
[routes.default]
rooms = ["#all:x.org"]
[[routes.default.rules]]
matchers = ['severity="critical"']
rooms = ["#oncall:x.org"]
continue = true
[[routes.default.rules]]
matchers = ['team=~"db|infra"']
rooms = ["#ops:x.org", "#ops-archive:x.org"]
template = "compact"
[[routes.default.rules.rules]]
matchers = ['env!="prod"']
rooms = ["#quiet:x.org"]
[[routes.default.rules]]
matchers = ['team="db"', 'never="reached"']
rooms = ["#unreachable:x.org"]
"##;

#[test]
fn a_mixed_group_is_split_as_the_rules_say() {
    let group = notification(&[
        alert(
            "a",
            "firing",
            &json!({"team": "db", "env": "prod", "severity": "critical", "shared": "1"}),
        ),
        alert(
            "b",
            "resolved",
            &json!({"team": "db", "env": "prod", "severity": "info", "shared": "1"}),
        ),
        alert(
            "c",
            "firing",
            &json!({"team": "infra", "env": "test", "severity": "critical"}),
        ),
        alert("d", "firing", &json!({"team": "web"})),
    ]);
    let routed = route(&router(TEAMS), &group);
    assert_eq!(
        seen(&routed),
        [
            to("#oncall:x.org", "alert", &["a", "c"]),
            to("#ops:x.org", "compact", &["a", "b"]),
            to("#ops-archive:x.org", "compact", &["a", "b"]),
            to("#quiet:x.org", "compact", &["c"]),
            to("#all:x.org", "alert", &["d"]),
        ]
    );
}

#[test]
fn a_part_speaks_for_its_own_alerts_only() {
    let group = notification(&[
        alert("a", "firing", &json!({"team": "web", "shared": "1"})),
        alert("b", "resolved", &json!({"team": "db", "env": "prod", "shared": "1"})),
        alert("c", "resolved", &json!({"team": "db", "env": "prod", "shared": "2"})),
    ]);
    let routed = route(&router(TEAMS), &group);
    let part = routed
        .iter()
        .find(|part| part.destination.room.as_str() == "#ops:x.org")
        .unwrap()
        .share
        .notification();
    assert_eq!((part.status, part.state.as_str()), (AlertStatus::Resolved, "ok"));
    let labels: Vec<_> = part.common_labels.keys().map(String::as_str).collect();
    assert_eq!(labels, ["env", "team"]);
    assert_eq!(
        part.common_annotations,
        BTreeMap::from([("runbook".to_owned(), "r".to_owned())])
    );
    // It is the same group still, and the sender's words about all of it do not go to this room.
    assert_eq!(
        (&part.group_key, &part.group_labels),
        (&group.group_key, &group.group_labels)
    );
    assert_eq!(
        (part.truncated_alerts, part.external_url.as_str()),
        (3, "https://grafana.example.org")
    );
    assert_eq!((part.title.as_str(), part.message.as_str()), ("", ""));
    let firing = routed
        .iter()
        .find(|part| part.destination.room.as_str() == "#all:x.org")
        .unwrap()
        .share
        .notification();
    assert_eq!(
        (firing.status, firing.state.as_str()),
        (AlertStatus::Firing, "alerting")
    );
}

#[test]
fn a_group_that_is_not_split_is_left_as_it_came() {
    let group = notification(&[
        alert("a", "firing", &json!({})),
        alert("b", "firing", &json!({"team": "web"})),
    ]);
    let routed = route(&router(TEAMS), &group);
    assert_eq!(routed.len(), 1);
    assert_eq!(routed[0].share.notification(), group);
}

#[test]
fn an_alert_appears_once_in_a_room_however_many_rules_send_it_there() {
    let router = router(
        r##"
        [routes.default]
        rooms = ["#all:x.org"]
        [[routes.default.rules]]
        rooms = ["#one:x.org", "#two:x.org"]
        template = "detailed"
        continue = true
        [[routes.default.rules]]
        matchers = ['team="db"']
        rooms = ["#two:x.org", "#three:x.org"]
        "##,
    );
    let group = notification(&[
        alert("a", "firing", &json!({"team": "db"})),
        alert("b", "firing", &json!({})),
    ]);
    assert_eq!(
        seen(&route(&router, &group)),
        [
            to("#one:x.org", "detailed", &["a", "b"]),
            to("#two:x.org", "detailed", &["a", "b"]),
            to("#three:x.org", "alert", &["a"]),
        ]
    );
}

#[test]
fn rules_that_lead_to_the_same_place_make_one_message() {
    let router = router(
        r##"
        [routes.default]
        rooms = ["#all:x.org"]
        [[routes.default.rules]]
        matchers = ['team="db"']
        rooms = ["#ops:x.org"]
        [[routes.default.rules]]
        matchers = ['team="infra"']
        rooms = ["#ops:x.org"]
        "##,
    );
    let group = notification(&[
        alert("a", "firing", &json!({"team": "infra"})),
        alert("b", "firing", &json!({"team": "db"})),
    ]);
    assert_eq!(seen(&route(&router, &group)), [to("#ops:x.org", "alert", &["a", "b"])]);
}

#[test]
fn a_route_that_does_not_exist_leads_nowhere_and_receiver_is_never_looked_at() {
    let router = router(TEAMS);
    let mut group = notification(&[alert("a", "firing", &json!({}))]);
    assert!(
        router
            .route(&"other".parse().unwrap(), &Arc::new(group.clone()))
            .is_empty()
    );
    group.receiver = "oncall".to_owned();
    assert_eq!(seen(&route(&router, &group)), [to("#all:x.org", "alert", &["a"])]);
}

#[test]
fn a_table_takes_the_place_of_another_for_all_clones() {
    let router = router(TEAMS);
    let clone = router.clone();
    router.replace(Table::default());
    assert!(!clone.knows(&RouteName::default()));
}

#[test]
fn an_explanation_says_which_matcher_failed() {
    let router = router(TEAMS);
    let group = notification(&[alert("c", "firing", &json!({"team": "infra", "env": "prod"}))]);
    let told = router.table().explain(&RouteName::default(), &group.alerts[0]).unwrap();
    let steps: Vec<_> = told
        .steps
        .iter()
        .map(|step| (step.place.as_str(), step.depth, step.taken, step.ends_here))
        .collect();
    assert_eq!(
        steps,
        [
            ("routes.toml:4", 0, false, false),
            ("routes.toml:8", 0, true, true),
            ("routes.toml:12", 1, false, false),
        ]
    );
    let (matcher, holds, found) = &told.steps[2].conditions[0];
    assert_eq!(
        (matcher.to_string().as_str(), *holds, found.as_deref()),
        ("env!=\"prod\"", false, Some("prod"))
    );
    let rooms: Vec<_> = told.destinations.iter().map(|to| to.room.as_str()).collect();
    assert_eq!(rooms, ["#ops:x.org", "#ops-archive:x.org"]);
}

/// A rule of the properties: which values of the two labels it takes, whether it goes on, and the rules in it.
#[derive(Debug, Clone)]
struct Shape {
    a: Option<(&'static str, u8)>,
    b: Option<(&'static str, u8)>,
    continues: bool,
    rules: Vec<Shape>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let condition = || proptest::option::of((proptest::sample::select(vec!["=", "!=", "=~", "!~"]), 0..3_u8));
    let leaf = (condition(), condition(), any::<bool>()).prop_map(|(a, b, continues)| Shape {
        a,
        b,
        continues,
        rules: Vec::new(),
    });
    leaf.prop_recursive(3, 20, 4, move |inner| {
        (
            condition(),
            condition(),
            any::<bool>(),
            proptest::collection::vec(inner, 0..4),
        )
            .prop_map(|(a, b, continues, rules)| Shape { a, b, continues, rules })
    })
}

/// The rule of a shape, with a room of its own that is named after its place in the tree.
fn rule(shape: &Shape, place: &str) -> Rule {
    let written = [("a", shape.a), ("b", shape.b)];
    let texts = written
        .iter()
        .filter_map(|(name, condition)| condition.map(|(operator, value)| format!("{name}{operator}\"{value}\"")));
    let text: Vec<_> = texts.collect();
    let router = router(&format!("[routes.default]\nrooms = '#r{place}:x.org'\n"));
    Rule {
        place: place.to_owned(),
        matchers: matchers(&text.join(",")).unwrap(),
        destinations: router.table().routes()[&RouteName::default()].destinations.clone(),
        continues: shape.continues,
        rules: shape
            .rules
            .iter()
            .enumerate()
            .map(|(i, inner)| rule(inner, &format!("{place}.{i}")))
            .collect(),
    }
}

/// The rooms by the description of Alertmanager's tree, told anew: whoever matches hands the alert to its children in turn,
/// until one that does not continue has matched, and keeps it if none has.
fn expected(shape: &Shape, place: &str, alert: (Option<u8>, Option<u8>), rooms: &mut Vec<String>) -> bool {
    let holds = |condition: Option<(&str, u8)>, found: Option<u8>| match condition {
        None => true,
        Some(("=" | "=~", value)) => found == Some(value),
        Some((_, value)) => found != Some(value),
    };
    if !holds(shape.a, alert.0) || !holds(shape.b, alert.1) {
        return false;
    }
    let mut handled = false;
    for (i, inner) in shape.rules.iter().enumerate() {
        if expected(inner, &format!("{place}.{i}"), alert, rooms) {
            handled = true;
            if !inner.continues {
                break;
            }
        }
    }
    if !handled {
        rooms.push(format!("#r{place}:x.org"));
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_alert_goes_exactly_where_the_tree_of_alertmanager_sends_it(
        rules in proptest::collection::vec(shape(), 0..5),
        alerts in proptest::collection::vec((proptest::option::of(0..3_u8), proptest::option::of(0..3_u8)), 1..8),
    ) {
        let root = Shape { a: None, b: None, continues: false, rules };
        let table = Table::new(BTreeMap::from([(RouteName::default(), rule(&root, "0"))]));
        let bodies: Vec<Value> = alerts.iter().enumerate().map(|(i, (a, b))| {
            let mut labels = json!({});
            for (name, value) in [("a", a), ("b", b)] {
                if let Some(value) = value {
                    labels[name] = json!(value.to_string());
                }
            }
            alert(&i.to_string(), "firing", &labels)
        }).collect();
        let group = notification(&bodies);
        let routed = route(&Router::new(table.clone()), &group);
        for (i, given) in alerts.iter().enumerate() {
            let mut wanted = Vec::new();
            expected(&root, "0", *given, &mut wanted);
            prop_assert!(!wanted.is_empty());
            let mut reached: Vec<String> = routed
                .iter()
                .filter(|part| part.share.notification().alerts.iter().any(|alert| alert.fingerprint.0 == i.to_string()))
                .map(|part| part.destination.room.to_string())
                .collect();
            let told = table.explain(&RouteName::default(), &group.alerts[i]).unwrap();
            let told: Vec<String> = told.destinations.iter().map(|to| to.room.to_string()).collect();
            prop_assert_eq!(&told, &wanted, "the explanation is what is done");
            wanted.sort();
            reached.sort();
            prop_assert_eq!(reached, wanted);
        }
        for part in &routed {
            prop_assert!(!part.share.notification().alerts.is_empty());
        }
    }
}
