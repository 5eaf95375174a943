//! What an operator may do, and what the calendar does.

use std::process::Command;
use std::time::Duration;

use grafana_matrix_relay::outbox::{
    DeliveryId, DeliveryState, Ended, Filter, Outbox, OutboxError, RetryResult, RoomWait, Settings,
};
use jiff::SignedDuration;

use super::on_every_store;
use super::place::{
    Place, accept, at, claim, claim_one, claim_written, dead, delivered, digest_policy, drain, keyed, record, room,
};

on_every_store!(
    dead_delivery_is_retried_at_the_tail_under_its_transaction_id,
    retry_of_a_room_keeps_its_order,
    only_the_dead_are_retried,
    what_waits_is_given_up_and_what_is_dead_is_deleted,
    delivered_rows_are_pruned_and_dead_ones_stay,
    list_filters_and_pages,
    stats_count_by_room_and_state,
    probe_succeeds_and_leaves_nothing_behind,
    operator_works_beside_a_running_relay,
);

async fn die(outbox: &Outbox, texts: &[&str]) -> Vec<DeliveryId> {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(accept(outbox, "a", text, at(0)).await);
        claim_one(outbox, at(0)).await;
        record(outbox, ids[ids.len() - 1], dead(), at(0)).await;
    }
    ids
}

async fn dead_delivery_is_retried_at_the_tail_under_its_transaction_id(place: Place) {
    let outbox = place.open().await;
    let ids = die(&outbox, &["1"]).await;
    let before = outbox.show(ids[0]).await.unwrap().unwrap();
    accept(&outbox, "a", "2", at(1)).await;
    let day = SignedDuration::from_hours(25);
    let retried = outbox.retry(&ids, at(0) + day).await.unwrap();
    assert_eq!(retried[0].result, RetryResult::Queued { idle: Some(day) });
    assert!(retried[0].result.may_repeat());
    let first = claim_one(&outbox, at(90_001)).await;
    assert_eq!(first.message.body, "2");
    record(&outbox, first.id, delivered(), at(90_001)).await;
    let again = claim_one(&outbox, at(90_002)).await;
    assert_eq!((again.txn_id, again.attempts), (before.txn_id, 2));
    assert_eq!(again.first_attempt_at, Some(at(90_002)), "the horizon begins anew");
}

async fn retry_of_a_room_keeps_its_order(place: Place) {
    let outbox = place.open().await;
    die(&outbox, &["1", "2", "3"]).await;
    accept(&outbox, "a", "4", at(1)).await;
    let retried = outbox.retry_room(&room("a"), at(2)).await.unwrap();
    assert_eq!(retried.len(), 3);
    assert!(retried.iter().all(|r| !r.result.may_repeat()));
    assert_eq!(drain(&outbox, at(2)).await, ["4", "1", "2", "3"]);
    assert!(outbox.retry_room(&room("unheard-of"), at(2)).await.unwrap().is_empty());
}

async fn only_the_dead_are_retried(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    let retried = outbox.retry(&[id, DeliveryId(99)], at(0)).await.unwrap();
    assert_eq!(retried[0].result, RetryResult::NotDead(DeliveryState::Pending));
    assert_eq!(retried[1].result, RetryResult::Unknown);
    assert_eq!(drain(&outbox, at(0)).await, ["1"]);
}

async fn what_waits_is_given_up_and_what_is_dead_is_deleted(place: Place) {
    let outbox = place.open().await;
    let first = accept(&outbox, "a", "1", at(0)).await;
    let second = accept(&outbox, "a", "2", at(0)).await;
    claim_one(&outbox, at(0)).await;
    assert_eq!(
        outbox.give_up(first, at(1)).await.unwrap(),
        Ended::Kept(DeliveryState::InFlight)
    );
    let pending = Ended::Kept(DeliveryState::Pending);
    assert_eq!(outbox.delete(second).await.unwrap(), pending);
    assert_eq!(outbox.give_up(second, at(1)).await.unwrap(), Ended::Done);
    assert_eq!(outbox.show(second).await.unwrap().unwrap().state, DeliveryState::Dead);
    let dead = Ended::Kept(DeliveryState::Dead);
    assert_eq!(outbox.give_up(second, at(1)).await.unwrap(), dead);
    assert_eq!(outbox.delete(second).await.unwrap(), Ended::Done);
    assert_eq!(outbox.delete(second).await.unwrap(), Ended::Unknown);
    assert_eq!(outbox.give_up(second, at(1)).await.unwrap(), Ended::Unknown);
    record(&outbox, first, delivered(), at(1)).await;
    assert!(claim(&outbox, at(2)).await.is_empty());
}

