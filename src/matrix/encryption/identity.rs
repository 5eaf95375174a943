//! The identity of the account: the cross-signing keys that vouch for the relay's device, so that clients show its messages
//! without a warning.
//!
//! Guarantees: keys that an account has are never replaced but by [`Client::reset_identity`]; the recovery key is on disk before
//! anything depends on it; the private keys are in the account's secret storage, and in the device's store only where keys
//! go to verified devices alone. The commands work beside a relay that runs, because they do not touch that store.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use matrix_sdk_crypto::secret_storage::SecretStorageKey;
use matrix_sdk_crypto::types::requests::UploadSigningKeysRequest;
use matrix_sdk_crypto::{CrossSigningKeyExport, OlmMachine, UserIdentity};
use ruma::api::client::keys::get_keys;
use ruma::{DeviceId, OwnedDeviceId, OwnedUserId, UserId, device_id};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::device::Device;
use super::opening::cannot;
use super::secrets::SecretStorage;
use super::{EncryptionSettings, RECOVERY_KEY_FILE, requests};
use crate::matrix::verdict::RequestKind;
use crate::matrix::{Client, Failure};

const UPLOAD: &str = "/_matrix/client/v3/keys/device_signing/upload";

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

/// Why the device could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A request failed.
    #[error("{0}")]
    Failure(#[from] Failure),
    /// There are keys already, and nothing to unlock them with.
    #[error(
        "the account has an identity already, and the relay has no recovery key for it: set MATRIX_RECOVERY_KEY to the recovery \
         key of the account, or make a new identity by `grafana-matrix-relay identity reset`"
    )]
    NoRecoveryKey,
    /// The recovery key is not the account's.
    #[error(
        "the recovery key is not that of the account: set MATRIX_RECOVERY_KEY to the one that was shown when its identity was \
         made, or make a new identity by `grafana-matrix-relay identity reset`"
    )]
    WrongRecoveryKey,
    /// There is nothing to be unlocked.
    #[error(
        "the account has no secret storage that a recovery key could unlock: make a new identity by \
         `grafana-matrix-relay identity reset`"
    )]
    NoStorage,
    /// The secret storage is of a kind that is not known, or lacks the keys.
    #[error(
        "the secret storage of the account does not hold the keys of its identity: make a new identity by \
         `grafana-matrix-relay identity reset`"
    )]
    UnknownStorage,
    /// The device has no keys yet.
    #[error("the device has no keys yet: start the relay with an encrypted room first")]
    NoDeviceKeys,
    /// The homeserver wants the password.
    #[error("the homeserver wants the password of the account for this: give it by --password-file")]
    WantsPassword,
    /// The homeserver does not take the password.
    #[error("the homeserver does not accept the password")]
    WrongPassword,
    /// The homeserver wants somebody to approve in a browser.
    #[error(
        "the homeserver wants this to be approved in a browser, by the account itself: open {0}, then run the command again"
    )]
    WantsBrowser(String),
    /// The homeserver wants something that the relay cannot do.
    #[error("the homeserver wants this to be approved in a way that the relay does not know ({0})")]
    WantsOther(String),
    /// The recovery key cannot be written.
    #[error("the recovery key cannot be written to {0}: {1}")]
    File(PathBuf, io::Error),
    /// Something failed in the library.
    #[error("the keys of the identity cannot be used: {0}")]
    Library(String),
}

fn library(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Library(error.to_string())
}

