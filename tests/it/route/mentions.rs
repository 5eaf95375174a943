//! Who is mentioned: only users whom the operator wrote down, only for what fires.

use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::alert::{Alert, AlertStatus};
use grafana_matrix_relay::config::routes::RoutesSource;
use grafana_matrix_relay::message::{Mentions, RouteName};
use grafana_matrix_relay::route::MentionPolicy;
use proptest::prelude::*;
use serde_json::json;

use super::file::parse as parse_file;

fn policy(text: &str) -> MentionPolicy {
    let text = format!("[routes.default]\nrooms = '!r:x.org'\n{text}");
    let routes = parse_file(&RoutesSource::default(), &text).unwrap();
    let route = &routes.table.routes()[&RouteName::default()];
    route.destinations[0].policy.mentions.clone()
}

fn alert(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Alert {
    let object = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), json!(v)))
            .collect::<serde_json::Map<_, _>>()
    };
    let body = json!({"version": "1", "alerts": [
        {"status": "firing", "labels": object(labels), "annotations": object(annotations)}]});
    parse::notification(body.to_string().as_bytes())
        .unwrap()
        .alerts
        .remove(0)
}

fn mentioned(policy: &MentionPolicy, alerts: &[Alert]) -> (Vec<String>, bool) {
    let Mentions { user_ids, room } = policy.of(alerts);
    (user_ids, room)
}

fn users(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("@{name}:x.org")).collect()
}

const POLICY: &str = r#"
[[routes.default.mentions]]
severity = ["critical", "page"]
room = true
[[routes.default.mentions]]
matchers = ['team="db"', 'env!="test"']
users = ["@alice:x.org"]
[[routes.default.mentions]]
severity = "p1"
severity_label = "priority"
users = ["@boss:x.org", "@alice:x.org"]
[[routes.default.mentions]]
from.team.db = ["@dora:x.org"]
from.team."in fra" = "@ian:x.org"
from_annotation.owner.Eve = ["@eve:x.org"]
"#;

#[test]
fn mentions_add_up_over_entries_and_alerts() {
    let policy = policy(POLICY);
    for (labels, annotations, wanted, room) in [
        (&[("severity", "Critical")][..], &[][..], &[][..], true),
        (&[("severity", "warning")], &[], &[], false),
        (&[("team", "db")], &[], &["alice", "dora"], false),
        (&[("team", "db"), ("env", "test")], &[], &["dora"], false),
        (&[("priority", "p1")], &[], &["boss", "alice"], false),
        (&[("team", "in fra")], &[("owner", " Eve ")], &["ian", "eve"], false),
        (&[("owner", "Eve")], &[("team", "db")], &[], false),
        // Text of an alert is never a user.
        (
            &[("team", "@mallory:x.org")],
            &[("owner", "@mallory:x.org")],
            &[],
            false,
        ),
    ] {
        assert_eq!(
            mentioned(&policy, &[alert(labels, annotations)]),
            (users(wanted), room),
            "{labels:?}"
        );
    }
    let both = [
        alert(&[("team", "db")], &[]),
        alert(&[("priority", "p1"), ("severity", "page")], &[]),
    ];
    assert_eq!(mentioned(&policy, &both), (users(&["alice", "dora", "boss"]), true));
    assert_eq!(mentioned(&policy, &[]), (Vec::new(), false));
    assert!(policy.can_mention_room());
}

#[test]
fn what_is_over_mentions_nobody() {
    let mut over = alert(&[("severity", "critical"), ("team", "db")], &[]);
    over.status = AlertStatus::Resolved;
    assert_eq!(mentioned(&policy(POLICY), &[over]), (Vec::new(), false));
    assert_eq!(
        mentioned(&MentionPolicy::default(), &[alert(&[], &[])]),
        (Vec::new(), false)
    );
}

#[test]
fn an_entry_may_hold_for_what_makes_an_alert_fire() {
    let policy = policy(
        r#"
[[routes.default.mentions]]
state = ["no-data", "error"]
users = ["@blind:x.org"]
[[routes.default.mentions]]
state = "firing"
severity = "critical"
users = ["@oncall:x.org"]
[[routes.default.mentions]]
users = ["@all:x.org"]
"#,
    );
    let reason = |reason| [("grafana_state_reason", reason)];
    for (labels, annotations, wanted) in [
        (&[("severity", "critical")][..], &[][..], &["oncall", "all"][..]),
        (&[("severity", "warning")], &[], &["all"]),
        (
            &[("alertname", "DatasourceError"), ("severity", "critical")],
            &[],
            &["blind", "all"],
        ),
        (&[("alertname", "DatasourceNoData")], &[], &["blind", "all"]),
        (&[("severity", "critical")], &reason("Error"), &["blind", "all"]),
        (
            &[("severity", "critical")],
            &reason("NoData, KeepLast"),
            &["oncall", "all"],
        ),
    ] {
        let alert = alert(labels, annotations);
        assert_eq!(
            mentioned(&policy, &[alert]),
            (users(wanted), false),
            "{labels:?} {annotations:?}"
        );
    }
}

#[test]
fn what_is_over_is_no_state_that_mentions() {
    let text = "[routes.default]\nrooms = '!r:x.org'\nmentions = { state = ['firing', 'resolved'], room = true }\n";
    let problems = parse_file(&RoutesSource::default(), text).unwrap_err();
    assert!(problems[0].contains(":3: invalid state `resolved`"), "{problems:?}");
}

#[test]
fn one_entry_may_be_written_as_a_table() {
    let policy = policy(
        "[routes.default.mentions]\nusers = '@alice:x.org'\n[routes.default.mentions.from.team]\ndb = ['@bob:x.org']\n",
    );
    assert_eq!(
        mentioned(&policy, &[alert(&[("team", "db")], &[])]),
        (users(&["alice", "bob"]), false)
    );
    assert!(!policy.can_mention_room());
}

proptest! {
    #[test]
    fn no_alert_mentions_anybody_who_is_not_in_the_file(
        labels in proptest::collection::btree_map("team|owner|severity|[a-z]{1,4}", "db|Eve|@[a-z]{1,5}:x.org|\\PC{0,12}", 0..5),
        annotations in proptest::collection::btree_map("team|owner|[a-z]{1,4}", "db|Eve|@[a-z]{1,5}:x.org|\\PC{0,12}", 0..5),
    ) {
        let mut any = alert(&[], &[]);
        (any.labels, any.annotations) = (labels, annotations);
        let known = users(&["alice", "boss", "dora", "ian", "eve"]);
        let (mentioned, _) = mentioned(&policy(POLICY), &[any]);
        prop_assert!(mentioned.iter().all(|user| known.contains(user)), "{:?}", mentioned);
    }
}
