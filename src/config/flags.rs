//! The command line and its variables, as text; what they mean is decided in the parent module.

use std::convert::Infallible;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use secrecy::SecretString;

use super::auth::AuthFlags;
use super::environment::Remark;
use super::value::on_or_off;

#[expect(clippy::unnecessary_wraps, reason = "clap's parsers return a Result")]
pub(super) fn hidden(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

/// Every setting, unparsed. Spellings with underscores are those of the original relay.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Matrix")]
pub struct Flags {
    /// Base URL of the homeserver (`https://matrix.example.org`), or its server name (`example.org`).
    #[arg(long, value_name = "URL", env = "MATRIX_HOME_SERVER_URL", alias = "home_server_url")]
    pub home_server_url: Option<String>,

    /// The bot's access token. The process list shows flags: prefer the variable or the file.
    #[arg(long, value_name = "TOKEN", env = "MATRIX_ACCESS_TOKEN", alias = "access_token", value_parser = hidden)]
    pub access_token: Option<SecretString>,

    /// File that holds the access token.
    #[arg(long, value_name = "FILE", env = "MATRIX_ACCESS_TOKEN_FILE")]
    pub access_token_file: Option<String>,

    /// What encrypted rooms get: encrypted messages (`auto`), or nothing (`off`) [default: auto].
    #[arg(long, value_name = "MODE", env = "MATRIX_ENCRYPTION")]
    pub encryption: Option<String>,

    /// Whose devices can read encrypted rooms: `all` of the members, or those that their owners have verified (`cross-signed`)
    /// [default: all].
    #[arg(long, value_name = "WHOSE", env = "MATRIX_KEY_RECIPIENTS")]
    pub key_recipients: Option<String>,

    /// Recovery key of the bot's account, for encrypted rooms [default: the one in the data folder].
    #[arg(long, value_name = "KEY", env = "MATRIX_RECOVERY_KEY", value_parser = hidden)]
    pub recovery_key: Option<SecretString>,

    /// File that holds the recovery key.
    #[arg(long, value_name = "FILE", env = "MATRIX_RECOVERY_KEY_FILE")]
    pub recovery_key_file: Option<String>,

    /// URL of a Hookshot inbound webhook, instead of homeserver, access token and room. It is a secret.
    #[arg(long, value_name = "URL", env = "MATRIX_HOOK_URL", alias = "hook_url", value_parser = hidden)]
    pub hook_url: Option<SecretString>,

    /// File that holds the URL of the webhook.
    #[arg(long, value_name = "FILE", env = "MATRIX_HOOK_URL_FILE")]
    pub hook_url_file: Option<String>,

    /// Room that alerts go to: its ID (`!…`, with or without a domain) or an alias (`#…`).
    #[arg(long, value_name = "ROOM", env = "MATRIX_DEFAULT_ROOM", alias = "default_room")]
    pub default_room: Option<String>,

    /// Routes file (TOML): several rooms, rules that choose among them, and credentials for each route. The relay reads it again
    /// when it changes, and on SIGHUP.
    #[arg(long, value_name = "FILE", env = "RELAY_ROUTES_FILE")]
    pub routes_file: Option<String>,

    /// How long a request to the homeserver may take [default: 30s].
    #[arg(long, value_name = "DURATION", env = "RELAY_MATRIX_TIMEOUT")]
    pub matrix_timeout: Option<String>,

    /// Address to listen on [default: 127.0.0.1].
    #[arg(long, value_name = "ADDRESS", env = "RELAY_HOST", help_heading = "HTTP")]
    pub host: Option<String>,

    /// Port to listen on; 0 takes any free one [default: 9042].
    #[arg(long, value_name = "PORT", env = "RELAY_PORT", help_heading = "HTTP")]
    pub port: Option<String>,

    /// Token that callers send as `Authorization: Bearer TOKEN`.
    #[arg(long, value_name = "TOKEN", env = "RELAY_TOKEN", alias = "relay_token", value_parser = hidden, help_heading = "HTTP")]
    pub relay_token: Option<SecretString>,

    /// File that holds the relay's token.
    #[arg(long, value_name = "FILE", env = "RELAY_TOKEN_FILE", help_heading = "HTTP")]
    pub relay_token_file: Option<String>,

    /// Largest request body in bytes [default: 8388608].
    #[arg(long, value_name = "BYTES", env = "RELAY_MAX_BODY_BYTES", help_heading = "HTTP")]
    pub max_body_bytes: Option<String>,

    /// How long requests and deliveries in flight may take to finish at shutdown [default: 10s].
    #[arg(long, value_name = "DURATION", env = "RELAY_SHUTDOWN_GRACE", help_heading = "HTTP")]
    pub shutdown_grace: Option<String>,

    /// What guards it and bounds its requests.
    #[command(flatten)]
    pub auth: AuthFlags,

    /// Folder of your templates; templates that are missing there come from the binary [default: templates].
    #[arg(long, value_name = "DIR", env = "RELAY_TEMPLATES_DIR", help_heading = "Messages")]
    pub templates_dir: Option<String>,

    /// Template that renders notifications, without `.md.j2` [default: alert].
    #[arg(long, value_name = "NAME", env = "RELAY_TEMPLATE", help_heading = "Messages")]
    pub default_template: Option<String>,

    /// What later notifications of an alert group do to the message of the first: `live` edits it and adds a line to its
    /// thread, `thread` only adds the line, `new` sends a message each time [default: live].
    #[arg(long, value_name = "MODE", env = "RELAY_MESSAGE_MODE", help_heading = "Messages")]
    pub message_mode: Option<String>,

    /// Whether a notification without anything new adds a quiet line to the thread [default: off].
    #[arg(long, value_name = "on|off", env = "RELAY_REMINDERS", num_args = 0..=1, require_equals = true, default_missing_value = "on", help_heading = "Messages")]
    pub reminders: Option<String>,

    /// Language of messages, such as de: its words are built in or in words.toml beside the templates [default: en].
    #[arg(long, value_name = "LANGUAGE", env = "RELAY_LANGUAGE", help_heading = "Messages")]
    pub language: Option<String>,

    /// The zone of the system, where `RELAY_TIMEZONE` is not set.
    #[arg(long = "system-timezone", env = "TZ", hide = true)]
    pub system_timezone: Option<String>,

    /// Time zone of the times in messages, such as Europe/Berlin [default: that of TZ, or else UTC].
    #[arg(long, value_name = "ZONE", env = "RELAY_TIMEZONE", help_heading = "Messages")]
    pub timezone: Option<String>,

    /// How many of the last notifications the relay keeps, secrets masked, to try templates on; 0 keeps none [default: 20].
    #[arg(
        long,
        value_name = "COUNT",
        env = "RELAY_RECORD_NOTIFICATIONS",
        help_heading = "Messages"
    )]
    pub record_notifications: Option<String>,

    /// Folder of the outbox [default: data].
    #[arg(long, value_name = "DIR", env = "RELAY_DATA_DIR", help_heading = "Delivery")]
    pub data_dir: Option<String>,

    /// Keep the outbox in PostgreSQL instead (`postgres://user:password@host/database`), for several relays.
    #[arg(long, value_name = "URL", env = "RELAY_DATABASE_URL", value_parser = hidden, help_heading = "Delivery")]
    pub database_url: Option<SecretString>,

    /// File that holds the database URL.
    #[arg(
        long,
        value_name = "FILE",
        env = "RELAY_DATABASE_URL_FILE",
        help_heading = "Delivery"
    )]
    pub database_url_file: Option<String>,

    /// How long the relay retries a delivery while the homeserver fails, from its first attempt on [default: 24h].
    #[arg(
        long,
        value_name = "DURATION",
        env = "RELAY_RETRY_HORIZON",
        help_heading = "Delivery"
    )]
    pub retry_horizon: Option<String>,

    /// More waiting notifications than this in one room become one digest message [default: 10].
    #[arg(
        long,
        value_name = "COUNT",
        env = "RELAY_DIGEST_THRESHOLD",
        help_heading = "Delivery"
    )]
    pub digest_threshold: Option<String>,

    /// How long the oldest of them has to wait before they become a digest [default: 3s].
    #[arg(long, value_name = "DURATION", env = "RELAY_DIGEST_AFTER", help_heading = "Delivery")]
    pub digest_after: Option<String>,

    /// Within this time the relay recognises the same notification and does not send it twice [default: 90s].
    #[arg(
        long,
        value_name = "DURATION",
        env = "RELAY_REPEAT_WINDOW",
        help_heading = "Delivery"
    )]
    pub repeat_window: Option<String>,

    /// How long delivered messages stay in the outbox [default: 7d].
    #[arg(
        long,
        value_name = "DURATION",
        env = "RELAY_KEEP_DELIVERED",
        help_heading = "Delivery"
    )]
    pub keep_delivered: Option<String>,

    /// How long the relay remembers an alert group after its last notification; not shorter than the retry horizon and the
    /// repeat window [default: 30d].
    #[arg(long, value_name = "DURATION", env = "RELAY_KEEP_GROUPS", help_heading = "Delivery")]
    pub keep_groups: Option<String>,

    /// Whether to log JSON in the Elastic Common Schema instead of text [default: off]. `RUST_LOG` sets the level [default:
    /// info].
    #[arg(long, value_name = "on|off", env = "ECS_LOGGING", alias = "ecs_logging", num_args = 0..=1, require_equals = true, default_missing_value = "on", help_heading = "Logging")]
    pub ecs_logging: Option<String>,

    /// What was put right in the environment before it was read.
    #[arg(skip)]
    pub remarks: Vec<Remark>,
}

