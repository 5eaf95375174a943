//! Encrypted rooms: which rooms are encrypted, and the encryption of what goes there.
//!
//! Guarantees: a room that was once seen encrypted counts as encrypted for ever, also after a restart and whatever its state
//! says later; what cannot be encrypted is a failure and never plain text. Nothing of it costs anything until the first encrypted
//! room is seen. The cryptography is matrix-sdk-crypto's; a build without it refuses encrypted rooms.

#[cfg(feature = "encryption")]
mod device;
#[cfg(feature = "encryption")]
mod identity;
mod known;
mod leadership;
#[cfg(feature = "encryption")]
mod opening;
#[cfg(feature = "encryption")]
mod requests;
#[cfg(feature = "encryption")]
mod room;
#[cfg(feature = "encryption")]
mod secrets;
mod state;
#[cfg(feature = "encryption")]
mod uses;
#[cfg(feature = "encryption")]
mod without_keys;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
#[cfg(feature = "encryption")]
use std::sync::Arc;
use std::sync::Mutex;

use ruma::RoomId;
use secrecy::SecretString;
use serde_json::Value;

#[cfg(feature = "encryption")]
pub use self::identity::{Identity, IdentityError};
use self::known::KnownRooms;
use self::leadership::Leadership;
pub use self::leadership::TAKEOVER;
pub use self::state::EncryptionState;
use self::state::Troubles;
#[cfg(feature = "encryption")]
pub(super) use self::without_keys::WithoutKey;
#[cfg(feature = "encryption")]
use super::Verdict;
use super::verdict::RoomTrouble;
use super::{Client, Failure};

/// Where the recovery key is written, beside the outbox.
pub const RECOVERY_KEY_FILE: &str = "recovery.key";

/// How encrypted rooms are treated. `Debug` does not show the recovery key.
#[derive(Debug, Clone, Default)]
pub struct EncryptionSettings {
    /// Whether messages are encrypted at all.
    pub mode: EncryptionMode,
    /// Who gets the keys to read them.
    pub recipients: Recipients,
    /// The folder of the relay's data: keys, and the list of encrypted rooms. `None`: the list is kept in memory alone, and
    /// nothing is encrypted.
    pub folder: Option<PathBuf>,
    /// The key to the account's secret storage, where it is not in the folder.
    pub recovery_key: Option<SecretString>,
}

/// Whether messages into encrypted rooms are encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EncryptionMode {
    /// Rooms that are encrypted get encrypted messages.
    #[default]
    Auto,
    /// Rooms that are encrypted get nothing.
    Off,
}

impl FromStr for EncryptionMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => Err("it is neither (expected `auto` or `off`)".to_owned()),
        }
    }
}

/// Whose devices get the keys of a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recipients {
    /// All devices of the members.
    #[default]
    All,
    /// Those that their owner has verified (MSC4153).
    CrossSigned,
}

impl FromStr for Recipients {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "cross-signed" => Ok(Self::CrossSigned),
            _ => Err("it is neither (expected `all` or `cross-signed`)".to_owned()),
        }
    }
}

/// The encryption of one client.
pub(super) struct Encryption {
    settings: EncryptionSettings,
    rooms: KnownRooms,
    pub(super) leadership: Leadership,
    /// Why the device could not be opened, or who does not vouch for it.
    troubles: Mutex<Troubles>,
    #[cfg(feature = "encryption")]
    device: tokio::sync::Mutex<Option<Arc<device::Device>>>,
    /// Whether the token may be another device's than the open one.
    #[cfg(feature = "encryption")]
    is_doubtful: std::sync::atomic::AtomicBool,
}

impl Encryption {
    pub(super) fn new(settings: &EncryptionSettings) -> Self {
        let list = settings.folder.as_deref().map(known::list);
        Self {
            settings: settings.clone(),
            rooms: KnownRooms::load(list),
            leadership: Leadership::default(),
            troubles: Mutex::default(),
            #[cfg(feature = "encryption")]
            device: tokio::sync::Mutex::default(),
            #[cfg(feature = "encryption")]
            is_doubtful: std::sync::atomic::AtomicBool::new(false),
        }
    }

    /// Whether the room was seen encrypted, now or at any time before.
    pub(super) fn knows(&self, room: &RoomId) -> bool {
        self.rooms.contains(room)
    }

    /// Notes that a room is encrypted.
    pub(super) fn remember(&self, room: &RoomId) {
        self.rooms.add(room);
    }

