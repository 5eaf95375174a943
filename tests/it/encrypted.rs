//! Encrypted rooms on a real Synapse, read by a client of another make.
//!
//! States what the promise means there: every message once, in order and readable by whoever may read it, and never one in plain
//! text.

mod commands;
mod identity;
mod interrupted;
mod replicas;
mod room_keys;
mod store;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::matrix::{SOON, User};
use crate::support::payload::{grafana_firing, grafana_resolved};
use crate::support::reader::{Heard, Reader};
use crate::support::relay::{Relay, Setup};
use crate::support::synapse::Synapse;

/// A relay for the encrypted room of a Synapse.
fn setup(synapse: &Synapse) -> Setup {
    Setup::new(synapse, &synapse.rooms.encrypted.room_id).env("RELAY_DIGEST_THRESHOLD", "1000")
}

async fn accept_all(relay: &Relay, names: &[String]) {
    for name in names {
        relay.accepts(&grafana_firing(name)).await;
    }
}

fn names(what: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{what}{number:03}")).collect()
}

/// Whether each of the names stands in a message.
fn has_all(names: &[String]) -> impl Fn(&[Heard]) -> bool {
    move |heard| {
        names
            .iter()
            .all(|name| heard.iter().any(|heard| heard.body().contains(name.as_str())))
    }
}

/// Each name is in one message, in the order of the names.
fn assert_once_and_in_order(heard: &[Heard], names: &[String]) {
    let mut places = Vec::new();
    for name in names {
        let of_name = |(place, heard): (usize, &Heard)| heard.body().contains(name.as_str()).then_some(place);
        let found: Vec<usize> = heard.iter().enumerate().filter_map(of_name).collect();
        assert_eq!(found.len(), 1, "{name} is in messages {found:?}, not in one");
        places.extend(found);
    }
    assert!(places.is_sorted(), "out of order: {places:?}");
}

/// The messages of the room that anybody can read.
async fn in_plain_text(synapse: &Synapse) -> usize {
    synapse.person.messages(&synapse.rooms.encrypted.room_id).await.len()
}

async fn membership(user: &User, room: &str, what: &str, body: Value) {
    user.post(&["rooms", room, what], body).await.ok();
}

#[tokio::test]
async fn who_is_in_the_room_reads_what_comes_and_who_left_does_not() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut first = Reader::start(&synapse, &synapse.person, "FIRST").await;
    let mut guest = Reader::start(&synapse, &synapse.admin, "GUEST").await;
    membership(&synapse.person, room, "invite", json!({"user_id": synapse.admin.id})).await;
    membership(&synapse.admin, room, "join", json!({})).await;
    let relay = setup(&synapse).start().await;

    relay.accepts(&grafana_firing("Before")).await;
    let is = |name: &'static str| move |heard: &[Heard]| heard.iter().any(|heard| heard.body().contains(name));
    first.wait_until(room, SOON, is("Before")).await;
    guest.wait_until(room, SOON, is("Before")).await;
    assert!(
        first.vouched(&synapse.bot.id, &synapse.bot.device_id).await,
        "the device is signed"
    );

    let mut later = Reader::start(&synapse, &synapse.person, "LATER").await;
    membership(&synapse.admin, room, "leave", json!({})).await;
    relay.accepts(&grafana_firing("Between")).await;
    later.wait_until(room, SOON, is("Between")).await;
    first.wait_until(room, SOON, is("Between")).await;

    membership(&synapse.person, room, "invite", json!({"user_id": synapse.admin.id})).await;
    membership(&synapse.admin, room, "join", json!({})).await;
    relay.accepts(&grafana_firing("Afterwards")).await;
    let heard = guest.wait_until(room, SOON, is("Afterwards")).await;
    assert!(!is("Between")(&heard), "{heard:#?}");
    assert_eq!(in_plain_text(&synapse).await, 0);
}

#[tokio::test]
async fn edits_and_lines_are_encrypted_and_their_relations_are_visible() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let relay = setup(&synapse).start().await;
    relay.accepts(&grafana_firing("Live")).await;
    let heard = reader.wait_until(room, SOON, |heard| heard.len() == 1).await;
    let root = heard[0].id.clone();
    relay.accepts(&grafana_resolved("Live")).await;
    let heard = reader.wait_until(room, SOON, |heard| heard.len() == 3).await;
    let of = |relation: &str| heard.iter().find(|heard| heard.relation() == relation).unwrap();
    let (edit, line) = (of("m.replace"), of("m.thread"));
    assert!(
        edit.content["m.new_content"]["body"]
            .as_str()
            .unwrap()
            .contains("RESOLVED"),
        "{edit:?}"
    );
    for event in [edit, line] {
        assert_eq!(event.kind, "m.room.message");
        assert_eq!(event.content["m.relates_to"]["event_id"], json!(root));
        // As the homeserver holds it.
        let sealed = synapse.person.event(room, &event.id).await;
        assert_eq!(sealed.kind, "m.room.encrypted");
        assert_eq!(sealed.content["m.relates_to"]["event_id"], json!(root));
        assert!(
            sealed.content["m.new_content"].is_null() && sealed.content["body"].is_null(),
            "{sealed:?}"
        );
    }
}

