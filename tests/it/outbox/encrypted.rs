//! Rooms that were seen encrypted: left to one relay, and never forgotten.

use super::on_every_store;
use super::place::{Place, accept, at, claim};
use crate::support::patience::eventually;

on_every_store!(what_is_for_encrypted_rooms_can_be_left_to_another_relay_and_stays_known);

async fn what_is_for_encrypted_rooms_can_be_left_to_another_relay_and_stays_known(place: Place) {
    let outbox = place.open().await;
    for room in ["a", "b"] {
        accept(&outbox, room, room, at(0)).await;
    }
    let room = claim(&outbox, at(0)).await.remove(0).room;
    outbox
        .mark_encrypted(&room, "!seen:example.org".to_owned())
        .await
        .unwrap();
    let outbox = place.reopen(outbox).await;
    assert_eq!(outbox.encrypted_rooms().await.unwrap(), ["!seen:example.org"]);
    outbox.leave_encrypted(true);
    let others = claim(&outbox, at(60)).await;
    assert_eq!(others.len(), 1);
    assert_ne!(others[0].room, room);
    outbox.leave_encrypted(false);
    let left = claim(&outbox, at(60)).await;
    assert_eq!((left.len(), &left[0].room, left[0].attempts), (1, &room, 2));
}

#[tokio::test]
async fn one_relay_at_a_time_has_the_lock_of_whoever_encrypts() {
    let place = Place::postgresql().await;
    let (first, second) = (place.open().await, place.open().await);
    assert!(first.is_shared().unwrap());
    let mut lead = first.lead().await.unwrap().expect("nobody has it");
    lead.confirm().await.unwrap();
    assert!(second.lead().await.unwrap().is_none());
    // Another set of tables has a lock of its own.
    let elsewhere = Place::postgresql().await.open().await;
    assert!(elsewhere.lead().await.unwrap().is_some());
    drop(lead);
    let mut taken = eventually("the second one has it", async || second.lead().await.unwrap()).await;
    // The server ends the connection: its holder learns of it when it makes sure of it.
    place
        .by_hand("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1735552867")
        .await;
    assert!(taken.confirm().await.is_err());
    assert!(!Place::sqlite().open().await.is_shared().unwrap());
}
