//! The settings of the log, as text.

use clap::Args;

/// What is logged, and in which form. Unparsed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogFlags {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace` or `off`, or `part=level` for a part of the program, separated by
    /// commas. An error that ends the program is always logged. Where this is unset, the relay reads `RUST_LOG`.
    #[arg(long, value_name = "LEVEL", env = "RELAY_LOG", default_value = "info")]
    pub log: Option<String>,

    /// Form of the log lines: `text` for people, `json` with a field for each fact, or `ecs`, which is JSON in the Elastic Common
    /// Schema.
    #[arg(long, value_name = "FORMAT", env = "RELAY_LOG_FORMAT", default_value = "text")]
    pub log_format: Option<String>,

    /// Whether the form is `ecs` where `RELAY_LOG_FORMAT` is unset: the name of this setting in the original relay.
    #[arg(long, value_name = "on|off", env = "ECS_LOGGING", default_value = "off", alias = "ecs_logging", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub ecs_logging: Option<String>,
}
