//! Several relays on one PostgreSQL: a room is worked by one of them, and passes on when that one is gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use grafana_matrix_relay::outbox::{DeliveryState, DigestPolicy, Enqueued, Outbox, OutboxError, Recorded};
use secrecy::SecretString;

use super::place::{
    Place, accept, acceptance, at, claim, claim_one, dead, delivered, digest_policy, drain, keyed, record, wait,
};
use super::timeline::Timeline;
use crate::support::postgres;

async fn two_relays() -> (Place, Outbox, Outbox) {
    let place = Place::postgresql().await;
    let (first, second) = tokio::join!(place.open(), place.open());
    (place, first, second)
}

#[tokio::test]
async fn claimed_room_is_left_alone_by_the_other_relay() {
    let (_place, first, second) = two_relays().await;
    for name in ["a", "b"] {
        accept(&first, name, name, at(0)).await;
    }
    let one = first.claim_due(at(0), 1, &DigestPolicy::never()).await.unwrap();
    let rest = claim(&second, at(0)).await;
    assert_eq!((one.len(), rest.len()), (1, 1));
    assert_ne!(one[0].room, rest[0].room);
}

#[tokio::test]
async fn rooms_of_a_killed_relay_are_taken_over_when_its_leases_end() {
    let (place, killed, other) = two_relays().await;
    accept(&killed, "a", "1", at(0)).await;
    let before = claim_one(&killed, at(0)).await;
    assert!(claim(&other, at(0)).await.is_empty());
    assert!(
        claim(&other, at(900)).await.is_empty(),
        "a relay's clock that goes ahead ends no lease"
    );
    place.expire_leases().await;
    let after = claim_one(&other, at(0)).await;
    assert_eq!(
        (after.id, &after.txn_id, after.attempts),
        (before.id, &before.txn_id, 2)
    );
}

#[tokio::test]
async fn renewed_lease_does_not_end() {
    let (place, holder, other) = two_relays().await;
    let id = accept(&holder, "a", "1", at(0)).await;
    claim_one(&holder, at(0)).await;
    place.expire_leases().await;
    other.renew(&[id], at(0)).await.unwrap();
    holder.renew(&[id], at(0)).await.unwrap();
    assert!(claim(&other, at(0)).await.is_empty());
    place.expire_leases().await;
    other.renew(&[id], at(0)).await.unwrap();
    assert_eq!(
        claim_one(&other, at(0)).await.id,
        id,
        "nobody renews somebody else's lease"
    );
}

#[tokio::test]
async fn relay_that_lost_its_lease_can_only_say_that_the_message_is_in_the_room() {
    let (place, stalled, other) = two_relays().await;
    let id = accept(&stalled, "a", "1", at(0)).await;
    accept(&stalled, "a", "2", at(0)).await;
    claim_one(&stalled, at(0)).await;
    place.expire_leases().await;
    claim_one(&other, at(1)).await;
    stalled.release(&[id]).await.unwrap();
    for late in [wait(at(900)), dead()] {
        assert_eq!(stalled.record(id, late, at(2)).await.unwrap(), Recorded::Superseded);
    }
    assert!(claim(&stalled, at(2)).await.is_empty(), "the claim is the other's");
    record(&stalled, id, delivered(), at(3)).await;
    assert!(
        claim(&stalled, at(3)).await.is_empty(),
        "and stays so until the other has ended its attempt"
    );
    assert_eq!(
        other.record(id, delivered(), at(4)).await.unwrap(),
        Recorded::Superseded
    );
    assert_eq!(claim_one(&stalled, at(4)).await.message.body, "2");
    assert_eq!(other.show(id).await.unwrap().unwrap().state, DeliveryState::Delivered);
}

