//! What an outcome does to the delivery and to its room, and whose word counts.

use grafana_matrix_relay::outbox::{Delivery, DeliveryState, DigestPolicy, Outcome, Part, Recorded, RoomWait};
use jiff::Timestamp;

use super::on_every_store;
use super::place::{
    Place, accept, at, claim, claim_one, dead, delivered, drain, message, record, record_and_claim, room, wait,
};
use super::tale::{begins, changes, show, tell_of};

on_every_store!(
    delivered_row_holds_its_event_id,
    waiting_room_keeps_its_root_and_says_why,
    rewritten_message_goes_out_at_once_under_the_same_transaction_id,
    dead_delivery_stays_readable_and_its_room_goes_on,
    late_word_changes_nothing_but_that_it_was_delivered,
    released_claim_can_be_taken_at_once,
    clock_set_back_does_not_hold_a_room,
    room_can_be_told_to_wait_and_to_go_on,
    renewed_claim_is_kept,
    end_that_is_recorded_again_is_known_again,
    time_in_which_nothing_was_tried_begins_the_time_of_retrying_anew,
    room_goes_on_with_its_next_in_the_commit_that_records,
    room_that_waits_or_is_done_does_not_go_on,
    attempts_that_failed_are_kept_the_first_and_the_last_ones,
    edit_that_failed_says_so_until_the_next_one_begins,
);

async fn room_goes_on_with_its_next_in_the_commit_that_records(place: Place) {
    let never = DigestPolicy::never();
    let outbox = place.open().await;
    let first = accept(&outbox, "a", "1", at(0)).await;
    accept(&outbox, "a", "2", at(0)).await;
    accept(&outbox, "a", "3", at(0)).await;
    claim_one(&outbox, at(0)).await;
    let rewrite = Outcome::Rewrite {
        message: message("short"),
        error: "413".to_owned(),
    };
    let mut texts = Vec::new();
    let mut current = record_and_claim(&outbox, first, rewrite, at(1), &never).await;
    while let Some(delivery) = current {
        assert_eq!(delivery.state, DeliveryState::InFlight);
        assert_eq!(delivery.last_attempt_at, Some(at(1)));
        assert_eq!(outbox.show(delivery.id).await.unwrap(), Some(delivery.clone()));
        assert!(claim(&outbox, at(1)).await.is_empty(), "nobody else gets it");
        texts.push(delivery.message.body);
        current = record_and_claim(&outbox, delivery.id, delivered(), at(1), &never).await;
    }
    assert_eq!(texts, ["short", "2", "3"]);
    assert_eq!(outbox.stats(at(1)).await.unwrap().in_flight, 0);
    accept(&outbox, "a", "4", at(2)).await;
    assert_eq!(drain(&outbox, at(2)).await, ["4"]);
}

async fn room_that_waits_or_is_done_does_not_go_on(place: Place) {
    let never = DigestPolicy::never();
    let outbox = place.open().await;
    let first = accept(&outbox, "a", "1", at(0)).await;
    accept(&outbox, "a", "2", at(0)).await;
    let second_room = accept(&outbox, "b", "3", at(0)).await;
    assert_eq!(claim(&outbox, at(0)).await.len(), 2);
    let waits = record_and_claim(&outbox, first, wait(at(30)), at(1), &never).await;
    assert_eq!(waits, None);
    assert_eq!(
        record_and_claim(&outbox, second_room, delivered(), at(1), &never).await,
        None
    );
    // The claim has passed to somebody else: who held it before gets nothing.
    assert_eq!(claim_one(&outbox, at(30)).await.id, first);
    record(&outbox, first, dead(), at(31)).await;
    let late = outbox
        .record_and_claim(first, delivered(), at(32), &never)
        .await
        .unwrap();
    assert_eq!(late, (Recorded::Done, None));
    assert_eq!(drain(&outbox, at(33)).await, ["2"]);
}

fn failures(delivery: &Delivery) -> Vec<(u32, Timestamp, &str)> {
    let failures = delivery.failures.iter();
    failures
        .map(|failure| (failure.attempt, failure.at, failure.error.as_str()))
        .collect()
}

