//! What the relay says about itself: log lines for people or for Elasticsearch, and metrics for Prometheus.
//!
//! Guarantees: no request body, token or URL with a secret is given to it; what others wrote (a group key) cannot break a
//! line or pretend to be one; log lines go to standard error, so that commands may print to standard output.

mod ecs;
mod fields;
mod human;
pub mod metrics;
mod spans;

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// SQL statements of the driver and its slow-query warnings help no operator.
const QUIET: &str = "sqlx=warn,poem=warn,hyper=warn,reqwest=warn";

/// Starts logging; the level comes from `RUST_LOG`, `info` if it is unset. Later calls change nothing.
pub fn init(ecs: bool) {
    let registry = tracing_subscriber::registry()
        .with(filter(std::env::var(EnvFilter::DEFAULT_ENV).ok().as_deref()))
        .with(spans::KeepFields);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // A second subscriber in one process can only be a test's.
    let _ = if ecs {
        registry.with(layer.event_format(ecs::Ecs)).try_init()
    } else {
        use io::IsTerminal as _;
        registry
            .with(
                layer
                    .event_format(human::Human)
                    .fmt_fields(human::Human)
                    .with_ansi(io::stderr().is_terminal()),
            )
            .try_init()
    };
}

/// An empty variable counts as unset; the filter's own reading of it would silence all but errors.
fn filter(text: Option<&str>) -> EnvFilter {
    let set = text.map(str::trim).filter(|text| !text.is_empty());
    // What the operator names comes last and so goes before.
    set.and_then(|text| EnvFilter::try_new(format!("{QUIET},{text}")).ok())
        .unwrap_or_else(|| EnvFilter::new(format!("{QUIET},info")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_broken_level_is_none() {
        let usual = filter(None).to_string();
        assert!(usual.contains("info"), "{usual}");
        for text in ["", " ", "relay=loud"] {
            assert_eq!(filter(Some(text)).to_string(), usual, "{text:?}");
        }
        // The order of a filter's directives is its own.
        let chosen = filter(Some("debug,sqlx=debug")).to_string();
        let directives: Vec<&str> = chosen.split(',').collect();
        for directive in ["debug", "sqlx=debug", "poem=warn"] {
            assert!(directives.contains(&directive), "{chosen}");
        }
        assert!(!directives.contains(&"sqlx=warn"), "{chosen}");
    }
}
