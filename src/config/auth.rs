//! The flags and variables of access, and what they mean: credentials, proxies, pages, limits.
//!
//! Guarantees: what is read here can be used as it is, or is a problem that names its variable; a file of secrets holds
//! one on each line, so that a new one can be added before the old one is taken away.

use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use super::declared;
use super::flags::hidden;
use super::value::{self, Given, Secret, Values, given, secret};
use crate::intake::{
    AuthSettings, BasicLogin, ConnectionSettings, CredentialSettings, LimitSettings, PageSettings, SignatureScheme,
    SignatureSettings, TrustedProxies,
};

/// What guards the relay and bounds its requests, unparsed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Access and limits")]
pub struct AuthFlags {
    /// Login of HTTP Basic that callers may show instead of a token.
    ///
    /// Example: `grafana:password`
    #[arg(long, value_name = "USER:PASSWORD", env = "RELAY_BASIC_AUTH", value_parser = hidden)]
    pub basic_auth: Option<SecretString>,

    /// File with such logins, one on each line.
    ///
    /// Example: `/run/secrets/relay_logins`
    #[arg(long, value_name = "FILE", env = "RELAY_BASIC_AUTH_FILE")]
    pub basic_auth_file: Option<String>,

    /// Key of Grafana's HMAC signature; if set, every notification needs a signature.
    #[arg(long, value_name = "SECRET", env = "RELAY_HMAC_SECRET", value_parser = hidden)]
    pub hmac_secret: Option<SecretString>,

    /// File with such keys, one on each line.
    ///
    /// Example: `/run/secrets/relay_hmac`
    #[arg(long, value_name = "FILE", env = "RELAY_HMAC_SECRET_FILE")]
    pub hmac_secret_file: Option<String>,

