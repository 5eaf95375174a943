//! The other ways to tell a group's story, and what is left of a root that people delete.

use std::time::Duration;

use grafana_matrix_relay::message::Mode;
use serde_json::json;

use super::story::Live;
use crate::night::{Make, Night};

/// A begins, B joins, A ends, all is over, nothing is new.
async fn story(mode: Mode) -> (Live, Vec<String>) {
    let mut live = Live::new().await;
    live.night.policy.mode = mode;
    live.post(0, &["A 0"]).await;
    live.post(10, &["A 0", "B 9"]).await;
    live.post(20, &["A 0-19", "B 9"]).await;
    live.post(260, &["B 9"]).await;
    live.post(270, &["B 9-269"]).await;
    let lines = live.lines().await;
    (live, lines)
}

#[tokio::test]
async fn thread_never_edits() {
    let (live, lines) = story(Mode::Thread).await;
    let expected = [
        "loud 🔥 FIRING · A · critical",
        "| loud 🔥 FIRING · B · critical · needs you · value 96.5",
        "| ✅ RESOLVED · A · after 19 min · was: needs you (value 96.5)",
        "| ✅ RESOLVED · B · after 4 h 20 min · was: needs you (value 96.5)",
    ];
    assert_eq!(lines, expected);
    assert_eq!(live.sends(), 4);
}

#[tokio::test]
async fn new_is_a_message_each_time() {
    let (live, lines) = story(Mode::New).await;
    let expected = [
        "loud 🔥 FIRING · A · critical",
        "loud 🔥 2 firing · A, B · critical",
        "loud 🔥 1 firing · ✅ 1 resolved · A, B · critical",
        "loud 🔥 FIRING · B · critical",
        "✅ RESOLVED · B · after 4 h 20 min · was critical",
    ];
    assert_eq!(lines, expected);
    assert_eq!(live.sends(), 5);
}

