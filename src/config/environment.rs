//! The environment as others set it: what Docker, Kubernetes and a slip of the finger put there.
//!
//! Guarantees: quotes that stayed round a value are taken off and named; what Kubernetes sets for a Service is no setting of
//! ours; a name that looks like one of ours and is none is named with the nearest that is. Values are never shown.

use super::declared;
use crate::render::nearest;

/// The prefixes of all settings of ours, but for `ECS_LOGGING`.
const PREFIXES: [&str; 2] = ["RELAY_", "MATRIX_"];

/// Something about the environment that somebody should know, and that stops nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Whether it is a warning: something is hardly as it was meant.
    pub is_warning: bool,
    /// What it is and what to do.
    pub line: String,
}

/// The variables that are settings, in the order of the help.
pub fn known() -> Vec<String> {
    declared::all().iter().map(|setting| setting.variable.clone()).collect()
}

/// Puts right what is known to be set by others, before any other thread exists and before anything reads it.
pub fn put_right() -> Vec<Remark> {
    let mut remarks = Vec::new();
    for name in known().iter().map(String::as_str).chain(["RUST_LOG"]) {
        let Ok(value) = std::env::var(name) else { continue };
        let (meant, remark) = match reading(name, &value) {
            Reading::AsIs => continue,
            Reading::Quoted(inside) => (
                inside,
                Remark {
                    is_warning: true,
                    line: format!(
                        "{name} stands in quotes, which are taken off: `docker run --env-file` keeps them, so leave them out \
                         there"
                    ),
                },
            ),
            Reading::OfKubernetes => (
                "",
                Remark {
                    is_warning: false,
                    line: format!(
                        "{name} is set by Kubernetes for a Service of that name, and is ignored: set `enableServiceLinks: \
                         false` in the pod's specification to set it yourself"
                    ),
                },
            ),
        };
        set(name, meant);
        remarks.push(remark);
    }
    remarks
}

/// What a value is, as it was set.
#[derive(Debug, PartialEq, Eq)]
enum Reading<'v> {
    AsIs,
    Quoted(&'v str),
    OfKubernetes,
}

fn reading<'v>(name: &str, value: &'v str) -> Reading<'v> {
    let value = value.trim();
    if name.ends_with("_PORT") && is_service_address(value) {
        return Reading::OfKubernetes;
    }
    unquoted(value).map_or(Reading::AsIs, Reading::Quoted)
}

/// What stands in a pair of quotes that is all of a value.
pub(super) fn unquoted(value: &str) -> Option<&str> {
    let value = value.trim();
    let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\''))
}

/// `tcp://10.43.126.100:9042`, as Kubernetes and links of Docker write it.
fn is_service_address(value: &str) -> bool {
    let address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme));
    address.is_some_and(|address| address.contains(':'))
}

/// Sets a variable of this process. The standard library's way is `unsafe`, for other threads may read meanwhile; there are
/// none yet.
fn set(name: &str, value: &str) {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '$') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    // A value that cannot be written so stays as it was, and is judged as that.
    drop(dotenvy::from_read_override(
        format!("{name}=\"{escaped}\"\n").as_bytes(),
    ));
}

/// The names in the environment that look like settings and are none; `used` are those that the routes file reads.
pub fn unknown(used: &[String]) -> Vec<Remark> {
    let known = known();
    let names = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let mut unknown: Vec<String> = names
        .filter(|(name, value)| is_unknown(name, &value.to_string_lossy(), &known))
        .map(|(name, _)| name)
        .filter(|name| !used.contains(name))
        .collect();
    unknown.sort();
    let remark = |name: &String| Remark {
        is_warning: true,
        line: match near(name, &known) {
            Some(near) => format!("unknown variable {name}: the relay ignores it; did you mean {near}?"),
            None => format!("unknown variable {name}: the relay ignores it; `serve --help` lists the settings"),
        },
    };
    unknown.iter().map(remark).collect()
}

fn is_unknown(name: &str, value: &str, known: &[String]) -> bool {
    let is_ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    is_ours && !known.iter().any(|one| one == name) && !is_of_kubernetes(name, value)
}