    /// Header of the signature, as in the contact point.
    #[arg(
        long,
        value_name = "NAME",
        env = "RELAY_HMAC_HEADER",
        default_value = "X-Grafana-Alerting-Signature"
    )]
    pub hmac_header: Option<String>,

    /// Header of the signed time, as in the contact point. Without it the relay accepts a replayed request.
    ///
    /// Example: `X-Grafana-Alerting-Timestamp`
    #[arg(long, value_name = "NAME", env = "RELAY_HMAC_TIMESTAMP_HEADER")]
    pub hmac_timestamp_header: Option<String>,

    /// Largest difference between the signed time and the relay's clock; at most half the repeat window.
    #[arg(long, value_name = "DURATION", env = "RELAY_HMAC_TOLERANCE", default_value = "45s")]
    pub hmac_tolerance: Option<String>,

    /// Networks of the proxies that may name the client, or `none` if there is no proxy. While this is unset, all clients of a proxy
    /// count as one address.
    ///
    /// Example: `10.0.0.0/8,fd00::/8`
    #[arg(long, value_name = "NETWORKS", env = "RELAY_TRUSTED_PROXIES")]
    pub trusted_proxies: Option<String>,

    /// Whether to serve the workshop: `/`, `/workshop/` and `/preview`. With `edit` it may also save templates.
    #[arg(long, value_name = "on|off|edit", env = "RELAY_WORKSHOP", default_value = "on")]
    pub workshop: Option<String>,

    /// Whether to serve `/docs` and `/openapi.json`.
    #[arg(long, value_name = "on|off", env = "RELAY_DOCS", default_value = "on")]
    pub docs: Option<String>,

    /// Whether to serve `/metrics`.
    #[arg(long, value_name = "on|off", env = "RELAY_METRICS", default_value = "on")]
    pub metrics: Option<String>,

    /// Login that browsers ask for at the workshop and the docs. Without it, the workshop asks for the relay's token.
    ///
    /// Example: `me:password`
    #[arg(long, value_name = "USER:PASSWORD", env = "RELAY_PAGE_AUTH", value_parser = hidden)]
    pub page_auth: Option<SecretString>,

    /// File with such logins, one on each line.
    ///
    /// Example: `/run/secrets/page_logins`
    #[arg(long, value_name = "FILE", env = "RELAY_PAGE_AUTH_FILE")]
    pub page_auth_file: Option<String>,

    /// Token for the workshop, so that people do not need the senders' token.
    #[arg(long, value_name = "TOKEN", env = "RELAY_PAGE_TOKEN", value_parser = hidden)]
    pub page_token: Option<SecretString>,

    /// File with such tokens, one on each line.
    ///
    /// Example: `/run/secrets/page_token`
    #[arg(long, value_name = "FILE", env = "RELAY_PAGE_TOKEN_FILE")]
    pub page_token_file: Option<String>,

    /// Token that Prometheus has to send for `/metrics`.
    #[arg(long, value_name = "TOKEN", env = "RELAY_METRICS_TOKEN", value_parser = hidden)]
    pub metrics_token: Option<SecretString>,

    /// File with such tokens, one on each line.
    ///
    /// Example: `/run/secrets/metrics_token`
    #[arg(long, value_name = "FILE", env = "RELAY_METRICS_TOKEN_FILE")]
    pub metrics_token_file: Option<String>,

    /// Bytes of all request bodies in flight; further bodies wait.
    #[arg(
        long,
        value_name = "BYTES",
        env = "RELAY_MAX_BODIES_BYTES",
        default_value = "67108864"
    )]
    pub max_bodies_bytes: Option<String>,

    /// How long a body may take to arrive, and how long a request may wait.
    #[arg(long, value_name = "DURATION", env = "RELAY_BODY_TIMEOUT", default_value = "30s")]
    pub body_timeout: Option<String>,

    /// Requests that the relay works on at once; further requests wait.
    #[arg(long, value_name = "COUNT", env = "RELAY_MAX_REQUESTS", default_value = "256")]
    pub max_requests: Option<String>,

    /// Open connections; beyond that, the relay closes the oldest one without a credential.
    #[arg(long, value_name = "COUNT", env = "RELAY_MAX_CONNECTIONS", default_value = "512")]
    pub max_connections: Option<String>,

    /// Headers of one request.
    #[arg(long, value_name = "COUNT", env = "RELAY_MAX_HEADERS", default_value = "100")]
    pub max_headers: Option<String>,

    /// Bytes of the request line and all headers.
    #[arg(long, value_name = "BYTES", env = "RELAY_MAX_HEADER_BYTES", default_value = "32768")]
    pub max_header_bytes: Option<String>,

    /// How long headers may take to arrive, and how long a connection may be idle.
    #[arg(long, value_name = "DURATION", env = "RELAY_HEADER_TIMEOUT", default_value = "37s")]
    pub header_timeout: Option<String>,
}

/// What senders show, with their `tokens`, which are flags of their own; a repeat is recognised for `repeat_window`.
pub(super) fn credentials(
    flags: &AuthFlags,
    tokens: Vec<SecretString>,
    repeat_window: Duration,
    values: &mut Values,
) -> CredentialSettings {
    CredentialSettings {
        bearer: tokens,
        basic: logins(secret!(flags.basic_auth, basic_auth_file), values),
        signature: signature(flags, repeat_window, values),
    }
}

/// Who may come in, without what senders show.
pub(super) fn auth(flags: &AuthFlags, max_body_bytes: usize, values: &mut Values) -> AuthSettings {
    let pages = CredentialSettings {
        bearer: values.secrets(secret!(flags.page_token, page_token_file)),
        basic: logins(secret!(flags.page_auth, page_auth_file), values),
        signature: None,
    };
    let metrics = CredentialSettings {
        bearer: values.secrets(secret!(flags.metrics_token, metrics_token_file)),
        ..CredentialSettings::default()
    };
    let proxies = values.optional::<TrustedProxies>(given!(flags.trusted_proxies));
    AuthSettings {
        pages,
        metrics,
        trusted_proxies: proxies.unwrap_or_default(),
        limits: limits(flags, max_body_bytes, values),
    }
}

