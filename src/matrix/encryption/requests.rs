//! The requests that keys need: uploads, queries, claims, messages to devices.
//!
//! Guarantees: one piece of key work at a time; keys go to devices only from a store that is no copy of an earlier one; what was answered is told to the machine before the next one is asked for. A
//! failure is the room's that the work is for, and not the account's, so that other rooms go on; only a token that is not
//! accepted is the account's.

use std::time::Duration;

use matrix_sdk_crypto::CryptoStoreError;
use matrix_sdk_crypto::types::requests::{AnyOutgoingRequest, ToDeviceRequest};
use ruma::api::client::keys::get_keys;
use ruma::api::client::to_device::send_event_to_device;
use ruma::{TransactionId, UserId};

use super::device::Device;
use super::opening::cannot;
use super::uses;
use crate::matrix::verdict::{RequestKind, TokenTrouble, Verdict};
use crate::matrix::{Client, Failure};

/// How often it is looked for more work; each look but the last had some.
const ROUNDS: usize = 20;
/// How long the homeserver waits for others that it asks for keys.
const REMOTE: Duration = Duration::from_secs(10);

/// What a failure of key work means for the messages that wait for it.
pub(super) fn of_keys(what: &str, failure: Failure) -> Failure {
    let verdict = match failure.verdict {
        // What is forbidden for keys alone says nothing of the token.
        Verdict::Token(TokenTrouble::Unknown { .. }) if failure.status == Some(403) => Verdict::Transient,
        Verdict::Token(
            TokenTrouble::Unknown { .. }
            | TokenTrouble::Missing
            | TokenTrouble::Locked
            | TokenTrouble::Deactivated
            | TokenTrouble::Suspended,
        ) => return failure,
        // A limit of key requests is none of messages, and other rooms need no keys.
        _ => Verdict::Transient,
    };
    Failure {
        verdict,
        detail: format!("{what}: {}", failure.detail),
        ..failure
    }
}

/// A store that cannot be used just now, such as on a full disk.
#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
pub(super) fn of_store(error: CryptoStoreError) -> Failure {
    Failure::without_answer(Verdict::Transient, format!("the store of the keys: {error}"))
}

/// The keys that the homeserver holds of one account.
pub(super) async fn keys_of(client: &Client, user: &UserId) -> Result<get_keys::v3::Response, Failure> {
    let mut request = get_keys::v3::Request::new();
    request.timeout = Some(REMOTE);
    request.device_keys.insert(user.to_owned(), Vec::new());
    let answer = client.call_large(RequestKind::Account, request).await;
    answer.map_err(|failure| of_keys("the query of the account's keys", failure))
}

impl Device {
    /// Does all key work that is pending.
    pub(super) async fn drain(&self, client: &Client) -> Result<(), Failure> {
        let _alone = self.work.lock().await;
        for _ in 0..ROUNDS {
            let pending = self.machine.outgoing_requests().await.map_err(of_store)?;
            if pending.is_empty() {
                break;
            }
            for request in pending {
                self.carry(client, request.request_id(), request.request()).await?;
            }
        }
        Ok(())
    }

