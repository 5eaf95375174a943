//! The same on a real Synapse, with the option on and off.

use crate::support::matrix::SOON;
use crate::support::patience::until;
use crate::support::reader::{Heard, Reader};
use crate::support::relay::Setup;
use crate::support::synapse::Synapse;

fn setup(synapse: &Synapse, room: &str) -> Setup {
    Setup::new(synapse, room)
        .env("RELAY_DEAD_MAN_ROOM", room)
        .env("RELAY_DEAD_MAN_AFTER", "6s")
}

/// What the room shows of it.
async fn seen(synapse: &Synapse, room: &str, text: &str) {
    until(text, async || {
        let shown = synapse.person.visible(room).await;
        shown.iter().any(|shown| shown.body().contains(text))
    })
    .await;
}

#[tokio::test]
async fn a_relay_that_is_killed_is_missed_and_comes_back() {
    let synapse = Synapse::start_with_delayed_events().await;
    let room = synapse.rooms.default.room_id.as_str();
    let setup = setup(&synapse, room);
    let mut relay = setup.start().await;
    relay.says("if it gets no sign of life").await;
    relay.kill();
    seen(&synapse, room, "No sign of life from the relay for 6 s").await;
    let relay = setup.start().await;
    seen(&synapse, room, "The relay is back since").await;
    let shown = synapse.person.visible(room).await;
    assert_eq!(shown.len(), 1, "{shown:#?}");
    drop(relay);
}

#[tokio::test]
async fn an_encrypted_room_is_told_too_and_only_encrypted() {
    let synapse = Synapse::start_with_delayed_events().await;
    let room = synapse.rooms.encrypted.room_id.as_str();
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let setup = setup(&synapse, room);
    let mut relay = setup.start().await;
    relay.says("if it gets no sign of life").await;
    relay.kill();
    let heard = |text: &'static str| move |heard: &[Heard]| heard.iter().any(|one| one.body().contains(text));
    reader
        .wait_until(room, SOON, heard("No sign of life from the relay for 6 s"))
        .await;
    let relay = setup.start().await;
    reader.wait_until(room, SOON, heard("The relay is back since")).await;
    assert_eq!(synapse.person.messages(room).await.len(), 0, "nothing in plain text");
    drop(relay);
}

#[tokio::test]
async fn a_synapse_without_the_option_is_sent_nothing() {
    let synapse = Synapse::start().await;
    let room = synapse.rooms.default.room_id.as_str();
    let mut relay = setup(&synapse, room).start().await;
    relay.says("max_event_delay_duration").await;
    let ready = relay.get("/health/ready").await;
    assert!(
        ready.status == 200 && ready.body.to_string().contains("max_event_delay_duration"),
        "{}",
        ready.body
    );
    assert_eq!(synapse.person.messages(room).await.len(), 0);
}
