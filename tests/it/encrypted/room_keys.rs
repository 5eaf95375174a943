//! Room keys over time: many of them, and new ones at each start.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{accept_all, assert_once_and_in_order, has_all, in_plain_text, names, setup};
use crate::support::matrix::SOON;
use crate::support::payload::grafana_firing;
use crate::support::reader::Reader;
use crate::support::synapse::Synapse;

#[tokio::test]
async fn a_hundred_messages_over_many_room_keys_are_read_in_order() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let often = json!({"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": 15});
    let path = [
        "_matrix",
        "client",
        "v3",
        "rooms",
        room,
        "state",
        "m.room.encryption",
        "",
    ];
    synapse.person.call(Method::PUT, &path, &[], Some(&often)).await.ok();
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let relay = setup(&synapse).start().await;
    let names = names("Rotated", 100);
    accept_all(&relay, &names).await;
    let heard = reader.wait_until(room, Duration::from_mins(3), has_all(&names)).await;
    assert_once_and_in_order(&heard, &names);
    let all = reader.read(room).await;
    assert!(all.iter().all(|heard| heard.error.is_none()), "{all:#?}");
}

#[tokio::test]
async fn each_start_begins_new_room_keys_and_a_room_that_lost_its_settings_stays_encrypted() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let setup = setup(&synapse);
    for (number, name) in (1..).zip(["Start1", "Start2", "Start3"]) {
        let relay = setup.start().await;
        relay.accepts(&grafana_firing(name)).await;
        reader.wait_until(room, SOON, |heard| heard.len() == number).await;
        relay.has_delivered(1).await;
        assert!(relay.terminate().success());
        let path = [
            "_matrix",
            "client",
            "v3",
            "rooms",
            room,
            "state",
            "m.room.encryption",
            "",
        ];
        synapse
            .person
            .call(Method::PUT, &path, &[], Some(&json!({})))
            .await
            .ok();
    }
    let mut sessions = BTreeSet::new();
    for heard in reader.read_encrypted(room).await {
        let sealed = synapse.person.event(room, &heard.id).await;
        assert_eq!(sealed.kind, "m.room.encrypted");
        sessions.insert(sealed.content["session_id"].to_string());
    }
    assert_eq!(sessions.len(), 3);
    assert_eq!(in_plain_text(&synapse).await, 0);
}
