//! Filters that people know from elsewhere: Ansible's, and those of Prometheus' templates, by their names there.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use std::collections::BTreeMap;

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::operators::{as_number, kind_of, not_a};
use super::units::marked;
use super::{invalid, is_empty};
use crate::render::cost::{self, text};

/// Other names for filters that are there.
const OTHER_NAMES: [(&str, &str); 7] = [
    ("toUpper", "upper"),
    ("toLower", "lower"),
    ("trimSpace", "trim"),
    ("to_json", "tojson"),
    ("strftime", "time"),
    ("humanizeTimestamp", "time"),
    ("sort_by_severity", "sort_severity"),
];

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter(
        "ternary",
        |value: &Value, yes: Value, no: Value, none: Option<Value>| match none {
            Some(none) if is_empty(value) => none,
            _ if value.is_true() => yes,
            _ => no,
        },
    );
    env.add_filter("combine", combine);
    env.add_filter("wordwrap", wordwrap);
    env.add_filter("humanize", |value: &Value| humanized(value, 1000.0));
    env.add_filter("humanize1024", |value: &Value| humanized(value, 1024.0));
    env.add_filter("humanizePercentage", |value: &Value| {
        Ok::<_, Error>(number(value)?.map_or_else(String::new, |number| format!("{}%", four_digits(number * 100.0))))
    });
    env.add_filter("humanizeDuration", |value: &Value| {
        Ok::<_, Error>(number(value)?.map_or_else(String::new, duration))
    });
    env.add_filter("stripPort", |value: &Value| {
        Ok::<_, Error>(without_port(&text(value)?).to_owned())
    });
    env.add_filter("stripDomain", |value: &Value| {
        let address = text(value)?;
        let (host, port) = address.split_at(without_port(&address).len());
        let is_ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        let name = if is_ip {
            host
        } else {
            host.split('.').next().unwrap_or(host)
        };
        Ok::<_, Error>(format!("{name}{port}"))
    });
    for (name, known) in OTHER_NAMES {
        env.add_filter(name, move |state: &mut State<'_, '_>, arguments: Rest<Value>| {
            state.apply_filter(known, &arguments)
        });
    }
}

/// `labels | combine({"team": "db"})`: what comes later counts.
fn combine(state: &State<'_, '_>, first: &Value, others: Rest<Value>) -> Result<Value, Error> {
    let mut all = BTreeMap::new();
    for value in std::iter::once(first)
        .chain(others.iter())
        .filter(|value| !is_empty(value))
    {
        if value.kind() != ValueKind::Map {
            return Err(invalid(format!(
                "`combine` takes names with values, not a {}",
                kind_of(value)
            )));
        }
        for name in value.try_iter()? {
            state.consume_fuel(1)?;
            let item = value.get_item(&name)?;
            all.insert(name, item);
        }
    }
    Ok(Value::from_pairs(all))
}

/// `wordwrap(40)`: in lines of at most so many characters.
fn wordwrap(state: &State<'_, '_>, value: &Value, width: Option<usize>, kwargs: Kwargs) -> Result<Value, Error> {
    let given: BTreeMap<String, Value> = kwargs
        .args()
        .map(|name| Ok((name.to_owned(), kwargs.get::<Value>(name)?)))
        .collect::<Result<_, Error>>()?;
    let (value, mark) = (text(value)?, given.get("wrapstring"));
    let mark = mark.map_or(Ok(1), |mark| Ok::<_, Error>(text(mark)?.len()))?;
    // At worst each word is a line.
    cost::pay(state, value.len().saturating_mul(1 + mark))?;
    let width = width.map(|width| ("width".to_owned(), Value::from(width)));
    let arguments: Kwargs = given.into_iter().chain(width).collect();
    minijinja_contrib::filters::wordwrap(&Value::from(value.as_ref()), arguments)
}

/// The number that a value is; nothing where it is missing.
fn number(value: &Value) -> Result<Option<f64>, Error> {
    if is_empty(value) {
        return Ok(None);
    }
    as_number(value).map(Some).ok_or_else(|| not_a("number", value))
}

/// With a prefix, four digits that say something.
fn humanized(value: &Value, step: f64) -> Result<String, Error> {
    let Some(mut number) = number(value)? else {
        return Ok(String::new());
    };
    if number == 0.0 || !number.is_finite() {
        return Ok(four_digits(number));
    }
    let is_binary = step > 1000.0;
    let (large, small) = if is_binary {
        (["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"], [""; 8])
    } else {
        (
            ["k", "M", "G", "T", "P", "E", "Z", "Y"],
            ["m", "u", "n", "p", "f", "a", "z", "y"],
        )
    };
    let mut prefix = "";
    if number.abs() >= 1.0 {
        for next in large {
            if number.abs() < step {
                break;
            }
            number /= step;
            prefix = next;
        }
    } else if !is_binary {
        for next in small {
            if number.abs() >= 1.0 {
                break;
            }
            number *= step;
            prefix = next;
        }
    }
    Ok(format!("{}{prefix}", four_digits(number)))
}

/// As C's `%.4g`, with the decimal mark of the language.
fn four_digits(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return super::number_text(number);
    }
    let scientific = format!("{number:.3e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    marked(if (-4..4).contains(&exponent) {
        let decimals = usize::try_from(3 - exponent).unwrap_or(0);
        trimmed(&format!("{number:.decimals$}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
    })
}

/// As Prometheus writes it: "1d 2h 3m 4s", "12.35s", "120ms".
fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return super::number_text(seconds);
    }
    if seconds == 0.0 {
        return "0s".to_owned();
    }
    if seconds.abs() < 1.0 {
        let (mut value, mut unit) = (seconds, "");
        for next in ["ms", "us", "ns"] {
            value *= 1000.0;
            unit = next;
            if value.abs() >= 1.0 {
                break;
            }
        }
        return format!("{}{unit}", four_digits(value));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    let whole = seconds.abs() as i64;
    let (d, h, m, s) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    if d > 0 {
        format!("{sign}{d}d {h}h {m}m {s}s")
    } else if h > 0 {
        format!("{sign}{h}h {m}m {s}s")
    } else if m > 0 {
        format!("{sign}{m}m {s}s")
    } else {
        format!("{}s", four_digits(seconds))
    }
}

/// `web-1:9100` without `:9100`.
fn without_port(address: &str) -> &str {
    match address.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => address,
    }
}