#[tokio::test]
async fn another_mode_goes_on_with_the_same_story() {
    let mut live = Live::new().await;
    live.night.policy.mode = Mode::Thread;
    live.post(0, &["A 0"]).await;
    live.post(10, &["A 0", "B 9"]).await;
    live.night.policy.mode = Mode::Live;
    live.post(20, &["A 0-19", "B 9-19"]).await;
    let lines = live.lines().await;
    assert_eq!(lines[0], "✅ 2 resolved · A, B (edited)");
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[tokio::test]
async fn a_root_that_was_kept_true_is_kept_true_to_the_end() {
    let resolved = "| ✅ RESOLVED · B · after 9 min · was: needs you (value 96.5)";
    for (mode, expected) in [
        (
            Mode::Thread,
            vec![
                "✅ RESOLVED · A · after 29 min · was critical (edited 2 times)",
                resolved,
            ],
        ),
        (
            Mode::New,
            vec![
                "✅ RESOLVED · A · after 29 min · was critical (edited 2 times)",
                "loud 🔥 1 firing · ✅ 1 resolved · A, B · critical",
                "✅ RESOLVED · A · after 29 min · was critical",
            ],
        ),
    ] {
        let mut live = Live::new().await;
        live.post(0, &["A 0", "B 0"]).await;
        live.night.policy.mode = mode;
        live.post(10, &["A 0", "B 0-9"]).await;
        live.post(30, &["A 0-29"]).await;
        let lines = live.lines().await;
        assert_eq!(lines[..expected.len()], expected, "{mode}");
        // The next root is of the new mode.
        live.post(60, &["A 59"]).await;
        live.post(70, &["A 59-69"]).await;
        let shown = live.shown();
        assert!(shown[1..].iter().all(|one| one.edits == 0), "{mode}: {shown:#?}");
    }
}

#[tokio::test]
async fn a_group_that_was_told_in_messages_gets_its_root_quietly() {
    for mode in [Mode::Live, Mode::Thread] {
        for (alerts, expected) in [
            (["A 0-9", "B 0"], "🔥 1 firing · ✅ 1 resolved · A, B · critical"),
            (["A 0-9", "B 0-9"], "✅ 2 resolved · A, B"),
            (["A 0", "B 0"], "🔥 2 firing · A, B · critical"),
            (["A 0", "C 9"], "loud 🔥 2 firing · A, C · critical"),
        ] {
            let mut live = Live::new().await;
            live.night.policy.mode = Mode::New;
            live.post(0, &["A 0", "B 0"]).await;
            live.night.policy.mode = mode;
            live.post(10, &alerts).await;
            live.sees(&["loud 🔥 2 firing · A, B · critical", expected]).await;
        }
    }
}

#[tokio::test]
async fn the_root_of_an_earlier_episode_is_left_alone() {
    let mut live = Live::new().await;
    live.post(0, &["A 0"]).await;
    live.post(10, &["A 0-9"]).await;
    live.night.policy.mode = Mode::New;
    live.post(30, &["A 29"]).await;
    live.night.policy.mode = Mode::Live;
    live.post(40, &["A 29-39"]).await;
    let lines = live.lines().await;
    let expected = [
        "✅ RESOLVED · A · after 9 min · was critical (edited)",
        "| ✅ RESOLVED · A · after 9 min · was: needs you (value 96.5)",
        "loud 🔥 FIRING · A · critical",
        "✅ RESOLVED · A · after 10 min · was critical",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_deleted_root_is_replaced_by_a_message_that_rings_nobody() {
    for mode in [Mode::Live, Mode::Thread] {
        let mut live = Live::new().await;
        live.night.policy.mode = mode;
        live.post(0, &["A 0", "B 0"]).await;
        live.lines().await;
        live.delete_root();
        live.post(10, &["A 0-9", "B 0-9"]).await;
        let lines = live.lines().await;
        let expected = [
            "✅ 2 resolved · A, B",
            "| ✅ RESOLVED · A · after 9 min · was: needs you (value 96.5)",
            "| ✅ RESOLVED · B · after 9 min · was: needs you (value 96.5)",
        ];
        assert_eq!(lines, expected, "{mode}");
        assert_eq!(live.loud(), 0, "{mode}: only the deleted root rang");
    }
}

#[tokio::test]
async fn other_contact_points_and_templates_tell_their_own_story() {
    let mut live = Live::new().await;
    live.post_group("a", 0, &["A 0"]).await;
    live.post_group("b", 0, &["A 0"]).await;
    live.post_group("a", 10, &["A 0-9"]).await;
    let lines = live.lines().await;
    let expected = [
        "✅ RESOLVED · A · after 9 min · was critical (edited)",
        "| ✅ RESOLVED · A · after 9 min · was: needs you (value 96.5)",
        "loud 🔥 FIRING · A · critical",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn what_has_no_group_is_a_message_each_time() {
    let mut live = Live::new().await;
    let ungrouped = json!({"alerts": [{"status": "firing", "labels": {"alertname": "X"}}]});
    for body in [ungrouped.clone(), ungrouped] {
        live.night.accept_body(&live.room, body.to_string().as_bytes()).await;
    }
    let lines = live.lines().await;
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[tokio::test]
async fn a_root_of_the_largest_size_can_still_be_edited() {
    // The built-in templates show no more than a phone's screen holds.
    let all = "{% for alert in alerts %}{{ alert.name }} {{ alert.severity }}\n\n{% endfor %}";
    let make = Make {
        templates: vec![("alert.md.j2", all)],
        ..Make::without_digests()
    };
    let mut live = Live::on(Night::made(make).await);
    let many: Vec<String> = (0..400).map(|n| format!("{}{n} 0", "ä\"<".repeat(60))).collect();
    let ended: Vec<String> = (0..400).map(|n| format!("{}{n} 0-9", "ä\"<".repeat(60))).collect();
    live.post(0, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    live.post(10, &ended.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    live.lines().await;
    let events = live.night.homeserver.homeserver.events(live.room.as_str());
    let edit = events
        .iter()
        .find(|event| event.content["m.relates_to"]["rel_type"] == "m.replace")
        .unwrap();
    let size = edit.content.to_string().len();
    assert!((20_000..60_000).contains(&size), "{size} bytes");
    assert_eq!(live.shown()[0].edits, 1);
}

#[tokio::test]
async fn a_group_goes_on_after_a_crash() {
    let mut live = Live::new().await;
    live.post(0, &["A 0"]).await;
    live = live.crash().await;
    live.post(10, &["A 0", "B 9"]).await;
    live = live.crash().await;
    live.night.pass(Duration::from_mins(1));
    let lines = live.lines().await;
    assert_eq!(lines[0], "🔥 2 firing · A, B · critical (edited)");
    assert_eq!(lines.len(), 2, "{lines:?}");
}
