//! The flags and variables of access, and what they mean: credentials, proxies, pages, limits.
//!
//! Guarantees: what is read here can be used as it is, or is a problem that names its variable; a file of secrets holds
//! one on each line, so that a new one can be added before the old one is taken away.

use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use super::flags::secret;
use super::value::{self, Values};
use crate::intake::{
    AuthSettings, BasicLogin, ConnectionSettings, CredentialSettings, LimitSettings, PageSettings, SignatureSettings,
    TrustedProxies,
};

/// What guards the relay and bounds its requests, unparsed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Door")]
pub struct AuthFlags {
    /// Login of HTTP Basic that callers may show instead of a token.
    #[arg(long, global = true, value_name = "USER:PASSWORD", env = "RELAY_BASIC_AUTH", hide_env_values = true, value_parser = secret)]
    pub basic_auth: Option<SecretString>,

    /// File with such logins, one on each line.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RELAY_BASIC_AUTH_FILE",
        hide_env_values = true
    )]
    pub basic_auth_file: Option<String>,

    /// Key of Grafana's HMAC signature; if set, every notification has to be signed.
    #[arg(long, global = true, value_name = "SECRET", env = "RELAY_HMAC_SECRET", hide_env_values = true, value_parser = secret)]
    pub hmac_secret: Option<SecretString>,

    /// File with such keys, one on each line.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RELAY_HMAC_SECRET_FILE",
        hide_env_values = true
    )]
    pub hmac_secret_file: Option<String>,

    /// Header of the signature [default: X-Grafana-Alerting-Signature].
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "RELAY_HMAC_HEADER",
        hide_env_values = true
    )]
    pub hmac_header: Option<String>,

    /// Header of the signed time, as set up in the contact point; without it nothing protects from replays.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "RELAY_HMAC_TIMESTAMP_HEADER",
        hide_env_values = true
    )]
    pub hmac_timestamp_header: Option<String>,

    /// How far the signed time may lie from the relay's clock; at most half the repeat window [default: 45s].
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        env = "RELAY_HMAC_TOLERANCE",
        hide_env_values = true
    )]
    pub hmac_tolerance: Option<String>,

    /// Networks of the proxies that may say who the client is, or `none` if nothing is in front of the relay.
    #[arg(
        long,
        global = true,
        value_name = "NETWORKS",
        env = "RELAY_TRUSTED_PROXIES",
        hide_env_values = true
    )]
    pub trusted_proxies: Option<String>,

    /// Whether the workshop is served: `/`, `/workshop/` and `/preview` [default: on].
    #[arg(
        long,
        global = true,
        value_name = "on|off",
        env = "RELAY_WORKSHOP",
        hide_env_values = true
    )]
    pub workshop: Option<String>,

    /// Whether `/docs` and `/openapi.json` are served [default: on].
    #[arg(
        long,
        global = true,
        value_name = "on|off",
        env = "RELAY_DOCS",
        hide_env_values = true
    )]
    pub docs: Option<String>,

    /// Whether `/metrics` is served [default: on].
    #[arg(
        long,
        global = true,
        value_name = "on|off",
        env = "RELAY_METRICS",
        hide_env_values = true
    )]
    pub metrics: Option<String>,

    /// Login that browsers ask for at the workshop and the docs [default: the workshop asks for the relay's token].
    #[arg(long, global = true, value_name = "USER:PASSWORD", env = "RELAY_PAGE_AUTH", hide_env_values = true, value_parser = secret)]
    pub page_auth: Option<SecretString>,

    /// File with such logins, one on each line.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RELAY_PAGE_AUTH_FILE",
        hide_env_values = true
    )]
    pub page_auth_file: Option<String>,

    /// Token for the workshop, so that people need not have that of the senders.
    #[arg(long, global = true, value_name = "TOKEN", env = "RELAY_PAGE_TOKEN", hide_env_values = true, value_parser = secret)]
    pub page_token: Option<SecretString>,

    /// File with such tokens, one on each line.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RELAY_PAGE_TOKEN_FILE",
        hide_env_values = true
    )]
    pub page_token_file: Option<String>,

    /// Token that Prometheus has to send for `/metrics`.
    #[arg(long, global = true, value_name = "TOKEN", env = "RELAY_METRICS_TOKEN", hide_env_values = true, value_parser = secret)]
    pub metrics_token: Option<SecretString>,

    /// File with such tokens, one on each line.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RELAY_METRICS_TOKEN_FILE",
        hide_env_values = true
    )]
    pub metrics_token_file: Option<String>,

    /// All bodies in flight together, in bytes; more have to wait [default: 67108864].
    #[arg(
        long,
        global = true,
        value_name = "BYTES",
        env = "RELAY_MAX_BODIES_BYTES",
        hide_env_values = true
    )]
    pub max_bodies_bytes: Option<String>,

    /// How long a body may take to arrive, and a request may wait to be worked on [default: 30s].
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        env = "RELAY_BODY_TIMEOUT",
        hide_env_values = true
    )]
    pub body_timeout: Option<String>,

    /// Requests that are worked on at once; more have to wait [default: 256].
    #[arg(
        long,
        global = true,
        value_name = "COUNT",
        env = "RELAY_MAX_REQUESTS",
        hide_env_values = true
    )]
    pub max_requests: Option<String>,

    /// Connections that are open at once; for more, the oldest end that have shown no credential [default: 512].
    #[arg(
        long,
        global = true,
        value_name = "COUNT",
        env = "RELAY_MAX_CONNECTIONS",
        hide_env_values = true
    )]
    pub max_connections: Option<String>,

    /// Headers of one request [default: 100].
    #[arg(
        long,
        global = true,
        value_name = "COUNT",
        env = "RELAY_MAX_HEADERS",
        hide_env_values = true
    )]
    pub max_headers: Option<String>,

    /// Bytes of the request line and all headers [default: 32768].
    #[arg(
        long,
        global = true,
        value_name = "BYTES",
        env = "RELAY_MAX_HEADER_BYTES",
        hide_env_values = true
    )]
    pub max_header_bytes: Option<String>,

    /// How long these may take to arrive, and a connection may be idle [default: 37s].
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        env = "RELAY_HEADER_TIMEOUT",
        hide_env_values = true
    )]
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
        basic: logins(
            "basic-auth",
            "RELAY_BASIC_AUTH",
            flags.basic_auth.as_ref(),
            flags.basic_auth_file.as_deref(),
            values,
        ),
        signature: signature(flags, repeat_window, values),
    }
}

