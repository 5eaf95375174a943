//! Opening the device's keys: which device it is, its store on disk, and whether store and homeserver fit together.
//!
//! Guarantees: one process uses a store at a time; keys that the homeserver holds for the device and that are not the store's are
//! never replaced, and a store that is older than what was done with it is not used (see [`uses`]): each ends in a
//! failure that says what to do. Nothing is uploaded before that is known.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use matrix_sdk_crypto::OlmMachine;
use matrix_sdk_sqlite::{SqliteCryptoStore, SqliteStoreConfig};
use ruma::encryption::DeviceKeys;
use ruma::serde::Raw;
use ruma::{DeviceId, DeviceKeyAlgorithm, DeviceKeyId, UserId};
use sha2::{Digest as _, Sha256};

use super::device::Device;
use super::without_keys::WithoutKeys;
use super::{EncryptionSettings, Recipients, identity, known, requests, uses};
use crate::matrix::verdict::RoomTrouble;
use crate::matrix::{Client, Failure};

pub(super) const NEW_DEVICE: &str =
    "log the bot in again, so that it is a new device, and set MATRIX_ACCESS_TOKEN to the new token";

/// A failure that lasts until somebody acts; the room waits.
pub(super) fn cannot(what: String) -> Failure {
    Failure::room(RoomTrouble::NoKeys, what)
}

/// Opens the device of the access token; the one that was open stays, if it is that.
pub(super) async fn open(
    client: &Client,
    settings: &EncryptionSettings,
    before: Option<Arc<Device>>,
) -> Result<Arc<Device>, Failure> {
    let me = client.whoami().await?;
    let without = || cannot("the access token has no device: use a token from a login, which has one".to_owned());
    let (me, id) = (me.user_id, me.device_id.ok_or_else(without)?);
    if let Some(device) = before.filter(|device| device.is_of(&me, &id)) {
        return Ok(device);
    }
    open_store(client, settings, &me, &id).await.map(Arc::new)
}

async fn open_store(
    client: &Client,
    settings: &EncryptionSettings,
    me: &UserId,
    id: &DeviceId,
) -> Result<Device, Failure> {
    let data = settings.folder.clone().unwrap_or_default();
    let folder = store_folder(&data, me, id);
    let lock = lock(&folder)?;
    let config = SqliteStoreConfig::with_low_memory_config(&folder).pool_max_size(2);
    let store = SqliteCryptoStore::open_with_config(&config).await;
    let damaged = |error: String| {
        cannot(format!(
            "the keys in {} cannot be read ({error}). If they are damaged, {NEW_DEVICE}",
            folder.display()
        ))
    };
    let store = store.map_err(|error| damaged(error.to_string()))?;
    let machine = OlmMachine::with_store(me, id, store, None).await;
    let machine = machine.map_err(|error| damaged(error.to_string()))?;
    must_fit(client, &machine).await?;
    uses::count(client, &machine).await?;
    let device = Device::new(machine, lock, WithoutKeys::load(&data));
    device.drain(client).await?;
    // Another relay of the same device may have begun at the same moment.
    must_fit(client, &device.machine).await?;
    // Without it messages can be read; only that nobody vouches for the device.
    client.encryption().look_who_vouches(client, me, id).await;
    if settings.recipients == Recipients::CrossSigned {
        identity::adopt(client, settings, &device).await?;
    }
    device.catch_up(client).await?;
    tracing::info!(matrix.device_id = %id, "messages into encrypted rooms are encrypted by the keys of {me}, device {id}");
    Ok(device)
}

/// One folder for each device: a new one begins anew, and one that comes back finds its keys.
fn store_folder(data: &Path, me: &UserId, id: &DeviceId) -> PathBuf {
    let digest = hex::encode(Sha256::digest(format!("{me}\n{id}")));
    let words: String = id
        .as_str()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(32)
        .collect();
    data.join(known::FOLDER).join(format!("{words}-{}", &digest[..12]))
}

fn lock(folder: &Path) -> Result<File, Failure> {
    let trouble = |error: io::Error| {
        cannot(format!(
            "the folder of the keys cannot be used ({}): {error}",
            folder.display()
        ))
    };
    fs::create_dir_all(folder).map_err(trouble)?;
    keep_private(folder).map_err(trouble)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"));
    let file = file.map_err(trouble)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(cannot(
            "another relay has the keys of this device in use: let that one send, or give each a login of its own"
                .to_owned(),
        )),
        Err(fs::TryLockError::Error(error)) => Err(trouble(error)),
    }
}

fn keep_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Compares the keys that the homeserver holds for the device with the store's.
async fn must_fit(client: &Client, machine: &OlmMachine) -> Result<(), Failure> {
    let (me, id) = (machine.user_id(), machine.device_id());
    let held = requests::keys_of(client, me)
        .await?
        .device_keys
        .remove(me)
        .and_then(|mut devices| devices.remove(id));
    let upload = machine.upload_device_keys().await.map_err(requests::of_store)?;
    let is_uploaded = upload.is_none_or(|(_, request)| request.device_keys.is_none());
    match held {
        Some(held) if !is_same(&held, machine) => Err(cannot(format!(
            "the homeserver holds other keys for device {id} than the store in the data folder, which was lost or belongs to \
             another relay: {NEW_DEVICE}"
        ))),
        None if is_uploaded => Err(cannot(format!(
            "the homeserver has no keys for device {id} any more: {NEW_DEVICE}"
        ))),
        // An upload whose answer was lost is made again.
        Some(_) | None => Ok(()),
    }
}

fn is_same(held: &Raw<DeviceKeys>, machine: &OlmMachine) -> bool {
    let Ok(held) = held.deserialize() else { return false };
    let key = |algorithm| held.keys.get(&DeviceKeyId::from_parts(algorithm, machine.device_id()));
    let own = machine.identity_keys();
    key(DeviceKeyAlgorithm::Ed25519) == Some(&own.ed25519.to_base64())
        && key(DeviceKeyAlgorithm::Curve25519) == Some(&own.curve25519.to_base64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was encrypted is on disk before it is sent: a loss of power does not take a key back to where it was.
    #[tokio::test]
    async fn the_store_of_the_keys_is_synced_with_each_change() {
        let folder = tempfile::tempdir().unwrap();
        let config = SqliteStoreConfig::with_low_memory_config(folder.path());
        let store = SqliteCryptoStore::open_with_config(&config).await.unwrap();
        let file = folder.path().join("matrix-sdk-crypto.sqlite3");
        // A connection of the same library, with what that is built with.
        let connection = rusqlite::Connection::open(file).unwrap();
        let pragma =
            |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
        assert_eq!(pragma("synchronous").unwrap(), 2.into(), "FULL");
        drop(store);
    }
}
