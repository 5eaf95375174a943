//! One JSON value as a text or as a number, read without building what it is not.
//!
//! Guarantees: arrays and objects are either refused, passed over, or written out as compact JSON text, which is cut where
//! it is longer than any label that is meant to be read; nothing else is allocated for them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// Bytes of the text of an array or object, or a piece more.
const LONGEST: usize = 64 * 1024;

/// Reads a text, or a scalar as its text; null is `None`.
#[derive(Clone, Copy)]
pub(super) struct TextOrNothing {
    /// Whether arrays and objects are texts, too.
    nested: bool,
}

impl TextOrNothing {
    pub(super) const SCALAR: Self = Self { nested: false };
    pub(super) const ANYTHING: Self = Self { nested: true };
}

impl<'de> DeserializeSeed<'de> for TextOrNothing {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextOrNothing {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        self.written(|json| Json(json).visit_seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.written(|json| Json(json).visit_map(map))
    }
}

impl TextOrNothing {
    fn written<E: Error>(self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<Option<String>, E> {
        if !self.nested {
            return Err(E::custom("expected a string"));
        }
        let mut json = String::new();
        write(&mut json)?;
        if json.len() > LONGEST {
            json.push('…');
        }
        Ok(Some(json))
    }
}

fn float(value: f64) -> String {
    Number::from_f64(value).map_or_else(|| "null".to_owned(), |number| number.to_string())
}

/// Writes what it reads, as compact JSON.
struct Json<'a>(&'a mut String);

impl Json<'_> {
    fn push(&mut self, piece: &str) {
        if self.0.len() <= LONGEST {
            self.0.push_str(piece);
        }
    }

    fn text(&mut self, text: &str) {
        // A text can always be written.
        self.push(&serde_json::to_string(text).unwrap_or_default());
    }
}

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.push("null");
        Ok(())
    }

    fn visit_bool<E>(mut self, value: bool) -> Result<(), E> {
        self.push(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E>(mut self, value: i64) -> Result<(), E> {
        self.push(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> Result<(), E> {
        self.push(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(mut self, value: f64) -> Result<(), E> {
        self.push(&float(value));
        Ok(())
    }

    fn visit_str<E>(mut self, value: &str) -> Result<(), E> {
        self.text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.push("[");
        let mut end = self.0.len();
        while items.next_element_seed(Json(&mut *self.0))?.is_some() {
            end = self.0.len();
            self.push(",");
        }
        self.0.truncate(end);
        self.push("]");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.push("{");
        let mut end = self.0.len();
        while let Some(name) = map.next_key::<String>()? {
            self.text(&name);
            self.push(":");
            map.next_value_seed(Json(&mut *self.0))?;
            end = self.0.len();
            self.push(",");
        }
        self.0.truncate(end);
        self.push("}");
        Ok(())
    }
}

/// Reads a finite number, also as its text; anything else is `None`.
#[derive(Clone, Copy)]
pub(super) struct NumberOrNothing;

impl<'de> DeserializeSeed<'de> for NumberOrNothing {
    type Value = Option<f64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NumberOrNothing {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Number::from(value).as_f64())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Number::from(value).as_f64())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value).filter(|value| value.is_finite()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        let number = value.trim().parse().ok();
        Ok(number.filter(|value: &f64| value.is_finite()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