impl Flags {
    /// Whether log lines are JSON; needed before anything else can be reported.
    pub fn ecs(&self) -> bool {
        self.ecs_logging.as_deref().and_then(on_or_off).unwrap_or(false)
    }

    /// A secret that was given as a flag beats the file that a variable names, and a file that was given as a flag beats
    /// the secret in a variable. Two variables, or two flags, stay a contradiction.
    pub fn let_flags_win(&mut self, matches: &ArgMatches) {
        for pair in self.secrets() {
            let from = |name| matches.value_source(name);
            match (from(pair.name), from(pair.file_name)) {
                (Some(ValueSource::CommandLine), Some(ValueSource::EnvVariable)) => *pair.file = None,
                (Some(ValueSource::EnvVariable), Some(ValueSource::CommandLine)) => *pair.value = None,
                _ => {}
            }
        }
    }

    fn secrets(&mut self) -> [SecretPair<'_>; 10] {
        let auth = &mut self.auth;
        macro_rules! pair {
            ($owner:expr, $value:ident, $file:ident) => {
                SecretPair {
                    name: stringify!($value),
                    file_name: stringify!($file),
                    value: &mut $owner.$value,
                    file: &mut $owner.$file,
                }
            };
        }
        [
            pair!(self, access_token, access_token_file),
            pair!(self, recovery_key, recovery_key_file),
            pair!(self, hook_url, hook_url_file),
            pair!(self, relay_token, relay_token_file),
            pair!(self, database_url, database_url_file),
            pair!(auth, basic_auth, basic_auth_file),
            pair!(auth, hmac_secret, hmac_secret_file),
            pair!(auth, page_auth, page_auth_file),
            pair!(auth, page_token, page_token_file),
            pair!(auth, metrics_token, metrics_token_file),
        ]
    }
}

/// A secret and the file that may hold it instead.
struct SecretPair<'a> {
    name: &'static str,
    file_name: &'static str,
    value: &'a mut Option<SecretString>,
    file: &'a mut Option<String>,
}
