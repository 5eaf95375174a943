//! What was sent before is found again by its transaction, among the account's own events, by whichever of its devices.

use std::time::Duration;

use grafana_matrix_relay::message::{Relation, TxnId};
use grafana_matrix_relay::standin::{Fault, NewRoom, Scope, When};
use jiff::Timestamp;

use super::stage::{Stage, client, message};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn what_the_homeserver_has_forgotten_is_found_behind_hundreds_of_others() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot").member("ada"));
    let (txn, sent_at) = (TxnId::generate(), Timestamp::now());
    let sent = stage.client.send(&room, &txn, &message("once"), None).await.unwrap();
    let other = client(&stage.running.base_url, &stage.homeserver().login("ada", "PHONE"), DAY);
    for _ in 0..120 {
        stage.send(&room).await.unwrap();
        other
            .send(&room, &TxnId::generate(), &message("hello"), None)
            .await
            .unwrap();
    }
    stage.homeserver().advance(2 * DAY);

    assert_eq!(
        stage.client.find(&room, &txn, None, sent_at).await.unwrap(),
        Some(sent.clone())
    );
    let laptop = client(&stage.running.base_url, &stage.homeserver().login("bot", "LAPTOP"), DAY);
    assert_eq!(
        laptop.find(&room, &txn, None, sent_at).await.unwrap(),
        Some(sent.clone())
    );
    // Nobody else's, of no other transaction, and not from before it can have been.
    assert_eq!(other.find(&room, &txn, None, sent_at).await.unwrap(), None);
    let unknown = TxnId::generate();
    assert_eq!(stage.client.find(&room, &unknown, None, sent_at).await.unwrap(), None);
    let later = sent_at + 2 * DAY;
    stage.send(&room).await.unwrap();
    assert_eq!(stage.client.find(&room, &txn, None, later).await.unwrap(), None);

    let again = stage.client.send(&room, &txn, &message("once"), None).await.unwrap();
    assert_ne!(again, sent, "the homeserver has forgotten it");
    assert_eq!(stage.homeserver().messages(&id).len(), 243);
}

#[tokio::test]
async fn an_edit_is_found_by_its_own_transaction() {
    let stage = Stage::new().await;
    let (_, room) = stage.room(&NewRoom::named("ops").member("bot"));
    let (txn, now) = (TxnId::generate(), Timestamp::now());
    let root = stage.send(&room).await.unwrap();
    let edit = Relation::Edit { of: root };
    let find = |relation| stage.client.find(&room, &txn, relation, now);
    let edited = stage
        .client
        .send(&room, &txn, &message("edited"), Some(&edit))
        .await
        .unwrap();
    assert_eq!(find(Some(&edit)).await.unwrap(), Some(edited));
    // The message that takes the place of an edit is not the edit.
    assert_eq!(find(None).await.unwrap(), None);
}

#[tokio::test]
async fn large_messages_are_looked_through_too() {
    let stage = Stage::new().await;
    let (_, room) = stage.room(&NewRoom::named("ops").member("bot"));
    let (txn, now) = (TxnId::generate(), Timestamp::now());
    let sent = stage.client.send(&room, &txn, &message("once"), None).await.unwrap();
    let large = message(&"x".repeat(30_000));
    for _ in 0..30 {
        stage
            .client
            .send(&room, &TxnId::generate(), &large, None)
            .await
            .unwrap();
    }
    assert_eq!(stage.client.find(&room, &txn, None, now).await.unwrap(), Some(sent));
}

#[tokio::test]
async fn a_search_that_fails_says_why() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    stage
        .homeserver()
        .plan(Scope::Reads(id), When::Always, Fault::RateLimited(1_000));
    let found = stage
        .client
        .find(&room, &TxnId::generate(), None, Timestamp::now())
        .await;
    assert_eq!(found.unwrap_err().verdict.label(), "rate_limited");
}
