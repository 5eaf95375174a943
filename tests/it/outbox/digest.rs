//! Storms: a backlog becomes one digest, and everything is its own message or named exactly once.

use std::time::Duration;

use grafana_matrix_relay::outbox::{Delivery, DeliveryId, DeliveryState, Filter, Outbox, Recorded};
use jiff::Timestamp;

use super::on_every_store;
use super::place::{
    Place, accept, at, claim_one, claim_written, dead, delivered, digest_policy, drain, message, record, wait,
};
use super::tale::{begins, tell};

on_every_store!(
    backlog_past_the_threshold_becomes_one_digest_at_its_place,
    after_an_outage_the_room_is_current_within_two_sends,
    small_or_young_backlog_becomes_no_digest,
    what_was_ever_tried_is_in_no_digest,
    what_one_event_cannot_name_stays_waiting_in_order,
    what_is_claimed_without_a_text_is_claimed_again_with_the_same_members,
    only_who_has_claimed_a_digest_gives_it_its_text_and_once,
    digest_survives_a_crash_as_it_is,
    digest_that_died_is_retried_as_a_whole,
);

async fn claim_with_digests(outbox: &Outbox, now: Timestamp) -> Delivery {
    let mut claimed = claim_written(outbox, now, 100, &digest_policy()).await;
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.remove(0)
}

async fn accept_all(outbox: &Outbox, texts: impl IntoIterator<Item = impl ToString>) -> Vec<DeliveryId> {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(accept(outbox, "a", &text.to_string(), at(0)).await);
    }
    ids
}

async fn backlog_past_the_threshold_becomes_one_digest_at_its_place(place: Place) {
    let outbox = place.open().await;
    let ids = accept_all(&outbox, 1..=5).await;
    let digest = claim_with_digests(&outbox, at(10)).await;
    assert_eq!((digest.message.body.as_str(), digest.members), ("1\n2\n3\n4\n5", 5));
    assert_eq!((digest.accepted_at, digest.attempts), (at(0), 1));
    accept(&outbox, "a", "6", at(10)).await;
    record(&outbox, digest.id, delivered(), at(11)).await;
    assert_eq!(drain(&outbox, at(11)).await, ["6"]);
    let named = Filter {
        combined_into: Some(digest.id),
        limit: 10,
        ..Filter::default()
    };
    let named = outbox.list(named).await.unwrap();
    assert_eq!(named.iter().rev().map(|row| row.id).collect::<Vec<_>>(), ids);
    assert!(named.iter().all(|row| row.state == DeliveryState::Combined));
    let stats = outbox.stats(at(12)).await.unwrap();
    assert_eq!((stats.delivered, stats.combined, stats.pending), (2, 5, 0));
}

async fn after_an_outage_the_room_is_current_within_two_sends(place: Place) {
    let outbox = place.open().await;
    let first_tried = accept(&outbox, "a", "0", at(0)).await;
    claim_one(&outbox, at(0)).await;
    record(&outbox, first_tried, wait(at(60)), at(1)).await;
    accept_all(&outbox, 1..=20).await;
    let first = claim_with_digests(&outbox, at(60)).await;
    assert_eq!(first.id, first_tried);
    record(&outbox, first_tried, delivered(), at(60)).await;
    let second = claim_with_digests(&outbox, at(60)).await;
    assert_eq!(second.members, 20);
    record(&outbox, second.id, delivered(), at(61)).await;
    assert_eq!(outbox.stats(at(61)).await.unwrap().pending, 0);
}

async fn small_or_young_backlog_becomes_no_digest(place: Place) {
    let outbox = place.open().await;
    let ids = accept_all(&outbox, 1..=3).await;
    assert_eq!(
        claim_with_digests(&outbox, at(100)).await.message.body,
        "1",
        "three is not more than three"
    );
    accept_all(&outbox, 4..=9).await;
    record(&outbox, ids[0], delivered(), at(1)).await;
    assert_eq!(
        claim_with_digests(&outbox, at(9)).await.message.body,
        "2",
        "nine seconds are not ten"
    );
}

