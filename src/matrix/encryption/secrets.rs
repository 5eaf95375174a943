//! The account's secret storage: the private keys of the identity, encrypted by the recovery key, in the account's data.
//!
//! Guarantees: a recovery key that does not fit is an error and decrypts nothing; no secret is logged. The cryptography is
//! matrix-sdk-crypto's.

use matrix_sdk_crypto::CrossSigningKeyExport;
use matrix_sdk_crypto::secret_storage::{AesHmacSha2EncryptedData, SecretStorageKey};
use ruma::api::client::config::{get_global_account_data, set_global_account_data};
use ruma::events::RawExt as _;
use ruma::events::secret::request::SecretName;
use ruma::events::secret_storage::default_key::SecretStorageDefaultKeyEventContent;
use ruma::events::secret_storage::key::SecretStorageKeyEventContent;
use ruma::events::{AnyGlobalAccountDataEventContent, GlobalAccountDataEventType};
use ruma::serde::Raw;
use ruma::{OwnedUserId, UserId};
use serde_json::{Value, json};

use super::identity::IdentityError;
use crate::matrix::verdict::RequestKind;
use crate::matrix::{Client, Failure};

/// The secret storage of one account.
pub(super) struct SecretStorage<'c> {
    client: &'c Client,
    me: OwnedUserId,
}

impl<'c> SecretStorage<'c> {
    pub(super) fn new(client: &'c Client, me: &UserId) -> Self {
        Self {
            client,
            me: me.to_owned(),
        }
    }

    /// The description of the default key; `None` where there is no secret storage.
    pub(super) async fn default_key(&self) -> Result<Option<SecretStorageKeyEventContent>, IdentityError> {
        let Some(raw) = self.get(GlobalAccountDataEventType::SecretStorageDefaultKey).await? else {
            return Ok(None);
        };
        // A storage that was given up leaves an empty object.
        let Ok(default) = raw.deserialize_as_unchecked::<SecretStorageDefaultKeyEventContent>() else {
            return Ok(None);
        };
        let kind = GlobalAccountDataEventType::SecretStorageKey(default.key_id);
        let Some(raw) = self.get(kind.clone()).await? else {
            return Ok(None);
        };
        let described = raw
            .cast_ref_unchecked::<SecretStorageKeyEventContent>()
            .deserialize_with_type(&kind.to_string());
        described.map(Some).map_err(|_| IdentityError::UnknownStorage)
    }

    /// The default key, unlocked.
    pub(super) async fn unlock(&self, recovery_key: &str) -> Result<SecretStorageKey, IdentityError> {
        let described = self.default_key().await?.ok_or(IdentityError::NoStorage)?;
        SecretStorageKey::from_account_data(recovery_key.trim(), described).map_err(|_| IdentityError::WrongRecoveryKey)
    }

    /// The private keys of the identity, as far as they are there.
    pub(super) async fn read(&self, key: &SecretStorageKey) -> Result<CrossSigningKeyExport, IdentityError> {
        Ok(CrossSigningKeyExport {
            master_key: self.secret(key, SecretName::CrossSigningMasterKey).await?,
            self_signing_key: self.secret(key, SecretName::CrossSigningSelfSigningKey).await?,
            user_signing_key: self.secret(key, SecretName::CrossSigningUserSigningKey).await?,
        })
    }

    async fn secret(&self, key: &SecretStorageKey, name: SecretName) -> Result<Option<String>, IdentityError> {
        let Some(raw) = self.get(GlobalAccountDataEventType::from(name.as_str())).await? else {
            return Ok(None);
        };
        let content: Value = raw.deserialize_as_unchecked().unwrap_or_default();
        let Some(encrypted) = content["encrypted"].get(key.key_id()) else {
            return Ok(None);
        };
        let encrypted: AesHmacSha2EncryptedData =
            serde_json::from_value(encrypted.clone()).map_err(|_| IdentityError::UnknownStorage)?;
        let secret = key
            .decrypt(&encrypted, &name)
            .map_err(|_| IdentityError::WrongRecoveryKey)?;
        Ok(String::from_utf8(secret).ok())
    }

    /// Puts the private keys of the identity there.
    pub(super) async fn write(
        &self,
        key: &SecretStorageKey,
        keys: &CrossSigningKeyExport,
    ) -> Result<(), IdentityError> {
        for (name, secret) in [
            (SecretName::CrossSigningMasterKey, &keys.master_key),
            (SecretName::CrossSigningSelfSigningKey, &keys.self_signing_key),
            (SecretName::CrossSigningUserSigningKey, &keys.user_signing_key),
        ] {
            let Some(secret) = secret else { continue };
            let encrypted = key.encrypt(secret.as_bytes().to_vec(), &name);
            let content = json!({"encrypted": {key.key_id(): encrypted}});
            self.put(GlobalAccountDataEventType::from(name.as_str()), &content)
                .await?;
        }
        Ok(())
    }

    /// Describes a key, without which nothing can be unlocked with it.
    pub(super) async fn describe(&self, key: &SecretStorageKey) -> Result<(), IdentityError> {
        let content = serde_json::to_value(key.event_content()).unwrap_or_default();
        self.put(key.event_type(), &content).await
    }

    /// Makes it the one that everything is unlocked with.
    pub(super) async fn make_default(&self, key: &SecretStorageKey) -> Result<(), IdentityError> {
        let content = json!({"key": key.key_id()});
        self.put(GlobalAccountDataEventType::SecretStorageDefaultKey, &content)
            .await
    }

    async fn get(
        &self,
        kind: GlobalAccountDataEventType,
    ) -> Result<Option<Raw<AnyGlobalAccountDataEventContent>>, Failure> {
        let request = get_global_account_data::v3::Request::new(self.me.clone(), kind);
        match self.client.call(RequestKind::Account, request).await {
            Ok(answer) => Ok(Some(answer.account_data)),
            Err(failure) if failure.is(404, "M_NOT_FOUND") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn put(&self, kind: GlobalAccountDataEventType, content: &Value) -> Result<(), IdentityError> {
        let data = Raw::new(content)
            .map_err(|_| IdentityError::UnknownStorage)?
            .cast_unchecked();
        let request = set_global_account_data::v3::Request::new_raw(self.me.clone(), kind, data);
        self.client.call(RequestKind::Account, request).await?;
        Ok(())
    }
}