async fn attempts_that_failed_are_kept_the_first_and_the_last_ones(place: Place) {
    let outbox = place.open().await;
    let smooth = accept(&outbox, "a", "at once", at(0)).await;
    claim_one(&outbox, at(0)).await;
    record(&outbox, smooth, delivered(), at(0)).await;
    assert_eq!(outbox.show(smooth).await.unwrap().unwrap().failures, []);

    let id = accept(&outbox, "a", "refused", at(1)).await;
    for attempt in 1..=13 {
        claim_one(&outbox, at(attempt * 10)).await;
        let outcome = Outcome::Wait {
            until: at(attempt * 10 + 2),
            reason: "the homeserver is down".to_owned(),
            error: format!("why \0{attempt}"),
            counts: true,
        };
        record(&outbox, id, outcome, at(attempt * 10 + 1)).await;
    }
    let last = claim_one(&outbox, at(140)).await;
    let told = failures(&last);
    assert_eq!((told.len(), told[0], told[1].0), (10, (1, at(11), "why 1"), 5));
    assert_eq!(told[9], (13, at(131), "why 13"));
    record(&outbox, id, dead(), at(141)).await;
    let given_up = outbox.show(id).await.unwrap().unwrap();
    assert_eq!(failures(&given_up)[9].0, 14);
    assert_eq!(given_up.failures[9].error, given_up.last_error.clone().unwrap());

    // What failed before stays known when it is sent again.
    outbox.retry(&[id], at(150)).await.unwrap();
    claim_one(&outbox, at(150)).await;
    record(&outbox, id, delivered(), at(151)).await;
    let sent = outbox.show(id).await.unwrap().unwrap();
    assert_eq!((sent.attempts, sent.failures), (15, given_up.failures));
}

async fn edit_that_failed_says_so_until_the_next_one_begins(place: Place) {
    let outbox = place.open().await;
    tell_of(&outbox, "g", 0, begins("one fires")).await;
    show(&outbox, "$g", 0).await;
    tell_of(&outbox, "g", 1, changes("two fire", &[])).await;
    let edit = claim_one(&outbox, at(1)).await;
    assert_eq!((edit.part, failures(&edit)), (Part::Edit, Vec::new()));
    record(&outbox, edit.id, wait(at(3)), at(2)).await;
    let owed = outbox.edit(edit.id).await.unwrap().unwrap().delivery;
    assert_eq!(
        (owed.failures.len(), failures(&owed)[0].0, failures(&owed)[0].1),
        (1, 1, at(2))
    );
    assert_eq!(claim_one(&outbox, at(3)).await.failures, owed.failures);
    record(&outbox, edit.id, delivered(), at(4)).await;

    tell_of(&outbox, "g", 2, changes("three fire", &[])).await;
    let next = claim_one(&outbox, at(5)).await;
    assert_eq!((next.id, next.attempts, failures(&next)), (edit.id, 1, Vec::new()));
    assert_eq!(outbox.edit(edit.id).await.unwrap().unwrap().delivery.failures, []);
}

async fn delivered_row_holds_its_event_id(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    claim_one(&outbox, at(0)).await;
    record(&outbox, id, delivered(), at(1)).await;
    let row = outbox.show(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.finished_at), (DeliveryState::Delivered, Some(at(1))));
    assert_eq!(row.event_id.as_deref(), Some("$event"));
}

async fn waiting_room_keeps_its_root_and_says_why(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    let first = claim_one(&outbox, at(0)).await;
    record(&outbox, id, wait(at(30)), at(1)).await;
    let limited = RoomWait {
        until: at(30),
        reason: "limited".to_owned(),
    };
    assert_eq!(outbox.room_due(&room("a"), at(2)).await.unwrap(), Some(limited.clone()));
    assert_eq!(outbox.stats(at(2)).await.unwrap().rooms[0].wait, Some(limited));
    assert!(claim(&outbox, at(29)).await.is_empty());
    let second = claim_one(&outbox, at(30)).await;
    assert_eq!((second.id, &second.txn_id), (id, &first.txn_id));
    assert_eq!((second.attempts, second.first_attempt_at), (2, Some(at(0))));
    assert_eq!(second.last_error.as_deref(), Some("429 M_LIMIT_EXCEEDED"));
}

async fn rewritten_message_goes_out_at_once_under_the_same_transaction_id(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "long", at(0)).await;
    accept(&outbox, "a", "next", at(0)).await;
    let long = claim_one(&outbox, at(0)).await;
    let rewrite = Outcome::Rewrite {
        message: message("short"),
        error: "413".to_owned(),
    };
    record(&outbox, id, rewrite, at(1)).await;
    let short = claim_one(&outbox, at(1)).await;
    assert_eq!((short.id, &short.txn_id), (id, &long.txn_id));
    assert_eq!(short.message, message("short"));
}

