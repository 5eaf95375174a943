//! Several relays on one PostgreSQL: one of them encrypts, and another one takes over.

use std::time::Duration;

use sqlx::Row as _;

use super::identity::new_device;
use super::{assert_once_and_in_order, has_all, in_plain_text, names, setup};
use crate::support::matrix::SOON;
use crate::support::patience::{eventually, until};
use crate::support::payload::grafana_firing;
use crate::support::postgres;
use crate::support::proxy::Proxy;
use crate::support::reader::Reader;
use crate::support::relay::{Relay, Setup};
use crate::support::synapse::Synapse;

/// From the end of a relay until another one may encrypt, on a busy machine.
const TAKEN_OVER: Duration = Duration::from_secs(90);

/// A relay on this database.
fn on(database: &str, setup: Setup) -> Setup {
    setup.env("RELAY_DATABASE_URL", database)
}

/// Whether it is the one that encrypts.
async fn encrypts(relay: &Relay) -> bool {
    let metrics = relay.get("/metrics").await.ok();
    let wanted = "grafana_matrix_relay_encryption_active 1";
    metrics.as_str().expect("text").lines().any(|line| line == wanted)
}

/// The connection that holds the lock.
async fn holder(database: &str) -> Option<i32> {
    let mut connection = postgres::connect(database).await;
    let held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 1735552867";
    let row = sqlx::query(held).fetch_optional(&mut connection).await.unwrap();
    row.map(|row| row.get(0))
}

#[tokio::test]
async fn one_of_two_relays_encrypts_and_the_other_takes_over_when_it_dies_or_loses_its_lock() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let database = postgres::database().await;
    // One folder for both.
    let setup = on(&database, setup(&synapse));
    let (first, second) = (setup.start().await, setup.start().await);
    let names = names("Shared", 9);
    // Between one holder of the lock and the next there is a moment without any.
    let one_of_them = async |relays: [&Relay; 2]| {
        until("one of them encrypts", async || {
            encrypts(relays[0]).await != encrypts(relays[1]).await
        })
        .await;
    };
    let accept = async |relays: [&Relay; 2], names: &[String]| {
        for (name, relay) in names.iter().zip(relays.into_iter().cycle()) {
            relay.accepts(&grafana_firing(name)).await;
        }
    };
    accept([&first, &second], &names[..3]).await;
    reader.wait_until(room, TAKEN_OVER, has_all(&names[..3])).await;
    one_of_them([&first, &second]).await;

    // The server ends the connection, as it does when it restarts.
    let lost = eventually("somebody holds the lock", async || holder(&database).await).await;
    let mut admin = postgres::connect(&database).await;
    let end = sqlx::query("SELECT pg_terminate_backend($1)").bind(lost);
    end.execute(&mut admin).await.unwrap();
    accept([&second, &first], &names[3..6]).await;
    reader.wait_until(room, TAKEN_OVER, has_all(&names[..6])).await;
    one_of_them([&first, &second]).await;

    let is_first = encrypts(&first).await;
    let (dies, lives) = if is_first { (first, second) } else { (second, first) };
    accept([&dies, &lives], &names[6..7]).await;
    dies.kill();
    accept([&lives, &lives], &names[7..]).await;
    let heard = reader.wait_until(room, TAKEN_OVER, has_all(&names)).await;
    assert_once_and_in_order(&heard, &names);
    let all = reader.read(room).await;
    assert!(all.iter().all(|heard| heard.error.is_none()), "{all:#?}");
    assert_eq!(in_plain_text(&synapse).await, 0);
}

