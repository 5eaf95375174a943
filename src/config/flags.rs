//! The command line and its variables, as text; what they mean is decided in the parent module.

mod delivery;
mod http;
mod log;
mod messages;
mod pairs;

use std::convert::Infallible;

use clap::Args;
use secrecy::SecretString;

pub use self::delivery::DeliveryFlags;
pub use self::http::HttpFlags;
pub use self::log::LogFlags;
pub use self::messages::MessageFlags;
use super::auth::AuthFlags;
use super::effective::Sources;
use super::environment::Remark;
use super::silence::SilenceFlags;
use super::value::{on_or_off, set};
use crate::telemetry::LogFormat;

#[expect(clippy::unnecessary_wraps, reason = "clap's parsers return a Result")]
pub(super) fn hidden(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

/// Every setting, unparsed. Spellings with underscores are those of the original relay.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Matrix")]
pub struct Flags {
    /// Base URL of the bot's homeserver, or its server name (looked up through `.well-known`). Required. An address with a port
    /// needs `http://` or `https://`; the relay warns of `http://` to another machine.
    ///
    /// Example: `https://matrix.example.org`
    #[arg(long, value_name = "URL", env = "MATRIX_HOME_SERVER_URL", alias = "home_server_url")]
    pub home_server_url: Option<String>,

    /// The bot's access token. Required. The process list shows flags: prefer the variable or the file.
    #[arg(long, value_name = "TOKEN", env = "MATRIX_ACCESS_TOKEN", alias = "access_token", value_parser = hidden)]
    pub access_token: Option<SecretString>,

    /// File that holds the access token.
    ///
    /// Example: `/run/secrets/access_token`
    #[arg(long, value_name = "FILE", env = "MATRIX_ACCESS_TOKEN_FILE")]
    pub access_token_file: Option<String>,

    /// What encrypted rooms get: encrypted messages (`auto`), or nothing (`off`).
    #[arg(long, value_name = "MODE", env = "MATRIX_ENCRYPTION", default_value = "auto")]
    pub encryption: Option<String>,

    /// Whose devices can read encrypted rooms: `all` of the members, or those that their owners have verified
    /// (`cross-signed`).
    #[arg(long, value_name = "WHOSE", env = "MATRIX_KEY_RECIPIENTS", default_value = "all")]
    pub key_recipients: Option<String>,

    /// Recovery key of the bot's account, for encrypted rooms. Without it, the relay uses `recovery.key` in the data folder, which it
    /// makes itself for a new account.
    #[arg(long, value_name = "KEY", env = "MATRIX_RECOVERY_KEY", value_parser = hidden)]
    pub recovery_key: Option<SecretString>,

    /// File that holds the recovery key.
    ///
    /// Example: `/run/secrets/recovery_key`
    #[arg(long, value_name = "FILE", env = "MATRIX_RECOVERY_KEY_FILE")]
    pub recovery_key_file: Option<String>,

    /// URL of a Hookshot inbound webhook, instead of homeserver, access token and room. It is a secret.
    ///
    /// Example: `https://hookshot.example.org/webhook/…`
    #[arg(long, value_name = "URL", env = "MATRIX_HOOK_URL", alias = "hook_url", value_parser = hidden)]
    pub hook_url: Option<SecretString>,

    /// File that holds the URL of the webhook.
    ///
    /// Example: `/run/secrets/hook_url`
    #[arg(long, value_name = "FILE", env = "MATRIX_HOOK_URL_FILE")]
    pub hook_url_file: Option<String>,

    /// Room that alerts go to: its ID (`!…`, with or without a domain) or an alias (`#…`). Required, unless a routes file has a
    /// default route.
    ///
    /// Example: `#alerts:example.org`
    #[arg(long, value_name = "ROOM", env = "MATRIX_DEFAULT_ROOM", alias = "default_room")]
    pub default_room: Option<String>,

    /// Routes file (TOML): several rooms, rules that choose among them, and credentials for each route. The relay reads it
    /// again when it changes, and on SIGHUP.
    ///
    /// Example: `routes.toml`
    #[arg(long, value_name = "FILE", env = "RELAY_ROUTES_FILE")]
    pub routes_file: Option<String>,

    /// How long a request to the homeserver may take.
    #[arg(long, value_name = "DURATION", env = "RELAY_MATRIX_TIMEOUT", default_value = "30s")]
    pub matrix_timeout: Option<String>,

    /// Where the relay listens, and what callers show.
    #[command(flatten)]
    pub http: HttpFlags,

    /// What guards it and bounds its requests.
    #[command(flatten)]
    pub auth: AuthFlags,

    /// How messages read.
    #[command(flatten)]
    pub messages: MessageFlags,

    /// Where what was accepted waits, and for how long it is tried.
    #[command(flatten)]
    pub delivery: DeliveryFlags,

    /// What tells somebody that something is silent.
    #[command(flatten)]
    pub silence: SilenceFlags,

    /// What is logged, and in which form.
    #[command(flatten)]
    pub log: LogFlags,

    /// What was put right in the environment before it was read.
    #[arg(skip)]
    pub remarks: Vec<Remark>,

    /// Where each setting was given.
    #[arg(skip)]
    pub sources: Sources,
}

impl Flags {
    /// The form of log lines; needed before anything else can be reported, so what is wrong with it is for the settings to say.
    pub fn log_format(&self) -> LogFormat {
        let asked = set(self.log.log_format.as_deref()).and_then(|form| form.parse().ok());
        let is_ecs = self.log.ecs_logging.as_deref().and_then(on_or_off).unwrap_or(false);
        asked.unwrap_or(if is_ecs { LogFormat::Ecs } else { LogFormat::Text })
    }
}
