//! One live message for each group, as a room shows it: sequences of notifications in, what a client sees out, and how
//! many events it took.

mod mentions;
mod modes;
mod races;
mod rooms;
mod roots;
mod runs;
mod storm;
mod story;
mod tables;
mod truth;

use std::time::Duration;

use grafana_matrix_relay::message::Mode;
use jiff::SignedDuration;
use story::Live;

use crate::night::{Make, Night};
use crate::support::postgres;

#[tokio::test]
async fn a_group_is_one_message_that_stays_true() {
    let mut live = Live::new().await;
    live.post(0, &["A 0"]).await;
    live.sees(&["loud 🔥 FIRING · A · critical"]).await;
    live.post(10, &["A 0", "B 9"]).await;
    live.sees(&[
        "🔥 2 firing · A, B · critical (edited)",
        "| loud 🔥 FIRING · B · critical · needs you · value 96.5",
    ])
    .await;
    live.post(20, &["A 0", "B 9-19"]).await;
    live.sees(&[
        "🔥 1 firing · ✅ 1 resolved · A, B · critical (edited 2 times)",
        "| loud 🔥 FIRING · B · critical · needs you · value 96.5",
        "| ✅ RESOLVED · B · after 10 min · was: needs you (value 96.5)",
    ])
    .await;
    live.post(38, &["A 0-38"]).await;
    live.sees(&[
        "✅ RESOLVED · A · after 38 min · was critical (edited 3 times)",
        "| loud 🔥 FIRING · B · critical · needs you · value 96.5",
        "| ✅ RESOLVED · B · after 10 min · was: needs you (value 96.5)",
        "| ✅ RESOLVED · A · after 38 min · was: needs you (value 96.5)",
    ])
    .await;
    assert_eq!(live.sends(), 7);
    assert!(live.root(0).contains("was: needs you (value 96.5)"), "{}", live.root(0));
    // Fires again: a new root, which notifies.
    live.post(60, &["A 59"]).await;
    assert_eq!(live.lines().await.last().unwrap(), "loud 🔥 FIRING · A · critical");
    assert_eq!(live.loud(), 3);
}

#[tokio::test]
async fn a_repeat_edits_only_what_has_changed_besides_the_time() {
    let mut live = Live::new().await;
    live.post(0, &["A 0"]).await;
    live.post(240, &["A 0"]).await;
    live.sees(&["loud 🔥 FIRING · A · critical"]).await;
    assert_eq!(live.sends(), 1);
    live.value = 99.0;
    live.post(480, &["A 0"]).await;
    live.sees(&["🔥 FIRING · A · critical (edited)"]).await;
    assert!(
        live.root(0).contains("value 99") && !live.root(0).contains(" h)"),
        "{}",
        live.root(0)
    );
    live.night.policy.reminders = true;
    live.post(720, &["A 0"]).await;
    live.post(720, &["A 0"]).await;
    let still = "| 🔔 still 1 firing · A · since ";
    assert!(live.lines().await[1].starts_with(still), "{:?}", live.lines().await);
    assert_eq!(live.sends(), 3);
}

#[tokio::test]
async fn what_was_never_seen_firing_is_told_once_and_is_no_open_root() {
    let mut live = Live::new().await;
    live.post(10, &["A 0-9"]).await;
    live.post(20, &["A 0-9"]).await;
    live.sees(&["✅ RESOLVED · A · after 9 min · was critical"]).await;
    live.post(30, &["A 29"]).await;
    live.sees(&[
        "✅ RESOLVED · A · after 9 min · was critical",
        "loud 🔥 FIRING · A · critical",
    ])
    .await;
    assert_eq!((live.sends(), live.loud()), (2, 1));
}

#[tokio::test]
async fn two_replicas_add_nothing() {
    let mut live = Live::new().await;
    for _ in 0..2 {
        live.post(0, &["A 0"]).await;
    }
    for later in [0, 20] {
        live.later = SignedDuration::from_secs(later);
        live.post(10, &["A 0", "B 9"]).await;
    }
    live.sees(&[
        "🔥 2 firing · A, B · critical (edited)",
        "| loud 🔥 FIRING · B · critical · needs you · value 96.5",
    ])
    .await;
    assert_eq!(live.sends(), 3);
}

#[tokio::test]
async fn a_signed_request_that_is_replayed_minutes_later_is_told_once() {
    for mode in Mode::ALL {
        let make = Make {
            repeat_window: Duration::from_mins(20),
            ..Make::without_digests()
        };
        let mut live = Live::on(Night::made(make).await);
        live.night.policy.mode = mode;
        for (minute, alert) in [(0, "A 0"), (1, "A 0-1"), (6, "A 0"), (7, "A 0-1")] {
            live.signed = Some(alert.to_owned());
            live.post(minute, &[alert]).await;
        }
        let lines = live.lines().await;
        assert_eq!(live.loud(), 1, "{mode}: {lines:?}");
        let sends = if mode == Mode::Live { 3 } else { 2 };
        assert_eq!(live.sends(), sends, "{mode}: {lines:?}");
    }
}