async fn what_was_ever_tried_is_in_no_digest(place: Place) {
    let outbox = place.open().await;
    let ids = accept_all(&outbox, 1..=3).await;
    claim_one(&outbox, at(0)).await;
    record(&outbox, ids[0], dead(), at(0)).await;
    outbox.retry(&ids[..1], at(0)).await.unwrap();
    accept_all(&outbox, 4..=9).await;
    assert_eq!(
        claim_with_digests(&outbox, at(20)).await.message.body,
        "2",
        "only two stand before the one that was tried"
    );
    record(&outbox, ids[1], delivered(), at(20)).await;
    record(
        &outbox,
        claim_with_digests(&outbox, at(20)).await.id,
        delivered(),
        at(20),
    )
    .await;
    let tried = claim_with_digests(&outbox, at(20)).await;
    assert_eq!((tried.id, tried.attempts), (ids[0], 2));
    record(&outbox, tried.id, delivered(), at(20)).await;
    assert_eq!(claim_with_digests(&outbox, at(20)).await.members, 6);
}

async fn what_one_event_cannot_name_stays_waiting_in_order(place: Place) {
    let outbox = place.open().await;
    let text = |n: u32| format!("{n:03} {}", "x".repeat(200));
    accept_all(&outbox, (0..120).map(text)).await;
    let mut named = Vec::new();
    for _ in 0..3 {
        let digest = claim_with_digests(&outbox, at(10)).await;
        assert!((4..100).contains(&digest.members), "{}", digest.members);
        named.extend(
            digest
                .message
                .body
                .lines()
                .map(|line| line[..3].parse::<u32>().unwrap()),
        );
        record(&outbox, digest.id, delivered(), at(10)).await;
    }
    let count = u32::try_from(named.len()).unwrap();
    assert_eq!(named, (0..count).collect::<Vec<_>>());
    assert_eq!(outbox.stats(at(10)).await.unwrap().pending, u64::from(120 - count));
}

async fn what_is_claimed_without_a_text_is_claimed_again_with_the_same_members(place: Place) {
    let outbox = place.open().await;
    // A group changes meanwhile: what the digest tells of it stays as it was, and what is new is news of its own.
    tell(&outbox, 0, begins("head")).await;
    accept_all(&outbox, 1..=5).await;
    let first = outbox.claim_due(at(10), 9, &digest_policy()).await.unwrap().remove(0);
    let of = first.digest_of.unwrap();
    assert_eq!(
        of.iter().map(|one| one.is_root).collect::<Vec<_>>(),
        [true, false, false, false, false, false]
    );
    tell(&outbox, 1, super::tale::changes("newer", &["line"])).await;
    let outbox = place.reopen(outbox).await;
    accept_all(&outbox, 6..=9).await;
    let again = outbox.claim_due(at(20), 9, &digest_policy()).await.unwrap().remove(0);
    assert_eq!(
        (again.id, &again.txn_id, again.digest_of, again.attempts),
        (first.id, &first.txn_id, Some(of), 2)
    );
}

async fn only_who_has_claimed_a_digest_gives_it_its_text_and_once(place: Place) {
    let outbox = place.open().await;
    accept_all(&outbox, 1..=5).await;
    let digest = outbox.claim_due(at(10), 9, &digest_policy()).await.unwrap().remove(0);
    let set = async |text: &str| outbox.set_digest(digest.id, message(text)).await.unwrap();
    assert_eq!(set("first").await, Recorded::Done);
    assert_eq!(set("second").await, Recorded::Superseded);
    outbox.release(&[digest.id]).await.unwrap();
    assert_eq!(set("third").await, Recorded::Superseded);
    let claimed = claim_one(&outbox, at(10)).await;
    assert_eq!((claimed.message.body.as_str(), claimed.digest_of), ("first", None));
}

async fn digest_survives_a_crash_as_it_is(place: Place) {
    let outbox = place.open().await;
    accept_all(&outbox, 1..=5).await;
    let digest = claim_with_digests(&outbox, at(10)).await;
    let outbox = place.reopen(outbox).await;
    accept_all(&outbox, 6..=10).await;
    let again = claim_with_digests(&outbox, at(20)).await;
    assert_eq!(
        (again.id, &again.txn_id, &again.message),
        (digest.id, &digest.txn_id, &digest.message)
    );
    assert_eq!(again.attempts, 2);
}

async fn digest_that_died_is_retried_as_a_whole(place: Place) {
    let outbox = place.open().await;
    accept_all(&outbox, 1..=5).await;
    let digest = claim_with_digests(&outbox, at(10)).await;
    record(&outbox, digest.id, dead(), at(10)).await;
    outbox.prune(at(10) + Duration::from_hours(48)).await.unwrap();
    outbox.retry(&[digest.id], at(20)).await.unwrap();
    assert_eq!(drain(&outbox, at(20)).await, ["1\n2\n3\n4\n5"]);
}
