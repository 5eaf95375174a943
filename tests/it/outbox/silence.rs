//! Signs of life, and messages that the homeserver sends by itself: what is known of them outlives the relay.

use std::collections::BTreeSet;
use std::time::Duration;

use grafana_matrix_relay::message::TxnId;
use grafana_matrix_relay::outbox::{Scheduled, ScheduledState, Sign};

use super::on_every_store;
use super::place::{Place, at, room};

on_every_store!(
    a_sign_of_life_never_goes_back_and_outlives_a_restart,
    one_scheduled_message_of_a_room_is_wanted,
);

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn sign(name: &str, seconds: i64, count: u64) -> Sign {
    Sign {
        name: name.to_owned(),
        at: at(seconds),
        count,
    }
}

async fn a_sign_of_life_never_goes_back_and_outlives_a_restart(place: Place) {
    let outbox = place.open().await;
    let expected = outbox.expect_signs(names(&["a", "b\0"]), at(0)).await.unwrap();
    assert_eq!(expected, [sign("a", 0, 0), sign("b\u{fffd}", 0, 0)]);
    outbox.note_signs(names(&["a"]), at(20)).await.unwrap();
    outbox.note_signs(names(&["a", "c"]), at(10)).await.unwrap();
    let outbox = place.reopen(outbox).await;
    let known = outbox.expect_signs(names(&["a", "b\0"]), at(99)).await.unwrap();
    assert_eq!(known, [sign("a", 20, 2), sign("b\u{fffd}", 0, 0), sign("c", 10, 1)]);
}

pub(super) fn scheduled(txn: &str, seconds: i64) -> Scheduled {
    Scheduled {
        txn_id: TxnId::from_stored(txn.to_owned()),
        room: room("a"),
        delay_id: None,
        state: ScheduledState::Wanted,
        delay: Duration::from_mins(10),
        scheduled_at: at(seconds),
        pushed_at: at(seconds),
    }
}

async fn one_scheduled_message_of_a_room_is_wanted(place: Place) {
    let outbox = place.open().await;
    outbox.begin_scheduled(scheduled("first", 0)).await.unwrap();
    outbox.begin_scheduled(scheduled("second", 1)).await.unwrap();
    assert_eq!(outbox.scheduled().await.unwrap(), [scheduled("first", 0)]);
    let pushed = Scheduled {
        delay_id: Some("d".to_owned()),
        pushed_at: at(60),
        ..scheduled("first", 0)
    };
    outbox.write_scheduled(pushed.clone()).await.unwrap();
    outbox.write_scheduled(scheduled("first", 0)).await.unwrap();
    let outbox = place.reopen(outbox).await;
    let known = outbox.scheduled().await.unwrap();
    assert_eq!(known.first(), Some(&pushed), "nothing goes back");
    let unwanted = Scheduled {
        state: ScheduledState::Unwanted,
        ..pushed.clone()
    };
    outbox.write_scheduled(unwanted.clone()).await.unwrap();
    outbox.write_scheduled(pushed).await.unwrap();
    let known = outbox.scheduled().await.unwrap();
    assert_eq!(known.first(), Some(&unwanted), "what was given up stays so");
    outbox.begin_scheduled(scheduled("second", 1)).await.unwrap();
    assert_eq!(outbox.scheduled().await.unwrap().len(), 2);
    outbox.forget_scheduled(unwanted.txn_id).await.unwrap();
    assert_eq!(outbox.scheduled().await.unwrap(), [scheduled("second", 1)]);
}
