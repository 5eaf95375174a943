//! How the encryption of one client stands, for health, for metrics and for the choice of the relay that encrypts.
//!
//! Guarantees: asks nobody and changes nothing: it says what the last try came to.

use std::sync::PoisonError;
use std::time::Instant;

use ruma::{OwnedRoomId, RoomId};

use super::Encryption;
use crate::matrix::{Client, Failure, Verdict};
use crate::message::RoomAddress;

/// What the last tries came to.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// Why the device cannot be used.
    pub(super) opening: Option<Failure>,
    /// Why nobody vouches for it.
    pub(super) identity: Option<String>,
    /// Whether it is open.
    pub(super) is_open: bool,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncryptionState {
    /// No encrypted room was ever seen.
    Unused,
    /// There are encrypted rooms, and nothing goes there, for this reason.
    Off(String),
    /// Another relay encrypts, or none does yet.
    Elsewhere,
    /// The device is about to be opened.
    Opening,
    /// The device cannot be used, for this reason.
    Unusable(String),
    /// Messages are encrypted; if nobody vouches for the device, the reason.
    Working(Option<String>),
}

impl Encryption {
    pub(super) fn state(&self) -> EncryptionState {
        if !self.rooms.is_any() {
            return EncryptionState::Unused;
        }
        if let Err(failure) = self.must_be_on() {
            return EncryptionState::Off(failure.cause());
        }
        if !self.leadership.holds() {
            return EncryptionState::Elsewhere;
        }
        let troubles = self.troubles();
        match (&troubles.opening, troubles.is_open) {
            (Some(failure), _) => EncryptionState::Unusable(failure.cause()),
            (None, false) => EncryptionState::Opening,
            (None, true) => EncryptionState::Working(troubles.identity.clone()),
        }
    }

    /// Whether this relay opens the device soon, and says then itself who does not vouch for it.
    #[cfg(feature = "encryption")]
    pub(in crate::matrix) fn is_opening(&self) -> bool {
        self.rooms.is_kept() && self.state() == EncryptionState::Opening
    }

    pub(super) fn troubles(&self) -> std::sync::MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// How the encryption stands.
    pub fn encryption_state(&self) -> EncryptionState {
        self.encryption().state()
    }

    /// How many rooms count as encrypted.
    pub fn encrypted_rooms(&self) -> usize {
        self.encryption().rooms.count()
    }

    /// Whether messages can be encrypted as far as it depends on build and settings.
    pub fn may_encrypt(&self) -> bool {
        self.encryption().must_be_on().is_ok()
    }

    /// Whether there is an encrypted room, and the will to send there.
    pub fn wants_to_encrypt(&self) -> bool {
        self.may_encrypt() && self.encryption().rooms.is_any()
    }

    /// Whether it may and cannot, until somebody acts.
    pub fn is_unable_to_encrypt(&self) -> bool {
        let troubles = self.encryption().troubles();
        let failure = troubles.opening.as_ref();
        failure.is_some_and(|failure| matches!(failure.verdict, Verdict::Room(_)))
    }

    /// The ID of a room that counts as encrypted; asks nobody.
    pub fn known_encrypted(&self, room: &RoomAddress) -> Option<OwnedRoomId> {
        let id = self.cached(room)?;
        self.encryption().knows(&id).then_some(id)
    }

    /// A room was seen encrypted by another process, or by this one before.
    pub fn remember_encrypted(&self, room: &RoomId) {
        self.encryption().remember(room);
    }

    /// From now on it is written down which rooms are encrypted: this is a relay, and no command beside one.
    pub fn keep_encrypted(&self) {
        self.encryption().rooms.keep();
    }

    /// There are other relays on the same outbox: from now on this one encrypts only while it leads.
    pub fn share_encryption(&self) {
        self.encryption().leadership.share();
    }

    /// This relay held the lock of the relay that encrypts when that was asked for.
    pub fn confirm_leadership(&self, asked: Instant) {
        self.encryption().leadership.confirm(asked);
    }

    /// It does not hold it any more. When this returns, nothing of the device is in use but by what is about to end.
    pub async fn end_leadership(&self) {
        self.encryption().leadership.end();
        self.encryption().close().await;
    }
}

impl Encryption {
    /// Frees the device's store.
    async fn close(&self) {
        #[cfg(feature = "encryption")]
        drop(self.device.lock().await.take());
        *self.troubles() = Troubles::default();
    }
}
