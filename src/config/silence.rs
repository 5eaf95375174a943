//! The flags and variables of the heartbeat and of the dead-man's switch.

use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::flags::hidden;
use super::value::{Values, given, name, secret};
use crate::silence::{DeadManSettings, HeartbeatSettings, Settings};

/// Unparsed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Silence")]
pub struct SilenceFlags {
    /// URL that the relay calls each minute while it is well, for a monitor outside that notices when no call comes
    /// (healthchecks.io, Uptime Kuma). It is a secret.
    ///
    /// Example: `https://hc-ping.com/…`
    #[arg(long, value_name = "URL", env = "RELAY_HEARTBEAT_URL", value_parser = hidden)]
    pub heartbeat_url: Option<SecretString>,

    /// File that holds this URL.
    ///
    /// Example: `/run/secrets/heartbeat_url`
    #[arg(long, value_name = "FILE", env = "RELAY_HEARTBEAT_URL_FILE")]
    pub heartbeat_url_file: Option<String>,

    /// Room that the homeserver writes to when it gets no sign of life from the relay. It has to support delayed events (Synapse:
    /// `max_event_delay_duration`).
    ///
    /// Example: `#oncall:example.org`
    #[arg(long, value_name = "ROOM", env = "RELAY_DEAD_MAN_ROOM")]
    pub dead_man_room: Option<String>,

    /// How long the homeserver waits for a sign of life before it writes to that room.
    #[arg(long, value_name = "DURATION", env = "RELAY_DEAD_MAN_AFTER", default_value = "10m")]
    pub dead_man_after: Option<String>,
}

/// What is shorter leaves no time to push it back.
const LEAST: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_hours(24);

pub(super) fn settings(flags: &SilenceFlags, values: &mut Values) -> Settings {
    let url = values.secret(secret!(flags.heartbeat_url, heartbeat_url_file));
    let heartbeat = url.map(|url| HeartbeatSettings { url });
    if let Some(Err(error)) = heartbeat.as_ref().map(HeartbeatSettings::check) {
        values.unusable(name!(heartbeat_url), error);
    }
    let after = values.duration(given!(flags.dead_man_after));
    if !(LEAST..=MOST).contains(&after) {
        values.unusable(name!(dead_man_after), "too short or too long (expected 5s to 24h)");
    }
    let room = values.optional(given!(flags.dead_man_room));
    Settings {
        heartbeat,
        dead_man: room.map(|room| DeadManSettings { room, after }),
    }
}