#[tokio::test]
async fn same_request_at_two_relays_is_one() {
    let (_place, first, second) = two_relays().await;
    for n in 0..20 {
        let request = || keyed("a", &n.to_string(), &format!("key {n}"), at(n));
        let (one, two) = tokio::join!(first.enqueue(request()), second.enqueue(request()));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.receipts(), two.receipts());
        let accepted = [&one, &two].into_iter().filter(|e| matches!(e, Enqueued::Accepted(_)));
        assert_eq!(accepted.count(), 1);
    }
    assert_eq!(drain(&first, at(60)).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_relays_deliver_everything_once_and_in_order() {
    const MESSAGES: usize = 600;
    let place = Place::postgresql().await;
    let relays = [place.open().await, place.open().await, place.open().await];
    let timeline = Arc::new(Timeline::default());
    let mut tasks = Vec::new();
    for (n, relay) in relays.iter().enumerate() {
        let relay = relay.clone();
        tasks.push(tokio::spawn(async move {
            for i in 0..MESSAGES / 3 {
                let (name, text) = (["a", "b", "c", "d"][i % 4], format!("{n}/{i:03}"));
                relay.enqueue(acceptance(name, &text, at(0))).await.unwrap();
            }
        }));
    }
    for relay in relays.iter().cycle().take(6) {
        let (relay, timeline) = (relay.clone(), Arc::clone(&timeline));
        tasks.push(tokio::spawn(async move {
            while timeline.len() < MESSAGES {
                for delivery in relay.claim_due(at(1), 2, &DigestPolicy::never()).await.unwrap() {
                    tokio::task::yield_now().await;
                    timeline.show(&delivery);
                    relay.record(delivery.id, delivered(), at(1)).await.unwrap();
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for ((room, texts), n) in timeline
        .rooms()
        .iter()
        .flat_map(|room| ["0/", "1/", "2/"].map(|n| (room, n)))
    {
        let own: Vec<&String> = texts.iter().filter(|text| text.starts_with(n)).collect();
        assert!(own.is_sorted(), "a caller's order holds in {room}: {own:?}");
    }
    let texts: Vec<String> = timeline.rooms().into_values().flatten().collect();
    let once: BTreeSet<&String> = texts.iter().collect();
    assert_eq!((texts.len(), once.len()), (MESSAGES, MESSAGES), "none lost, none twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_is_folded_by_one_relay() {
    let (_place, first, second) = two_relays().await;
    for n in 0..40 {
        accept(&first, "a", &format!("{n:02}"), at(0)).await;
    }
    let policy = digest_policy();
    let (one, two) = tokio::join!(
        first.claim_due(at(10), 9, &policy),
        second.claim_due(at(10), 9, &policy)
    );
    let digests: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
    assert_eq!(digests.len(), 1);
    assert_eq!(digests[0].members, 40);
}

#[tokio::test]
async fn positions_follow_the_order_of_commits_over_relays() {
    let (place, first, second) = two_relays().await;
    accept(&first, "a", "0", at(0)).await;
    let mut raw = postgres::connect(place.database_url()).await;
    // Somebody holds the room, as a batch does from before it gives out its positions until it has committed.
    sqlx::raw_sql("BEGIN; SELECT id FROM outbox_room FOR NO KEY UPDATE")
        .execute(&mut raw)
        .await
        .unwrap();
    let waiting = tokio::spawn(async move { accept(&second, "a", "1", at(1)).await });
    let locks = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while sqlx::query_scalar::<_, i64>(locks).fetch_one(&mut raw).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let last = "UPDATE outbox_room SET tail = tail + 5";
    sqlx::raw_sql(last).execute(&mut raw).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(&mut raw).await.unwrap();
    waiting.await.unwrap();
    accept(&first, "a", "2", at(2)).await;
    assert_eq!(drain(&first, at(3)).await, ["0", "1", "2"]);
    let tail = sqlx::query_scalar::<_, i64>("SELECT tail FROM outbox_room");
    assert_eq!(
        tail.fetch_one(&mut raw).await.unwrap(),
        8,
        "what was given out meanwhile is seen"
    );
}

#[tokio::test]
async fn database_that_is_gone_is_unavailable_and_comes_back() {
    let place = Place::postgresql().await;
    let outbox = place.open().await;
    accept(&outbox, "a", "1", at(0)).await;
    let mut raw = postgres::connect(place.database_url()).await;
    let stop = "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::raw_sql(stop).execute(&mut raw).await.unwrap();
    // Whatever the first calls meet, it is either done or said to be unavailable; and then it works again.
    let mut refusals = 0;
    while let Err(error) = outbox.enqueue(acceptance("a", "2", at(1))).await {
        assert!(matches!(error, OutboxError::Unavailable { .. }), "{error}");
        refusals += 1;
        assert!(refusals < 20, "{error}");
    }
    assert_eq!(drain(&outbox, at(2)).await, ["1", "2"]);
}

#[tokio::test]
async fn unreachable_database_is_unavailable_and_its_password_stays_secret() {
    let mut settings = Place::sqlite().settings();
    for (url, fits) in [
        ("postgres://relay:s3cret@127.0.0.1:1/relay", true),
        ("postgres://relay:s3cret@[bad/relay", false),
        ("mysql://s3cret", false),
    ] {
        settings.database_url = Some(SecretString::from(url.to_owned()));
        let refused = Outbox::open(&settings).await.unwrap_err();
        assert!(
            !format!("{refused} {refused:?} {settings:?}").contains("s3cret"),
            "{refused}"
        );
        assert_eq!(matches!(refused, OutboxError::Unavailable { .. }), fits, "{refused}");
        assert_eq!(matches!(refused, OutboxError::Setting(_)), !fits, "{refused}");
    }
}
