//! Heads that nobody can see: given up, dropped, named in a digest only, deleted.

use std::time::Duration;

use grafana_matrix_relay::message::Mode;
use grafana_matrix_relay::outbox::{Delivery, DeliveryState, Filter, Part, RetryResult};

use super::story::Live;
use super::truth::everybody;
use crate::night::{Make, Night};
use crate::support::postgres;

/// Drops everything that waits, as an operator may.
async fn drop_all(live: &Live) {
    drop_some(live, |_| true).await;
}

async fn drop_some(live: &Live, wanted: impl Fn(&Delivery) -> bool) {
    let waiting = Filter {
        state: Some(DeliveryState::Pending),
        limit: 100,
        ..Filter::default()
    };
    for delivery in live.night.outbox.list(waiting).await.unwrap() {
        if wanted(&delivery) {
            live.night.outbox.drop(delivery.id, live.night.now.wall).await.unwrap();
        }
    }
}

/// In both stores.
async fn each_store() -> [Live; 2] {
    let postgresql = Make {
        database_url: Some(postgres::database().await),
        ..Make::unfolded()
    };
    [Live::new().await, Live::on(Night::made(postgresql).await)]
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

const B_JOINED: [&str; 2] = [
    "🔥 2 firing · A, B · critical (edited)",
    "| loud 🔥 FIRING · B · critical · needs you · value 96.5",
];

#[tokio::test]
async fn what_was_given_up_of_a_head_is_let_go_by_the_next_repeat_and_rings_once() {
    for mut live in each_store().await {
        live.post(0, &["A 0"]).await;
        live.lines().await;
        live.hold();
        live.post(10, &["A 0", "B 9"]).await;
        drop_all(&live).await;
        live.sees(&["loud 🔥 FIRING · A · critical"]).await;
        live.post(20, &["A 0", "B 9"]).await;
        live.sees(&B_JOINED).await;
        live.post(30, &["A 0", "B 9"]).await;
        assert_eq!((live.sends(), live.loud()), (3, 2));
    }
}

#[tokio::test]
async fn whichever_of_edit_and_line_was_given_up_is_let_go_alone() {
    for kind in [Part::Edit, Part::Line] {
        for mut live in each_store().await {
            live.post(0, &["A 0"]).await;
            live.lines().await;
            live.hold();
            live.post(10, &["A 0", "B 9"]).await;
            drop_some(&live, |delivery| delivery.part == kind).await;
            live.lines().await;
            assert_eq!(live.sends(), 2, "{kind:?}");
            live.post(20, &["A 0", "B 9"]).await;
            live.sees(&B_JOINED).await;
            // Nor does what is told meanwhile leave it out.
            live.hold();
            live.post(30, &["A 0", "B 9", "C 29"]).await;
            drop_some(&live, |delivery| delivery.part == kind).await;
            live.lines().await;
            live.post(40, &["A 0", "B 9", "C 29-39"]).await;
            let lines = live.lines().await;
            assert!(
                lines[0].starts_with("🔥 2 firing · ✅ 1 resolved"),
                "{kind:?} {lines:?}"
            );
            assert!(
                lines[2].starts_with("| loud 🔥 FIRING · C · critical"),
                "{kind:?} {lines:?}"
            );
            assert!(lines[3].starts_with("| ✅ RESOLVED · C"), "{kind:?} {lines:?}");
            let sends = if kind == Part::Edit { 6 } else { 7 };
            assert_eq!(live.sends(), sends, "{kind:?} {lines:?}");
        }
    }
}

#[tokio::test]
async fn what_an_operator_lets_go_is_told_once_beside_the_repeats() {
    for mut live in each_store().await {
        live.post(0, &["A 0"]).await;
        live.lines().await;
        live.hold();
        live.post(10, &["A 0", "B 9"]).await;
        drop_all(&live).await;
        let dead = Filter {
            state: Some(DeliveryState::Dead),
            limit: 10,
            ..Filter::default()
        };
        let dead: Vec<_> = live.night.outbox.list(dead).await.unwrap();
        let ids: Vec<_> = dead.iter().map(|delivery| delivery.id).collect();
        assert_eq!(ids.len(), 2);
        for minute in [20, 30] {
            live.post(minute, &["A 0", "B 9"]).await;
            for retried in live.night.outbox.retry(&ids, live.night.now.wall).await.unwrap() {
                assert!(matches!(retried.result, RetryResult::NotDead(_)), "{retried:?}");
            }
            live.sees(&B_JOINED).await;
        }
        assert_eq!((live.sends(), live.loud()), (3, 2));
    }
}

#[tokio::test]
async fn what_was_given_up_is_told_in_every_mode_also_once_the_group_goes_on() {
    for (mode, expected) in [
        (Mode::Thread, ["| loud 🔥 FIRING · B · critical", "| ✅ RESOLVED · B"]),
        (Mode::Reply, ["loud > 🔥 FIRING · B · critical", "> ✅ RESOLVED · B"]),
    ] {
        let mut live = Live::new().await;
        live.night.policy.mode = mode;
        live.post(0, &["A 0"]).await;
        live.lines().await;
        live.hold();
        live.post(10, &["A 0", "B 9"]).await;
        drop_all(&live).await;
        live.post(20, &["A 0", "B 9-19"]).await;
        let lines = live.lines().await;
        let told = lines[1..].iter().zip(expected);
        assert!(
            told.clone().count() == 2 && told.into_iter().all(|(line, start)| line.starts_with(start)),
            "{lines:?}"
        );
    }
    let mut live = Live::new().await;
    live.night.policy.mode = Mode::Reaction;
    live.post(0, &["A 0"]).await;
    live.lines().await;
    live.hold();
    live.post(10, &["A 0-9"]).await;
    drop_all(&live).await;
    live.post(20, &["A 0-9"]).await;
    live.sees(&["loud 🔥 FIRING · A · critical ✅×1"]).await;
    // A head that is told no more is true all the same before the next one begins.
    let mut live = Live::new().await;
    live.post(0, &["A 0"]).await;
    live.lines().await;
    live.hold();
    live.post(10, &["A 0-9"]).await;
    drop_all(&live).await;
    live.post(20, &["A 19"]).await;
    live.sees(&[
        "✅ RESOLVED · A · after 9 min · was critical (edited)",
        "| ✅ RESOLVED · A · after 9 min · was: needs you (value 96.5)",
        "loud 🔥 FIRING · A · critical",
    ])
    .await;
}

#[tokio::test]
async fn a_digest_that_was_given_up_is_let_go_by_whichever_group_it_names() {
    for database_url in [None, Some(postgres::database().await)] {
        let mut live = Live::on(
            Night::made(Make {
                database_url,
                ..Make::default()
            })
            .await,
        );
        live.post_group("seen", 0, &["S 0"]).await;
        live.lines().await;
        live.hold();
        for group in 0..12 {
            live.post_group(&format!("g{group}"), 10, &[&format!("A{group} 9")])
                .await;
        }
        live.post_group("seen", 10, &["S 0", "T 9"]).await;
        live.night.homeserver.refuse().await;
        live.night.pass(Duration::from_mins(1));
        live.night.work_for(Duration::from_mins(1)).await;
        drop_some(&live, |delivery| delivery.members > 0).await;
        live.night.homeserver.accept_again().await;
        live.lines().await;
        assert_eq!(live.loud(), 1, "only the first head");
        live.hold();
        live.post_group("g3", 20, &["A3 9"]).await;
        live.post_group("seen", 20, &["S 0", "T 9"]).await;
        live.post_group("g4", 20, &["A4 9"]).await;
        let lines = live.lines().await;
        assert!(lines[1].starts_with("loud 📬 13 notifications waited"), "{lines:?}");
        assert_eq!(live.loud(), 2, "{lines:?}");
        // They have rung.
        live.post_group("g3", 30, &["A3 9"]).await;
        assert_eq!(live.lines().await[2..], ["🔥 FIRING · A3 · critical"]);
    }
}

#[tokio::test]
async fn an_edit_that_stands_for_a_head_that_died_unseen_pings_as_that_would_have() {
    for mut live in each_store().await {
        live.episodes = true;
        live.night.policy.mentions = everybody();
        live.night.homeserver.refuse().await;
        live.hold();
        live.post(10, &["G0N0 9"]).await;
        live.night.step().await;
        live.post(11, &["G0N0 9", "G0N1 10"]).await;
        drop_some(&live, |delivery| delivery.part == Part::Head).await;
        live.night.homeserver.accept_again().await;
        live.lines().await;
        let events = live.originals();
        let pinged: Vec<_> = events
            .iter()
            .map(|event| event.content["m.mentions"].to_string())
            .collect();
        let expected = [
            r#"{"user_ids":["@g0n0:example.org"]}"#,
            r#"{"user_ids":["@g0n1:example.org"]}"#,
        ];
        assert_eq!(pinged, expected);
    }
}