/// Who may come in, without what senders show.
pub(super) fn auth(flags: &AuthFlags, max_body_bytes: usize, values: &mut Values) -> AuthSettings {
    let pages = CredentialSettings {
        bearer: values.secrets(
            ("--page-token", "RELAY_PAGE_TOKEN"),
            flags.page_token.as_ref(),
            flags.page_token_file.as_deref(),
        ),
        basic: logins(
            "page-auth",
            "RELAY_PAGE_AUTH",
            flags.page_auth.as_ref(),
            flags.page_auth_file.as_deref(),
            values,
        ),
        signature: None,
    };
    let metrics = CredentialSettings {
        bearer: values.secrets(
            ("--metrics-token", "RELAY_METRICS_TOKEN"),
            flags.metrics_token.as_ref(),
            flags.metrics_token_file.as_deref(),
        ),
        ..CredentialSettings::default()
    };
    let proxies = values.optional::<TrustedProxies>(
        "--trusted-proxies",
        "RELAY_TRUSTED_PROXIES",
        flags.trusted_proxies.as_deref(),
    );
    AuthSettings {
        pages,
        metrics,
        trusted_proxies: proxies.unwrap_or_default(),
        limits: limits(flags, max_body_bytes, values),
    }
}

fn logins(
    name: &str,
    variable: &str,
    value: Option<&SecretString>,
    file: Option<&str>,
    values: &mut Values,
) -> Vec<BasicLogin> {
    let flag = format!("--{name}");
    let lines = values.secrets((&flag, variable), value, file);
    let mut logins = Vec::new();
    for line in lines {
        match line.expose_secret().split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => logins.push(BasicLogin {
                user: user.to_owned(),
                password: password.into(),
            }),
            _ => values.problems.push(format!(
                "{flag} ({variable}) is not usable: it needs the form user:password"
            )),
        }
    }
    logins
}

