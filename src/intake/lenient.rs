//! Deserialization that forgives what does not matter, so that a number where a string is expected costs no alert.
//!
//! Guarantees: `null` means missing, scalars turn into text, and only an object where a text belongs (or the other way
//! round) is an error. It never guesses a value that was not sent, and what it refuses or leaves out it does not build:
//! memory is that of what is kept, and a map keeps at most [`MOST_NAMES`] names, and says how many were left out.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use poem_openapi::types::Any;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::scalar::{NumberOrNothing, TextOrNothing};

/// How many labels, annotations or values of one alert are kept; no system that is meant to be read has as many.
pub(super) const MOST_NAMES: usize = 1_000;
/// How many bytes of JSON in no known form are kept of an alert.
const LONGEST_ANYTHING: usize = 4096;
/// What stands among the labels or annotations for those that are not kept, so that messages show it: it comes first.
const LEFT_OUT: &str = "(left out)";

/// Text, or a scalar as its text; `None` for null.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    TextOrNothing::SCALAR.deserialize(deserializer)
}

/// Anything that is not long; `None` for null and for what is longer, of which nothing but its text is built.
pub(super) fn anything<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Any<Value>>, D::Error> {
    let sent = Box::<RawValue>::deserialize(deserializer)?;
    let kept = Some(sent.get()).filter(|text| text.len() <= LONGEST_ANYTHING);
    let value = kept.and_then(|text| serde_json::from_str(text).ok());
    Ok(value.filter(|value| *value != Value::Null).map(Any))
}

/// A whole number, also as its text; `None` for null and for what is no whole number of 64 bits.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    struct Whole;
    impl<'de> Visitor<'de> for Whole {
        type Value = Option<i64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number))
        }

        fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
            Ok(number.try_into().ok())
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.trim().parse().ok())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(A::Error::custom("expected a whole number"))
        }

        fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(A::Error::custom("expected a whole number"))
        }
    }
    deserializer.deserialize_any(Whole)
}

/// Labels: every value as text, nulls left out. The map itself must be there.
pub(super) fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let missing = || D::Error::custom("expected an object of names and texts");
    optional_labels(deserializer)?.ok_or_else(missing)
}

/// The same where the map may be missing or null.
pub(super) fn optional_labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    deserializer.deserialize_any(Named {
        seed: TextOrNothing::ANYTHING,
        refused: Some("expected an object of names and texts"),
        left_out: |count| Some(format!("{count} more")),
    })
}

/// Numbers by name; what is no number is left out, because a value only adds to an alert.
pub(super) fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, f64>>, D::Error> {
    deserializer.deserialize_any(Named {
        seed: NumberOrNothing,
        refused: None,
        left_out: |_| None,
    })
}

/// A finite number, also as its text.
pub(super) fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    NumberOrNothing.deserialize(deserializer)
}

/// A map of what `seed` reads; `None` for null, and for anything else if that is not `refused`.
struct Named<S, T> {
    seed: S,
    refused: Option<&'static str>,
    /// What stands for names that are not kept.
    left_out: fn(usize) -> Option<T>,
}

impl<S, T> Named<S, T> {
    fn other<E: Error>(&self) -> Result<Option<BTreeMap<String, T>>, E> {
        self.refused.map_or(Ok(None), |why| Err(E::custom(why)))
    }
}

impl<'de, S, T> Visitor<'de> for Named<S, T>
where
    S: DeserializeSeed<'de, Value = Option<T>> + Copy,
{
    type Value = Option<BTreeMap<String, T>>;

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
            // Of a name that comes twice the last one holds, as everywhere in JSON.
            match map.next_value_seed(self.seed)? {
                Some(value) => kept.insert(name, value),
                None => kept.remove(&name),
            };
        }
        if left_out > 0 {
            tracing::warn!("a notification has more than {MOST_NAMES} names in one place; {left_out} were left out");
            kept.extend((self.left_out)(left_out).map(|said| (LEFT_OUT.to_owned(), said)));
        }
        Ok(Some(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        self.other()?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        self.other()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        self.other()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        self.other()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        self.other()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        self.other()
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
            ("big", "1e+300"),
            ("f", "1.5"),
            ("list", r#"[1,"a\"\u0001",[],{}]"#),
            ("map", r#"{"x":null,"y":[-1,2500.0]}"#),
            ("n", "7"),
            ("s", "t\n"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, BTreeMap::from(expected));
    }

    #[test]
    fn only_the_wrong_kind_of_thing_is_refused() {
        for wrong in [json!([]), json!({}), json!([1])] {
            assert!(text(&wrong).is_err() && integer(&wrong).is_err(), "{wrong}");
        }
        for wrong in [json!([]), json!(1), json!(-1), json!(1.5), json!(true), json!("x")] {
            assert!(labels(&wrong).is_err() && optional_labels(&wrong).is_err(), "{wrong}");
            assert_eq!(values(&wrong).unwrap(), None, "{wrong}");
        }
        assert!(labels(json!(null)).is_err());
        assert_eq!(optional_labels(json!(null)).unwrap(), None);
        let numbers = [
            (json!(7), Some(7)),
            (json!(" -7 "), Some(-7)),
            (json!(u64::MAX), None),
            (json!(1.5), None),
            (json!(false), None),
            (json!(null), None),
        ];
        for (json, expected) in numbers {
            assert_eq!(integer(&json).unwrap(), expected, "{json}");
        }
        let read = values(json!({"a": 1, "b": "2.5", "c": [1], "d": {}, "e": null, "f": "NaN", "g": -3.5})).unwrap();
        let kept = [("a", 1.0), ("b", 2.5), ("g", -3.5)].map(|(name, value)| (name.to_owned(), value));
        assert_eq!(read, Some(BTreeMap::from(kept)));
    }

    #[test]
    fn a_map_keeps_the_first_of_too_many_names() {
        let many: serde_json::Map<String, Value> =
            (0..2 * MOST_NAMES).map(|at| (format!("{at:05}"), json!(at))).collect();
        let kept = values(Value::from(many.clone())).unwrap().unwrap();
        assert_eq!(kept.len(), MOST_NAMES);
        let mut kept = labels(Value::from(many)).unwrap();
        assert_eq!(kept.remove(LEFT_OUT).as_deref(), Some("1000 more"));
        assert_eq!(kept.len(), MOST_NAMES);
        assert!(kept.contains_key("00000") && !kept.contains_key("01000"));
    }
}