    /// Carries out one request and tells the machine of its answer.
    pub(super) async fn carry(
        &self,
        client: &Client,
        id: &TransactionId,
        request: &AnyOutgoingRequest,
    ) -> Result<(), Failure> {
        client.encryption().must_lead()?;
        let kind = RequestKind::Account;
        let told = match request {
            AnyOutgoingRequest::KeysUpload(request) => {
                let answer = client.call(kind, request.clone()).await.map_err(of_upload)?;
                self.machine.mark_request_as_sent(id, &answer).await
            }
            AnyOutgoingRequest::KeysQuery(query) => {
                let mut request = get_keys::v3::Request::new();
                request.timeout = Some(query.timeout.unwrap_or(REMOTE));
                request.device_keys.clone_from(&query.device_keys);
                let answer = client.call_large(kind, request).await;
                let answer = answer.map_err(|failure| of_keys("the query of the members' keys", failure))?;
                self.machine.mark_request_as_sent(id, &answer).await
            }
            AnyOutgoingRequest::KeysClaim(request) => {
                let answer = client.call_large(kind, request.clone()).await;
                let answer = answer.map_err(|failure| of_keys("the claim of one-time keys", failure))?;
                self.machine.mark_request_as_sent(id, &answer).await
            }
            AnyOutgoingRequest::ToDeviceRequest(request) => return self.to_devices(client, request).await,
            AnyOutgoingRequest::SignatureUpload(request) => {
                let answer = client.call(kind, request.clone()).await;
                let answer = answer.map_err(|failure| of_keys("the upload of signatures", failure))?;
                self.machine.mark_request_as_sent(id, &answer).await
            }
            // Only a verification between people would send one, and the relay takes part in none.
            AnyOutgoingRequest::RoomMessage(_) => Ok(()),
        };
        told.map_err(|error| Failure::without_answer(Verdict::Transient, format!("key work failed: {error}")))
    }

    /// Sends messages to devices. The transaction is the machine's, so that a repeat is none for them.
    pub(super) async fn to_devices(&self, client: &Client, request: &ToDeviceRequest) -> Result<(), Failure> {
        client.encryption().must_lead()?;
        uses::count(client, &self.machine).await?;
        let message = send_event_to_device::v3::Request::new_raw(
            request.event_type.clone(),
            request.txn_id.clone(),
            request.messages.clone(),
        );
        let answer = client.call(RequestKind::Account, message).await;
        let answer = answer.map_err(|failure| of_keys("the room key for the members' devices", failure))?;
        let told = self.machine.mark_request_as_sent(&request.txn_id, &answer).await;
        told.map_err(|error| Failure::without_answer(Verdict::Transient, format!("key work failed: {error}")))
    }
}

/// Synapse refuses a one-time key whose name it knows with other contents: the store has forgotten that it made one.
fn of_upload(failure: Failure) -> Failure {
    if failure.status == Some(400) && failure.detail.contains("already exists") {
        return cannot(format!(
            "the store of the keys is older than what the homeserver holds of it ({}): log the bot in again, so that it is a \
             new device, and set MATRIX_ACCESS_TOKEN to the new token",
            failure.cause()
        ));
    }
    of_keys("the upload of the device's keys", failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_requests_that_fail_hold_back_no_other_room() {
        let of = |verdict, status, detail: &str| Failure {
            verdict,
            status: Some(status),
            errcode: None,
            detail: detail.to_owned(),
        };
        let limited = of(Verdict::RateLimited { retry_after: None }, 429, "slow down");
        let absent = of(Verdict::Token(TokenTrouble::WrongAddress), 404, "unrecognized");
        let token = || Verdict::Token(TokenTrouble::Unknown { soft_logout: false });
        let forbidden = of(token(), 403, "not for you");
        for failure in [limited, absent, forbidden] {
            let failure = of_keys("the claim", failure);
            assert_eq!(failure.verdict, Verdict::Transient);
            assert!(failure.to_string().contains("the claim"), "{failure}");
        }
        assert_eq!(of_keys("", of(token(), 401, "")).verdict, token());
    }

    #[test]
    fn a_store_out_of_step_is_told_from_an_upload_that_failed() {
        let of = |status, detail: &str| Failure {
            verdict: Verdict::Transient,
            status: Some(status),
            errcode: Some("M_UNKNOWN".to_owned()),
            detail: detail.to_owned(),
        };
        let verdict = |status, detail| of_upload(of(status, detail)).verdict;
        assert!(matches!(
            verdict(400, "One time key signed_curve25519:AAAAAAAAAA0 already exists."),
            Verdict::Room(_)
        ));
        assert_eq!(verdict(500, "database is locked"), Verdict::Transient);
    }
}
