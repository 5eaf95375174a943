//! Storms: a backlog becomes one digest, and everything is its own message or named exactly once.

use std::sync::Arc;
use std::time::Duration;

use grafana_matrix_relay::outbox::{Delivery, DeliveryId, DeliveryState, Digest, DigestPolicy, Filter, Outbox};
use jiff::Timestamp;

use super::on_every_store;
use super::place::{Place, accept, at, claim_one, dead, delivered, digest_policy, drain, record, wait};

on_every_store!(
    backlog_past_the_threshold_becomes_one_digest_at_its_place,
    after_an_outage_the_room_is_current_within_two_sends,
    small_or_young_backlog_becomes_no_digest,
    what_was_ever_tried_is_in_no_digest,
    composer_that_names_a_part_leaves_the_rest_in_order,
    composer_that_panics_or_names_one_costs_nothing,
    digest_survives_a_crash_as_it_is,
    digest_that_died_is_retried_as_a_whole,
);

async fn claim_with_digests(outbox: &Outbox, now: Timestamp) -> Delivery {
    let mut claimed = outbox.claim_due(now, 100, &digest_policy()).await.unwrap();
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

async fn composer_that_names_a_part_leaves_the_rest_in_order(place: Place) {
    let outbox = place.open().await;
    accept_all(&outbox, 0..120).await;
    let mut named = Vec::new();
    for _ in 0..3 {
        let digest = claim_with_digests(&outbox, at(10)).await;
        named.extend(digest.message.body.lines().map(|line| line.parse::<u32>().unwrap()));
        record(&outbox, digest.id, delivered(), at(10)).await;
    }
    assert_eq!(named, (0..120).collect::<Vec<_>>());
}

async fn composer_that_panics_or_names_one_costs_nothing(place: Place) {
    let outbox = place.open().await;
    let ids = accept_all(&outbox, 1..=9).await;
    let one = DigestPolicy {
        compose: Arc::new(|waiting, _| Digest {
            message: super::place::message("?"),
            taken: waiting.len().min(1),
        }),
        ..digest_policy()
    };
    let broken = DigestPolicy {
        compose: Arc::new(|_, _| panic!("a broken composer, on purpose")),
        ..digest_policy()
    };
    for (policy, id) in [(one, ids[0]), (broken, ids[1])] {
        let claimed = outbox.claim_due(at(10), 9, &policy).await.unwrap();
        assert_eq!(claimed[0].id, id);
        record(&outbox, id, delivered(), at(10)).await;
    }
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
