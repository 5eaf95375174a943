//! Single settings: from text to type, collecting every problem instead of stopping at the first.

mod field;

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};
use secrecy::{ExposeSecret as _, SecretString};

pub(super) use self::field::{Given, Name, Secret};
use super::{ConfigError, declared};
use crate::message::Language;
use crate::render::time_zone;

/// An empty value counts as unset, because that is how a `.env` file leaves a setting out.
pub(super) fn set(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|value| !value.is_empty())
}

/// What `90s`, `24h` or `7d` means; days have 24 hours.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    let exact = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|error| error.to_string())?;
    Duration::try_from(exact).map_err(|_| "it is negative".to_owned())
}

macro_rules! name {
    ($field:ident) => {
        crate::config::value::Name(stringify!($field))
    };
}

macro_rules! given {
    ($flags:ident . $field:ident) => {
        crate::config::value::Given {
            name: crate::config::value::Name(stringify!($field)),
            text: $flags.$field.as_deref(),
        }
    };
    ($flags:ident . $group:ident . $field:ident) => {{
        let group = &$flags.$group;
        crate::config::value::given!(group.$field)
    }};
}

macro_rules! secret {
    ($flags:ident . $group:ident . $field:ident, $file:ident) => {{
        let group = &$flags.$group;
        crate::config::value::secret!(group.$field, $file)
    }};
    ($flags:ident . $field:ident, $file:ident) => {
        crate::config::value::Secret {
            name: crate::config::value::Name(stringify!($field)),
            value: $flags.$field.as_ref(),
            file: $flags.$file.as_deref(),
        }
    };
}

pub(super) use {given, name, secret};

/// Collects problems while settings are read.
#[derive(Default)]
pub(super) struct Values {
    pub(super) problems: Vec<String>,
}