    /// The access token has changed: the device may be another one.
    pub(super) fn doubt(&self) {
        #[cfg(feature = "encryption")]
        self.is_doubtful.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// Whether messages can be encrypted as far as it depends on build and settings.
    pub(super) fn must_be_on(&self) -> Result<(), Failure> {
        let why = if cfg!(not(feature = "encryption")) {
            "this build of the relay cannot encrypt: use one with the feature `encryption`"
        } else if self.settings.mode == EncryptionMode::Off {
            "MATRIX_ENCRYPTION is `off`: set it to `auto`, or use a room without encryption"
        } else if self.settings.folder.is_none() {
            "there is no folder for the keys"
        } else {
            return Ok(());
        };
        Err(Failure::room(RoomTrouble::Encrypted, why))
    }

    /// Whether there is an encrypted room to encrypt for.
    #[cfg(feature = "encryption")]
    pub(super) fn is_used(&self) -> bool {
        self.must_be_on().is_ok() && self.rooms.is_any()
    }

    /// Waits until there is an encrypted room to encrypt for; for ever if that is not to be.
    pub(super) async fn is_needed(&self) {
        if self.must_be_on().is_err() {
            std::future::pending::<()>().await;
        }
        self.rooms.any().await;
        self.leadership.begins().await;
    }

    /// Whether another relay goes through what happens to the device.
    pub(super) fn leaves_sync_to_another(&self) -> bool {
        self.must_be_on().is_ok() && self.rooms.is_any() && !self.leadership.holds()
    }

    /// Whether this relay is the one that encrypts.
    #[cfg(feature = "encryption")]
    fn must_lead(&self) -> Result<(), Failure> {
        if self.leadership.holds() {
            return Ok(());
        }
        Err(Failure::without_answer(
            Verdict::OtherRelay,
            "one relay at a time sends into encrypted rooms",
        ))
    }

    /// Encrypts the content of a message for a room: the content of an `m.room.encrypted` event.
    #[cfg(feature = "encryption")]
    pub(super) async fn seal(&self, client: &Client, room: &RoomId, content: &Value) -> Result<Value, Failure> {
        self.must_be_on()?;
        self.must_lead()?;
        let device = self.device(client).await?;
        let (client, room, content) = (client.clone(), room.to_owned(), content.clone());
        let recipients = self.settings.recipients;
        // In a task of its own: an attempt that is cut off does not leave key work half done.
        let sealing = tokio::spawn(async move { device.seal(&client, &room, &content, recipients).await });
        let sealed = sealing.await.unwrap_or_else(|error| {
            Err(Failure::without_answer(
                Verdict::Transient,
                format!("the encryption failed inside the relay: {error}"),
            ))
        });
        // Another relay may have taken over meanwhile; then this is never sent.
        self.must_lead()?;
        sealed
    }

    /// Encrypts the content of a message for a room, which this build cannot.
    #[cfg(not(feature = "encryption"))]
    pub(super) async fn seal(&self, _: &Client, _: &RoomId, _: &Value) -> Result<Value, Failure> {
        self.must_be_on()?;
        Err(Failure::room(RoomTrouble::Encrypted, "this build cannot encrypt"))
    }

    /// The device whose keys are used, opened if need be. After a change of the token it is asked whose it is.
    #[cfg(feature = "encryption")]
    pub(super) async fn device(&self, client: &Client) -> Result<Arc<device::Device>, Failure> {
        let mut open = self.device.lock().await;
        self.must_lead()?;
        let is_doubtful = self.is_doubtful.swap(false, std::sync::atomic::Ordering::SeqCst);
        if let Some(device) = open.as_ref().filter(|_| !is_doubtful) {
            return Ok(Arc::clone(device));
        }
        let opened = opening::open(client, &self.settings, open.clone()).await;
        if opened.is_err() && is_doubtful {
            self.doubt();
        }
        let mut troubles = self.troubles();
        troubles.opening = opened.as_ref().err().cloned();
        troubles.is_open = opened.is_ok();
        drop(troubles);
        Ok(Arc::clone(open.insert(opened?)))
    }

    /// The devices that got no key of a room's messages, by a relay on this folder.
    #[cfg(feature = "encryption")]
    pub(super) fn devices_without_keys(&self, room: &RoomId) -> Vec<WithoutKey> {
        let folder = self.settings.folder.as_deref();
        folder
            .map(|folder| without_keys::written(folder, room))
            .unwrap_or_default()
    }

    /// The device, if it is open, so that what happens to it is followed.
    #[cfg(feature = "encryption")]
    pub(super) fn open_device(&self) -> Option<Arc<device::Device>> {
        self.device.try_lock().ok()?.clone()
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
