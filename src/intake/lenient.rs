//! Deserialization that forgives what does not matter, so that a number where a string is expected costs no alert.
//!
//! Guarantees: `null` means missing, scalars turn into text, and only an object where a text belongs (or the other way
//! round) is an error. It never guesses a value that was not sent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// Text, or a scalar as its text; `None` for null.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        scalar @ (Value::Number(_) | Value::Bool(_)) => Ok(Some(scalar.to_string())),
        Value::Array(_) | Value::Object(_) => Err(D::Error::custom("expected a string")),
    }
}

/// A whole number, also as its text; `None` for null and for what is no whole number of 64 bits.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Number(number) => Ok(number.as_i64()),
        Value::String(text) => Ok(text.trim().parse().ok()),
        Value::Null | Value::Bool(_) => Ok(None),
        Value::Array(_) | Value::Object(_) => Err(D::Error::custom("expected a whole number")),
    }
}

/// Labels: every value as text, nulls left out. The map itself must be there.
pub(super) fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(map) => Ok(map
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::Null => None,
                Value::String(text) => Some((name, text)),
                other => Some((name, other.to_string())),
            })
            .collect()),
        _ => Err(D::Error::custom("expected an object of names and texts")),
    }
}

/// The same where the map may be missing or null.
pub(super) fn optional_labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => labels(value).map(Some).map_err(D::Error::custom),
    }
}

/// Numbers by name; what is no number is left out, because a value only adds to an alert.
pub(super) fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, f64>>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(map) => Ok(Some(
            map.into_iter()
                .filter_map(|(name, value)| Some((name, number(&value)?)))
                .collect(),
        )),
        _ => Ok(None),
    }
}

/// A finite number, also as its text.
pub(super) fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(number(&Value::deserialize(deserializer)?))
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// An RFC 3339 time; `None` for the year 1 that Go writes for "not yet", and for what is no time at all.
pub(super) fn time(text: Option<&str>) -> Option<Timestamp> {
    let time: Timestamp = text?.trim().parse().ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn the_year_1_means_not_yet() {
        assert_eq!(time(Some("0001-01-01T00:00:00Z")), None);
        assert_eq!(time(Some("99999-01-01T00:00:00Z")), None);
        assert_eq!(time(Some("yesterday")), None);
        assert_eq!(
            time(Some("2026-11-20T08:00:20.5+01:00")).unwrap().to_string(),
            "2026-11-20T07:00:20.5Z"
        );
    }
}
