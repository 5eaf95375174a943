//! The same on a real Synapse, with the program as it is shipped and its own clock.

use std::fs;

use serde_json::json;

use super::{alerts, routes};
use crate::support::patience::until;
use crate::support::relay::{Relay, Setup};
use crate::support::synapse::Synapse;

/// A sign of life comes, and makes no message.
async fn lives(relay: &Relay) {
    let sign = alerts(&[("Watchdog", "firing")]);
    let answer = relay.request(reqwest::Method::POST, "/alert/watchdog", &sign).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
}

/// Waits until the only message of the room shows this.
async fn shows(synapse: &Synapse, room: &str, text: &str) {
    until(text, async || {
        let shown = synapse.person.visible(room).await;
        assert!(shown.len() <= 1, "{shown:#?}");
        shown.iter().any(|shown| shown.body().contains(text))
    })
    .await;
}

#[tokio::test]
async fn a_silence_is_told_once_over_a_restart_and_the_message_is_edited_when_it_ends() {
    let synapse = Synapse::start().await;
    let room = synapse.rooms.default.room_id.as_str();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    let text = routes(room)
        .replace("'5m'", "'10s'")
        .replace("@ada:example.org", &synapse.person.id);
    fs::write(&file, text).unwrap();
    let setup = Setup::new(&synapse, room).env("RELAY_ROUTES_FILE", file.to_str().unwrap());
    let relay = setup.start().await;
    lives(&relay).await;
    shows(&synapse, room, "No sign of life from Prometheus").await;
    let sent = synapse.person.messages(room).await;
    assert_eq!(sent[0].content["msgtype"], "m.text");
    assert_eq!(sent[0].content["m.mentions"], json!({"user_ids": [synapse.person.id]}));
    relay.has_delivered(1).await;
    drop(relay);

    // It knows what the room knows, and has waited long enough to say it again.
    let relay = setup.start().await;
    until("silent again", async || {
        let metrics = relay.get("/metrics").await.ok();
        let silent = "grafana_matrix_relay_watchdog_silent{watchdog=\"Prometheus\"} 1";
        metrics.as_str().unwrap().contains(silent)
    })
    .await;
    assert_eq!(synapse.person.messages(room).await.len(), 1);
    lives(&relay).await;
    shows(&synapse, room, "RESOLVED").await;
    let loud = synapse.person.messages(room).await;
    let notifies = |event: &&crate::support::matrix::Event| {
        event.content["msgtype"] == "m.text" && event.content.get("m.new_content").is_none()
    };
    assert_eq!(loud.iter().filter(notifies).count(), 1, "{loud:#?}");
}
