//! What is logged, as `RELAY_LOG` says it, or `RUST_LOG`.
//!
//! Guarantees: a word that is no level is an error that names it. The filter's own reading takes it for the name of a part
//! of the program, and silences everything else.

use std::fmt;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The relay's own variable.
pub(super) const VARIABLE: &str = "RELAY_LOG";
/// The variable of all programs that log in this way, where the relay's own is unset.
pub(super) const INHERITED: &str = EnvFilter::DEFAULT_ENV;
/// SQL statements of the driver and its slow-query warnings help no operator; that a certificate is refused is said by the
/// client of the homeserver, with what to do; the library of the encryption warns of what is usual here. What ends the program is always shown.
const BASE: &str = "sqlx=warn,poem=warn,hyper=warn,reqwest=warn,rustls_platform_verifier=off,matrix_sdk_crypto=error,\
                    matrix_sdk_sqlite=error,grafana_matrix_relay::fatal=error";
const KNOWN: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// Characters of a value that are repeated in an error.
const SHOWN: usize = 60;

/// Why a level cannot be used; the first field is the name of the variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterError {
    /// A word in the place of a level is none.
    Level(&'static str, String),
    /// It cannot be read as a whole.
    Form(&'static str, String),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(variable, word) => write!(
                f,
                "invalid {variable}: `{word}` is no level (expected one of {}; for one part of the program: part=level, such \
                 as grafana_matrix_relay=debug)",
                KNOWN.join(", ")
            ),
            Self::Form(variable, reason) => write!(
                f,
                "invalid {variable}: {reason} (expected a level, or part=level separated by commas, such as \
                 info,grafana_matrix_relay=debug)"
            ),
        }
    }
}

impl std::error::Error for FilterError {}

/// The filter that a value asks for. An empty value counts as unset; the filter's own reading of it would silence all but
/// errors.
pub(super) fn read(variable: &'static str, text: Option<&str>) -> Result<EnvFilter, FilterError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(usual());
    };
    let mut filter = BASE.to_owned();
    // What the operator names comes last and so goes before.
    for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        let level = level(directive);
        if level.is_empty() || level.parse::<LevelFilter>().is_err() {
            return Err(FilterError::Level(variable, shown(level)));
        }
        filter.push(',');
        filter.push_str(directive);
    }
    EnvFilter::try_new(filter).map_err(|error| FilterError::Form(variable, shown(&error.to_string())))
}

/// The filter where nothing is asked for.
pub(super) fn usual() -> EnvFilter {
    EnvFilter::new(format!("{BASE},info"))
}

/// What stands in the place of the level: a directive without one is a level alone.
fn level(directive: &str) -> &str {
    let after_span = directive.rfind(']').map_or(0, |at| at + 1);
    match directive[after_span..].rsplit_once('=') {
        Some((_, level)) => level.trim(),
        None => directive,
    }
}

fn shown(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_level_is_the_usual_one_and_a_named_part_goes_before() {
        let usual = read(VARIABLE, None).unwrap().to_string();
        assert!(usual.contains("info"), "{usual}");
        for text in ["", " "] {
            assert_eq!(read(VARIABLE, Some(text)).unwrap().to_string(), usual, "{text:?}");
        }
        // The order of a filter's directives is its own.
        let chosen = read(VARIABLE, Some("debug, sqlx=debug")).unwrap().to_string();
        let directives: Vec<&str> = chosen.split(',').collect();
        for directive in ["debug", "sqlx=debug", "poem=warn"] {
            assert!(directives.contains(&directive), "{chosen}");
        }
        assert!(!directives.contains(&"sqlx=warn"), "{chosen}");
    }

    #[test]
    fn what_is_no_level_is_named() {
        for (text, word) in [
            ("warning", "warning"),
            ("relay=loud", "loud"),
            ("info,sqlx", "sqlx"),
            ("sqlx=", ""),
            ("a[span{x=1}]=verbose", "verbose"),
        ] {
            assert_eq!(
                read(VARIABLE, Some(text)).unwrap_err(),
                FilterError::Level(VARIABLE, word.to_owned()),
                "{text}"
            );
        }
        for text in ["off", "WARN", "2", "info,a[span{x=1}]=debug", "a::b=trace,,"] {
            read(VARIABLE, Some(text)).unwrap();
        }
    }
}