#[tokio::test]
async fn a_relay_without_the_keys_leaves_encrypted_rooms_to_one_that_has_them() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let database = postgres::database().await;
    let has_keys = on(&database, setup(&synapse));
    let relay = has_keys.start().await;
    relay.accepts(&grafana_firing("First")).await;
    reader.wait_until(room, TAKEN_OVER, |heard| heard.len() == 1).await;
    relay.kill();

    // The same login, and a folder of its own.
    let mut without = on(&database, setup(&synapse)).start().await;
    without.accepts(&grafana_firing("Second")).await;
    let said = without.says("takes no messages").await;
    assert!(said.contains("other keys"), "{said}");
    let ready = async || without.get("/health/ready").await.body.to_string();
    until("readiness names the room and why it waits", async || {
        let ready = ready().await;
        ready.contains(room.as_str()) && ready.contains("other keys")
    })
    .await;
    let _relay = has_keys.start().await;
    reader.wait_until(room, TAKEN_OVER, |heard| heard.len() == 2).await;
    assert_eq!(in_plain_text(&synapse).await, 0);
}

#[tokio::test]
async fn a_relay_of_another_login_takes_over_as_a_device_that_the_recovery_key_signs() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let database = postgres::database().await;
    let first = on(&database, setup(&synapse));
    let relay = first.start().await;
    relay.accepts(&grafana_firing("First")).await;
    reader.wait_until(room, TAKEN_OVER, |heard| heard.len() == 1).await;
    let key = std::fs::read_to_string(first.data_dir().join("recovery.key")).unwrap();

    let new = new_device(&synapse, "NEWBOT").await;
    let other = on(&database, setup(&synapse))
        .env("MATRIX_ACCESS_TOKEN", &new.access_token)
        .env("MATRIX_RECOVERY_KEY", key.trim());
    let other = other.start().await;
    relay.has_delivered(1).await;
    relay.kill();
    other.accepts(&grafana_firing("Second")).await;
    reader.wait_until(room, TAKEN_OVER, |heard| heard.len() == 2).await;
    for device in [&synapse.bot.device_id, "NEWBOT"] {
        assert!(reader.vouched(&synapse.bot.id, device).await, "{device}");
    }
    let heard = reader.wait_until(room, SOON, |heard| heard.len() == 2).await;
    assert!(heard[1].body().contains("Second"));
}

#[tokio::test]
async fn a_relay_of_another_login_recognises_what_the_one_before_has_sent_without_hearing_of_it() {
    let synapse = Synapse::start().await;
    let (encrypted, plain) = (&synapse.rooms.encrypted.room_id, &synapse.rooms.default.room_id);
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let database = postgres::database().await;
    let proxy = Proxy::silent(&synapse.base_url).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    let text = format!("[routes.default]\nrooms = ['{encrypted}', '{plain}']\n");
    std::fs::write(&file, text).unwrap();
    let with_routes = |setup: Setup| {
        on(&database, setup)
            .env("MATRIX_DEFAULT_ROOM", "")
            .env("RELAY_ROUTES_FILE", &file.display().to_string())
    };
    let first = with_routes(setup(&synapse)).env("MATRIX_HOME_SERVER_URL", &proxy.base_url);
    let relay = first.start().await;
    let names = names("Doubt", 3);
    relay.accepts(&grafana_firing(&names[0])).await;
    reader.wait_until(encrypted, TAKEN_OVER, has_all(&names[..1])).await;
    let key = std::fs::read_to_string(first.data_dir().join("recovery.key")).unwrap();
    relay.has_delivered(2).await;
    // Both are in their rooms, and the relay does not hear of it.
    proxy.lose(2);
    relay.accepts(&grafana_firing(&names[1])).await;
    proxy.has_lost(2).await;
    relay.kill();

    let new = new_device(&synapse, "NEWBOT").await;
    let other = with_routes(setup(&synapse))
        .env("MATRIX_ACCESS_TOKEN", &new.access_token)
        .env("MATRIX_RECOVERY_KEY", key.trim());
    let other = other.start().await;
    other.accepts(&grafana_firing(&names[2])).await;
    let heard = reader.wait_until(encrypted, TAKEN_OVER, has_all(&names)).await;
    assert_once_and_in_order(&heard, &names);
    other.has_delivered(4).await;
    let shown = synapse.person.messages(plain).await;
    assert_eq!(shown.len(), 3, "{shown:#?}");
}