/// Whether it is what Kubernetes sets in each pod for a Service: `RELAY_SERVICE_HOST`, `RELAY_PORT_9042_TCP_ADDR`, and the same
/// for one called `relay-db`.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return true;
    }
    if name.ends_with("_PORT") && is_service_address(value) {
        return true;
    }
    let Some((_, port)) = name.rsplit_once("_PORT_") else {
        return false;
    };
    let (number, protocol) = port.split_once('_').unwrap_or((port, ""));
    let is_protocol = ["TCP", "UDP", "SCTP"].iter().any(|known| {
        let rest = protocol.strip_prefix(known);
        rest.is_some_and(|rest| ["", "_PROTO", "_PORT", "_ADDR"].contains(&rest))
    });
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && is_protocol
}

/// The setting that was probably meant.
fn near<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    let (prefix, rest) = PREFIXES
        .iter()
        .find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)))?;
    let of = |prefix: &'static str| {
        known
            .iter()
            .filter_map(move |one| one.strip_prefix(prefix).map(|rest| (one.as_str(), rest)))
    };
    let whole = |near: &str| of(prefix).find(|(_, one)| *one == near).map(|(name, _)| name);
    nearest(rest, &mut of(prefix).map(|(_, one)| one))
        .and_then(whole)
        .or_else(|| {
            let (front, back) = (format!("{rest}_"), format!("_{rest}"));
            let (name, _) = of(prefix).find(|(_, one)| one.ends_with(&back) || one.starts_with(&front))?;
            Some(name)
        })
        .or_else(|| {
            let mut others = PREFIXES.into_iter().flat_map(of);
            others.find(|(_, one)| *one == rest).map(|(name, _)| name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_leads_to_the_one_that_was_meant() {
        let known = known();
        for (name, meant) in [
            ("RELAY_TOKN", Some("RELAY_TOKEN")),
            ("RELAY_TIMEZON", Some("RELAY_TIMEZONE")),
            ("MATRIX_HOMESERVER_URL", Some("MATRIX_HOME_SERVER_URL")),
            ("MATRIX_TOKEN", Some("MATRIX_ACCESS_TOKEN")),
            ("MATRIX_ROOM", Some("MATRIX_DEFAULT_ROOM")),
            ("RELAY_DEFAULT_ROOM", Some("MATRIX_DEFAULT_ROOM")),
            ("RELAY_COLOUR", None),
        ] {
            assert!(is_unknown(name, "x", &known), "{name}");
            assert_eq!(near(name, &known), meant, "{name}");
        }
        assert!(!is_unknown("RELAY_TOKEN", "x", &known) && !is_unknown("TOKEN", "x", &known));
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_not_ours() {
        let known = known();
        for service in ["RELAY", "RELAY_POSTGRES", "MATRIX", "MATRIX_SYNAPSE"] {
            for (name, value) in [
                ("SERVICE_HOST", "10.0.0.1"),
                ("SERVICE_PORT", "9042"),
                ("SERVICE_PORT_HTTP", "9042"),
                ("PORT", "tcp://10.0.0.1:9042"),
                ("PORT_9042_TCP", "tcp://10.0.0.1:9042"),
                ("PORT_9042_TCP_PROTO", "tcp"),
                ("PORT_9042_TCP_PORT", "9042"),
                ("PORT_53_UDP_ADDR", "10.0.0.1"),
            ] {
                assert!(
                    !is_unknown(&format!("{service}_{name}"), value, &known),
                    "{service}_{name}"
                );
            }
        }
        assert_eq!(reading("RELAY_PORT", "tcp://10.0.0.1:9042"), Reading::OfKubernetes);
        assert_eq!(reading("RELAY_PORT", "9042"), Reading::AsIs);
        for name in ["RELAY_PORTS", "RELAY_PORT_TCP", "RELAY_PORT_9042", "MATRIX_PORT"] {
            assert!(is_unknown(name, "9042", &known), "{name}");
        }
    }

    #[test]
    fn a_pair_of_quotes_is_taken_off() {
        assert_eq!(reading("X", "\"syt_quoted\""), Reading::Quoted("syt_quoted"));
        assert_eq!(reading("X", " 'a\"b' "), Reading::Quoted("a\"b"));
        for as_is in ["a", "\"a", "a'", "\"", "'", "", "'a\""] {
            assert_eq!(reading("X", as_is), Reading::AsIs, "{as_is}");
        }
    }
}
