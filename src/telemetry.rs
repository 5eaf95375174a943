//! What the relay says about itself: log lines for people or for Elasticsearch, and metrics for Prometheus.
//!
//! Guarantees: no request body, token or URL with a secret is given to it; what others wrote (a group key) cannot break a
//! line or pretend to be one; log lines go to standard error, so that commands may print to standard output. What ends the
//! program is shown whatever the level is.

mod ecs;
mod fields;
mod filter;
mod human;
mod json;
pub mod metrics;
mod spans;

use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use std::sync::LazyLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use self::filter::FilterError;

/// The target of an error that ends the program. No level hides it, since nothing else would say why the program is gone.
/// No module may have a name that begins so.
pub const FATAL: &str = "grafana_matrix_relay::fatal";

/// The commit that the program was built from, where the build knew it.
pub const REVISION: Option<&str> = option_env!("RELAY_REVISION");

/// The version for people, with the commit where it is known.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let version = env!("CARGO_PKG_VERSION");
        REVISION.map_or_else(|| version.to_owned(), |commit| format!("{version} ({commit})"))
    });
    &VERSION
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A flat JSON object each.
    Json,
    /// JSON in the Elastic Common Schema.
    Ecs,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "ecs" => Ok(Self::Ecs),
            _ => Err("no such form of log lines (expected text, json or ecs)".to_owned()),
        }
    }
}

/// Starts logging. The level is `asked`, or that of `RUST_LOG`, or `info`. Later calls change nothing. A level that cannot be used is
/// the error; `info` holds then, so that the error can be logged.
pub fn init(format: LogFormat, asked: Option<&str>) -> Result<(), FilterError> {
    let asked = asked.filter(|level| !level.trim().is_empty());
    let inherited = std::env::var(filter::INHERITED).ok();
    let (name, level) = match asked {
        Some(_) => (filter::VARIABLE, asked),
        None => (filter::INHERITED, inherited.as_deref()),
    };
    let (filter, result) = match filter::read(name, level) {
        Ok(filter) => (filter, Ok(())),
        Err(error) => (filter::usual(), Err(error)),
    };
    let registry = tracing_subscriber::registry().with(filter).with(spans::KeepFields);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // A second subscriber in one process can only be a test's.
    let _ = match format {
        LogFormat::Ecs => registry.with(layer.event_format(json::Json(ecs::line))).try_init(),
        LogFormat::Json => registry.with(layer.event_format(json::Json(json::line))).try_init(),
        LogFormat::Text => registry
            .with(
                layer
                    .event_format(human::Human)
                    .fmt_fields(human::Human)
                    .with_ansi(io::stderr().is_terminal()),
            )
            .try_init(),
    };
    result
}
