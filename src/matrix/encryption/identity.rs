//! The identity of the account: the cross-signing keys that vouch for the relay's device, so that clients show its messages
//! without a warning.
//!
//! Guarantees: keys that an account has are never replaced but by [`Client::reset_identity`]; the recovery key is on disk before
//! anything depends on it; the private keys are in the account's secret storage, and in the device's store only where keys
//! go to verified devices alone. The commands work beside a relay that runs, because they do not touch that store.

mod error;
mod notary;
mod recovery_key;

use std::path::PathBuf;

use matrix_sdk_crypto::UserIdentity;
use matrix_sdk_crypto::secret_storage::SecretStorageKey;
use ruma::{DeviceId, OwnedDeviceId, OwnedUserId, UserId};
use secrecy::{ExposeSecret as _, SecretString};

pub use self::error::IdentityError;
use self::error::library;
use self::notary::Notary;
use self::recovery_key::{recovery_key, write_recovery_key};
use super::device::Device;
use super::opening::cannot;
use super::secrets::SecretStorage;
use super::{Encryption, EncryptionSettings, Recipients, requests};
use crate::matrix::{Client, Failure};

/// What is known of an account's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub user_id: OwnedUserId,
    /// The device of the access token.
    pub device_id: OwnedDeviceId,
    /// The public master key, if the account has an identity.
    pub master_key: Option<String>,
    /// Whether the device has keys for encryption at all.
    pub has_keys: bool,
    /// Whether the identity vouches for the device.
    pub is_signed: bool,
    /// Whether the account has a secret storage.
    pub has_storage: bool,
}

impl Client {
    /// What is known of the account's identity.
    pub async fn identity(&self) -> Result<Identity, IdentityError> {
        let notary = Notary::of(self).await?;
        let has_storage = notary.storage().default_key().await?.is_some();
        let device = notary.device().await?;
        Ok(Identity {
            master_key: notary.master_key(),
            has_keys: device.is_some(),
            is_signed: device.is_some_and(|device| device.is_cross_signed_by_owner()),
            has_storage,
            user_id: notary.me,
            device_id: notary.device_id,
        })
    }

    /// Signs the device with the keys that the recovery key unlocks.
    pub async fn recover_identity(&self) -> Result<(), IdentityError> {
        let notary = Notary::of(self).await?;
        notary.recover(&self.encryption().settings).await
    }

    /// Makes a new identity in the place of the one that the account has, and a new recovery key. Whoever has verified the old one
    /// has to do it again. Returns where the recovery key was written.
    pub async fn reset_identity(&self, password: Option<&SecretString>) -> Result<PathBuf, IdentityError> {
        let notary = Notary::of(self).await?;
        notary.must_have_keys().await?;
        let settings = &self.encryption().settings;
        let (request, keys) = notary.new_keys().await?;
        let key = SecretStorageKey::new();
        notary.publish(request, password).await?;
        let file = write_recovery_key(settings, &key)?;
        notary.keep(&key, &keys).await?;
        notary.sign().await?;
        Ok(file)
    }
}

impl Encryption {
    /// Sees to it that the identity vouches for the device, if that can be done without asking anybody; says once what is missing.
    pub(super) async fn look_who_vouches(&self, client: &Client, me: &UserId, id: &DeviceId) {
        let ensured = async { Notary::new(client, me, id).await?.ensure(&self.settings).await };
        let trouble = ensured.await.err().map(|error| {
            format!(
                "nobody vouches for the relay's device {id}: messages into encrypted rooms have a warning in some clients, and \
                 others hide them. {error}"
            )
        });
        let before = std::mem::replace(&mut self.troubles().identity, trouble.clone());
        if let Some(trouble) = trouble.filter(|now| before.as_ref() != Some(now)) {
            tracing::error!(matrix.device_id = %id, "{trouble}");
        }
    }

    /// The same where the identity may have changed, for a device that is in use.
    pub(super) async fn look_again(&self, client: &Client, device: &Device) {
        let (me, id) = (device.machine.user_id(), device.machine.device_id());
        self.look_who_vouches(client, me, id).await;
        if self.settings.recipients != Recipients::CrossSigned {
            return;
        }
        let _alone = device.work.lock().await;
        if let Err(failure) = adopt(client, &self.settings, device).await {
            // Each message that waits says so.
            tracing::debug!(matrix.device_id = %id, "the device does not know the identity: {failure}");
        }
    }
}

/// Lets the device itself know the identity, without which it tells verified devices from others for nobody.
pub(super) async fn adopt(client: &Client, settings: &EncryptionSettings, device: &Device) -> Result<(), Failure> {
    let machine = &device.machine;
    let me = machine.user_id().to_owned();
    let (id, query) = machine.query_keys_for_users([&*me]);
    device.carry(client, &id, &query.into()).await?;
    let own = machine
        .get_identity(&me, None)
        .await
        .map_err(requests::of_store)?
        .and_then(UserIdentity::own);
    if own.is_some_and(|own| own.is_verified()) {
        return Ok(());
    }
    let adopted = async {
        let recovery_key = recovery_key(settings).ok_or(IdentityError::NoRecoveryKey)?;
        let storage = SecretStorage::new(client, &me);
        let keys = storage
            .read(&storage.unlock(recovery_key.expose_secret()).await?)
            .await?;
        let status = machine.import_cross_signing_keys(keys).await.map_err(library)?;
        if status.is_complete() {
            Ok(())
        } else {
            Err(IdentityError::UnknownStorage)
        }
    };
    adopted.await.map_err(|error| match error {
        IdentityError::Failure(failure) => requests::of_keys("the secret storage", failure),
        error => cannot(format!(
            "MATRIX_KEY_RECIPIENTS is `cross-signed`, and that needs the account's identity: {error}"
        )),
    })
}
