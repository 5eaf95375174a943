//! The main faults before a real Synapse; the many others are tried against the stand-in.

use std::process::{Command, Output};
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use super::{accept_all, assert_once_and_in_order, names, wait_for_names};
use crate::support::matrix::SOON;
use crate::support::postgres;
use crate::support::proxy::Proxy;
use crate::support::relay::Setup;
use crate::support::synapse::Synapse;

#[tokio::test]
async fn an_account_that_is_locked_for_a_while_gets_everything_afterwards() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id;
    let mut relay = Setup::new(&synapse, room).start().await;
    let names = names("Locked", 4);
    accept_all(&relay, &names[..1]).await;
    synapse.person.wait_for_messages(room, 1).await;

    let account = ["_synapse", "admin", "v2", "users", &synapse.bot.id];
    let lock = async |locked| {
        let body = json!({"locked": locked});
        synapse.admin.call(Method::PUT, &account, &[], Some(&body)).await.ok();
    };
    lock(true).await;
    accept_all(&relay, &names[1..]).await;
    relay.says("nothing can be sent").await;
    lock(false).await;

    let messages = wait_for_names(&synapse, room, &names, Duration::from_secs(90)).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn a_new_token_of_the_same_device_goes_on_where_the_lost_one_stood() {
    let mut synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id.clone();
    // Its first send reaches the room, and its answer does not come back.
    let proxy = Proxy::closing(&synapse.base_url).await;
    let setup = Setup::new(&synapse, room).env("MATRIX_HOME_SERVER_URL", &proxy.base_url);
    let mut relay = setup.start().await;
    let names = names("Token", 3);
    let new = synapse.bot.log_in_again().await;
    proxy.lose(1);
    accept_all(&relay, &names).await;
    proxy.has_lost(1).await;
    // A logout would take the device along, and with it the new token.
    synapse.stop().await;
    synapse.forget_token(&synapse.bot.access_token);
    synapse.start_again().await;
    relay.says("nothing can be sent").await;
    assert!(relay.terminate().success());

    let _relay = setup.env("MATRIX_ACCESS_TOKEN", &new.access_token).start().await;
    let messages = wait_for_names(&synapse, room, &names, SOON).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn one_forbidden_room_of_three_delays_no_other_and_loses_nothing() {
    let synapse = Synapse::start().await;
    let rooms = [&synapse.rooms.default, &synapse.rooms.second, &synapse.rooms.readonly];
    let [open, also_open, forbidden] = rooms.map(|room| room.room_id.as_str());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    let text = format!("[routes.default]\nrooms = ['{forbidden}', '{open}', '{also_open}']\n");
    std::fs::write(&file, text).unwrap();
    let setup = Setup::new(&synapse, "").env("RELAY_ROUTES_FILE", &file.display().to_string());
    let mut relay = setup.start().await;
    let names = names("Forbidden", 3);
    accept_all(&relay, &names).await;
    for room in [open, also_open] {
        let messages = wait_for_names(&synapse, room, &names, SOON).await;
        assert_once_and_in_order(&messages, &names);
    }
    relay.says("the room takes no messages").await;
    assert_eq!(synapse.person.messages(forbidden).await, []);
    let ready = relay.get("/health/ready").await.ok();
    assert!(ready.to_string().contains(forbidden), "{ready}");

    let mut levels = synapse
        .person
        .get(&["rooms", forbidden, "state", "m.room.power_levels"], &[])
        .await
        .ok();
    levels["events_default"] = json!(0);
    let path = [
        "_matrix",
        "client",
        "v3",
        "rooms",
        forbidden,
        "state",
        "m.room.power_levels",
    ];
    synapse.person.call(Method::PUT, &path, &[], Some(&levels)).await.ok();
    let mut command = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
    command
        .args(["outbox", "retry", "--room", forbidden])
        .env_clear()
        .env("RELAY_DATA_DIR", setup.data_dir());
    let retried: Output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert!(retried.status.success());
    let messages = wait_for_names(&synapse, forbidden, &names, SOON).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn answers_that_are_lost_double_nothing() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id;
    let proxy = Proxy::closing(&synapse.base_url).await;
    let relay = Setup::new(&synapse, room)
        .env("MATRIX_HOME_SERVER_URL", &proxy.base_url)
        .start()
        .await;
    let names = names("Lost", 5);
    accept_all(&relay, &names[..1]).await;
    synapse.person.wait_for_messages(room, 1).await;
    // The second one's first three answers: twice as a repetition that Synapse recognises.
    proxy.lose(3);
    accept_all(&relay, &names[1..]).await;
    proxy.has_lost(3).await;

    let messages = wait_for_names(&synapse, room, &names, Duration::from_secs(90)).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn a_relay_that_is_killed_between_the_event_and_its_record_doubles_nothing() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id;
    let proxy = Proxy::silent(&synapse.base_url).await;
    let setup = Setup::new(&synapse, room).env("MATRIX_HOME_SERVER_URL", &proxy.base_url);
    let relay = setup.start().await;
    let names = names("Killed", 3);
    proxy.lose(1);
    accept_all(&relay, &names).await;
    proxy.has_lost(1).await;
    relay.kill();
    let messages = synapse.person.messages(room).await;
    assert!(messages.len() == 1 && messages[0].body().contains(&names[0]));

    let _relay = setup.start().await;
    let messages = wait_for_names(&synapse, room, &names, SOON).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn a_relay_that_is_killed_amid_a_burst_against_the_default_limits_tells_everything_once() {
    let synapse = Synapse::start_with_default_limits().await;
    let room = &synapse.rooms.default.room_id;
    let proxy = Proxy::closing(&synapse.base_url).await;
    let setup = Setup::new(&synapse, room).env("MATRIX_HOME_SERVER_URL", &proxy.base_url);
    let mut relay = setup.start().await;
    let names = names("Amid", 30);
    accept_all(&relay, &names[..5]).await;
    synapse.person.wait_for_messages(room, 5).await;
    proxy.lose(1);
    accept_all(&relay, &names[5..6]).await;
    proxy.has_lost(1).await;
    accept_all(&relay, &names[6..20]).await;
    relay.says("limits the rate").await;
    relay.kill();

    let relay = setup.start().await;
    accept_all(&relay, &names[20..]).await;
    let messages = wait_for_names(&synapse, room, &names, Duration::from_mins(4)).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn what_synapse_has_forgotten_is_found_in_the_room_and_not_sent_again() {
    let mut synapse = Synapse::start().await;
    let room = synapse.rooms.default.room_id.clone();
    let proxy = Proxy::silent(&synapse.base_url).await;
    let setup = Setup::new(&synapse, &room).env("MATRIX_HOME_SERVER_URL", &proxy.base_url);
    let relay = setup.start().await;
    let names = names("Forgotten", 2);
    proxy.lose(1);
    accept_all(&relay, &names).await;
    proxy.has_lost(1).await;
    relay.kill();
    // Two days pass: Synapse clears such rows after one, and its memory of answers does not survive a restart.
    synapse.stop().await;
    synapse.forget_transactions();
    let outbox = rusqlite::Connection::open(setup.data_dir().join("outbox.db")).unwrap();
    let ago = SignedDuration::from_hours(48).as_millis();
    for column in ["accepted_at", "first_attempt_at", "last_attempt_at"] {
        let sql = format!("UPDATE outbox_news SET {column} = {column} - {ago}");
        assert!(outbox.execute(&sql, []).unwrap() > 0);
    }
    drop(outbox);
    synapse.start_again().await;

    let mut relay = setup.start().await;
    relay.says("an earlier attempt had reached the room").await;
    let messages = wait_for_names(&synapse, &room, &names, SOON).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn of_two_relays_on_one_database_one_is_killed_and_the_room_shows_nothing_of_it() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id;
    let database = postgres::database().await;
    let setup = Setup::new(&synapse, room).env("RELAY_DATABASE_URL", &database);
    let other = Setup::new(&synapse, room).env("RELAY_DATABASE_URL", &database);
    let (killed, survivor) = (setup.start().await, other.start().await);
    let names = names("Replica", 20);
    for pair in names[..10].chunks(2) {
        accept_all(&killed, &pair[..1]).await;
        accept_all(&survivor, &pair[1..]).await;
    }
    killed.kill();
    accept_all(&survivor, &names[10..]).await;
    // The lease of the one that was killed lasts ten seconds.
    let messages = wait_for_names(&synapse, room, &names, SOON).await;
    assert_once_and_in_order(&messages, &names);
}
