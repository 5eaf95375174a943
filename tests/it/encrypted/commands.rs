//! Commands beside a relay that works an encrypted room, and without one.

use std::process::{Command, Output};

use serde_json::json;

use super::{in_plain_text, setup};
use crate::support::matrix::SOON;
use crate::support::patience::until;
use crate::support::payload::grafana_firing;
use crate::support::reader::Reader;
use crate::support::relay::Setup;
use crate::support::synapse::Synapse;

/// A command with the settings of a relay.
async fn command(synapse: &Synapse, setup: &Setup, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
    let data = setup.data_dir();
    std::fs::create_dir_all(&data).unwrap();
    command
        .args(arguments)
        .env_clear()
        .env("MATRIX_HOME_SERVER_URL", &synapse.base_url)
        .env("MATRIX_ACCESS_TOKEN", &synapse.bot.access_token)
        .env("MATRIX_DEFAULT_ROOM", &synapse.rooms.encrypted.room_id)
        .env("RELAY_DATA_DIR", &data)
        .current_dir(&data);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_test_message_is_sent_by_the_relay_that_runs_and_otherwise_not_at_all() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let setup = setup(&synapse);
    let refused = command(&synapse, &setup, &["send-test"]).await;
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(!refused.status.success() && said.contains("start it first"), "{said}");
    let left = std::fs::read_dir(setup.data_dir()).unwrap().count();
    assert_eq!(
        left, 0,
        "it makes no files, which might be another user's than the relay's"
    );

    let relay = setup.start().await;
    relay.accepts(&grafana_firing("Between")).await;
    reader.wait_until(room, SOON, |heard| heard.len() == 1).await;
    let sent = command(&synapse, &setup, &["send-test", "--sample", "firing"]).await;
    assert!(sent.status.success(), "{sent:?}");
    let said = String::from_utf8_lossy(&sent.stdout).into_owned();
    assert!(said.contains("sent `") && said.contains('$'), "{said}");
    let heard = reader.wait_until(room, SOON, |heard| heard.len() == 2).await;
    let ours = reader.vouched(&synapse.bot.id, &synapse.bot.device_id).await;
    assert!(ours && heard.iter().all(|heard| heard.error.is_none()), "{heard:#?}");
    relay.has_delivered(2).await;
    assert_eq!(in_plain_text(&synapse).await, 0);
}

#[tokio::test]
async fn a_device_that_got_no_key_is_counted_and_named() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let mut empty = Reader::start(&synapse, &synapse.person, "EMPTY").await;
    // Somebody takes all one-time keys of the second device.
    let claim = json!({"one_time_keys": {&synapse.person.id: {"EMPTY": "signed_curve25519"}}});
    for _ in 0..200 {
        let claimed = synapse.admin.post(&["keys", "claim"], claim.clone()).await.ok();
        let is_empty = claimed["one_time_keys"]
            .as_object()
            .is_none_or(serde_json::Map::is_empty);
        if is_empty {
            break;
        }
    }
    let setup = setup(&synapse);
    let relay = setup.start().await;
    relay.accepts(&grafana_firing("Exhausted")).await;
    reader.wait_until(room, SOON, |heard| heard.len() == 1).await;
    let heard = empty.read(room).await;
    assert!(heard.iter().any(|heard| heard.error.is_some()) && heard.iter().all(|heard| !heard.encrypted));
    let counted = async |count: u8| {
        let wanted = format!("grafana_matrix_relay_devices_without_keys{{room=\"{room}\"}} {count}");
        let metrics = relay.get("/metrics").await.ok();
        metrics.as_str().expect("text").lines().any(|line| line == wanted)
    };
    until("it is counted", async || counted(1).await).await;
    let checked = command(&synapse, &setup, &["check", "--rooms"]).await;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        said.contains("EMPTY") && said.contains("one-time keys") && !said.contains("READER"),
        "{said}"
    );
}
