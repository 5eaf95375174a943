//! Filters for what is measured: durations, times, numbers with units.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, Value};

use super::formats::{LONGEST_FORMAT, check_format, named};
use super::numbers::unknown_argument;
use super::operators::{as_number, not_a};
use super::units::with_unit;
use super::{invalid, is_empty};
use crate::render::cost::{check, text};
use crate::render::values::Moment;
use crate::render::words::spoken;
use crate::render::zones;

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
    let number = as_number(seconds).ok_or_else(|| not_a("number of seconds", seconds))?;
    Ok(duration_text(number))
}

pub(crate) fn duration_text(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and a third of eternity is long enough"
    )]
    let seconds = seconds.round().max(0.0) as i64;
    let words = spoken();
    let one = |unit: &str, count: i64| words.say(unit, &[("count", &count)]);
    let two = |large: String, unit: &str, small: i64| match small {
        0 => large,
        _ => format!("{large} {}", one(unit, small)),
    };
    match seconds {
        0..60 => one("seconds", seconds),
        60..3600 => one("minutes", seconds / 60),
        3600..86_400 => two(one("hours", seconds / 3600), "minutes", seconds % 3600 / 60),
        _ => two(one("days", seconds / 86_400), "hours", seconds % 86_400 / 3600),
    }
}

/// A point in time in the usual format, with its zone.
pub(crate) fn time_text(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (here, words) = (at.to_zoned(zone.clone()), spoken());
    let today = now.to_zoned(zone.clone()).date() == here.date();
    let format = format!("{} %Z", words.get(if today { "clock" } else { "date_and_clock" }));
    let written = jiff::fmt::strtime::format(named(&format, &here, &words), &here);
    written.unwrap_or_else(|_| at.to_string())
}

/// A point in time as "09:14 UTC", with the date in front if that is not today; or in a format of one's own.
fn time(value: &Value, format: Option<&Value>, kwargs: Kwargs) -> Result<String, Error> {
    let zone: Option<Value> = kwargs.get("tz")?;
    let names_zone = kwargs.get::<Option<bool>>("zone")?.unwrap_or(true);
    unknown_argument("time", &kwargs, "a format, `tz` and `zone`")?;
    // Ansible's `strftime` has it the other way round.
    let is_reversed = format.is_some_and(|other| other.as_str().is_none()) && value.as_str().is_some();
    let (value, format) = match format {
        Some(other) if is_reversed => (other, Some(value)),
        format => (value, format),
    };
    if is_empty(value) {
        return Ok(String::new());
    }
    let moment = value.downcast_object_ref::<Moment>();
    let at = match (moment, as_number(value)) {
        (Some(moment), _) => moment.at,
        (None, Some(seconds)) => Moment::at_second(seconds).ok_or_else(|| not_a("time", value))?,
        (None, None) => text(value)?.parse::<Timestamp>().map_err(|_| not_a("time", value))?,
    };
    if zone.as_ref().is_some_and(Value::is_undefined) {
        return Err(invalid(
            "`tz` is given a name that is not defined (expected a text such as \"Europe/Berlin\")",
        ));
    }
    let zone = match (zone.filter(|zone| !is_empty(zone)), moment) {
        (Some(name), _) => zones::find(&text(&name)?).map_err(invalid)?,
        (None, Some(moment)) => moment.zone.clone(),
        (None, None) => TimeZone::UTC,
    };
    let here = at.to_zoned(zone.clone());
    let today = moment.is_some_and(|moment| moment.now.to_zoned(zone).date() == here.date());
    let words = spoken();
    let format = if let Some(format) = format.filter(|format| !is_empty(format)) {
        let format = format.as_str().ok_or_else(|| not_a("time format", format))?;
        if format.len() > LONGEST_FORMAT {
            return Err(invalid(format!("a time format of more than {LONGEST_FORMAT} bytes")));
        }
        check_format(format).map_err(invalid)?;
        format.to_owned()
    } else {
        let format = words.get(if today { "clock" } else { "date_and_clock" });
        format!("{format}{}", if names_zone { " %Z" } else { "" })
    };
    jiff::fmt::strtime::format(named(&format, &here, &words), &here)
        .map_err(|error| invalid(format!("invalid time format: {error} (expected fields such as %H:%M)")))
}

/// `value | number`, `value | number("bytes")`, `value | number(" req/s", 0)`, `value | number(2)`.
fn number(value: &Value, unit: Option<&Value>, decimals: Option<usize>, kwargs: Kwargs) -> Result<String, Error> {
    const MOST_DECIMALS: usize = 12;
    let given = decimals.or(kwargs.get("decimals")?);
    unknown_argument("number", &kwargs, "a unit, and `decimals`")?;
    let (unit, decimals) = match unit {
        Some(first) if first.is_number() => ("", given.or(first.as_usize())),
        Some(unit) if !is_empty(unit) => (unit.as_str().ok_or_else(|| not_a("unit", unit))?, given),
        _ => ("", given),
    };
    if is_empty(value) {
        return Ok(String::new());
    }
    let number = as_number(value).ok_or_else(|| not_a("number", value))?;
    check(unit)?;
    Ok(with_unit(
        number,
        unit,
        decimals.map(|decimals| decimals.min(MOST_DECIMALS)),
    ))
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
}