fn signature(flags: &AuthFlags, repeat_window: Duration, values: &mut Values) -> Option<SignatureSettings> {
    let names = ("--hmac-secret", "RELAY_HMAC_SECRET");
    let secrets = values.secrets(names, flags.hmac_secret.as_ref(), flags.hmac_secret_file.as_deref());
    let default = repeat_window.as_secs() / 2;
    let tolerance = values.duration(
        "--hmac-tolerance",
        "RELAY_HMAC_TOLERANCE",
        flags.hmac_tolerance.as_deref(),
        default.min(45),
    );
    if secrets.is_empty() {
        return None;
    }
    let signature = SignatureSettings {
        secrets,
        header: value::set(flags.hmac_header.as_deref())
            .unwrap_or("X-Grafana-Alerting-Signature")
            .to_owned(),
        timestamp_header: value::set(flags.hmac_timestamp_header.as_deref()).map(str::to_owned),
        tolerance,
    };
    if let Err(error) = signature.check(repeat_window) {
        values
            .problems
            .push(format!("--hmac-… (RELAY_HMAC_…) is not usable: {error}"));
    }
    Some(signature)
}

fn limits(flags: &AuthFlags, max_body_bytes: usize, values: &mut Values) -> LimitSettings {
    let default = LimitSettings::default();
    let total = values.number(
        "--max-bodies-bytes",
        "RELAY_MAX_BODIES_BYTES",
        flags.max_bodies_bytes.as_deref(),
        max_body_bytes as u64,
    );
    LimitSettings {
        max_body_bytes,
        max_bodies_bytes: total.unwrap_or(default.max_bodies_bytes.max(max_body_bytes)),
        max_requests: values
            .number("--max-requests", "RELAY_MAX_REQUESTS", flags.max_requests.as_deref(), 1)
            .unwrap_or(default.max_requests),
        body_time: values.duration(
            "--body-timeout",
            "RELAY_BODY_TIMEOUT",
            flags.body_timeout.as_deref(),
            default.body_time.as_secs(),
        ),
    }
}

/// Bounds on connections.
pub(super) fn connections(flags: &AuthFlags, values: &mut Values) -> ConnectionSettings {
    let default = ConnectionSettings::default();
    let mut count = |flag, variable, value: Option<&str>, least, otherwise| {
        values.number(flag, variable, value, least).unwrap_or(otherwise)
    };
    let max_connections = count(
        "--max-connections",
        "RELAY_MAX_CONNECTIONS",
        flags.max_connections.as_deref(),
        1,
        default.max_connections,
    );
    let max_headers = count(
        "--max-headers",
        "RELAY_MAX_HEADERS",
        flags.max_headers.as_deref(),
        8,
        default.max_headers,
    );
    let max_header_bytes = count(
        "--max-header-bytes",
        "RELAY_MAX_HEADER_BYTES",
        flags.max_header_bytes.as_deref(),
        1024,
        default.max_header_bytes,
    );
    ConnectionSettings {
        max_connections,
        max_headers,
        max_header_bytes,
        header_time: values.duration(
            "--header-timeout",
            "RELAY_HEADER_TIMEOUT",
            flags.header_timeout.as_deref(),
            default.header_time.as_secs(),
        ),
    }
}

/// What is served beside notifications.
pub(super) fn pages(flags: &AuthFlags, values: &mut Values) -> PageSettings {
    let mut shown = |flag, variable, value| values.switch(flag, variable, value).unwrap_or(true);
    PageSettings {
        workshop: shown("--workshop", "RELAY_WORKSHOP", flags.workshop.as_deref()),
        docs: shown("--docs", "RELAY_DOCS", flags.docs.as_deref()),
        metrics: shown("--metrics", "RELAY_METRICS", flags.metrics.as_deref()),
    }
}