impl Values {
    /// All of them; what two readers of one setting found is said once.
    pub(super) fn error(self) -> ConfigError {
        let mut problems: Vec<String> = Vec::new();
        for problem in self.problems {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        ConfigError { problems }
    }

    /// Says what is wrong with a setting.
    pub(super) fn unusable(&mut self, name: Name, why: impl Display) {
        self.problems.push(format!("invalid {name}: {why}"));
    }

    /// Says that a setting is missing and where to get it.
    pub(super) fn missing(&mut self, name: Name, hint: &str) {
        self.problems.push(format!("missing {name}: expected {hint}"));
    }

    /// A setting that may be left out.
    pub(super) fn optional<T: FromStr<Err: Display>>(&mut self, given: Given<'_>) -> Option<T> {
        let parsed = set(given.text)?.parse();
        parsed.map_err(|error| self.unusable(given.name, error)).ok()
    }

    /// A setting without which nothing can be delivered.
    pub(super) fn required<T: FromStr<Err: Display>>(&mut self, given: Given<'_>, hint: &str) -> Option<T> {
        if set(given.text).is_none() {
            self.missing(given.name, hint);
        }
        self.optional(given)
    }

    /// A duration such as `90s`, `24h` or `7d`, or the declared default.
    pub(super) fn duration(&mut self, given: Given<'_>) -> Duration {
        let default = duration(declared::default(given.name.0));
        self.duration_or(given, default.unwrap_or_default())
    }

    /// A duration such as `90s`, `24h` or `7d`; days have 24 hours.
    pub(super) fn duration_or(&mut self, given: Given<'_>, default: Duration) -> Duration {
        let text = set(given.text).unwrap_or_default();
        let read = if text.is_empty() { None } else { Some(duration(text)) };
        if let Some(Err(error)) = &read {
            let expected = "expected one such as `90s`, `24h` or `7d`";
            self.unusable(
                given.name,
                format!("{} is not a duration ({expected}): {error}", shown(text)),
            );
        }
        read.and_then(Result::ok).unwrap_or(default)
    }

    /// The zone in which messages tell the time: the one that is given, or else the system's `tz`.
    pub(super) fn time_zone(&mut self, given: Given<'_>, tz: Option<&str>) -> TimeZone {
        let Some(zone) = set(given.text) else {
            return system_zone(tz);
        };
        time_zone(zone).unwrap_or_else(|why| {
            self.unusable(given.name, why);
            TimeZone::UTC
        })
    }

    /// The language of messages.
    pub(super) fn language(&mut self, given: Given<'_>) -> Option<Language> {
        self.optional(given)
    }

    /// A whole number that may be left out and has a least value; the most is what its type holds.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, given: Given<'_>, least: u64) -> Option<T> {
        let text = set(given.text)?;
        let number = text.parse::<u64>().ok().filter(|number| *number >= least);
        let number = number.and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            let most = u64::MAX >> (u64::BITS - u64::BITS.min(8 * u32::try_from(size_of::<T>()).unwrap_or(8)));
            let expected = format!("expected a whole number from {least} to {most}");
            self.unusable(given.name, format!("{} is not such a number ({expected})", shown(text)));
        }
        number
    }

    /// A whole number with a least value, or the declared default.
    pub(super) fn count<T: TryFrom<u64> + FromStr + Default>(&mut self, given: Given<'_>, least: u64) -> T {
        let default = || declared::default(given.name.0).parse().unwrap_or_default();
        self.number(given, least).unwrap_or_else(default)
    }

    /// `on` or `off`, or another word for one of them; without any, the declared default.
    pub(super) fn is_on(&mut self, given: Given<'_>) -> bool {
        let default = on_or_off(declared::default(given.name.0));
        self.switch(given).or(default).unwrap_or_default()
    }

    /// `on` or `off`, or another word for one of them.
    pub(super) fn switch(&mut self, given: Given<'_>) -> Option<bool> {
        let text = set(given.text)?;
        let switch = on_or_off(text);
        if switch.is_none() {
            self.unusable(
                given.name,
                format!("{} is neither on nor off (expected {ON_OR_OFF})", shown(text)),
            );
        }
        switch
    }

    /// A secret, given directly or as the path of a file that holds it (a mounted secret).
    pub(super) fn secret(&mut self, given: Secret<'_>) -> Option<SecretString> {
        let secret = self.secret_text(given)?;
        if secret.expose_secret().lines().nth(1).is_some() {
            let (flag, variable) = (given.name.flag(), given.name.variable());
            self.problems.push(format!(
                "invalid {flag} ({variable}, {variable}_FILE): the secret has several lines (expected one)"
            ));
            return None;
        }
        Some(secret)
    }

    fn secret_text(&mut self, Secret { name, value, file }: Secret<'_>) -> Option<SecretString> {
        let given = value.filter(|secret| !secret.expose_secret().trim().is_empty());
        let Some(path) = set(file) else {
            return given.map(|secret| SecretString::from(secret.expose_secret().trim()));
        };
        let why = match secret_file(Path::new(path)) {
            _ if given.is_some() => {
                let variable = name.variable();
                self.problems.push(format!(
                    "invalid {variable}: {variable} and {variable}_FILE are both set (expected one of them)"
                ));
                return None;
            }
            Ok(text) if !text.trim().is_empty() => return Some(SecretString::from(text.trim())),
            Ok(_) => format!("{path} is empty"),
            Err(error) => format!("{path}: {error}"),
        };
        self.problems.push(format!(
            "invalid {}-file ({}_FILE): {why}",
            name.flag(),
            name.variable()
        ));
        None
    }

    /// The same where several may hold, one on each line.
    pub(super) fn secrets(&mut self, given: Secret<'_>) -> Vec<SecretString> {
        let text = self.secret_text(given);
        let lines = text.iter().flat_map(|text| text.expose_secret().lines());
        let lines = lines.map(str::trim).filter(|line| !line.is_empty());
        lines.map(SecretString::from).collect()
    }
}

/// The words for a switch, for people.
pub(super) const ON_OR_OFF: &str = "on or off; true and false, yes and no, 1 and 0 are the same";

/// A value as an error shows it: that of a secret never.
pub(super) fn shown(value: &str) -> String {
    const LONGEST: usize = 60;
    let mut characters = value.chars();
    let text: String = characters.by_ref().take(LONGEST).flat_map(char::escape_debug).collect();
    let more = if characters.next().is_some() { "…" } else { "" };
    format!("`{text}{more}`")
}

/// The text of a file that holds a secret, without the mark that editors and shells of Windows put before it.
pub(super) fn secret_file(path: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map_or_else(|| text.clone(), str::to_owned))
}

/// What a word says about a switch; `None` if it says nothing.
pub(super) fn on_or_off(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// What `TZ` says, in any of its forms (`Europe/Berlin`, `:Europe/Berlin`, `CET-1CEST,M3.5.0,M10.5.0/3`). It is not the relay's own,
/// so one that cannot be read is said and stops nothing.
fn system_zone(tz: Option<&str>) -> TimeZone {
    let Some(name) = set(tz).map(|name| name.trim_start_matches(':')) else {
        return TimeZone::UTC;
    };
    let zone = time_zone(name).or_else(|_| TimeZone::posix(name));
    zone.unwrap_or_else(|_| {
        tracing::warn!("TZ names no known time zone, so messages tell the time in UTC; set RELAY_TIMEZONE");
        TimeZone::UTC
    })
}

#[cfg(test)]
mod tests;
