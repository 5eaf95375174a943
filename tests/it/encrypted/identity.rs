//! Who vouches for the relay's device, over new devices, second beginnings and identities that somebody replaces.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use super::setup;
use crate::support::matrix::{SOON, User};
use crate::support::patience::until;
use crate::support::payload::grafana_firing;
use crate::support::reader::Reader;
use crate::support::relay::Setup;
use crate::support::synapse::Synapse;

/// The token of a new device of the bot.
pub(super) async fn new_device(synapse: &Synapse, device: &str) -> User {
    let mut bot = synapse.bot.clone();
    device.clone_into(&mut bot.device_id);
    bot.log_in_again().await
}

async fn master_key(synapse: &Synapse) -> Value {
    let asked = json!({"device_keys": {&synapse.bot.id: []}});
    let keys = synapse.person.post(&["keys", "query"], asked).await.ok();
    keys["master_keys"][&synapse.bot.id]["keys"].clone()
}

/// `identity` with the settings of a relay.
fn identity(synapse: &Synapse, token: &str, data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
        .arg("identity")
        .args(arguments)
        .env_clear()
        .env("MATRIX_HOME_SERVER_URL", &synapse.base_url)
        .env("MATRIX_ACCESS_TOKEN", token)
        .env("MATRIX_DEFAULT_ROOM", &synapse.rooms.encrypted.room_id)
        .env("RELAY_DATA_DIR", data)
        .current_dir(data)
        .output()
        .unwrap()
}

/// Sends one message with these settings, and waits until it is read.
pub(super) async fn sends(setup: &Setup, synapse: &Synapse, reader: &mut Reader, name: &str) {
    let relay = setup.start().await;
    relay.accepts(&grafana_firing(name)).await;
    let has_come = |heard: &[crate::support::reader::Heard]| heard.iter().any(|heard| heard.body().contains(name));
    reader
        .wait_until(&synapse.rooms.encrypted.room_id, SOON, has_come)
        .await;
    relay.has_delivered(1).await;
    assert!(!relay.log().contains("nobody vouches"), "a false alarm");
    assert!(!relay.log().contains(&synapse.bot.access_token));
    relay.ask_to_end();
    assert!(relay.ended().await.success());
}

#[tokio::test]
async fn a_new_device_is_signed_by_the_recovery_key_and_the_old_one_stays_signed() {
    let synapse = Synapse::start().await;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let setup = setup(&synapse);
    sends(&setup, &synapse, &mut reader, "Old").await;
    let file = setup.data_dir().join("recovery.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (key, master) = (fs::read_to_string(&file).unwrap(), master_key(&synapse).await);

    // Another volume, with nothing but the recovery key.
    let new = new_device(&synapse, "NEWBOT").await;
    let other = super::setup(&synapse)
        .env("MATRIX_ACCESS_TOKEN", &new.access_token)
        .env("MATRIX_RECOVERY_KEY", key.trim());
    sends(&other, &synapse, &mut reader, "New").await;
    assert!(!other.data_dir().join("recovery.key").exists());
    for device in [&synapse.bot.device_id, "NEWBOT"] {
        assert!(reader.vouched(&synapse.bot.id, device).await, "{device}");
    }
    assert_eq!(master_key(&synapse).await, master);
}

#[tokio::test]
async fn an_identity_that_lacks_a_key_is_one_all_the_same() {
    let synapse = Synapse::start().await;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let mut client = Reader::start(&synapse, &synapse.bot, "CLIENT").await;
    client.sign_incompletely().await;
    let master = master_key(&synapse).await;
    let setup = setup(&synapse);
    let mut relay = setup.start().await;
    relay.accepts(&grafana_firing("First")).await;
    let said = relay.says("nobody vouches").await;
    assert!(said.contains("MATRIX_RECOVERY_KEY"), "{said}");
    let room = &synapse.rooms.encrypted.room_id;
    reader.wait_until(room, SOON, |heard| heard.len() == 1).await;
    assert!(
        !setup.data_dir().join("recovery.key").exists(),
        "no other identity was begun"
    );
    let bot = &synapse.bot;
    let storage = ["user", &bot.id, "account_data", "m.secret_storage.default_key"];
    assert_eq!(bot.get(&storage, &[]).await.status, 404);
    assert_eq!(master_key(&synapse).await, master);
}

#[tokio::test]
async fn an_identity_that_somebody_replaces_beside_the_relay_is_noticed() {
    let synapse = Synapse::start().await;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let setup = setup(&synapse);
    let mut relay = setup.start().await;
    relay.accepts(&grafana_firing("First")).await;
    let room = &synapse.rooms.encrypted.room_id;
    reader.wait_until(room, SOON, |heard| heard.len() == 1).await;

    // Another client, which does not sign the relay's device.
    let mut client = Reader::start(&synapse, &synapse.bot, "CLIENT").await;
    client.replace_identity().await;
    let said = relay.says("nobody vouches").await;
    assert!(said.contains("identity reset"), "{said}");
    assert!(
        relay
            .get("/health/ready")
            .await
            .body
            .to_string()
            .contains("nobody vouches")
    );
    relay.accepts(&grafana_firing("Second")).await;
    reader.wait_until(room, SOON, |heard| heard.len() == 2).await;

    let data = setup.data_dir();
    let password = data.join("password");
    fs::write(&password, format!("{}\n", synapse.bot.password)).unwrap();
    let file = password.display().to_string();
    let arguments = ["reset", "--yes", "--password-file", &file];
    let reset = identity(&synapse, &synapse.bot.access_token, &data, &arguments);
    assert!(reset.status.success(), "{reset:?}");
    assert!(reader.vouched(&synapse.bot.id, &synapse.bot.device_id).await);
    until("the relay knows", async || {
        !relay
            .get("/health/ready")
            .await
            .body
            .to_string()
            .contains("nobody vouches")
    })
    .await;
}

#[tokio::test]
async fn where_verified_devices_alone_get_keys_messages_wait_for_an_identity_that_vouches_for_the_relay() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    reader.sign().await;
    let setup = setup(&synapse).env("MATRIX_KEY_RECIPIENTS", "cross-signed");
    let mut relay = setup.start().await;
    relay.accepts(&grafana_firing("First")).await;
    reader.wait_until(room, SOON, |heard| heard.len() == 1).await;
    let mut client = Reader::start(&synapse, &synapse.bot, "CLIENT").await;
    client.replace_identity().await;
    relay.accepts(&grafana_firing("Second")).await;
    let said = relay.says("takes no messages").await;
    assert!(
        said.contains("cross-signed") && said.contains("identity show"),
        "{said}"
    );

    let data = setup.data_dir();
    let password = data.join("password");
    fs::write(&password, format!("{}\n", synapse.bot.password)).unwrap();
    let file = password.display().to_string();
    let reset = identity(
        &synapse,
        &synapse.bot.access_token,
        &data,
        &["reset", "--yes", "--password-file", &file],
    );
    assert!(reset.status.success(), "{reset:?}");
    let heard = reader
        .wait_until(room, Duration::from_mins(2), |heard| heard.len() == 2)
        .await;
    assert!(heard[1].body().contains("Second"));
}

