//! The settings of delivery, as text.

use clap::Args;
use secrecy::SecretString;

use super::hidden;

/// Where what was accepted waits, and for how long it is tried. Unparsed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Delivery")]
pub struct DeliveryFlags {
    /// Folder of the outbox and of the keys for encrypted rooms. It has to survive restarts: accepted notifications wait there.
    #[arg(long, value_name = "DIR", env = "RELAY_DATA_DIR", default_value = "data")]
    pub data_dir: Option<String>,

    /// Keep the outbox in PostgreSQL instead, for two or more relays behind a load balancer.
    ///
    /// Example: `postgres://relay:password@db.example.org/relay`
    #[arg(long, value_name = "URL", env = "RELAY_DATABASE_URL", value_parser = hidden)]
    pub database_url: Option<SecretString>,

    /// File that holds the database URL.
    ///
    /// Example: `/run/secrets/database_url`
    #[arg(long, value_name = "FILE", env = "RELAY_DATABASE_URL_FILE")]
    pub database_url_file: Option<String>,

    /// How long the relay retries a delivery while the homeserver fails, from its first attempt on. Time in which the relay was
    /// off does not count.
    #[arg(long, value_name = "DURATION", env = "RELAY_RETRY_HORIZON", default_value = "24h")]
    pub retry_horizon: Option<String>,

    /// More waiting notifications than this in one room become one digest message.
    #[arg(long, value_name = "COUNT", env = "RELAY_DIGEST_THRESHOLD", default_value = "10")]
    pub digest_threshold: Option<String>,

    /// How long the oldest of them has to wait before they become a digest.
    #[arg(long, value_name = "DURATION", env = "RELAY_DIGEST_AFTER", default_value = "3s")]
    pub digest_after: Option<String>,

    /// Within this time the relay recognises the same notification (a retry, a second Grafana) and sends it once. Keep it below
    /// the repeat interval of your notification policies.
    #[arg(long, value_name = "DURATION", env = "RELAY_REPEAT_WINDOW", default_value = "90s")]
    pub repeat_window: Option<String>,

    /// How long delivered messages stay in the outbox.
    #[arg(long, value_name = "DURATION", env = "RELAY_KEEP_DELIVERED", default_value = "7d")]
    pub keep_delivered: Option<String>,

    /// How long the relay remembers an alert group after its last notification; not shorter than the retry horizon and the
    /// repeat window.
    #[arg(long, value_name = "DURATION", env = "RELAY_KEEP_GROUPS", default_value = "30d")]
    pub keep_groups: Option<String>,
}
