//! The Matrix client-server API, or a Hookshot webhook in its place, and nothing more: one request, one answer, one verdict.
//!
//! Guarantees: every failure has a [`Verdict`]; nothing is ever sent as plain text into an encrypted room; the access
//! token is in no log line and goes to no address but the homeserver's. A homeserver that is down does not keep a
//! [`Client`] from being made.
//!
//! It never retries, sleeps or queues: that is the worker's. Types, paths and errors of the API are ruma's.

mod answer;
mod check;
mod clean;
mod client;
mod content;
mod delayed;
mod discovery;
mod encryption;
mod failure;
mod hook;
mod http_client;
mod invites;
mod plain_http;
mod room_names;
mod search;
mod send;
mod sync;
mod tls;
mod transport;
mod verdict;

use std::time::Duration;

use ruma::{OwnedDeviceId, OwnedUserId};
use secrecy::{ExposeSecret, SecretString};

pub use self::answer::Answer;
pub use self::check::{Finding, Level};
pub use self::client::Client;
pub use self::content::{event, related_event};
pub use self::delayed::{DelayedEvents, Pushed};
pub use self::encryption::{
    EncryptionMode, EncryptionSettings, EncryptionState, RECOVERY_KEY_FILE, Recipients, TAKEOVER,
};
#[cfg(feature = "encryption")]
pub use self::encryption::{Identity, IdentityError};
pub use self::failure::{Failure, why_unanswered};
pub use self::hook::{Hook, HookSettings, NO_EVENT_ID, hook_room};
pub use self::invites::Invites;
pub use self::plain_http::{is_loopback, plain_homeserver};
pub use self::room_names::RoomNames;
pub use self::tls::client_builder;
pub use self::transport::{Transport, TransportSettings};
pub use self::verdict::{MessageTrouble, RequestKind, RoomTrouble, TokenTrouble, Verdict, judge};

/// What a client needs to know. `Debug` does not show the token.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base URL of the homeserver (`https://matrix.example.org`), or a bare server name (`example.org`) that is
    /// looked up by `.well-known`.
    pub home_server: String,
    /// The account's access token.
    pub access_token: SecretString,
    /// How long one request may take, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
    /// How encrypted rooms are treated.
    pub encryption: EncryptionSettings,
}

impl Settings {
    /// Whether a client can be made from them, without the network.
    pub fn check(&self) -> Result<(), SetupError> {
        self.address().map(|_| ())
    }

    fn address(&self) -> Result<discovery::Address, SetupError> {
        let address = discovery::Address::parse(&self.home_server)?;
        check_token(&self.access_token)?;
        Ok(address)
    }
}

/// Whether this may be an access token.
pub fn check_token(token: &SecretString) -> Result<(), SetupError> {
    let token = token.expose_secret();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SetupError::AccessToken);
    }
    Ok(())
}

/// Settings that no client can be made from.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The homeserver cannot be used as it is written.
    #[error("not the address of a homeserver: {0}")]
    HomeServer(String),
    /// The access token is empty or has characters that no token has.
    #[error("it is empty, or has spaces, line breaks or other characters that no token has (expected the token alone)")]
    AccessToken,
    /// The URL of the webhook cannot be used.
    #[error("not a URL (expected https:// or http:// and a host)")]
    HookUrl,
    /// The HTTP client cannot be built: without any CA certificates.
    #[error(
        "no CA certificates were found to check the homeserver's with: install those of the system (ca-certificates), or name \
         a file of them by SSL_CERT_FILE"
    )]
    Http(#[source] reqwest::Error),
}

/// Whose access token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoAmI {
    /// The account.
    pub user_id: OwnedUserId,
    /// The device that the token belongs to. Without one the homeserver merges repeated sends only for a short
    /// while (Synapse: 30 to 60 minutes, and not across its restart).
    pub device_id: Option<OwnedDeviceId>,
    /// Whether it is a guest account, which few rooms take.
    pub is_guest: bool,
}
