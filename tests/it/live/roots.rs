//! Heads that nobody can see: given up, dropped, named in a digest only, deleted.

use std::time::Duration;

use grafana_matrix_relay::message::Mode;
use grafana_matrix_relay::outbox::{Delivery, DeliveryState, Filter, Part};
use grafana_matrix_relay::standin::{Fault, Scope, When};

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
            live.night
                .outbox
                .give_up(delivery.id, live.night.now.wall)
                .await
                .unwrap();
        }
    }
}

/// In both stores.
async fn each_store() -> [Live; 2] {
    let postgresql = Make {
        database_url: Some(postgres::database().await),
        ..Make::without_digests()
    };
    [Live::new().await, Live::on(Night::made(postgresql).await)]
}

#[tokio::test]
async fn a_root_that_was_given_up_is_shown_by_the_next_repeat_and_rings() {
    for mode in [Mode::Live, Mode::Thread] {
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
        let expected = match mode {
            Mode::Live => "✅ RESOLVED · A · after 19 min · was critical (edited)",
            _ => "loud 🔥 FIRING · A · critical",
        };
        assert_eq!(lines[0], expected);
    }
}

#[tokio::test]
async fn what_joins_a_group_that_nobody_has_heard_of_is_told_with_the_rest() {
    for mode in [Mode::Live, Mode::Thread] {
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
    let mut live = Live::with_digests().await;
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
async fn that_a_root_was_deleted_is_known_only_once_something_refers_to_it() {
    let mut live = Live::new().await;
    live.post(0, &["A 0"]).await;
    live.lines().await;
    live.delete_root();
    live.post(10, &["A 0"]).await;
    live.sees(&[]).await;
    live.value = 99.0;
    live.post(20, &["A 0"]).await;
    live.sees(&["🔥 FIRING · A · critical"]).await;
}

#[tokio::test]
async fn a_line_that_was_given_up_is_told_when_an_operator_retries_it_and_the_message_is_true_meanwhile() {
    for mut live in each_store().await {
        live.post(0, &["A 0"]).await;
        live.lines().await;
        live.hold();
        live.post(10, &["A 0", "B 9"]).await;
        drop_all(&live).await;
        let edited = "🔥 2 firing · A, B · critical (edited)";
        live.sees(&[edited]).await;
        live.post(20, &["A 0", "B 9"]).await;
        live.sees(&[edited]).await;
        let retried = live
            .night
            .outbox
            .retry_room(&live.room, live.night.now.wall)
            .await
            .unwrap();
        assert_eq!(retried.len(), 1);
        live.sees(&[edited, "| loud 🔥 FIRING · B · critical · needs you · value 96.5"])
            .await;
        assert_eq!(live.loud(), 2);
    }
}

#[tokio::test]
async fn an_edit_that_the_homeserver_refuses_is_tried_again_by_the_next_repeat() {
    for mut live in each_store().await {
        live.post(0, &["A 0"]).await;
        live.lines().await;
        live.value = 99.0;
        let refused = Fault::Refused(400, "M_BAD_JSON");
        live.night
            .homeserver
            .homeserver
            .plan(Scope::Sends, When::Next(2), refused);
        live.post(10, &["A 0"]).await;
        live.sees(&["loud 🔥 FIRING · A · critical"]).await;
        assert_eq!(live.sends(), 3, "formatted, plain, and then given up");
        live.post(20, &["A 0"]).await;
        live.sees(&["🔥 FIRING · A · critical (edited)"]).await;
        assert!(live.root(0).contains("value 99"), "{}", live.root(0));
        live.post(30, &["A 0"]).await;
        live.lines().await;
        assert_eq!(live.sends(), 4);
    }
}

#[tokio::test]
async fn what_takes_the_place_of_a_message_that_was_given_up_unseen_mentions_as_that_would_have() {
    for mut live in each_store().await {
        live.episodes = true;
        live.night.policy.mentions = everybody();
        live.night.homeserver.refuse().await;
        live.hold();
        live.post(10, &["G0N0 9"]).await;
        live.night.step().await;
        live.post(11, &["G0N0 9", "G0N1 10"]).await;
        drop_some(&live, |delivery| delivery.part == Part::Root).await;
        live.night.homeserver.accept_again().await;
        live.lines().await;
        let events = live.originals();
        let mentioned: Vec<_> = events
            .iter()
            .map(|event| event.content["m.mentions"].to_string())
            .collect();
        let expected = [
            r#"{"user_ids":["@g0n0:example.org"]}"#,
            r#"{"user_ids":["@g0n1:example.org"]}"#,
        ];
        assert_eq!(mentioned, expected);
    }
}
