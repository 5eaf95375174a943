//! Several rooms and rules: each place of a route tells its own story, whichever alerts a notification brings.

use grafana_matrix_relay::message::Mode;
use serde_json::json;

use super::story::Live;

/// Two places in one room: what is critical rings in another way.
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
async fn the_stories_of_one_room_do_not_swap_with_the_order_of_the_alerts() {
    let (mut live, _) = Live::routed(TWO_IN_ONE).await;
    severities(&mut live);
    live.post(0, &["A 0", "B 0"]).await;
    let begun = ["loud 🔥 FIRING · A · critical", "loud 🟠 FIRING · B · warning"];
    live.sees(&begun).await;
    live.post(5, &["B 0", "A 0"]).await;
    live.sees(&begun).await;
    assert_eq!(live.sends(), 2);
    live.post(10, &["B 0-9", "A 0"]).await;
    live.sees(&[
        begun[0],
        "✅ RESOLVED · B · after 9 min · was warning (edited)",
        "| ✅ RESOLVED · B · after 9 min · was: needs you (value 96.5)",
    ])
    .await;
}

#[tokio::test]
async fn a_rule_elsewhere_or_another_mode_keeps_the_stories() {
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
    live.post(10, &["A 0-9", "B 0"]).await;
    let lines = live.lines().await;
    assert_eq!(lines[0], "✅ RESOLVED · A · after 9 min · was critical (edited)");
    assert_eq!(lines[2], "loud 🟠 FIRING · B · warning");
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

#[tokio::test]
async fn rules_that_differ_in_their_template_are_one_place_for_a_sender_that_chooses_it() {
    let (mut live, _) = Live::routed(
        r#"
[routes.default]
rooms = ["{room}"]
[[routes.default.rules]]
matchers = ['severity="critical"']
template = "detailed"
[[routes.default.rules]]
matchers = ['alertname="C"']
mode = "thread"
"#,
    )
    .await;
    severities(&mut live);
    live.template = Some("compact".parse().unwrap());
    live.labels.insert("C".to_owned(), json!({"severity": "warning"}));
    live.post(0, &["A 0", "B 0", "C 0"]).await;
    let lines = live.lines().await;
    assert_eq!(lines.len(), 2, "one of A and B, one of C: {lines:?}");
    live.post(5, &["C 0", "A 0", "B 0"]).await;
    live.post(10, &["A 0-9", "C 0", "B 0"]).await;
    live.post(20, &["C 0-19", "A 0-9", "B 0"]).await;
    let heads = live.shown();
    assert_eq!(heads.len(), 2, "{:?}", live.lines().await);
    assert_eq!([heads[0].edits, heads[1].edits], [1, 0]);
    assert_eq!([heads[0].thread.len(), heads[1].thread.len()], [1, 1]);
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
    let head = live.head(0);
    assert!(
        head.contains("Grafana does not list it any more; whether it recovered is unknown.")
            && head.contains("was: needs you (value 96.5)"),
        "{head}"
    );
    // It is told once, and what fires again is a new head.
    live.post(20, &["B 0"]).await;
    assert_eq!(live.sends(), 3);
    live.post(30, &["A 29", "B 0"]).await;
    assert_eq!(live.lines().await[2..], ["loud 🔥 FIRING · A · critical"]);
    assert_eq!(live.night.bodies(&live.room).len(), 4);
}

#[tokio::test]
async fn an_older_snapshot_takes_nothing_away_from_another_room() {
    let (mut live, _) = Live::routed(TWO_ROOMS).await;
    severities(&mut live);
    live.labels.insert("D".to_owned(), json!({"severity": "warning"}));
    live.post(0, &["B 0"]).await;
    live.post(10, &["A 9", "B 0"]).await;
    live.post(10, &["B 0", "D 1"]).await;
    live.sees(&["loud 🔥 FIRING · A · critical"]).await;
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
    // To another rule, in the same room: what is left of the old head ends, and the new one is of the rule.
    let one = "[routes.default]\nrooms = ['{room}']\n";
    let (mut live, other) = Live::routed(one).await;
    severities(&mut live);
    live.post(0, &["A 0"]).await;
    live.route(TWO_IN_ONE, &other);
    live.post(10, &["A 0"]).await;
    let lines = live.lines().await;
    assert_eq!(
        (lines[0].as_str(), lines[2].as_str()),
        (GONE, "loud 🔥 FIRING · A · critical")
    );
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
            Mode::Reply => "> ⚪ NO LONGER REPORTED · A · Grafana",
            Mode::Reaction => "loud 🔥 FIRING · A · critical ⚪×1",
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
              { mode = 'thread' }, { mode = 'reply' }]",
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
async fn a_rule_whose_policy_is_taken_back_leaves_no_head_behind() {
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
    // Where the other rule has a story that goes on, that takes the alert over.
    let (mut live, other) = Live::routed(TWO_IN_ONE).await;
    severities(&mut live);
    live.post(0, &["A 0", "B 0"]).await;
    live.route(&plain, &other);
    live.post(10, &["A 0", "B 0"]).await;
    let lines = live.lines().await;
    assert_eq!(
        (lines[0].as_str(), lines[2].as_str()),
        (GONE, "🔥 2 firing (1 critical) · A, B (edited)"),
        "{lines:?}"
    );
    live.post(20, &["A 0-19", "B 0-19"]).await;
    let heads = live.shown();
    assert!(
        heads.iter().all(|head| !head.body().contains("FIRING")),
        "{:?}",
        live.lines().await
    );
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