#[tokio::test]
async fn what_was_cut_off_is_not_called_resolved_and_what_is_gone_not_recovered() {
    let mut live = Live::new().await;
    live.post(0, &["A 0", "B 0"]).await;
    live.cut = 1;
    live.post(10, &["A 0-9"]).await;
    let lines = live.lines().await;
    assert_eq!(
        lines,
        [
            "❔ UNKNOWN · 1 of at least 2 resolved · A (edited)",
            "| ✅ RESOLVED · A · after 9 min · was: needs you (value 96.5)",
            "| ✂️ 1 more were left out by Grafana (Max Alerts), their state is unknown",
        ]
    );
    assert!(
        live.root(0).contains("1 more") && !live.root(0).contains("RESOLVED"),
        "{}",
        live.root(0)
    );
    live.cut = 0;
    live.post(20, &["C 19"]).await;
    let lines = live.lines().await;
    let gone = "⚪ NO LONGER REPORTED · B · Grafana does not list it any more";
    assert!(lines.last().unwrap().contains(gone), "{lines:?}");
}

#[tokio::test]
async fn an_outage_ends_with_one_message_for_each_group() {
    let mut live = Live::new().await;
    live.post(0, &["A 0"]).await;
    live.lines().await;
    live.night.homeserver.refuse().await;
    for minute in 1..40 {
        let b = format!("B {minute}");
        live.post(minute, &["A 0", &b]).await;
        let b = format!("B {minute}-{}", minute + 1);
        live.post(minute + 1, &["A 0", &b]).await;
    }
    live.post(60, &["A 0-60"]).await;
    live.night.homeserver.accept_again().await;
    let lines = live.lines().await;
    assert!(lines[0].starts_with("✅ RESOLVED · A · after 1 h"), "{lines:?}");
    // One edit was under way when it began; the others are one, and so are the lines.
    assert!(live.shown_lines() <= 6, "{lines:?}");
    assert!(live.events() <= 8, "{} events", live.events());
}

#[tokio::test]
async fn an_outage_of_many_changes_ends_with_a_line_for_each_fifty_of_them() {
    let mut live = Live::new().await;
    live.post(0, &["A 0"]).await;
    live.lines().await;
    live.hold();
    for minute in 1..=60 {
        live.post(2 * minute, &["A 0", &format!("B {minute}")]).await;
        live.post(2 * minute + 1, &["A 0", &format!("B {minute}-{minute}")])
            .await;
    }
    let lines = live.lines().await;
    assert!(lines[0].starts_with("🔥 1 firing · ✅ 1 resolved"), "{lines:?}");
    assert_eq!(live.shown_lines(), 3, "120 changes");
    assert_eq!(live.sends(), 5, "the root, one edit, three lines");
}

#[tokio::test]
async fn a_root_that_nobody_has_seen_takes_up_what_follows() {
    let mut live = Live::new().await;
    live.hold();
    live.post(0, &["A 0"]).await;
    live.post(1, &["A 0", "B 1"]).await;
    live.post(2, &["A 0-2", "B 1"]).await;
    live.sees(&["loud 🔥 1 firing · ✅ 1 resolved · A, B · critical"]).await;
    assert_eq!(live.sends(), 1);
    live.hold();
    live.post(3, &["A 0-2", "B 1-3"]).await;
    live.post(9, &["B 8"]).await;
    live.post(10, &["B 8-10"]).await;
    let lines = live.lines().await;
    // Nobody was shown that it was over, so it goes on in the same message; what began meanwhile notifies all the same.
    assert!(
        lines[0].starts_with("✅ RESOLVED · B · after 2 min · was critical"),
        "{lines:?}"
    );
    assert_eq!(
        lines.last().unwrap(),
        "| loud ✅ RESOLVED · B · after 2 min · was: needs you (value 96.5)"
    );
    assert_eq!(live.sends(), 3);
}

#[tokio::test]
async fn a_group_that_flaps_in_an_outage_is_one_root_at_its_end() {
    for mode in [Mode::Live, Mode::Thread] {
        let mut live = Live::new().await;
        live.night.policy.mode = mode;
        live.hold();
        for episode in 0..10 {
            let (begin, end) = (10 * episode, 10 * episode + 5);
            live.post(begin, &[&format!("A {begin}")]).await;
            live.post(end, &[&format!("A {begin}-{end}")]).await;
        }
        live.sees(&["loud ✅ RESOLVED · A · after 5 min · was critical"]).await;
        // Fires again while the end still waits: nobody is told of an end after that.
        live.hold();
        live.post(100, &["A 100"]).await;
        live.post(105, &["A 100-105"]).await;
        live.post(110, &["A 110"]).await;
        let lines = live.lines().await;
        assert_eq!(lines.last().unwrap(), "loud 🔥 FIRING · A · critical", "{mode}");
    }
}

