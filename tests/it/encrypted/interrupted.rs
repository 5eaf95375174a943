//! What comes between: lost answers, killed relays, homeservers that restart or refuse key requests, devices without keys.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::Method;

use super::{accept_all, assert_once_and_in_order, has_all, in_plain_text, names, setup};
use crate::support::matrix::{Event, SOON};
use crate::support::payload::grafana_firing;
use crate::support::proxy::Proxy;
use crate::support::reader::Reader;
use crate::support::synapse::Synapse;

#[tokio::test]
async fn a_send_whose_answer_is_lost_is_one_event_that_can_be_read() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let proxy = Proxy::closing(&synapse.base_url).await;
    let relay = setup(&synapse)
        .env("MATRIX_HOME_SERVER_URL", &proxy.base_url)
        .start()
        .await;
    proxy.lose(2);
    let names = names("Lost", 3);
    accept_all(&relay, &names).await;
    proxy.has_lost(2).await;
    let heard = reader.wait_until(room, Duration::from_secs(90), has_all(&names)).await;
    assert_once_and_in_order(&heard, &names);
}

#[tokio::test]
async fn a_relay_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let proxy = Proxy::closing(&synapse.base_url).await;
    let setup = setup(&synapse).env("MATRIX_HOME_SERVER_URL", &proxy.base_url);
    let mut chance = StdRng::seed_from_u64(16);
    let names = names("Killed", 20);
    // Each start shares new keys. Between two requests: before the share, in it, before the send, and in it.
    let moments = ["/account_data/", "/sendToDevice/", "/send/m.room.encrypted/"];
    for (number, name) in (1..).zip(&names) {
        let relay = setup.start().await;
        proxy.stop_at(moments[chance.random_range(0..moments.len())], chance.random());
        relay.accepts(&grafana_firing(name)).await;
        proxy.has_stopped(number).await;
        relay.kill();
    }
    let _relay = setup.start().await;
    let heard = reader.wait_until(room, Duration::from_mins(2), has_all(&names)).await;
    assert_once_and_in_order(&heard, &names);
    let all = reader.read(room).await;
    assert!(all.iter().all(|heard| heard.error.is_none()), "{all:#?}");
}

#[tokio::test]
async fn a_homeserver_that_restarts_gets_the_rest() {
    let mut synapse = Synapse::start().await;
    let room = synapse.rooms.encrypted.room_id.clone();
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let relay = setup(&synapse).start().await;
    let names = names("Restart", 6);
    accept_all(&relay, &names[..2]).await;
    reader.wait_until(&room, SOON, has_all(&names[..2])).await;
    synapse.stop().await;
    accept_all(&relay, &names[2..]).await;
    synapse.start_again().await;
    let heard = reader.wait_until(&room, Duration::from_secs(90), has_all(&names)).await;
    assert_once_and_in_order(&heard, &names);
}

#[tokio::test]
async fn key_requests_that_fail_hold_back_their_room_alone() {
    let synapse = Synapse::start().await;
    let (encrypted, plain) = (&synapse.rooms.encrypted.room_id, &synapse.rooms.default.room_id);
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let proxy = Proxy::closing(&synapse.base_url).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    let text = format!("[routes.default]\nrooms = ['{encrypted}']\n[routes.plain]\nrooms = ['{plain}']\n");
    std::fs::write(&file, text).unwrap();
    let mut relay = setup(&synapse)
        .env("MATRIX_HOME_SERVER_URL", &proxy.base_url)
        .env("MATRIX_DEFAULT_ROOM", "")
        .env("RELAY_ROUTES_FILE", &file.display().to_string())
        .start()
        .await;
    let refused = [(500, "/keys/claim"), (429, "/keys/query"), (500, "/sendToDevice/")];
    for (number, (status, path)) in refused.into_iter().enumerate() {
        let before = reader.read_encrypted(encrypted).await.len();
        proxy.refuse(path, status);
        // It needs the room's key.
        let _new = Reader::start(&synapse, &synapse.person, &format!("NEW{number}")).await;
        relay.accepts(&grafana_firing(&format!("Refused{number}"))).await;
        relay.says_next("not delivered yet").await;
        let name = format!("Plain{number}");
        relay
            .request(Method::POST, "/alert/plain", &grafana_firing(&name))
            .await;
        let has_come = |messages: &[Event]| messages.iter().any(|one| one.body().contains(&name));
        synapse.person.wait_until(plain, "the plain one", SOON, has_come).await;
        proxy.refuse_nothing();
        reader.wait_until(encrypted, SOON, |heard| heard.len() > before).await;
    }
    assert_eq!(in_plain_text(&synapse).await, 0);
}
