//! What callers of one route have to show, as the operator configured it.
//!
//! Guarantees: what passes [`CredentialSettings::check`] can be compared with; an empty secret, which anybody could show,
//! is never one of them. How it is compared: see `credentials` and `signature`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::HeaderName;
use secrecy::{ExposeSecret as _, SecretString};

/// Characters of a secret that is out of reach of guessing, if it is a random one.
const UNGUESSABLE: usize = 16;

/// The credentials of one route. With none of them everybody is let in. A caller shows one of the tokens or logins, and
/// where a signature is configured, that too.
#[derive(Debug, Clone, Default)]
pub struct CredentialSettings {
    /// Bearer tokens; several while one replaces the other.
    pub bearer: Vec<SecretString>,
    /// Logins of HTTP Basic.
    pub basic: Vec<BasicLogin>,
    /// The signature of the body.
    pub signature: Option<SignatureSettings>,
}

/// A login of HTTP Basic.
#[derive(Debug, Clone)]
pub struct BasicLogin {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// How senders write an HMAC-SHA256 of the raw body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureScheme {
    /// Hexadecimal digits; with a timestamp header over `<seconds>:<body>`. Grafana's, and without a timestamp Gitea's and
    /// Forgejo's.
    #[default]
    Grafana,
    /// Hexadecimal digits behind `sha256=`, as GitHub writes them.
    Github,
    /// Standard Webhooks: `v1,` and Base64, several with blanks between, over `<id>.<seconds>.<body>`.
    Standard,
}

impl SignatureScheme {
    /// By its name in the routes file: the scheme, its header, and the header of its time where it always has one.
    pub fn named(name: &str) -> Option<(Self, &'static str, Option<&'static str>)> {
        Some(match name {
            "grafana" => (Self::Grafana, "X-Grafana-Alerting-Signature", None),
            "gitea" => (Self::Grafana, "X-Gitea-Signature", None),
            "github" => (Self::Github, "X-Hub-Signature-256", None),
            "standard" => (Self::Standard, "webhook-signature", Some("webhook-timestamp")),
            _ => return None,
        })
    }
}

/// An HMAC-SHA256 over the raw body.
#[derive(Debug, Clone)]
pub struct SignatureSettings {
    /// How it is written.
    pub scheme: SignatureScheme,
    /// Keys; several while one replaces the other.
    pub secrets: Vec<SecretString>,
    /// The header of the signature; Grafana's default is `X-Grafana-Alerting-Signature`.
    pub header: String,
    /// The header of the signed time in seconds since 1970; without one there is no protection against replays.
    pub timestamp_header: Option<String>,
    /// How far that time may lie from the relay's clock, either way.
    pub tolerance: Duration,
}

/// Why credentials are not usable. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// A token, a password or a key that anybody could show.
    #[error("a token, password or key is empty")]
    EmptySecret,
    /// A user name that HTTP Basic cannot carry.
    #[error("the user name `{0}` is empty or has a colon in it, which HTTP Basic cannot carry")]
    UserName(String),
    /// A time in which a replay would not be recognised any more.
    #[error(
        "a tolerance of {tolerance:?} needs a repeat window (RELAY_REPEAT_WINDOW) of twice that, and it is {window:?}: a \
         replay would not be recognised to its end"
    )]
    Tolerance {
        /// How far a signed time may lie from the relay's clock.
        tolerance: Duration,
        /// How long a repeat is recognised.
        window: Duration,
    },
    /// A key of Standard Webhooks that is no Base64.
    #[error("a key of Standard Webhooks is not Base64 (expected it as its sender shows it, such as `whsec_…`)")]
    StandardSecret,
    /// A name that no HTTP header can have.
    #[error("invalid header `{0}`: not a name (expected the name of an HTTP header)")]
    HeaderName(String),
}

/// The bytes of a key of Standard Webhooks.
pub(super) fn standard_key(secret: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()
}

impl SignatureSettings {
    /// Whether it can be used as it is, where a repeat is recognised for so long. A signed request may come a tolerance
    /// early and be replayed until a tolerance late, which is why the window has to be twice as long.
    pub fn check(&self, repeat_window: Duration) -> Result<(), CredentialError> {
        let names = [Some(&self.header), self.timestamp_header.as_ref()];
        let mut names = names.into_iter().flatten();
        if let Some(name) = names.find(|name| HeaderName::try_from(name.as_str()).is_err()) {
            return Err(CredentialError::HeaderName(name.clone()));
        }
        if self.secrets.is_empty() || self.secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
            return Err(CredentialError::EmptySecret);
        }
        let is_key = |secret: &SecretString| standard_key(secret.expose_secret()).is_some_and(|key| !key.is_empty());
        if self.scheme == SignatureScheme::Standard && !self.secrets.iter().all(is_key) {
            return Err(CredentialError::StandardSecret);
        }
        let tolerance = self.tolerance;
        if self.timestamp_header.is_some() && tolerance.saturating_mul(2) > repeat_window {
            let window = repeat_window;
            return Err(CredentialError::Tolerance { tolerance, window });
        }
        Ok(())
    }
}

impl CredentialSettings {
    /// Whether they can be used as they are, where a repeat is recognised for so long.
    pub fn check(&self, repeat_window: Duration) -> Result<(), CredentialError> {
        let passwords = self.basic.iter().map(|login| &login.password);
        if self
            .bearer
            .iter()
            .chain(passwords)
            .any(|secret| secret.expose_secret().is_empty())
        {
            return Err(CredentialError::EmptySecret);
        }
        if let Some(login) = self
            .basic
            .iter()
            .find(|login| login.user.is_empty() || login.user.contains(':'))
        {
            return Err(CredentialError::UserName(login.user.clone()));
        }
        self.signature
            .as_ref()
            .map_or(Ok(()), |signature| signature.check(repeat_window))
    }

    /// Whether one of them is so short that it might be guessed, attempt by attempt.
    pub fn guessable(&self) -> bool {
        let passwords = self.basic.iter().map(|login| &login.password);
        let keys = self.signature.iter().flat_map(|signature| &signature.secrets);
        let mut all = self.bearer.iter().chain(passwords).chain(keys);
        all.any(|secret| secret.expose_secret().chars().count() < UNGUESSABLE)
    }

    /// Whether everybody is let in.
    pub fn open(&self) -> bool {
        self.bearer.is_empty() && self.basic.is_empty() && self.signature.is_none()
    }
}