fn logins(given: Secret<'_>, values: &mut Values) -> Vec<BasicLogin> {
    let mut logins = Vec::new();
    for line in values.secrets(given) {
        match line.expose_secret().split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => logins.push(BasicLogin {
                user: user.to_owned(),
                password: password.into(),
            }),
            _ => values.unusable(given.name, "user name or password is missing (expected user:password)"),
        }
    }
    logins
}

fn signature(flags: &AuthFlags, repeat_window: Duration, values: &mut Values) -> Option<SignatureSettings> {
    let secrets = values.secrets(secret!(flags.hmac_secret, hmac_secret_file));
    let tolerance = values.duration_or(given!(flags.hmac_tolerance), usual_tolerance(repeat_window));
    if secrets.is_empty() {
        return None;
    }
    let signature = SignatureSettings {
        scheme: SignatureScheme::Grafana,
        secrets,
        header: given!(flags.hmac_header).or_default().to_owned(),
        timestamp_header: value::set(flags.hmac_timestamp_header.as_deref()).map(str::to_owned),
        tolerance,
    };
    if let Err(error) = signature.check(repeat_window) {
        values
            .problems
            .push(format!("invalid --hmac-… (RELAY_HMAC_…): {error}"));
    }
    Some(signature)
}

/// How far a signed time may lie off where nothing is said: within half of the time in which a repeat is recognised.
pub(super) fn usual_tolerance(repeat_window: Duration) -> Duration {
    let declared = value::duration(declared::default("hmac_tolerance"));
    declared.unwrap_or_default().min(repeat_window / 2)
}

fn limits(flags: &AuthFlags, max_body_bytes: usize, values: &mut Values) -> LimitSettings {
    // The largest body fits, whatever the default is.
    let total = given!(flags.max_bodies_bytes);
    let max_bodies_bytes = match values.number(total, max_body_bytes as u64) {
        Some(total) => total,
        None => values
            .count::<usize>(Given { text: None, ..total }, 0)
            .max(max_body_bytes),
    };
    LimitSettings {
        max_body_bytes,
        max_bodies_bytes,
        max_requests: values.count(given!(flags.max_requests), 1),
        body_time: values.duration(given!(flags.body_timeout)),
    }
}

/// Bounds on connections.
pub(super) fn connections(flags: &AuthFlags, values: &mut Values) -> ConnectionSettings {
    ConnectionSettings {
        max_connections: values.count(given!(flags.max_connections), 1),
        max_headers: values.count(given!(flags.max_headers), 8),
        max_header_bytes: values.count(given!(flags.max_header_bytes), 1024),
        header_time: values.duration(given!(flags.header_timeout)),
    }
}

/// The word of the workshop's setting that lets it save templates.
const EDIT: &str = "edit";

/// Whether the workshop may save templates.
pub(super) fn edits(flags: &AuthFlags) -> bool {
    value::set(flags.workshop.as_deref()) == Some(EDIT)
}

/// Whether the workshop is served.
fn is_workshop_served(given: Given<'_>, values: &mut Values) -> bool {
    match value::set(given.text) {
        Some(EDIT) => true,
        Some(text) if value::on_or_off(text).is_none() => {
            let (shown, switch) = (value::shown(text), value::ON_OR_OFF);
            let why = format!("{shown} is neither on, off nor edit (expected edit, or else {switch})");
            values.unusable(given.name, why);
            true
        }
        _ => values.is_on(given),
    }
}

/// What is served beside notifications.
pub(super) fn pages(flags: &AuthFlags, values: &mut Values) -> PageSettings {
    PageSettings {
        workshop: is_workshop_served(given!(flags.workshop), values),
        docs: values.is_on(given!(flags.docs)),
        metrics: values.is_on(given!(flags.metrics)),
    }
}