#[tokio::test]
async fn what_a_root_cannot_hold_is_that_of_its_newest_text() {
    let template = "{% for n in range(900) %}row {{ n }} · {{ headline }}\n\n{% endfor %}";
    let make = Make {
        templates: vec![("alert.md.j2", template)],
        ..Make::without_digests()
    };
    let mut live = Live::on(Night::made(make).await);
    live.hold();
    live.post(0, &["A 0"]).await;
    live.post(10, &["A 0-9"]).await;
    let lines = live.lines().await;
    assert!(
        lines.iter().any(|line| line.starts_with("| row 899 · ✅ RESOLVED · A")),
        "{lines:#?}"
    );
    assert!(!live.told().contains("FIRING"));
    let sent = live.sends();
    // The next root and its rests, in a thread of its own.
    live.post(20, &["A 19"]).await;
    live.lines().await;
    assert_eq!((live.sends(), live.loud()), (2 * sent, 2));
}

#[tokio::test]
async fn a_digest_leaves_the_roots_right() {
    let mut live = Live::with_digests().await;
    live.post_group("seen", 0, &["S 0"]).await;
    live.lines().await;
    live.hold();
    for group in 0..12 {
        live.post_group(&format!("g{group}"), 1, &[&format!("A{group} 0")])
            .await;
    }
    live.post_group("seen", 1, &["S 0-1"]).await;
    live.night.pass(Duration::from_mins(1));
    let lines = live.lines().await;
    assert!(lines[0].starts_with("✅ RESOLVED · S"), "{lines:?}");
    assert!(
        lines[1].starts_with("loud 📬 Delayed messages") && lines[1].ends_with("12 firing · critical · 1 resolved"),
        "{lines:?}"
    );
    // Digest first, then the edit: current within two sends.
    assert_eq!(live.sends(), 3);
    live.post_group("g7", 10, &["A7 0-9"]).await;
    let lines = live.lines().await;
    assert_eq!(lines[2..], ["✅ RESOLVED · A7 · after 9 min · was critical"]);
}

#[tokio::test]
async fn what_cannot_be_read_of_a_group_begins_anew() {
    for database_url in [None, Some(postgres::database().await)] {
        let make = Make {
            database_url,
            ..Make::without_digests()
        };
        let mut live = Live::on(Night::made(make).await);
        live.post(0, &["A 0"]).await;
        live.lines().await;
        live.night.damage_memory().await;
        live.post(10, &["A 0"]).await;
        live.post(20, &["A 0"]).await;
        live.post(30, &["A 0-29"]).await;
        live.sees(&[
            "loud 🔥 FIRING · A · critical",
            "✅ RESOLVED · A · after 29 min · was critical (edited)",
            "| ✅ RESOLVED · A · after 29 min · was: needs you (value 96.5)",
        ])
        .await;
    }
}

#[tokio::test]
async fn an_alert_that_is_not_listed_is_gone_at_once_and_starts_when_it_is_listed_again() {
    for mode in Mode::ALL {
        let mut live = Live::new().await;
        live.night.policy.mode = mode;
        live.post(0, &["A 0", "B 0"]).await;
        live.post(10, &["B 0"]).await;
        live.post_soon("", &["A 0", "B 0"]).await;
        let lines = live.lines().await;
        if mode == Mode::New {
            assert_eq!(lines.last().unwrap(), "loud 🔥 2 firing · A, B · critical");
            continue;
        }
        assert_eq!(live.loud(), 2, "{mode}: {lines:?}");
        assert!(lines[1].starts_with("| ⚪ NO LONGER REPORTED · A"), "{mode}: {lines:?}");
        assert_eq!(
            lines[2], "| loud 🔥 FIRING · A · critical · needs you · value 96.5",
            "{mode}"
        );
    }
}

#[tokio::test]
async fn what_fires_again_with_the_same_start_right_after_its_end_is_shown_and_notifies() {
    for mode in Mode::ALL {
        let mut live = Live::new().await;
        live.night.policy.mode = mode;
        live.post(0, &["A 0"]).await;
        live.post(1, &["A 0-1"]).await;
        live.post_soon("", &["A 0"]).await;
        let lines = live.lines().await;
        assert_eq!(
            lines.last().unwrap(),
            "loud 🔥 FIRING · A · critical",
            "{mode}: {lines:?}"
        );
        assert_eq!(live.loud(), 2, "{mode}: {lines:?}");
    }
}
