//! What the relay says about itself: log lines for people or for Elasticsearch, and metrics for Prometheus.
//!
//! Guarantees: no request body, token or URL with a secret is given to it; log lines go to standard error, so that
//! commands may print to standard output.

mod ecs;
pub mod metrics;

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging; the level comes from `RUST_LOG`, `info` if it is unset. Later calls change nothing.
pub fn init(ecs: bool) {
    // SQL statements of the driver and its slow-query warnings help no operator.
    let quiet = "info,sqlx=warn,poem=warn,hyper=warn,reqwest=warn";
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // A second subscriber in one process can only be a test's.
    let _ = if ecs {
        registry.with(layer.event_format(ecs::Ecs)).try_init()
    } else {
        use io::IsTerminal as _;
        registry
            .with(layer.with_target(false).with_ansi(io::stderr().is_terminal()))
            .try_init()
    };
}
