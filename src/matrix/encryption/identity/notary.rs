//! What signs a device with the keys of its account.
//!
//! Guarantees: keys that an account has are replaced only where [`Notary::publish`] is called with new ones; the recovery key is
//! on disk and the private keys are in the secret storage before the first identity is published.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use matrix_sdk_crypto::secret_storage::SecretStorageKey;
use matrix_sdk_crypto::types::requests::UploadSigningKeysRequest;
use matrix_sdk_crypto::{CrossSigningKeyExport, Device, OlmMachine};
use ruma::api::client::keys::get_keys;
use ruma::encryption::CrossSigningKey;
use ruma::serde::Raw;
use ruma::{DeviceId, OwnedDeviceId, OwnedUserId, UserId, device_id};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::error::{IdentityError, library, taken, wanted};
use super::recovery_key::{recovery_key, write_recovery_key};
use crate::matrix::Client;
use crate::matrix::encryption::secrets::SecretStorage;
use crate::matrix::encryption::{EncryptionSettings, requests};
use crate::matrix::verdict::RequestKind;

const UPLOAD: &str = "/_matrix/client/v3/keys/device_signing/upload";

/// Signs a device with the keys of the account. Its machine is in memory alone and has a device that nobody gets to know.
pub(super) struct Notary<'c> {
    client: &'c Client,
    machine: OlmMachine,
    /// The master key that the homeserver holds of the account, also where nothing can be made of it.
    published: Mutex<Option<String>>,
    pub(super) me: OwnedUserId,
    pub(super) device_id: OwnedDeviceId,
}

impl<'c> Notary<'c> {
    pub(super) async fn new(client: &'c Client, me: &UserId, device: &DeviceId) -> Result<Self, IdentityError> {
        let notary = Self {
            client,
            machine: OlmMachine::new(me, device_id!("RELAYNOTARY")).await,
            published: Mutex::default(),
            me: me.to_owned(),
            device_id: device.to_owned(),
        };
        notary.look().await?;
        Ok(notary)
    }

    pub(super) async fn of(client: &'c Client) -> Result<Self, IdentityError> {
        let me = client.whoami().await?;
        let device = me.device_id.ok_or(IdentityError::NoDeviceKeys)?;
        Self::new(client, &me.user_id, &device).await
    }

