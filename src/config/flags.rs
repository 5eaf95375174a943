//! The command line and its variables, as text; what they mean is decided in the parent module.

mod pairs;

use std::convert::Infallible;

use clap::Args;
use secrecy::SecretString;

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
    /// needs `http://` or `https://`; `http://` to another machine is a warning.
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

    /// Address to listen on. In a container it has to be 0.0.0.0, which the image sets.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "RELAY_HOST",
        default_value = "127.0.0.1",
        help_heading = "HTTP"
    )]
    pub host: Option<String>,

    /// Port to listen on; 0 takes any free one.
    #[arg(
        long,
        value_name = "PORT",
        env = "RELAY_PORT",
        default_value = "9042",
        help_heading = "HTTP"
    )]
    pub port: Option<String>,

    /// Token that callers send as `Authorization: Bearer TOKEN`. Without a credential, anyone who reaches the port can send
    /// messages to your room. `openssl rand -hex 32` makes one.
    #[arg(long, value_name = "TOKEN", env = "RELAY_TOKEN", alias = "relay_token", value_parser = hidden, help_heading = "HTTP")]
    pub relay_token: Option<SecretString>,

    /// File that holds the relay's token; several tokens stand one on each line, while a new one replaces an old one.
    ///
    /// Example: `/run/secrets/relay_token`
    #[arg(long, value_name = "FILE", env = "RELAY_TOKEN_FILE", help_heading = "HTTP")]
    pub relay_token_file: Option<String>,

    /// Largest request body in bytes.
    #[arg(
        long,
        value_name = "BYTES",
        env = "RELAY_MAX_BODY_BYTES",
        default_value = "8388608",
        help_heading = "HTTP"
    )]
    pub max_body_bytes: Option<String>,

    /// How long requests and deliveries in flight may take to finish at shutdown; a few seconds more if the outbox does not
    /// answer.
    #[arg(
        long,
        value_name = "DURATION",
        env = "RELAY_SHUTDOWN_GRACE",
        default_value = "10s",
        help_heading = "HTTP"
    )]
    pub shutdown_grace: Option<String>,

    /// What guards it and bounds its requests.
    #[command(flatten)]
    pub auth: AuthFlags,

    /// Folder of your templates; templates that are missing there come from the binary.
    #[arg(
        long,
        value_name = "DIR",
        env = "RELAY_TEMPLATES_DIR",
        default_value = "templates",
        help_heading = "Messages"
    )]
    pub templates_dir: Option<String>,

    /// Template that renders notifications, without `.md.j2`.
    #[arg(
        long,
        value_name = "NAME",
        env = "RELAY_TEMPLATE",
        default_value = "alert",
        help_heading = "Messages"
    )]
    pub default_template: Option<String>,

    /// What later notifications of an alert group do to the message of the first: `live` edits it and adds a line to its
    /// thread, `thread` only adds the line, `new` sends a message each time.
    #[arg(
        long,
        value_name = "MODE",
        env = "RELAY_MESSAGE_MODE",
        default_value = "live",
        help_heading = "Messages"
    )]
    pub message_mode: Option<String>,

    /// Whether a notification without anything new adds a quiet line to the thread.
    #[arg(long, value_name = "on|off", env = "RELAY_REMINDERS", default_value = "off", num_args = 0..=1, require_equals = true, default_missing_value = "on", help_heading = "Messages")]
    pub reminders: Option<String>,

    /// Language of messages: `en`, `de`, or one of your own `words.toml` beside the templates. A route may have its own.
    #[arg(
        long,
        value_name = "LANGUAGE",
        env = "RELAY_LANGUAGE",
        default_value = "en",
        help_heading = "Messages"
    )]
    pub language: Option<String>,

    /// The zone of the system, where `RELAY_TIMEZONE` is not set.
    #[arg(long = "system-timezone", env = "TZ", hide = true)]
    pub system_timezone: Option<String>,

    /// Time zone of the times in messages; without it, that of `TZ`, or else UTC. A route may have its own.
    ///
    /// Example: `Europe/Berlin`
    #[arg(long, value_name = "ZONE", env = "RELAY_TIMEZONE", help_heading = "Messages")]
    pub timezone: Option<String>,

    /// How many of the last notifications the relay keeps, secrets masked, to try templates on; 0 keeps none.
    #[arg(
        long,
        value_name = "COUNT",
        env = "RELAY_RECORD_NOTIFICATIONS",
        default_value = "20",
        help_heading = "Messages"
    )]
    pub record_notifications: Option<String>,

    /// Folder of the outbox and of the keys for encrypted rooms. It has to survive restarts: accepted notifications wait there.
    #[arg(
        long,
        value_name = "DIR",
        env = "RELAY_DATA_DIR",
        default_value = "data",
        help_heading = "Delivery"
    )]
    pub data_dir: Option<String>,

    /// Keep the outbox in PostgreSQL instead, for two or more relays behind a load balancer.
    ///
    /// Example: `postgres://relay:password@db.example.org/relay`
    #[arg(long, value_name = "URL", env = "RELAY_DATABASE_URL", value_parser = hidden, help_heading = "Delivery")]
    pub database_url: Option<SecretString>,

    /// File that holds the database URL.
    ///
    /// Example: `/run/secrets/database_url`
    #[arg(
        long,
        value_name = "FILE",
        env = "RELAY_DATABASE_URL_FILE",
        help_heading = "Delivery"
    )]
    pub database_url_file: Option<String>,

    /// How long the relay retries a delivery while the homeserver fails, from its first attempt on. Time in which the relay was
    /// off does not count.
    #[arg(
        long,
        value_name = "DURATION",
        env = "RELAY_RETRY_HORIZON",
        default_value = "24h",
        help_heading = "Delivery"
    )]
    pub retry_horizon: Option<String>,

    /// More waiting notifications than this in one room become one digest message.
    #[arg(
        long,
        value_name = "COUNT",
        env = "RELAY_DIGEST_THRESHOLD",
        default_value = "10",
        help_heading = "Delivery"
    )]
    pub digest_threshold: Option<String>,

    /// How long the oldest of them has to wait before they become a digest.
    #[arg(
        long,
        value_name = "DURATION",
        env = "RELAY_DIGEST_AFTER",
        default_value = "3s",
        help_heading = "Delivery"
    )]
    pub digest_after: Option<String>,

    /// Within this time the relay recognises the same notification (a retry, a second Grafana) and sends it once. Keep it below
    /// the repeat interval of your notification policies.
    #[arg(
        long,
        value_name = "DURATION",
        env = "RELAY_REPEAT_WINDOW",
        default_value = "90s",
        help_heading = "Delivery"
    )]
    pub repeat_window: Option<String>,

    /// How long delivered messages stay in the outbox.
    #[arg(
        long,
        value_name = "DURATION",
        env = "RELAY_KEEP_DELIVERED",
        default_value = "7d",
        help_heading = "Delivery"
    )]
    pub keep_delivered: Option<String>,

    /// How long the relay remembers an alert group after its last notification; not shorter than the retry horizon and the
    /// repeat window.
    #[arg(
        long,
        value_name = "DURATION",
        env = "RELAY_KEEP_GROUPS",
        default_value = "30d",
        help_heading = "Delivery"
    )]
    pub keep_groups: Option<String>,

    /// What tells somebody that something is silent.
    #[command(flatten)]
    pub silence: SilenceFlags,

    /// What is logged: `error`, `warn`, `info`, `debug`, `trace` or `off`, or `part=level` for a part of the program, separated by
    /// commas. An error that ends the program is always logged. Where this is unset, the relay reads `RUST_LOG`.
    #[arg(
        long,
        value_name = "LEVEL",
        env = "RELAY_LOG",
        default_value = "info",
        help_heading = "Logging"
    )]
    pub log: Option<String>,

    /// Form of the log lines: `text` for people, `json` with a field for each fact, or `ecs`, which is JSON in the Elastic Common
    /// Schema.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "RELAY_LOG_FORMAT",
        default_value = "text",
        help_heading = "Logging"
    )]
    pub log_format: Option<String>,

    /// Whether the form is `ecs` where `RELAY_LOG_FORMAT` is unset: the name of this setting in the original relay.
    #[arg(long, value_name = "on|off", env = "ECS_LOGGING", default_value = "off", alias = "ecs_logging", num_args = 0..=1, require_equals = true, default_missing_value = "on", help_heading = "Logging")]
    pub ecs_logging: Option<String>,

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
        let asked = set(self.log_format.as_deref()).and_then(|form| form.parse().ok());
        let is_ecs = self.ecs_logging.as_deref().and_then(on_or_off).unwrap_or(false);
        asked.unwrap_or(if is_ecs { LogFormat::Ecs } else { LogFormat::Text })
    }
}
