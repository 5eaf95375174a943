//! Single settings: from text to type, collecting every problem instead of stopping at the first.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo};
use secrecy::{ExposeSecret, SecretString};

use super::ConfigError;
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

    /// A setting that may be left out.
    pub(super) fn optional<T>(&mut self, flag: &str, variable: &str, value: Option<&str>) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let text = set(value)?;
        text.parse()
            .map_err(|error| {
                self.problems
                    .push(format!("{flag} ({variable}) is not usable: {error}"));
            })
            .ok()
    }

    /// A setting without which nothing can be delivered.
    pub(super) fn required<T>(&mut self, flag: &str, variable: &str, value: Option<&str>, hint: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        if set(value).is_none() {
            self.missing(flag, variable, hint);
        }
        self.optional(flag, variable, value)
    }

    /// Says that a setting is missing and where to get it.
    pub(super) fn missing(&mut self, flag: &str, variable: &str, hint: &str) {
        self.problems.push(format!("{flag} ({variable}) is missing: {hint}"));
    }

    /// A duration such as `90s`, `24h` or `7d`; days have 24 hours.
    pub(super) fn duration(&mut self, flag: &str, variable: &str, value: Option<&str>, default: u64) -> Duration {
        match set(value).map(duration) {
            None => Duration::from_secs(default),
            Some(Ok(duration)) => duration,
            Some(Err(error)) => {
                self.problems.push(format!(
                    "{flag} ({variable}) is not usable: {} is no duration (expected one such as `90s`, `24h` or `7d`): {error}",
                    shown(set(value).unwrap_or_default())
                ));
                Duration::from_secs(default)
            }
        }
    }

    /// The zone in which messages tell the time: `value`, or else the system's `tz`.
    pub(super) fn time_zone(&mut self, value: Option<&str>, tz: Option<&str>) -> TimeZone {
        let Some(name) = set(value) else { return system_zone(tz) };
        time_zone(name).unwrap_or_else(|why| {
            self.problems
                .push(format!("invalid --timezone (RELAY_TIMEZONE): {why}"));
            TimeZone::UTC
        })
    }

    /// The language of messages.
    pub(super) fn language(&mut self, value: Option<&str>) -> Option<Language> {
        let read = set(value)?.parse::<Language>();
        read.map_err(|error| self.problems.push(format!("--language (RELAY_LANGUAGE): {error}")))
            .ok()
    }

    /// A whole number that may be left out and has a least value; the most is what its type holds.
    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        flag: &str,
        variable: &str,
        value: Option<&str>,
        least: u64,
    ) -> Option<T> {
        let text = set(value)?;
        let number = text.parse::<u64>().ok().filter(|number| *number >= least);
        let number = number.and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            let most = u64::MAX >> (u64::BITS - u64::BITS.min(8 * u32::try_from(size_of::<T>()).unwrap_or(8)));
            self.problems.push(format!(
                "{flag} ({variable}) is not usable: {} is no such number (expected a whole number from {least} to {most})",
                shown(text)
            ));
        }
        number
    }

    /// `on` or `off`, or another word for one of them.
    pub(super) fn switch(&mut self, flag: &str, variable: &str, value: Option<&str>) -> Option<bool> {
        let text = set(value)?;
        let switch = on_or_off(text);
        if switch.is_none() {
            self.problems.push(format!(
                "{flag} ({variable}) is not usable: {} is neither (expected {ON_OR_OFF})",
                shown(text)
            ));
        }
        switch
    }

    /// A secret, given directly or as the path of a file that holds it (a mounted secret).
    pub(super) fn secret(
        &mut self,
        names: (&str, &str),
        value: Option<&SecretString>,
        file: Option<&str>,
    ) -> Option<SecretString> {
        let secret = self.secret_text(names, value, file)?;
        if secret.expose_secret().lines().nth(1).is_some() {
            let (flag, variable) = names;
            self.problems.push(format!(
                "{flag} ({variable}, {variable}_FILE) is one line, and this one has several"
            ));
            return None;
        }
        Some(secret)
    }

    fn secret_text(
        &mut self,
        (flag, variable): (&str, &str),
        value: Option<&SecretString>,
        file: Option<&str>,
    ) -> Option<SecretString> {
        let given = value.filter(|secret| !secret.expose_secret().trim().is_empty());
        match (given, set(file)) {
            (Some(_), Some(_)) => {
                self.problems
                    .push(format!("{variable} and {variable}_FILE are both set; keep one"));
                None
            }
            (Some(secret), None) => Some(SecretString::from(secret.expose_secret().trim())),
            (None, Some(path)) => match secret_file(Path::new(path)) {
                Ok(text) if !text.trim().is_empty() => Some(SecretString::from(text.trim())),
                Ok(_) => {
                    self.problems
                        .push(format!("{flag}-file ({variable}_FILE): {path} is empty"));
                    None
                }
                Err(error) => {
                    self.problems
                        .push(format!("{flag}-file ({variable}_FILE): {path}: {error}"));
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// The same where several may hold, one on each line.
    pub(super) fn secrets(
        &mut self,
        names: (&str, &str),
        value: Option<&SecretString>,
        file: Option<&str>,
    ) -> Vec<SecretString> {
        let text = self.secret_text(names, value, file);
        let lines = text.iter().flat_map(|text| text.expose_secret().lines());
        let lines = lines.map(str::trim).filter(|line| !line.is_empty());
        lines.map(SecretString::from).collect()
    }
}

/// The words for a switch, for people.
pub(super) const ON_OR_OFF: &str = "on or off; true and false, yes and no, 1 and 0 are the same";

/// A value as an error shows it: that of a secret never.
fn shown(value: &str) -> String {
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
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_write_them() {
        let mut values = Values::default();
        let mut read = |text| values.duration("--x", "X", Some(text), 1).as_secs();
        assert_eq!(
            [read("90s"), read("24h"), read("7d"), read("1h 30m"), read("")],
            [90, 86_400, 604_800, 5_400, 1]
        );
        values.duration("--x", "X", Some("soon"), 1);
        values.duration("--x", "X", Some("-5s"), 1);
        assert_eq!(values.problems.len(), 2);
    }

    #[test]
    fn an_empty_secret_is_no_secret_and_two_sources_are_refused() {
        let mut values = Values::default();
        let names = ("--x", "X");
        assert!(
            values
                .secret(names, Some(&SecretString::from(" ")), Some(" "))
                .is_none()
        );
        assert!(values.problems.is_empty());
        values.secret(names, Some(&SecretString::from("a")), Some("b"));
        values.secret(names, None, Some("/nonexistent/file"));
        assert_eq!(values.problems.len(), 2);
        let two = SecretString::from("a\n\nb\n");
        assert!(values.secret(names, Some(&two), None).is_none() && values.problems.len() == 3);
        assert_eq!(values.secrets(names, Some(&two), None).len(), 2);
    }
}
