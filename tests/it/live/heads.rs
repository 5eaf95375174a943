//! Heads that nobody can see: given up, dropped, named in a digest only, deleted.

use std::time::Duration;

use grafana_matrix_relay::message::Mode;
use grafana_matrix_relay::outbox::Filter;

use super::story::Live;

/// Drops everything that waits, as an operator may.
async fn drop_all(live: &Live) {
    let all = Filter {
        limit: 100,
        ..Filter::default()
    };
    for delivery in live.night.outbox.list(all).await.unwrap() {
        live.night.outbox.drop(delivery.id, live.night.now.wall).await.unwrap();
    }
}

#[tokio::test]
async fn a_head_that_was_given_up_is_shown_by_the_next_repeat_and_rings() {
    for mode in [Mode::Live, Mode::Thread, Mode::Reply, Mode::Reaction] {
        let mut live = Live::new().await;
        live.night.policy.mode = mode;
        live.hold();
        live.post(0, &["A 0"]).await;
        drop_all(&live).await;
        live.sees(&[]).await;
        live.post(5, &["A 0"]).await;
        live.post(10, &["A 0"]).await;
        live.sees(&["loud 🔥 FIRING · A · critical"]).await;
        assert_eq!(live.sends(), 1, "{mode}");
        live.post(20, &["A 0-19"]).await;
        let lines = live.lines().await;
        let told = [
            (Mode::Live, "✅ RESOLVED · A · after 19 min · was critical (edited)"),
            (Mode::Reaction, "loud 🔥 FIRING · A · critical ✅×1"),
        ];
        let expected = told.iter().find(|(of, _)| *of == mode);
        assert_eq!(
            lines[0],
            expected.map_or("loud 🔥 FIRING · A · critical", |(_, line)| line)
        );
    }
}

#[tokio::test]
async fn what_joins_a_group_that_nobody_has_heard_of_is_told_with_the_rest() {
    for mode in [Mode::Live, Mode::Thread, Mode::Reply, Mode::Reaction] {
        let mut live = Live::new().await;
        live.night.policy.mode = mode;
        live.hold();
        live.post(0, &["A 0"]).await;
        drop_all(&live).await;
        live.post(5, &["A 0", "B 4"]).await;
        live.sees(&["loud 🔥 2 firing · A, B · critical"]).await;
        assert_eq!((live.sends(), live.loud()), (1, 1), "{mode}");
    }
}

#[tokio::test]
async fn a_group_that_only_a_digest_has_named_is_shown_by_the_next_repeat_and_is_quiet() {
    let mut live = Live::folding().await;
    live.hold();
    for group in 0..12 {
        live.post_group(&format!("g{group}"), 0, &[&format!("A{group} 0")])
            .await;
    }
    live.post_group("g3", 0, &["A3 0"]).await;
    live.night.pass(Duration::from_mins(1));
    live.post_group("g3", 1, &["A3 0"]).await;
    let lines = live.lines().await;
    assert_eq!(lines.len(), 1, "the digest waited with them: {lines:?}");
    live.post_group("g3", 10, &["A3 0"]).await;
    live.post_group("g4", 10, &["A4 0", "B4 9"]).await;
    live.post_group("g5", 10, &["A5 0-9"]).await;
    let lines = live.lines().await;
    let expected = [
        "🔥 FIRING · A3 · critical",
        "loud 🔥 2 firing · A4, B4 · critical",
        "✅ RESOLVED · A5 · after 9 min · was critical",
    ];
    assert_eq!(lines[1..], expected);
    assert_eq!(live.loud(), 2, "the digest, and what starts");
}

#[tokio::test]
async fn that_a_head_was_deleted_is_known_only_once_something_refers_to_it() {
    let mut live = Live::new().await;
    live.post(0, &["A 0"]).await;
    live.lines().await;
    live.delete_head();
    live.post(10, &["A 0"]).await;
    live.sees(&[]).await;
    live.value = 99.0;
    live.post(20, &["A 0"]).await;
    live.sees(&["🔥 FIRING · A · critical"]).await;
}
