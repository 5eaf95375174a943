//! Deserialization that forgives what does not matter, so that a number where a string is expected costs no alert.
//!
//! Guarantees: `null` means missing, scalars turn into text, and only an object where a text belongs (or the other way
//! round) is an error. It never guesses a value that was not sent. A value is looked at where it stands in the body, so
//! memory is that of what is kept; a map keeps at most [`MOST_NAMES`] names, and says how many were left out.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use poem_openapi::types::Any;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// How many labels, annotations or values of one alert are kept; no system that is meant to be read has as many.
pub(super) const MOST_NAMES: usize = 1_000;
/// How many bytes of JSON in no known form are kept of an alert.
const LONGEST_ANYTHING: usize = 4096;
/// Bytes of an array or object that stands where a label's text belongs.
const LONGEST_NESTED: usize = 64 * 1024;
/// What stands among the labels or annotations for those that are not kept, so that messages show it: it comes first.
const LEFT_OUT: &str = "(left out)";

/// A value as it stands in the body; `None` for null.
type Sent<'de> = Option<&'de RawValue>;

/// Text, or a scalar as its text; `None` for null.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Sent::deserialize(deserializer)? {
        Some(sent) if is_nested(sent) => Err(D::Error::custom("expected a string")),
        Some(sent) => scalar(sent).map(Some).map_err(D::Error::custom),
        None => Ok(None),
    }
}

/// Anything that is not long; `None` for null and for what is longer, of which nothing is built.
pub(super) fn anything<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Any<Value>>, D::Error> {
    let kept = Sent::deserialize(deserializer)?.filter(|sent| sent.get().len() <= LONGEST_ANYTHING);
    Ok(kept.and_then(|sent| serde_json::from_str(sent.get()).ok()).map(Any))
}

/// A whole number, also as its text; `None` for null and for what is no whole number of 64 bits.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Sent::deserialize(deserializer)? {
        Some(sent) if is_nested(sent) => Err(D::Error::custom("expected a whole number")),
        sent => Ok(sent.and_then(|sent| scalar(sent).ok()?.trim().parse().ok())),
    }
}

/// Labels: every value as text, nulls left out. The map itself must be there.
pub(super) fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_map(Named {
        read: label,
        left_out: |count| Some(format!("{count} more")),
    })
}

/// The same where the map may be missing or null.
pub(super) fn optional_labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    #[derive(Deserialize)]
    struct Kept(#[serde(deserialize_with = "labels")] BTreeMap<String, String>);
    Ok(Option::<Kept>::deserialize(deserializer)?.map(|kept| kept.0))
}

/// Numbers by name; what is no number is left out, because a value only adds to an alert.
pub(super) fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, f64>>, D::Error> {
    let sent = Sent::deserialize(deserializer)?.filter(|sent| sent.get().starts_with('{'));
    let read = |sent: &RawValue| {
        let named = Named {
            read: number,
            left_out: |_| None,
        };
        serde_json::Deserializer::from_str(sent.get()).deserialize_map(named)
    };
    sent.map(read).transpose().map_err(D::Error::custom)
}

fn is_nested(sent: &RawValue) -> bool {
    sent.get().starts_with(['[', '{'])
}

fn scalar(sent: &RawValue) -> serde_json::Result<String> {
    let json = sent.get();
    match json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(plain.to_owned()),
        Some(_) => serde_json::from_str(json),
        None => Ok(json.to_owned()),
    }
}

/// What a label holds, as text: an array or object as it was sent, and of a long one the beginning.
fn label(sent: &RawValue) -> serde_json::Result<Option<String>> {
    let json = sent.get();
    if !is_nested(sent) || json.len() <= LONGEST_NESTED {
        return scalar(sent).map(Some);
    }
    Ok(Some(format!("{}…", &json[..json.floor_char_boundary(LONGEST_NESTED)])))
}

fn number(sent: &RawValue) -> serde_json::Result<Option<f64>> {
    let number = scalar(sent)?.trim().parse().ok();
    Ok(number.filter(|number: &f64| number.is_finite()))
}

/// A map of what `read` makes of its values.
struct Named<T> {
    read: fn(&RawValue) -> serde_json::Result<Option<T>>,
    /// What stands for names that are not kept.
    left_out: fn(usize) -> Option<T>,
}

