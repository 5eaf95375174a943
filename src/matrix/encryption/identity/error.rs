//! Why a device could not be signed, with the next step, and what a homeserver wants before it replaces keys.
//!
//! Guarantees: what the homeserver says is one line without control characters, and no password is in it.

use std::io;
use std::path::PathBuf;

use serde_json::Value;

use crate::matrix::Failure;

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

pub(super) fn library(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Library(error.to_string())
}

/// What came of an upload that no approval is wanted for.
pub(super) fn taken(status: u16, answer: &Value) -> Result<(), IdentityError> {
    if (200..300).contains(&status) {
        return Ok(());
    }
    let errcode = answer["errcode"].as_str().unwrap_or("no errcode");
    Err(library(format!(
        "the homeserver does not take the keys ({status} {errcode})"
    )))
}

/// What the homeserver wants before it replaces keys.
pub(super) fn wanted(answer: &Value) -> IdentityError {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

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
}
