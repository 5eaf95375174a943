//! Several rooms and rules: each place of a route tells its own story, whichever alerts a notification brings.

use grafana_matrix_relay::message::Mode;
use serde_json::json;

use super::story::Live;

/// Two places in one room: what is critical notifies in another way.
const TWO_IN_ONE: &str = r#"
[routes.default]
rooms = ["{room}"]
[[routes.default.rules]]
matchers = ['severity="critical"']
mentions = [{ users = ["@ana:example.org"] }]
"#;

/// The two alerts, by their severities.
fn severities(live: &mut Live) {
    for (name, severity) in [("A", "critical"), ("B", "warning")] {
        live.labels.insert(name.to_owned(), json!({"severity": severity}));
    }
}

#[tokio::test]
async fn rules_of_one_room_share_its_message_and_each_mentions_for_its_own_alerts() {
    let (mut live, _) = Live::routed(TWO_IN_ONE).await;
    severities(&mut live);
    live.post(0, &["B 0"]).await;
    live.post(5, &["A 4", "B 0"]).await;
    live.post(10, &["B 0-9", "A 4"]).await;
    live.sees(&[
        "🔥 1 firing · ✅ 1 resolved · B, A · critical (edited 2 times)",
        "| loud 🔥 FIRING · A · critical · needs you · value 96.5",
        "| loud @ana:example.org",
        "| ✅ RESOLVED · B · after 9 min · was: needs you (value 96.5)",
    ])
    .await;
}

#[tokio::test]
async fn a_rule_elsewhere_or_another_policy_keeps_the_message() {
    let (mut live, other) = Live::routed(TWO_IN_ONE).await;
    severities(&mut live);
    live.post(0, &["A 0", "B 0"]).await;
    let changed = r#"
[routes.default]
rooms = ["{room}"]
[[routes.default.rules]]
matchers = ['alertname="C"']
rooms = ["{other}"]
[[routes.default.rules]]
matchers = ['severity="critical"']
reminders = true
mentions = [{ users = ["@ben:example.org"] }]
"#;
    live.route(changed, &other);
    live.post(10, &["A 0-9", "B 0-9"]).await;
    let lines = live.lines().await;
    assert_eq!(
        (lines[0].as_str(), live.shown().len()),
        ("✅ 2 resolved · A, B (edited)", 1),
        "{lines:?}"
    );
    // Where a room has one policy only, the rule that leads to it may be edited.
    let one = |teams: &str| {
        format!(
            "[routes.default]\nrooms = ['{{other}}']\n[[routes.default.rules]]\nrooms = ['{{room}}']\n\
             matchers = ['team=~\"{teams}\"']\n"
        )
    };
    let (mut live, other) = Live::routed(&one("db")).await;
    live.labels.insert("A".to_owned(), json!({"team": "db"}));
    live.post(0, &["A 0"]).await;
    live.route(&one("db|web"), &other);
    live.post(10, &["A 0-9"]).await;
    let lines = live.lines().await;
    assert_eq!(
        lines[0], "✅ RESOLVED · A · after 9 min · was critical (edited)",
        "{lines:?}"
    );
}

/// A room for each severity.
const TWO_ROOMS: &str = r#"
[routes.default]
rooms = ["{room}"]
[[routes.default.rules]]
matchers = ['severity="warning"']
rooms = ["{other}"]
"#;

const GONE: &str = "⚪ NO LONGER REPORTED · A · was critical (edited)";

#[tokio::test]
async fn a_room_hears_that_its_last_alert_is_not_listed_any_more() {
    let (mut live, _) = Live::routed(TWO_ROOMS).await;
    severities(&mut live);
    live.post(0, &["A 0", "B 0"]).await;
    live.cut = 1;
    live.post(5, &["B 0"]).await;
    live.sees(&["loud 🔥 FIRING · A · critical"]).await;
    live.cut = 0;
    live.post(10, &["B 0"]).await;
    live.sees(&[GONE, "| ⚪ NO LONGER REPORTED · A · Grafana does not list it any more"])
        .await;
    let root = live.root(0);
    assert!(
        root.contains("Grafana does not list it any more; whether it recovered is unknown.")
            && root.contains("was: needs you (value 96.5)"),
        "{root}"
    );
    // It is told once, and what fires again is a new root.
    live.post(20, &["B 0"]).await;
    assert_eq!(live.sends(), 3);
    live.post(30, &["A 29", "B 0"]).await;
    assert_eq!(live.lines().await[2..], ["loud 🔥 FIRING · A · critical"]);
    assert_eq!(live.night.bodies(&live.room).len(), 4);
}

#[tokio::test]
async fn each_room_is_told_by_the_notification_at_hand_whatever_its_age() {
    let (mut live, _) = Live::routed(TWO_ROOMS).await;
    severities(&mut live);
    live.post(0, &["A 0", "B 0"]).await;
    live.post_soon("", &["B 0-0"]).await;
    let lines = live.lines().await;
    assert_eq!(lines[0], GONE);
    assert_eq!(live.loud(), 1);
}

