//! Several rooms and rules: each place of a route tells its own story, whichever alerts a notification brings.

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
        "| ✅ RESOLVED · B · after 9 min · was: needs you · A = 96.5",
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