#[tokio::test]
async fn the_largest_text_and_its_edit_fit_into_encrypted_events() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let templates = tempfile::tempdir().unwrap();
    let text = "FIRING\n{% for line in range(900) %}\n- line {{ line }} says \"much\" & more\n{% endfor %}";
    std::fs::write(templates.path().join("alert.md.j2"), text).unwrap();
    let folder = templates.path().display().to_string();
    let relay = setup(&synapse).env("RELAY_TEMPLATES_DIR", &folder).start().await;
    relay.accepts(&grafana_firing("Many")).await;
    let heard = reader.wait_until(room, SOON, |heard| !heard.is_empty()).await;
    let size = heard[0].content.to_string().len();
    assert!((16_000..=22_100).contains(&size), "{size}");
    relay.accepts(&grafana_resolved("Many")).await;
    let is_edited = |heard: &[Heard]| heard.iter().any(|heard| heard.relation() == "m.replace");
    reader.wait_until(room, SOON, is_edited).await;
}

#[tokio::test]
async fn a_room_that_becomes_encrypted_gets_what_waits_for_it_encrypted() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.second.room_id;
    let state = async |kind: &str, content: Value| {
        let path = ["_matrix", "client", "v3", "rooms", room, "state", kind, ""];
        synapse.person.call(Method::PUT, &path, &[], Some(&content)).await.ok()
    };
    let path = [
        "_matrix",
        "client",
        "v3",
        "rooms",
        room,
        "state",
        "m.room.power_levels",
        "",
    ];
    let levels = synapse.person.call(Method::GET, &path, &[], None).await.ok();
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let mut relay = Setup::new(&synapse, room)
        .env("RELAY_DIGEST_THRESHOLD", "1000")
        .start()
        .await;
    relay.accepts(&grafana_firing("Plain")).await;
    synapse.person.wait_for_messages(room, 1).await;

    let mut closed = levels.clone();
    closed["events_default"] = json!(50);
    state("m.room.power_levels", closed).await;
    let names = names("Waiting", 10);
    accept_all(&relay, &names).await;
    relay.says("takes no messages").await;
    state("m.room.encryption", json!({"algorithm": "m.megolm.v1.aes-sha2"})).await;
    state("m.room.power_levels", levels).await;

    let heard = reader.wait_until(room, Duration::from_mins(3), has_all(&names)).await;
    assert_once_and_in_order(&heard, &names);
    assert_eq!(synapse.person.messages(room).await.len(), 1, "what came before");
}

#[tokio::test]
async fn with_encryption_off_an_encrypted_room_keeps_its_messages_and_says_why() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let off = setup(&synapse).env("MATRIX_ENCRYPTION", "off");
    let mut relay = off.start().await;
    relay.accepts(&grafana_firing("Kept")).await;
    let said = relay.says("takes no messages").await;
    assert!(said.contains("MATRIX_ENCRYPTION"), "{said}");
    assert!(relay.terminate().success());
    assert_eq!(in_plain_text(&synapse).await, 0);

    let _relay = off.env("MATRIX_ENCRYPTION", "auto").start().await;
    reader.wait_until(room, SOON, |heard| heard.len() == 1).await;
}

#[tokio::test]
async fn devices_that_nobody_vouches_for_get_no_keys_if_that_is_wished() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut unsigned = Reader::start(&synapse, &synapse.person, "UNSIGNED").await;
    let mut signed = Reader::start(&synapse, &synapse.person, "SIGNED").await;
    signed.sign().await;
    let relay = setup(&synapse)
        .env("MATRIX_KEY_RECIPIENTS", "cross-signed")
        .start()
        .await;
    relay.accepts(&grafana_firing("Verified")).await;
    signed.wait_until(room, SOON, |heard| heard.len() == 1).await;
    let heard = unsigned.read(room).await;
    assert!(heard.iter().all(|heard| !heard.encrypted) && heard.iter().any(|heard| heard.error.is_some()));
}

#[tokio::test]
async fn what_waited_for_long_comes_as_one_encrypted_digest() {
    let mut synapse = Synapse::start().await;
    let room = synapse.rooms.encrypted.room_id.clone();
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let relay = Setup::new(&synapse, &room)
        .env("RELAY_DIGEST_THRESHOLD", "5")
        .env("RELAY_DIGEST_AFTER", "100ms")
        .start()
        .await;
    relay.accepts(&grafana_firing("First")).await;
    reader.wait_until(&room, SOON, |heard| heard.len() == 1).await;
    synapse.stop().await;
    let names = names("Delayed", 12);
    accept_all(&relay, &names).await;
    synapse.start_again().await;
    let heard = reader.wait_until(&room, Duration::from_mins(2), has_all(&names)).await;
    let digest = heard
        .iter()
        .filter(|heard| names.iter().filter(|name| heard.body().contains(*name)).count() > 5);
    assert_eq!(digest.count(), 1, "{heard:#?}");
    assert_eq!(in_plain_text(&synapse).await, 0);
}
