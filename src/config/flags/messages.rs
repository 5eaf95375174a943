//! The settings of messages, as text.

use clap::Args;

/// How messages read. Unparsed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Messages")]
pub struct MessageFlags {
    /// Folder of your templates; templates that are missing there come from the binary.
    #[arg(long, value_name = "DIR", env = "RELAY_TEMPLATES_DIR", default_value = "templates")]
    pub templates_dir: Option<String>,

    /// Template that renders notifications, without `.md.j2`.
    #[arg(long, value_name = "NAME", env = "RELAY_TEMPLATE", default_value = "alert")]
    pub default_template: Option<String>,

    /// What later notifications of an alert group do to the message of the first: `live` edits it and adds a line to its
    /// thread, `thread` only adds the line, `new` sends a message each time.
    #[arg(long, value_name = "MODE", env = "RELAY_MESSAGE_MODE", default_value = "live")]
    pub message_mode: Option<String>,

    /// Whether a notification without anything new adds a quiet line to the thread.
    #[arg(long, value_name = "on|off", env = "RELAY_REMINDERS", default_value = "off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub reminders: Option<String>,

    /// Language of messages: `en`, `de`, or one of your own `words.toml` beside the templates. A route may have its own.
    #[arg(long, value_name = "LANGUAGE", env = "RELAY_LANGUAGE", default_value = "en")]
    pub language: Option<String>,

    /// The zone of the system, where `RELAY_TIMEZONE` is not set.
    #[arg(long = "system-timezone", env = "TZ", hide = true)]
    pub system_timezone: Option<String>,

    /// Time zone of the times in messages; without it, that of `TZ`, or else UTC. A route may have its own.
    ///
    /// Example: `Europe/Berlin`
    #[arg(long, value_name = "ZONE", env = "RELAY_TIMEZONE")]
    pub timezone: Option<String>,

    /// How many of the last notifications the relay keeps, secrets masked, to try templates on; 0 keeps none.
    #[arg(long, value_name = "COUNT", env = "RELAY_RECORD_NOTIFICATIONS", default_value = "20")]
    pub record_notifications: Option<String>,
}
