//! Order and independence: one queue per room, its front alone can be claimed.

use grafana_matrix_relay::outbox::{Acceptance, DeliveryState, DigestPolicy, Enqueued, NewDelivery, OutboxError};

use super::on_every_store;
use super::place::{Place, accept, acceptance, at, claim, claim_one, delivered, drain, message, record, room, wait};

on_every_store!(
    room_gets_its_messages_in_order_of_acceptance,
    only_the_head_of_a_room_is_claimed,
    waiting_room_delays_no_other,
    least_recently_served_room_comes_first,
    everything_that_was_accepted_is_kept_word_for_word,
    many_callers_at_once_lose_nothing,
    request_that_the_database_refuses_fails_alone,
    acceptance_of_several_is_all_or_nothing,
    worker_hears_of_work_even_if_it_was_not_listening,
);

async fn room_gets_its_messages_in_order_of_acceptance(place: Place) {
    let outbox = place.open().await;
    for text in ["1", "2", "3"] {
        accept(&outbox, "a", text, at(0)).await;
    }
    assert_eq!(drain(&outbox, at(1)).await, ["1", "2", "3"]);
}

async fn only_the_head_of_a_room_is_claimed(place: Place) {
    let outbox = place.open().await;
    let first = accept(&outbox, "a", "1", at(0)).await;
    accept(&outbox, "a", "2", at(0)).await;
    let claimed = claim_one(&outbox, at(1)).await;
    assert_eq!((claimed.id, claimed.attempts), (first, 1));
    assert_eq!(claimed.state, DeliveryState::InFlight);
    assert!(claim(&outbox, at(2)).await.is_empty(), "the room is taken");
    record(&outbox, first, delivered(), at(3)).await;
    assert_eq!(claim_one(&outbox, at(3)).await.message.body, "2");
}

async fn waiting_room_delays_no_other(place: Place) {
    let outbox = place.open().await;
    accept(&outbox, "slow", "1", at(0)).await;
    let slow = claim_one(&outbox, at(0)).await;
    record(&outbox, slow.id, wait(at(100)), at(0)).await;
    accept(&outbox, "quick", "2", at(1)).await;
    accept(&outbox, "slow", "3", at(1)).await;
    assert_eq!(drain(&outbox, at(99)).await, ["2"]);
    assert_eq!(drain(&outbox, at(100)).await, ["1", "3"]);
}

async fn least_recently_served_room_comes_first(place: Place) {
    let outbox = place.open().await;
    for text in ["1", "2", "3"] {
        accept(&outbox, "busy", text, at(0)).await;
    }
    accept(&outbox, "late", "4", at(1)).await;
    let mut texts = Vec::new();
    for second in 0..4 {
        let mut one = outbox
            .claim_due(at(10 + second), 1, &DigestPolicy::never())
            .await
            .unwrap();
        let delivery = one.remove(0);
        record(&outbox, delivery.id, delivered(), at(10 + second)).await;
        texts.push(delivery.message.body);
    }
    assert_eq!(texts, ["1", "4", "2", "3"]);
}

async fn everything_that_was_accepted_is_kept_word_for_word(place: Place) {
    let outbox = place.open().await;
    let odd = "NUL \0, quote ' \" \\, 中文 🔥\u{202e}\r\n";
    let acceptance = Acceptance {
        deliveries: vec![NewDelivery {
            room: room("a"),
            message: message(odd),
            starts_at: Some(at(-60)),
        }],
        groups: Vec::new(),
        repeat_key: Some(odd.to_owned()),
        request_key: Some(odd.to_owned()),
        at: at(0),
    };
    outbox.enqueue(acceptance).await.unwrap();
    let delivery = claim_one(&outbox, at(5)).await;
    assert_eq!(delivery.message, message(odd));
    assert_eq!((delivery.accepted_at, delivery.starts_at), (at(0), Some(at(-60))));
    assert_eq!(delivery.first_attempt_at, Some(at(5)));
}

async fn many_callers_at_once_lose_nothing(place: Place) {
    let outbox = place.open().await;
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let outbox = outbox.clone();
            tokio::spawn(async move {
                for n in 0..25 {
                    let text = format!("{caller}/{n:02}");
                    outbox.enqueue(acceptance("a", &text, at(n))).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let texts = drain(&outbox, at(60)).await;
    assert_eq!(texts.len(), 200);
    for caller in 0..8 {
        let prefix = format!("{caller}/");
        let own: Vec<_> = texts.iter().filter(|text| text.starts_with(&prefix)).collect();
        assert!(own.is_sorted() && own.len() == 25, "each caller's order holds: {own:?}");
    }
}

async fn worker_hears_of_work_even_if_it_was_not_listening(place: Place) {
    let outbox = place.open().await;
    accept(&outbox, "a", "1", at(0)).await;
    outbox.work().await;
    let idle = outbox.work();
    assert_eq!(
        futures_util::future::FutureExt::now_or_never(idle),
        None,
        "one word for one piece of work"
    );
    outbox.set_room_due(&room("a"), None, at(0)).await.unwrap();
    outbox.work().await;
}

async fn request_that_the_database_refuses_fails_alone(place: Place) {
    let outbox = place.open().await;
    place.refuse("poison").await;
    let texts = ["1", "2", "poison", "3"];
    let requests = texts.map(|text| outbox.enqueue(acceptance("a", text, at(0))));
    let answers = futures_util::future::join_all(requests).await;
    let refused: Vec<_> = answers
        .iter()
        .map(|answer| matches!(answer, Err(OutboxError::Bug(_))))
        .collect();
    assert_eq!(refused, [false, false, true, false], "{answers:?}");
    assert_eq!(drain(&outbox, at(1)).await, ["1", "2", "3"]);
}

async fn acceptance_of_several_is_all_or_nothing(place: Place) {
    let outbox = place.open().await;
    place.refuse("poison").await;
    let mut request = acceptance("a", "1", at(0));
    request.deliveries.extend(acceptance("b", "2", at(0)).deliveries);
    request.deliveries.extend(acceptance("a", "3", at(0)).deliveries);
    let mut refused = request.clone();
    refused.deliveries.extend(acceptance("c", "poison", at(0)).deliveries);
    refused.repeat_key = Some("key".to_owned());
    request.repeat_key = Some("key".to_owned());
    outbox.enqueue(refused).await.unwrap_err();
    let enqueued = outbox.enqueue(request).await.unwrap();
    let rooms: Vec<_> = enqueued.receipts().iter().map(|receipt| receipt.room.clone()).collect();
    assert!(
        matches!(enqueued, Enqueued::Accepted(_)),
        "what was refused is not remembered"
    );
    assert_eq!(rooms, [room("a"), room("b"), room("a")]);
    assert_eq!(drain(&outbox, at(1)).await, ["1", "2", "3"]);
}
