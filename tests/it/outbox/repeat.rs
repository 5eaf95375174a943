//! Repeats: the same notification twice within the window is one.

use grafana_matrix_relay::outbox::Enqueued;

use super::on_every_store;
use super::place::{Place, at, drain, keyed};

on_every_store!(
    repeat_within_the_window_is_recognised_and_not_sent_twice,
    repeat_after_the_window_goes_out,
    repeat_is_recognised_after_a_restart_and_after_delivery,
    clock_set_back_does_not_swallow_a_notification,
    identical_requests_at_once_are_one,
);

async fn repeat_within_the_window_is_recognised_and_not_sent_twice(place: Place) {
    let outbox = place.open().await;
    let first = outbox.enqueue(keyed("a", "1", "key", at(0))).await.unwrap();
    let second = outbox.enqueue(keyed("a", "1", "key", at(59))).await.unwrap();
    outbox.enqueue(keyed("a", "2", "other", at(59))).await.unwrap();
    assert!(matches!(first, Enqueued::Accepted(_)));
    assert!(matches!(second, Enqueued::Recognised(_)));
    assert_eq!(first.receipts(), second.receipts());
    assert_eq!(drain(&outbox, at(60)).await, ["1", "2"]);
}

async fn repeat_after_the_window_goes_out(place: Place) {
    let outbox = place.open().await;
    for second in [0, 30, 60, 90] {
        outbox
            .enqueue(keyed("a", &second.to_string(), "key", at(second)))
            .await
            .unwrap();
    }
    assert_eq!(
        drain(&outbox, at(100)).await,
        ["0", "60"],
        "the window counts from what was accepted"
    );
}

async fn repeat_is_recognised_after_a_restart_and_after_delivery(place: Place) {
    let outbox = place.open().await;
    outbox.enqueue(keyed("a", "1", "key", at(0))).await.unwrap();
    drain(&outbox, at(1)).await;
    let outbox = place.reopen(outbox).await;
    let again = outbox.enqueue(keyed("a", "1", "key", at(2))).await.unwrap();
    assert!(matches!(again, Enqueued::Recognised(_)));
}

async fn clock_set_back_does_not_swallow_a_notification(place: Place) {
    let outbox = place.open().await;
    outbox.enqueue(keyed("a", "1", "key", at(1_000_000))).await.unwrap();
    let later = outbox.enqueue(keyed("a", "2", "key", at(0))).await.unwrap();
    assert!(matches!(later, Enqueued::Accepted(_)));
    let repeat = outbox.enqueue(keyed("a", "2", "key", at(1))).await.unwrap();
    assert!(matches!(repeat, Enqueued::Recognised(_)));
}

async fn identical_requests_at_once_are_one(place: Place) {
    let outbox = place.open().await;
    let requests = (0..20).map(|_| outbox.enqueue(keyed("a", "1", "key", at(0))));
    let answers = futures_util::future::join_all(requests).await;
    let mut accepted = 0;
    for answer in &answers {
        let answer = answer.as_ref().unwrap();
        accepted += usize::from(matches!(answer, Enqueued::Accepted(_)));
        assert_eq!(answer.receipts(), answers[0].as_ref().unwrap().receipts());
    }
    assert_eq!(accepted, 1);
    assert_eq!(drain(&outbox, at(1)).await, ["1"]);
}