impl Client {
    /// What is known of the account's identity.
    pub async fn identity(&self) -> Result<Identity, IdentityError> {
        let notary = Notary::of(self).await?;
        let has_storage = notary.storage().default_key().await?.is_some();
        let device = notary
            .machine
            .get_device(&notary.me, &notary.device, None)
            .await
            .map_err(library)?;
        Ok(Identity {
            master_key: notary.master_key().await?,
            has_keys: device.is_some(),
            is_signed: device.is_some_and(|device| device.is_cross_signed_by_owner()),
            has_storage,
            user_id: notary.me,
            device_id: notary.device,
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

/// Sees to it that the identity vouches for the device, if that can be done without asking anybody; says what is missing.
pub(super) async fn ensure(client: &Client, settings: &EncryptionSettings, me: &UserId, id: &DeviceId) {
    let ensured = async { Notary::new(client, me, id).await?.ensure(settings).await };
    if let Err(error) = ensured.await {
        tracing::error!(
            matrix.device_id = %id,
            "nobody vouches for the relay's device {id}: messages into encrypted rooms have a warning in some clients, and others \
             hide them. {error}"
        );
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

/// Signs a device with the keys of the account. Its machine is in memory alone and has a device that nobody gets to know.
struct Notary<'c> {
    client: &'c Client,
    machine: OlmMachine,
    me: OwnedUserId,
    device: OwnedDeviceId,
}

impl<'c> Notary<'c> {
    async fn new(client: &'c Client, me: &UserId, device: &DeviceId) -> Result<Self, IdentityError> {
        let notary = Self {
            client,
            machine: OlmMachine::new(me, device_id!("RELAYNOTARY")).await,
            me: me.to_owned(),
            device: device.to_owned(),
        };
        notary.look().await?;
        Ok(notary)
    }

    async fn of(client: &'c Client) -> Result<Self, IdentityError> {
        let me = client.whoami().await?;
        let device = me.device_id.ok_or(IdentityError::NoDeviceKeys)?;
        Self::new(client, &me.user_id, &device).await
    }

    fn storage(&self) -> SecretStorage<'c> {
        SecretStorage::new(self.client, &self.me)
    }

    /// Learns which keys the homeserver holds of the account.
    async fn look(&self) -> Result<(), IdentityError> {
        let (id, query) = self.machine.query_keys_for_users([&*self.me]);
        let mut request = get_keys::v3::Request::new();
        request.device_keys = query.device_keys;
        let answer = self.client.call_large(RequestKind::Account, request).await;
        let answer = answer.map_err(|failure| requests::of_keys("the query of the account's keys", failure))?;
        self.machine.mark_request_as_sent(&id, &answer).await.map_err(library)
    }

    async fn master_key(&self) -> Result<Option<String>, IdentityError> {
        let identity = self.machine.get_identity(&self.me, None).await.map_err(library)?;
        let own = identity.and_then(UserIdentity::own);
        Ok(own.and_then(|own| own.master_key().get_first_key().map(|key| key.to_base64())))
    }

    async fn must_have_keys(&self) -> Result<(), IdentityError> {
        let device = self
            .machine
            .get_device(&self.me, &self.device, None)
            .await
            .map_err(library)?;
        device.map(|_| ()).ok_or(IdentityError::NoDeviceKeys)
    }

    async fn is_signed(&self) -> Result<bool, IdentityError> {
        let device = self
            .machine
            .get_device(&self.me, &self.device, None)
            .await
            .map_err(library)?;
        Ok(device.is_some_and(|device| device.is_cross_signed_by_owner()))
    }

    async fn ensure(&self, settings: &EncryptionSettings) -> Result<(), IdentityError> {
        if self.is_signed().await? {
            return Ok(());
        }
        if self.master_key().await?.is_some() {
            self.recover(settings).await?;
        } else {
            self.begin(settings).await?;
        }
        tracing::info!(matrix.device_id = %self.device, "the identity of {} vouches for the relay's device now", self.me);
        Ok(())
    }

    /// Signs with the keys in the secret storage.
    async fn recover(&self, settings: &EncryptionSettings) -> Result<(), IdentityError> {
        let recovery_key = recovery_key(settings).ok_or(IdentityError::NoRecoveryKey)?;
        let key = self.storage().unlock(recovery_key.expose_secret()).await?;
        let keys = self.storage().read(&key).await?;
        if keys.self_signing_key.is_none() {
            return Err(IdentityError::UnknownStorage);
        }
        let status = self.machine.import_cross_signing_keys(keys).await.map_err(library)?;
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

    async fn new_keys(&self) -> Result<(UploadSigningKeysRequest, CrossSigningKeyExport), IdentityError> {
        let made = self.machine.bootstrap_cross_signing(true).await.map_err(library)?;
        let keys = self.machine.export_cross_signing_keys().await.map_err(library)?;
        let keys = keys.ok_or_else(|| library("no keys were made"))?;
        Ok((made.upload_signing_keys_req, keys))
    }

    /// Puts the private keys into a new secret storage.
    async fn keep(&self, key: &SecretStorageKey, keys: &CrossSigningKeyExport) -> Result<(), IdentityError> {
        let storage = self.storage();
        storage.describe(key).await?;
        storage.write(key, keys).await?;
        storage.make_default(key).await
    }

    /// Publishes the keys of the identity. The first ones need no more than the token; others need an approval.
    async fn publish(
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
    async fn sign(&self) -> Result<(), IdentityError> {
        self.look().await?;
        let device = self
            .machine
            .get_device(&self.me, &self.device, None)
            .await
            .map_err(library)?;
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

/// What came of an upload that no approval is wanted for.
fn taken(status: u16, answer: &Value) -> Result<(), IdentityError> {
    if (200..300).contains(&status) {
        return Ok(());
    }
    let errcode = answer["errcode"].as_str().unwrap_or("no errcode");
    Err(library(format!(
        "the homeserver does not take the keys ({status} {errcode})"
    )))
}

/// What the homeserver wants before it replaces keys.
fn wanted(answer: &Value) -> IdentityError {
    let flows = answer["flows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let stages = |flow: &Value| -> Vec<String> { serde_json::from_value(flow["stages"].clone()).unwrap_or_default() };
    if flows.iter().any(|flow| stages(flow) == ["m.login.password"]) {
        return IdentityError::WantsPassword;
    }
    let urls = ["m.oauth", "org.matrix.cross_signing_reset"].map(|stage| answer["params"][stage]["url"].as_str());
    if let Some(url) = urls.into_iter().flatten().next() {
        return IdentityError::WantsBrowser(crate::matrix::answer::one_line(url));
    }
    let all: Vec<String> = flows.iter().flat_map(stages).collect();
    IdentityError::WantsOther(crate::matrix::answer::one_line(&all.join(", ")))
}

/// The recovery key that was set, or that the relay wrote.
fn recovery_key(settings: &EncryptionSettings) -> Option<SecretString> {
    settings.recovery_key.clone().or_else(|| {
        let text = fs::read_to_string(settings.folder.as_deref()?.join(RECOVERY_KEY_FILE)).ok()?;
        (!text.trim().is_empty()).then(|| SecretString::from(text.trim()))
    })
}

/// Writes the recovery key where only the relay's user can read it. One that was there is kept beside it.
fn write_recovery_key(settings: &EncryptionSettings, key: &SecretStorageKey) -> Result<PathBuf, IdentityError> {
    let folder = settings.folder.clone().unwrap_or_default();
    let file = folder.join(RECOVERY_KEY_FILE);
    write_private(&folder, &file, &key.to_base58()).map_err(|error| IdentityError::File(file.clone(), error))?;
    Ok(file)
}

fn write_private(folder: &Path, file: &Path, text: &str) -> io::Result<()> {
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
    new.write_all(format!("{text}\n").as_bytes())?;
    new.as_file().sync_all()?;
    if file.exists() {
        fs::rename(file, file.with_extension("key.old"))?;
    }
    new.persist(file).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_homeserver_wants_is_told_with_its_own_address() {
        let password = json!({"flows": [{"stages": ["m.login.sso"]}, {"stages": ["m.login.password"]}]});
        assert!(matches!(wanted(&password), IdentityError::WantsPassword));
        let url = "https://account.example.org/account/?action=org.matrix.cross_signing_reset";
        for stage in ["m.oauth", "org.matrix.cross_signing_reset"] {
            let browser = json!({"flows": [{"stages": [stage]}], "params": {stage: {"url": url}}});
            assert!(matches!(wanted(&browser), IdentityError::WantsBrowser(found) if found == url));
        }
        let other = json!({"flows": [{"stages": ["m.login.sso"]}]});
        assert!(matches!(wanted(&other), IdentityError::WantsOther(found) if found == "m.login.sso"));
    }

    #[test]
    fn a_recovery_key_is_private_and_one_before_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let settings = EncryptionSettings {
            folder: Some(folder.path().to_owned()),
            ..EncryptionSettings::default()
        };
        assert!(recovery_key(&settings).is_none());
        let (first, second) = (SecretStorageKey::new(), SecretStorageKey::new());
        write_recovery_key(&settings, &first).unwrap();
        let file = write_recovery_key(&settings, &second).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(recovery_key(&settings).unwrap().expose_secret(), second.to_base58());
        let old = fs::read_to_string(folder.path().join("recovery.key.old")).unwrap();
        assert_eq!(old.trim(), first.to_base58());
    }
}