#[tokio::test]
async fn an_identity_is_never_replaced_unless_somebody_says_so() {
    let synapse = Synapse::start().await;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    sends(&setup(&synapse), &synapse, &mut reader, "First").await;
    let master = master_key(&synapse).await;

    // The next device has no recovery key: its messages can be read, nobody vouches for it, and that is said.
    let new = new_device(&synapse, "NEWBOT").await;
    let other = setup(&synapse).env("MATRIX_ACCESS_TOKEN", &new.access_token);
    let mut relay = other.start().await;
    relay.accepts(&grafana_firing("Unsigned")).await;
    let said = relay.says("nobody vouches").await;
    assert!(
        said.contains("MATRIX_RECOVERY_KEY") && said.contains("identity reset"),
        "{said}"
    );
    reader
        .wait_until(&synapse.rooms.encrypted.room_id, SOON, |heard| heard.len() == 2)
        .await;
    assert!(!reader.vouched(&synapse.bot.id, "NEWBOT").await);
    assert_eq!(master_key(&synapse).await, master);

    // Beside the relay that runs.
    let data = other.data_dir();
    let show = identity(&synapse, &new.access_token, &data, &["show"]);
    let text = String::from_utf8_lossy(&show.stdout).into_owned();
    assert!(!show.status.success() && text.contains("signed    no"), "{text}");
    let show = identity(&synapse, &new.access_token, &data, &["show", "--json"]);
    let report: Value = serde_json::from_slice(&show.stdout).unwrap();
    assert!(!show.status.success(), "{report}");
    assert_eq!(report["device"], json!("NEWBOT"), "{report}");
    assert_eq!(
        (&report["device_has_keys"], &report["device_signed"]),
        (&json!(true), &json!(false)),
        "{report}"
    );
    let wrong = "EsTc LW2K PGiF wKEA 3As5 g5c4 BXwk qeeJ ZJV8 Q9fu gUMN UE4d";
    fs::write(data.join("recovery.key"), wrong).unwrap();
    let recover = identity(&synapse, &new.access_token, &data, &["recover"]);
    assert!(!recover.status.success() && String::from_utf8_lossy(&recover.stderr).contains("recovery key"));
    fs::remove_file(data.join("recovery.key")).unwrap();

    let reset = |arguments: &[&str]| identity(&synapse, &new.access_token, &data, arguments);
    let refused = reset(&["reset"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--yes"));
    let wants = reset(&["reset", "--yes"]);
    assert!(
        String::from_utf8_lossy(&wants.stderr).contains("--password-file"),
        "{wants:?}"
    );
    assert_eq!(master_key(&synapse).await, master, "nothing was replaced");
    let password = data.join("password");
    fs::write(&password, "wrong\n").unwrap();
    let file = password.display().to_string();
    assert!(!reset(&["reset", "--yes", "--password-file", &file]).status.success());
    fs::write(&password, format!("{}\n", synapse.bot.password)).unwrap();
    let done = reset(&["reset", "--yes", "--password-file", &file]);
    assert!(done.status.success(), "{done:?}");
    assert_ne!(master_key(&synapse).await, master);
    assert!(reader.vouched(&synapse.bot.id, "NEWBOT").await);
    assert!(data.join("recovery.key").exists());
    let show = reset(&["show"]);
    assert!(show.status.success() && String::from_utf8_lossy(&show.stdout).contains("signed    yes"));
    // The new key signs the next device.
    fs::copy(data.join("recovery.key"), data.join("kept")).unwrap();
    let old = identity(&synapse, &synapse.bot.access_token, &data, &["recover"]);
    assert!(old.status.success(), "{old:?}");
    assert!(reader.vouched(&synapse.bot.id, &synapse.bot.device_id).await);
}