#[tokio::test]
async fn an_alert_that_the_routes_send_elsewhere_is_not_left_firing_where_it_was() {
    let (mut live, other) = Live::routed("[routes.default]\nrooms = ['{room}', '{other}']\n").await;
    severities(&mut live);
    live.post(0, &["A 0", "B 0"]).await;
    live.route(TWO_ROOMS, &other);
    live.post(10, &["A 0", "B 0"]).await;
    live.sees(&[
        "🔥 FIRING · A · critical (edited)",
        "| ⚪ NO LONGER REPORTED · B · it goes to another room now, or by another rule",
    ])
    .await;
    // By another rule to the same room: nothing changes there.
    let one = "[routes.default]\nrooms = ['{room}']\n";
    let (mut live, other) = Live::routed(one).await;
    severities(&mut live);
    live.post(0, &["A 0"]).await;
    live.route(TWO_IN_ONE, &other);
    live.post(10, &["A 0"]).await;
    live.sees(&["loud 🔥 FIRING · A · critical"]).await;
}

#[tokio::test]
async fn an_empty_share_is_told_in_every_mode() {
    for mode in Mode::ALL {
        let (mut live, _) = Live::routed(&TWO_ROOMS.replace("[[", &format!("mode = '{mode}'\n[["))).await;
        severities(&mut live);
        live.post(0, &["A 0", "B 0"]).await;
        live.post(10, &["B 0"]).await;
        let lines = live.lines().await;
        let last = match mode {
            Mode::Live | Mode::Thread => "| ⚪ NO LONGER REPORTED · A · Grafana",
            Mode::New => "⚪ NO LONGER REPORTED · A · was critical",
        };
        assert!(lines.last().unwrap().starts_with(last), "{mode}: {lines:?}");
        assert_eq!(live.loud(), 1);
    }
}

/// Places that differ in nothing but what is done there with an alert.
const ALIKE: [&str; 4] = [
    "rules = [{ mentions = [{ users = ['@ana:example.org'] }] }]",
    "rules = [{ matchers = ['severity=\"critical\"'], rules = [{ mentions = [{ room = true }] }], continue = true },
              { mode = 'thread' }, { mode = 'live' }]",
    "rules = [{ matchers = ['team=\"db\"'], mentions = [{ users = ['@ana:example.org'] }] },
              { matchers = ['team=\"db\"'], mode = 'thread' }]",
    "rules = [{ matchers = ['severity=\"critical\"'], mentions = [{ room = true }], continue = true },
              { matchers = ['severity=\"critical\"'], mode = 'thread' }]",
];

#[tokio::test]
async fn rules_with_the_same_matchers_or_none_have_a_story_each() {
    for rules in ALIKE {
        for route_too in [true, false] {
            let own = if route_too { "{room}" } else { "{other}" };
            let rules = rules.replace("rules = [{ ", "rules = [{ rooms = ['{room}'], ");
            let rules = rules.replace("{ mode = '", "{ rooms = ['{room}'], mode = '");
            let (mut live, _) = Live::routed(&format!("[routes.default]\nrooms = ['{own}']\n{rules}\n")).await;
            severities(&mut live);
            live.labels
                .insert("D".to_owned(), json!({"team": "db", "severity": "critical"}));
            for minute in [0, 2, 4, 6] {
                live.post(minute, &["D 0"]).await;
            }
            live.sees(&["loud 🔥 FIRING · D · critical"]).await;
            for minute in [8, 10, 12] {
                live.post(minute, &["D 0-7"]).await;
            }
            let lines = live.lines().await;
            assert_eq!(live.shown().len(), 1, "{rules}: {lines:?}");
            assert!(
                lines.iter().all(|line| !line.contains("NO LONGER")),
                "{rules}: {lines:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_rule_whose_policy_is_taken_back_leaves_no_root_behind() {
    let plain = TWO_IN_ONE.replace("mentions = [{ users = [\"@ana:example.org\"] }]", "");
    let (mut live, other) = Live::routed(TWO_IN_ONE).await;
    severities(&mut live);
    live.post(0, &["A 0"]).await;
    live.route(&plain, &other);
    live.post(5, &["A 0"]).await;
    live.sees(&["loud 🔥 FIRING · A · critical"]).await;
    live.post(10, &["A 0-9"]).await;
    live.post(20, &["A 0-9"]).await;
    live.sees(&[
        "✅ RESOLVED · A · after 9 min · was critical (edited)",
        "| ✅ RESOLVED · A · after 9 min · was: needs you (value 96.5)",
    ])
    .await;
}

#[tokio::test]
async fn a_room_of_one_rule_keeps_its_story_when_it_gets_another_rule() {
    let first = "{ matchers = ['team=\"db\"'], rooms = ['{room}'] }";
    let second = "{ matchers = ['team=\"web\"'], rooms = ['{room}'], mode = 'thread' }";
    let table = |rules: &str| format!("[routes.default]\nrooms = ['{{other}}']\nrules = [{rules}]\n");
    let both = format!("{first}, {second}");
    for (before, after) in [(first, both.as_str()), (&both, first), (&both, second)] {
        let (mut live, other) = Live::routed(&table(before)).await;
        let team = if after == second { "web" } else { "db" };
        live.labels.insert("A".to_owned(), json!({"team": team}));
        live.post(0, &["A 0"]).await;
        live.route(&table(after), &other);
        live.post(10, &["A 0"]).await;
        live.post(20, &["A 0-19"]).await;
        let lines = live.lines().await;
        assert_eq!(live.shown().len(), 1, "{before} to {after}: {lines:?}");
        assert!(lines.last().unwrap().starts_with("| ✅ RESOLVED · A"), "{lines:?}");
    }
}