impl<'de, T> Visitor<'de> for Named<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of names and texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = BTreeMap::new();
        let mut left_out = 0_usize;
        while let Some(name) = map.next_key::<String>()? {
            if kept.len() >= MOST_NAMES && !kept.contains_key(&name) {
                map.next_value::<IgnoredAny>()?;
                left_out += 1;
                continue;
            }
            let value = map.next_value::<Sent<'de>>()?.map(self.read).transpose();
            // Of a name that comes twice the last one holds, as everywhere in JSON.
            match value.map_err(A::Error::custom)?.flatten() {
                Some(value) => kept.insert(name, value),
                None => kept.remove(&name),
            };
        }
        if left_out > 0 {
            tracing::warn!(
                "a notification has more than {MOST_NAMES} names in one place; the relay left out {left_out}"
            );
            kept.extend((self.left_out)(left_out).map(|said| (LEFT_OUT.to_owned(), said)));
        }
        Ok(kept)
    }
}

/// An RFC 3339 time; `None` for the year 1 that Go writes for "not yet", and for what is no time at all.
pub(super) fn time(text: Option<&str>) -> Option<Timestamp> {
    let time: Timestamp = text?.trim().parse().ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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

    #[test]
    fn whatever_a_label_holds_is_text() {
        let text = r#"{"s": "t\n", "n": 7, "b": true, "f": 1.50, "big": 1e300, "no": null, "twice": 1,
            "twice": null, "list": [1, "a\"\u0001", [], {}], "map": {"x": null, "y": [-1, 2.5e3]}}"#;
        let read = labels(&mut serde_json::Deserializer::from_str(text)).unwrap();
        let expected = [
            ("b", "true"),
            ("big", "1e300"),
            ("f", "1.50"),
            ("list", r#"[1, "a\"\u0001", [], {}]"#),
            ("map", r#"{"x": null, "y": [-1, 2.5e3]}"#),
            ("n", "7"),
            ("s", "t\n"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, BTreeMap::from(expected));
    }

    /// What a reader makes of a JSON text.
    macro_rules! read {
        ($reader:ident, $json:expr) => {
            $reader(&mut serde_json::Deserializer::from_str(&$json.to_string()))
        };
    }

    #[test]
    fn only_the_wrong_kind_of_thing_is_refused() {
        for wrong in [json!([]), json!({}), json!([1])] {
            assert!(read!(text, wrong).is_err() && read!(integer, wrong).is_err(), "{wrong}");
        }
        for wrong in [json!([]), json!(1), json!(-1), json!(1.5), json!(true), json!("x")] {
            assert!(
                read!(labels, wrong).is_err() && read!(optional_labels, wrong).is_err(),
                "{wrong}"
            );
            assert_eq!(read!(values, wrong).unwrap(), None, "{wrong}");
        }
        assert!(read!(labels, json!(null)).is_err());
        assert_eq!(read!(optional_labels, json!(null)).unwrap(), None);
        let numbers = [
            (json!(7), Some(7)),
            (json!(" -7 "), Some(-7)),
            (json!(u64::MAX), None),
            (json!(1.5), None),
            (json!(false), None),
            (json!(null), None),
        ];
        for (json, expected) in numbers {
            assert_eq!(read!(integer, json).unwrap(), expected, "{json}");
        }
        let sent = json!({"a": 1, "b": "2.5", "c": [1], "d": {}, "e": null, "f": "NaN", "g": -3.5});
        let kept = [("a", 1.0), ("b", 2.5), ("g", -3.5)].map(|(name, value)| (name.to_owned(), value));
        assert_eq!(read!(values, sent).unwrap(), Some(BTreeMap::from(kept)));
    }

    #[test]
    fn a_map_keeps_the_first_of_too_many_names() {
        let many: serde_json::Map<String, Value> =
            (0..2 * MOST_NAMES).map(|at| (format!("{at:05}"), json!(at))).collect();
        let many = Value::from(many);
        assert_eq!(read!(values, many).unwrap().unwrap().len(), MOST_NAMES);
        let mut kept = read!(labels, many).unwrap();
        assert_eq!(kept.remove(LEFT_OUT).as_deref(), Some("1000 more"));
        assert_eq!(kept.len(), MOST_NAMES);
        assert!(kept.contains_key("00000") && !kept.contains_key("01000"));
    }

    #[test]
    fn a_long_array_in_a_label_is_cut_between_characters() {
        let sent = json!({"a": ["ä".repeat(LONGEST_NESTED)]});
        let kept = read!(labels, sent).unwrap();
        assert!(kept["a"].ends_with("ä…") && kept["a"].len() <= LONGEST_NESTED + '…'.len_utf8());
    }
}