async fn delivered_rows_are_pruned_and_dead_ones_stay(place: Place) {
    let outbox = place.open().await;
    let kept = die(&outbox, &["dead"]).await[0];
    outbox.enqueue(keyed("a", "0", "key", at(0))).await.unwrap();
    drain(&outbox, at(0)).await;
    for n in 1..=5 {
        accept(&outbox, "a", &n.to_string(), at(0)).await;
    }
    let digest = claim_written(&outbox, at(10), 1, &digest_policy()).await.remove(0);
    assert_eq!(
        outbox.prune(at(9_000)).await.unwrap(),
        2,
        "the first message and its key, but nothing of the digest"
    );
    record(&outbox, digest.id, delivered(), at(10)).await;
    assert_eq!(outbox.prune(at(10 + 3_600)).await.unwrap(), 0, "an hour is not over");
    assert_eq!(outbox.prune(at(11 + 3_600)).await.unwrap(), 6);
    let left = outbox
        .list(Filter {
            limit: 10,
            ..Filter::default()
        })
        .await
        .unwrap();
    assert_eq!(left.iter().map(|row| row.id).collect::<Vec<_>>(), [kept]);
}

async fn list_filters_and_pages(place: Place) {
    let outbox = place.open().await;
    let dead = die(&outbox, &["1", "2"]).await;
    let waiting = accept(&outbox, "a", "3", at(0)).await;
    let other = accept(&outbox, "b", "4", at(0)).await;
    let list = async |filter: Filter| {
        let rows = outbox.list(Filter { limit: 2, ..filter }).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Filter::default()).await, [other, waiting]);
    let older = Filter {
        before: Some(waiting),
        ..Filter::default()
    };
    assert_eq!(list(older).await, [dead[1], dead[0]]);
    let of_room = Filter {
        room: Some(room("b")),
        ..Filter::default()
    };
    assert_eq!(list(of_room).await, [other]);
    let of_state = |state| Filter {
        state: Some(state),
        ..Filter::default()
    };
    assert_eq!(list(of_state(DeliveryState::Dead)).await, [dead[1], dead[0]]);
    claim(&outbox, at(0)).await;
    assert_eq!(list(of_state(DeliveryState::InFlight)).await, [other, waiting]);
    assert!(list(of_state(DeliveryState::Pending)).await.is_empty());
}

async fn stats_count_by_room_and_state(place: Place) {
    let outbox = place.open().await;
    die(&outbox, &["1"]).await;
    accept(&outbox, "a", "2", at(5)).await;
    accept(&outbox, "a", "3", at(6)).await;
    accept(&outbox, "b", "4", at(3)).await;
    accept(&outbox, "done", "5", at(1)).await;
    for delivery in claim(&outbox, at(7)).await {
        if delivery.message.body == "5" {
            record(&outbox, delivery.id, delivered(), at(7)).await;
        }
    }
    let stats = outbox.stats(at(8)).await.unwrap();
    assert_eq!((stats.pending, stats.in_flight, stats.dead), (1, 2, 1));
    assert_eq!((stats.delivered, stats.combined, stats.oldest()), (1, 0, Some(at(3))));
    let rooms: Vec<_> = stats
        .rooms
        .iter()
        .map(|r| (r.room.clone(), r.waiting, r.dead, r.oldest))
        .collect();
    assert_eq!(rooms, [(room("a"), 2, 1, Some(at(5))), (room("b"), 1, 0, Some(at(3)))]);
}

async fn probe_succeeds_and_leaves_nothing_behind(place: Place) {
    let outbox = place.open().await;
    outbox.probe().await.unwrap();
    outbox.probe().await.unwrap();
    assert!(claim(&outbox, at(0)).await.is_empty());
}

async fn operator_works_beside_a_running_relay(place: Place) {
    let missing = Outbox::open_for_operator(&place.settings()).await;
    assert!(matches!(
        missing,
        Err(OutboxError::Missing(_) | OutboxError::OlderSchema { .. })
    ));
    let relay = place.open().await;
    let ids = die(&relay, &["1"]).await;
    let sending = accept(&relay, "b", "2", at(0)).await;
    claim_one(&relay, at(0)).await;
    let operator = Outbox::open_for_operator(&place.settings()).await.unwrap();
    assert_eq!(
        operator.show(sending).await.unwrap().unwrap().state,
        DeliveryState::InFlight,
        "claims are left alone"
    );
    operator.retry(&ids, at(1)).await.unwrap();
    assert_eq!(drain(&relay, at(1)).await, ["1"]);
}

/// The command, beside a relay whose room is parked and has nothing dead.
#[tokio::test]
async fn retry_of_a_room_ends_its_wait_even_if_nothing_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        data_dir: folder.path().to_owned(),
        database_url: None,
        repeat_window: Duration::from_secs(90),
        keep_delivered: Duration::from_hours(1),
        keep_groups: Duration::from_hours(30 * 24),
    };
    let outbox = Outbox::open(&settings).await.unwrap();
    accept(&outbox, "a", "1", at(0)).await;
    let wait = RoomWait {
        until: at(3_600),
        reason: "room".to_owned(),
    };
    outbox.set_room_due(&room("a"), Some(wait), at(0)).await.unwrap();
    assert!(outbox.room_due(&room("a"), at(1)).await.unwrap().is_some());
    let said = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
        .env_clear()
        .current_dir(folder.path())
        .args(["outbox", "retry", "--data-dir", ".", "--room", room("a").as_str()])
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    assert_eq!(outbox.room_due(&room("a"), at(1)).await.unwrap(), None);
}
