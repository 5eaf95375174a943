//! What callers of one route have to show, as the operator configured it.

use std::time::Duration;

use secrecy::SecretString;

/// The credentials of one route. With none of them everybody is let in. A caller shows one of the tokens or logins, and
/// where a signature is configured, that too.
#[derive(Debug, Clone, Default)]
pub struct CredentialSettings {
    /// Bearer tokens; several while one replaces the other.
    pub bearer: Vec<SecretString>,
    /// Logins of HTTP Basic.
    pub basic: Vec<BasicLogin>,
    /// Grafana's signature of the body.
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

/// Grafana's HMAC-SHA256 over the raw body.
#[derive(Debug, Clone)]
pub struct SignatureSettings {
    /// Keys; several while one replaces the other.
    pub secrets: Vec<SecretString>,
    /// The header of the signature; Grafana's default is `X-Grafana-Alerting-Signature`.
    pub header: String,
    /// The header of the signed time in seconds since 1970; without one there is no protection against replays.
    pub timestamp_header: Option<String>,
    /// How far that time may lie from the relay's clock, either way.
    pub tolerance: Duration,
}
