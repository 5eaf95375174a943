//! Repeats: the same notification twice within the window is one.

use grafana_matrix_relay::outbox::{Acceptance, Enqueued};

use super::on_every_store;
use super::place::{Place, at, drain, keyed};

on_every_store!(
    repeat_within_the_window_is_recognised_and_not_sent_twice,
    repeat_after_the_window_goes_out,
    repeat_is_recognised_after_a_restart_and_after_delivery,
    clock_set_back_does_not_swallow_a_notification,
    identical_requests_at_once_are_one,
    a_request_that_is_sent_again_is_recognised_whatever_its_repeat_key,
    one_request_many_times_at_once_is_one,
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

async fn a_request_that_is_sent_again_is_recognised_whatever_its_repeat_key(place: Place) {
    let outbox = place.open().await;
    let request = |text: &str, key: &str, request: &str, second| Acceptance {
        request_key: Some(request.to_owned()),
        ..keyed("a", text, key, at(second))
    };
    let first = outbox.enqueue(request("1", "key-0", "one", 0)).await.unwrap();
    let replay = outbox.enqueue(request("1", "key-1", "one", 5)).await.unwrap();
    assert_eq!(replay, Enqueued::Recognised(first.receipts().to_vec()));
    // It has used up no repeat key: who says the same anew is heard.
    let anew = outbox.enqueue(request("2", "key-1", "two", 6)).await.unwrap();
    assert!(matches!(anew, Enqueued::Accepted(_)));
    // A request that was a repetition when it came is a request all the same.
    let twin = outbox.enqueue(request("1", "key-0", "three", 7)).await.unwrap();
    assert_eq!(twin, Enqueued::Recognised(first.receipts().to_vec()));
    let replay = outbox.enqueue(request("1", "key-2", "three", 8)).await.unwrap();
    assert_eq!(replay, Enqueued::Recognised(first.receipts().to_vec()));
    let outbox = place.reopen(outbox).await;
    let replay = outbox.enqueue(request("1", "key-3", "one", 59)).await.unwrap();
    assert!(matches!(replay, Enqueued::Recognised(_)));
    let late = outbox.enqueue(request("3", "key-4", "one", 61)).await.unwrap();
    assert!(matches!(late, Enqueued::Accepted(_)), "past the window");
    assert_eq!(drain(&outbox, at(70)).await, ["1", "2", "3"]);
}

async fn one_request_many_times_at_once_is_one(place: Place) {
    let outbox = place.open().await;
    let requests = (0..20).map(|n| {
        let key = format!("key-{n}");
        outbox.enqueue(Acceptance {
            request_key: Some("one".to_owned()),
            ..keyed("a", "1", &key, at(0))
        })
    });
    let answers = futures_util::future::join_all(requests).await;
    let accepted = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Enqueued::Accepted(_))));
    assert_eq!(accepted.count(), 1);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(drain(&outbox, at(1)).await, ["1"]);
}