    pub(super) fn storage(&self) -> SecretStorage<'c> {
        SecretStorage::new(self.client, &self.me)
    }

    /// Learns which keys the homeserver holds of the account.
    async fn look(&self) -> Result<(), IdentityError> {
        let (id, query) = self.machine.query_keys_for_users([&*self.me]);
        let mut request = get_keys::v3::Request::new();
        request.device_keys = query.device_keys;
        let answer = self.client.call_large(RequestKind::Account, request).await;
        let answer = answer.map_err(|failure| requests::of_keys("the query of the account's keys", failure))?;
        let keys = |raw: &Raw<CrossSigningKey>| raw.get_field::<BTreeMap<String, String>>("keys").ok().flatten();
        let published = answer.master_keys.get(&self.me).map(keys);
        *self.published() = published.map(|keys| keys.unwrap_or_default().into_values().next().unwrap_or_default());
        self.machine.mark_request_as_sent(&id, &answer).await.map_err(library)
    }

    pub(super) fn master_key(&self) -> Option<String> {
        self.published().clone()
    }

    fn published(&self) -> MutexGuard<'_, Option<String>> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device as the homeserver holds it.
    pub(super) async fn device(&self) -> Result<Option<Device>, IdentityError> {
        let device = self.machine.get_device(&self.me, &self.device_id, None).await;
        device.map_err(library)
    }

    pub(super) async fn must_have_keys(&self) -> Result<(), IdentityError> {
        self.device().await?.map(drop).ok_or(IdentityError::NoDeviceKeys)
    }

    async fn is_signed(&self) -> Result<bool, IdentityError> {
        let device = self.device().await?;
        Ok(device.is_some_and(|device| device.is_cross_signed_by_owner()))
    }

    pub(super) async fn ensure(&self, settings: &EncryptionSettings) -> Result<(), IdentityError> {
        if self.is_signed().await? {
            return Ok(());
        }
        if self.master_key().is_some() {
            self.recover(settings).await?;
        } else {
            self.begin(settings).await?;
        }
        tracing::info!(matrix.device_id = %self.device_id, "the identity of {} vouches for the relay's device now", self.me);
        Ok(())
    }

    /// Signs with the keys in the secret storage.
    pub(super) async fn recover(&self, settings: &EncryptionSettings) -> Result<(), IdentityError> {
        let recovery_key = recovery_key(settings).ok_or(IdentityError::NoRecoveryKey)?;
        let key = self.storage().unlock(recovery_key.expose_secret()).await?;
        let keys = self.storage().read(&key).await?;
        if keys.self_signing_key.is_none() {
            return Err(IdentityError::UnknownStorage);
        }
        // Those of an identity that somebody has replaced meanwhile are no keys of this one.
        let imported = self.machine.import_cross_signing_keys(keys).await;
        let status = imported.map_err(|_| IdentityError::UnknownStorage)?;
        if !status.has_self_signing {
            return Err(IdentityError::UnknownStorage);
        }
        self.sign().await
    }

    /// Makes the first identity of the account. What it will be recovered with is safe before it is published.
    async fn begin(&self, settings: &EncryptionSettings) -> Result<(), IdentityError> {
        let storage = self.storage();
        let (request, keys) = self.new_keys().await?;
        if storage.default_key().await?.is_some() {
            // Somebody else's, or ours of a start that was interrupted.
            let recovery_key = recovery_key(settings).ok_or(IdentityError::NoRecoveryKey)?;
            let key = storage.unlock(recovery_key.expose_secret()).await?;
            storage.write(&key, &keys).await?;
        } else {
            let key = SecretStorageKey::new();
            let file = write_recovery_key(settings, &key)?;
            self.keep(&key, &keys).await?;
            tracing::warn!(
                "a recovery key for {} was written to {}: keep a copy of it in a safe place. Without it nobody can vouch for \
                 the relay's next device, as after a new login",
                self.me,
                file.display()
            );
        }
        self.publish(request, None).await?;
        self.sign().await
    }

    pub(super) async fn new_keys(&self) -> Result<(UploadSigningKeysRequest, CrossSigningKeyExport), IdentityError> {
        let made = self.machine.bootstrap_cross_signing(true).await.map_err(library)?;
        let keys = self.machine.export_cross_signing_keys().await.map_err(library)?;
        let keys = keys.ok_or_else(|| library("no keys were made"))?;
        Ok((made.upload_signing_keys_req, keys))
    }

    /// Puts the private keys into a new secret storage.
    pub(super) async fn keep(&self, key: &SecretStorageKey, keys: &CrossSigningKeyExport) -> Result<(), IdentityError> {
        let storage = self.storage();
        storage.describe(key).await?;
        storage.write(key, keys).await?;
        storage.make_default(key).await
    }

    /// Publishes the keys of the identity. The first ones need no more than the token; others need an approval.
    pub(super) async fn publish(
        &self,
        keys: UploadSigningKeysRequest,
        password: Option<&SecretString>,
    ) -> Result<(), IdentityError> {
        let mut body = json!({
            "master_key": keys.master_key,
            "self_signing_key": keys.self_signing_key,
            "user_signing_key": keys.user_signing_key,
        });
        let (status, answer) = self.client.post(UPLOAD, &body).await?;
        if status != 401 || answer["flows"].is_null() {
            return taken(status, &answer);
        }
        let wanted = wanted(&answer);
        let (IdentityError::WantsPassword, Some(password)) = (&wanted, password) else {
            return Err(wanted);
        };
        body["auth"] = json!({
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self.me},
            "password": password.expose_secret(),
            "session": answer["session"],
        });
        match self.client.post(UPLOAD, &body).await? {
            (401, _) => Err(IdentityError::WrongPassword),
            (status, answer) => taken(status, &answer),
        }
    }

    /// Signs the device as the homeserver holds it.
    pub(super) async fn sign(&self) -> Result<(), IdentityError> {
        self.look().await?;
        let device = self.device().await?;
        let device = device.ok_or(IdentityError::NoDeviceKeys)?;
        let request = device.verify().await.map_err(library)?;
        let answer = self.client.call(RequestKind::Account, request).await;
        let answer = answer.map_err(|failure| requests::of_keys("the upload of the signature", failure))?;
        if !answer.failures.is_empty() {
            return Err(library("the homeserver refuses the signature of the device"));
        }
        Ok(())
    }
}