async fn dead_delivery_stays_readable_and_its_room_goes_on(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    accept(&outbox, "a", "2", at(0)).await;
    claim_one(&outbox, at(0)).await;
    record(&outbox, id, dead(), at(1)).await;
    assert_eq!(drain(&outbox, at(1)).await, ["2"]);
    let row = outbox.show(id).await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.last_error.as_deref()),
        (DeliveryState::Dead, Some("no more"))
    );
    assert_eq!(outbox.stats(at(2)).await.unwrap().dead, 1);
}

async fn late_word_changes_nothing_but_that_it_was_delivered(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    let next = accept(&outbox, "a", "2", at(0)).await;
    claim_one(&outbox, at(0)).await;
    record(&outbox, id, dead(), at(1)).await;
    claim_one(&outbox, at(1)).await;
    for late in [wait(at(90)), dead()] {
        assert_eq!(outbox.record(id, late, at(2)).await.unwrap(), Recorded::Superseded);
    }
    record(&outbox, id, delivered(), at(2)).await;
    assert_eq!(
        outbox.record(id, delivered(), at(3)).await.unwrap(),
        Recorded::Superseded
    );
    let states = [id, next].map(|id| outbox.show(id));
    let states = futures_util::future::join_all(states).await;
    let states: Vec<_> = states.into_iter().map(|row| row.unwrap().unwrap().state).collect();
    assert_eq!(
        states,
        [DeliveryState::Delivered, DeliveryState::InFlight],
        "the claim that followed is untouched"
    );
    assert_eq!(outbox.room_due(&room("a"), at(3)).await.unwrap(), None);
}

async fn released_claim_can_be_taken_at_once(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    claim_one(&outbox, at(0)).await;
    outbox.release(&[id]).await.unwrap();
    let again = claim_one(&outbox, at(0)).await;
    assert_eq!((again.id, again.attempts), (id, 2));
}

async fn clock_set_back_does_not_hold_a_room(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(1_000_000)).await;
    claim_one(&outbox, at(1_000_000)).await;
    record(&outbox, id, wait(at(1_000_060)), at(1_000_000)).await;
    assert!(claim(&outbox, at(1_000_059)).await.is_empty());
    assert!(
        claim(&outbox, at(999_990)).await.is_empty(),
        "a few seconds are no reason to doubt"
    );
    assert_eq!(outbox.room_due(&room("a"), at(0)).await.unwrap(), None);
    assert_eq!(claim_one(&outbox, at(0)).await.id, id);
}

async fn room_can_be_told_to_wait_and_to_go_on(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    let parked = RoomWait {
        until: at(500),
        reason: "forbidden".to_owned(),
    };
    outbox.set_room_due(&room("a"), Some(parked), at(0)).await.unwrap();
    assert!(claim(&outbox, at(1)).await.is_empty());
    outbox.set_room_due(&room("a"), None, at(1)).await.unwrap();
    assert_eq!(claim_one(&outbox, at(1)).await.id, id);
}

async fn renewed_claim_is_kept(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    claim_one(&outbox, at(0)).await;
    for second in (5..300).step_by(5) {
        outbox.renew(&[id], at(second)).await.unwrap();
        assert!(claim(&outbox, at(second)).await.is_empty());
    }
}

async fn time_in_which_nothing_was_tried_begins_the_time_of_retrying_anew(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    let mut firsts = Vec::new();
    // Waits, up to the longest; a weekend; a wait; a clock that is set back; one that is a little slow.
    for now in [0, 1, 61, 900, 260_000, 260_060, 5_000, 5_010, 4_990] {
        let claimed = claim_one(&outbox, at(now)).await;
        assert_eq!(claimed.last_attempt_at, Some(at(now)));
        firsts.push(claimed.first_attempt_at.unwrap());
        record(&outbox, id, wait(at(0)), at(now)).await;
    }
    assert_eq!(firsts, [0, 0, 0, 0, 260_000, 260_000, 5_000, 5_000, 5_000].map(at));
}

async fn end_that_is_recorded_again_is_known_again(place: Place) {
    let outbox = place.open().await;
    for (second, end) in [(0, delivered()), (10, dead())] {
        let id = accept(&outbox, "a", "1", at(second)).await;
        claim_one(&outbox, at(second)).await;
        record(&outbox, id, end.clone(), at(second + 1)).await;
        record(&outbox, id, end.clone(), at(second + 1)).await;
        // Who says so at another time is somebody else.
        assert_eq!(
            outbox.record(id, end.clone(), at(second + 2)).await.unwrap(),
            Recorded::Superseded
        );
    }
}
