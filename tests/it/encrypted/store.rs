//! The store of the keys: lost, or a copy of an earlier one.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::identity::{new_device, sends};
use super::{in_plain_text, setup};
use crate::support::matrix::SOON;
use crate::support::payload::grafana_firing;
use crate::support::reader::Reader;
use crate::support::synapse::Synapse;

/// Copies the keys from one data folder to another.
fn copies(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .args(["-a", "--"])
        .arg(from.join("encryption"))
        .arg(to)
        .status();
    assert!(copied.unwrap().success());
}

#[tokio::test]
async fn a_copy_that_was_made_while_the_relay_ran_is_noticed_as_soon_as_keys_were_sent_since() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let setup = setup(&synapse);
    let relay = setup.start().await;
    relay.accepts(&grafana_firing("One")).await;
    reader.wait_until(room, SOON, |heard| heard.len() == 1).await;
    let (data, copy) = (setup.data_dir(), tempfile::tempdir().unwrap());
    copies(&data, copy.path());
    let mut later = Reader::start(&synapse, &synapse.person, "LATER").await;
    relay.accepts(&grafana_firing("Two")).await;
    later.wait_until(room, SOON, |heard| heard.len() == 1).await;
    relay.has_delivered(2).await;
    relay.kill();

    fs::remove_dir_all(data.join("encryption")).unwrap();
    copies(copy.path(), &data);
    let mut relay = setup.start().await;
    relay.accepts(&grafana_firing("Three")).await;
    let said = relay.says("takes no messages").await;
    assert!(said.contains("log the bot in again"), "{said}");
    let heard = reader.read(room).await;
    assert!(heard.iter().all(|heard| heard.error.is_none()), "{heard:#?}");
}

#[tokio::test]
async fn a_lost_store_and_an_old_copy_of_it_are_noticed_and_a_new_login_goes_on() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    let mut reader = Reader::start(&synapse, &synapse.person, "READER").await;
    let setup = setup(&synapse);
    sends(&setup, &synapse, &mut reader, "One").await;
    let (data, copy) = (setup.data_dir(), tempfile::tempdir().unwrap());
    copies(&data, copy.path());
    sends(&setup, &synapse, &mut reader, "Two").await;

    fs::remove_dir_all(data.join("encryption")).unwrap();
    copies(copy.path(), &data);
    let mut relay = setup.start().await;
    relay.accepts(&grafana_firing("Three")).await;
    let said = relay.says("takes no messages").await;
    assert!(
        said.contains("earlier time") && said.contains("log the bot in again"),
        "{said}"
    );
    assert!(relay.terminate().success());

    fs::remove_dir_all(data.join("encryption")).unwrap();
    let mut relay = setup.start().await;
    let said = relay.says("takes no messages").await;
    assert!(
        said.contains("other keys") && said.contains("log the bot in again"),
        "{said}"
    );
    assert!(relay.terminate().success());

    let new = new_device(&synapse, "NEWBOT").await;
    let _relay = setup.env("MATRIX_ACCESS_TOKEN", &new.access_token).start().await;
    let heard = reader.wait_until(room, SOON, |heard| heard.len() == 3).await;
    assert!(heard[2].body().contains("Three"));
    assert!(reader.vouched(&synapse.bot.id, "NEWBOT").await);
    assert_eq!(in_plain_text(&synapse).await, 0);
}
