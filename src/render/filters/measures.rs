//! Filters for what is measured: durations, times, numbers with units.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, Value};

use super::{invalid, is_empty};
use crate::render::cost::{check, text};
use crate::render::values::Moment;

/// A field of a format can be up to 255 characters wide, so a short one bounds what it makes.
const LONGEST_FORMAT: usize = 200;

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("duration", duration);
    env.add_filter("time", time);
    env.add_filter("number", number);
}

/// Seconds as "38 s", "12 min", "2 h 5 min", "3 d 4 h".
fn duration(seconds: &Value) -> Result<String, Error> {
    if is_empty(seconds) {
        return Ok(String::new());
    }
    let number = f64::try_from(seconds.clone()).map_err(|_| invalid(not_a("number of seconds", seconds)))?;
    Ok(duration_text(number))
}

fn duration_text(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and a third of eternity is long enough"
    )]
    let seconds = seconds.round().max(0.0) as i64;
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// A point in time as "09:14 UTC", with the date in front if that is not today; or in a format of one's own.
fn time(value: &Value, format: Option<&str>, kwargs: Kwargs) -> Result<String, Error> {
    let zone: Option<&str> = kwargs.get("tz")?;
    let names_zone = kwargs.get::<Option<bool>>("zone")?.unwrap_or(true);
    kwargs.assert_all_used()?;
    if is_empty(value) {
        return Ok(String::new());
    }
    let moment = value.downcast_object_ref::<Moment>();
    let at = match moment {
        Some(moment) => moment.at,
        None => text(value)?
            .parse::<Timestamp>()
            .map_err(|_| invalid(not_a("time", value)))?,
    };
    let zone = match (zone, moment) {
        (Some(name), _) => TimeZone::get(name).map_err(|_| invalid("no such time zone"))?,
        (None, Some(moment)) => moment.zone.clone(),
        (None, None) => TimeZone::UTC,
    };
    let here = at.to_zoned(zone.clone());
    let today = moment.is_some_and(|moment| moment.now.to_zoned(zone).date() == here.date());
    if format.is_some_and(|format| format.len() > LONGEST_FORMAT) {
        return Err(invalid(format!("a time format of more than {LONGEST_FORMAT} bytes")));
    }
    let format = format.unwrap_or(match (today, names_zone) {
        (true, true) => "%H:%M %Z",
        (true, false) => "%H:%M",
        (false, true) => "%Y-%m-%d %H:%M %Z",
        (false, false) => "%Y-%m-%d %H:%M",
    });
    jiff::fmt::strtime::format(format, &here).map_err(|error| invalid(format!("time format: {error}")))
}

/// `value | number`, `value | number("bytes")`, `value | number(" req/s", decimals=0)`.
fn number(value: &Value, unit: Option<&str>, kwargs: Kwargs) -> Result<String, Error> {
    let decimals: Option<usize> = kwargs.get("decimals")?;
    kwargs.assert_all_used()?;
    if is_empty(value) {
        return Ok(String::new());
    }
    let number = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    let number = number.ok_or_else(|| invalid(not_a("number", value)))?;
    let unit = unit.unwrap_or("");
    check(unit)?;
    Ok(with_unit(number, unit, decimals.unwrap_or(2).min(12)))
}

/// What a value is not. The value itself is left out: it may be an alert's, and errors are logged and shown in `ready`.
fn not_a(what: &str, value: &Value) -> String {
    match value.as_str() {
        Some(text) => format!("a text of {} characters is not a {what}", text.chars().count()),
        None => format!("a {} is not a {what}", value.kind()),
    }
}

fn with_unit(number: f64, unit: &str, decimals: usize) -> String {
    let scaled = |step: f64, units: &[&str]| {
        let mut rest = number;
        let mut names = units.iter();
        let mut name = names.next().copied().unwrap_or_default();
        while rest.abs() >= step
            && let Some(next) = names.next()
        {
            rest /= step;
            name = next;
        }
        format!("{}{name}", rounded(rest, decimals))
    };
    match unit {
        "percent" | "%" => format!("{} %", rounded(number, decimals)),
        "percentunit" => format!("{} %", rounded(number * 100.0, decimals)),
        "bytes" => scaled(1024.0, &[" B", " KiB", " MiB", " GiB", " TiB", " PiB"]),
        "decbytes" => scaled(1000.0, &[" B", " kB", " MB", " GB", " TB", " PB"]),
        "short" => scaled(1000.0, &["", " k", " M", " G", " T"]),
        "s" if number >= 60.0 => duration_text(number),
        "ms" if number >= 1000.0 => with_unit(number / 1000.0, "s", decimals),
        "s" | "ms" => format!("{} {unit}", rounded(number, decimals)),
        other => format!("{}{other}", rounded(number, decimals)),
    }
}

/// At most so many decimals, without zeros at the end; tiny numbers keep two digits that say something.
pub(super) fn rounded(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return number.to_string();
    }
    if number.abs() >= 1e15 {
        return format!("{number:.decimals$e}");
    }
    let fixed = format!("{number:.decimals$}");
    let short = if fixed.contains('.') {
        fixed.trim_end_matches('0').trim_end_matches('.')
    } else {
        &fixed
    };
    match short {
        "0" | "-0" if number == 0.0 => "0".to_owned(),
        "0" | "-0" if decimals > 0 => format!("{number:.1e}"),
        "-0" => "0".to_owned(),
        _ => short.to_owned(),
    }
}

/// How a number is printed where a template says nothing about it: in full, but `91` and not `91.0`.
pub(crate) fn number_text(number: f64) -> String {
    if number.abs() >= 1e15 {
        format!("{number:e}")
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_what_people_say() {
        let said: Vec<_> = [0.0, 59.4, 60.0, 719.0, 3600.0, 7505.0, 90_000.0, -5.0]
            .map(duration_text)
            .into();
        assert_eq!(
            said,
            ["0 s", "59 s", "1 min", "11 min", "1 h", "2 h 5 min", "1 d 1 h", "0 s"]
        );
    }

    #[test]
    fn numbers_have_units() {
        let cases = [
            (96.4375, "", "96.44"),
            (91.0, "%", "91 %"),
            (0.979, "percentunit", "97.9 %"),
            (1_610_612_736.0, "bytes", "1.5 GiB"),
            (1234.0, "short", "1.23 k"),
            (0.000_123, "", "1.2e-4"),
            (0.0, "", "0"),
            (7505.0, "s", "2 h 5 min"),
            (250.0, "ms", "250 ms"),
            (12.0, " req/s", "12 req/s"),
            (f64::NAN, "", "NaN"),
        ];
        for (number, unit, text) in cases {
            assert_eq!(with_unit(number, unit, 2), text);
        }
    }
}
