//! The recovery key in its file.
//!
//! Guarantees: only the relay's user can read it; it is on disk before anything depends on it; one that was there is kept
//! beside it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use matrix_sdk_crypto::secret_storage::SecretStorageKey;
use secrecy::SecretString;

use super::IdentityError;
use crate::matrix::encryption::{EncryptionSettings, RECOVERY_KEY_FILE};

/// The recovery key that was set, or that the relay wrote.
pub(super) fn recovery_key(settings: &EncryptionSettings) -> Option<SecretString> {
    settings.recovery_key.clone().or_else(|| {
        let text = fs::read_to_string(settings.folder.as_deref()?.join(RECOVERY_KEY_FILE)).ok()?;
        (!text.trim().is_empty()).then(|| SecretString::from(text.trim()))
    })
}

/// Writes the recovery key where only the relay's user can read it. One that was there is kept beside it.
pub(super) fn write_recovery_key(
    settings: &EncryptionSettings,
    key: &SecretStorageKey,
) -> Result<PathBuf, IdentityError> {
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
    use secrecy::ExposeSecret as _;

    use super::*;

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
