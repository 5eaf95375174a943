//! The tree of a body of any shape: JSON, a form or plain text.
//!
//! Guarantees: never panics, and needs memory in proportion to the body, of which it keeps so many values, so deep, with texts so
//! long; what is beyond is left out and marked. JSON is recognised by its content, because a command line declares whatever it sends
//! as a form.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::alert::parse::{ParseError, typed};
use crate::text::beginning;

/// Values of one body that are kept, how deep they may stand, and bytes of one text.
const VALUES: usize = 20_000;
const DEEPEST: usize = 32;
const LONGEST_TEXT: usize = 64 * 1024;
/// Pairs of a form that are kept.
const PAIRS: usize = 1_000;
/// What stands for what was left out.
const LEFT_OUT: &str = "(left out)";

/// Characters of the name of a field.
const NAME: usize = 1_000;

/// How a body was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// As JSON.
    Json,
    /// As a form.
    Form,
    /// As text, as nothing, or as something else.
    Text,
}

/// The tree of a body.
pub fn tree(bytes: &[u8], declared: Declared) -> Result<Value, ParseError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ParseError::NotJson("the body is empty".to_owned()));
    }
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_object = first == Some(&b'{');
    if declared == Declared::Json && !is_object {
        typed::<IgnoredAny>(bytes)?;
        let reason = "expected an object".to_owned();
        return Err(ParseError::Field {
            field: "the body".to_owned(),
            reason,
        });
    }
    if is_object {
        match typed::<Kept>(bytes) {
            Ok(Kept(tree)) => return Ok(tree),
            Err(error) if declared == Declared::Json => return Err(error),
            Err(_) => {}
        }
    }
    if declared == Declared::Form && bytes.contains(&b'=') {
        return Ok(of_form(bytes));
    }
    let text = String::from_utf8_lossy(bytes);
    let text = Value::from(shortened(text.trim_end()));
    Ok(Value::Object(Map::from_iter([("text".to_owned(), text)])))
}

/// The fields of a form; where one is called `payload` and holds an object, that.
fn of_form(bytes: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(bytes).take(PAIRS) {
        if name == "payload"
            && let Ok(Kept(tree @ Value::Object(_))) = serde_json::from_str(&value)
        {
            return tree;
        }
        fields.insert(beginning(&name, NAME).to_owned(), Value::from(shortened(&value)));
    }
    Value::Object(fields)
}

fn shortened(text: &str) -> String {
    let kept = &text[..text.floor_char_boundary(LONGEST_TEXT)];
    if kept.len() < text.len() {
        return format!("{kept}…");
    }
    text.to_owned()
}

/// A tree of which so much is kept as there is room for.
pub(super) struct Kept(pub(super) Value);

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut room = VALUES;
        let node = Node {
            room: &mut room,
            depth: 0,
        };
        node.deserialize(deserializer).map(Kept)
    }
}

/// One value of it, and how many more there is room for.
struct Node<'r> {
    room: &'r mut usize,
    depth: usize,
}

impl Node<'_> {
    fn child(&mut self) -> Option<Node<'_>> {
        if *self.room == 0 || self.depth >= DEEPEST {
            return None;
        }
        *self.room -= 1;
        Some(Node {
            depth: self.depth + 1,
            room: self.room,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(shortened(value).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        let mut left_out = 0_usize;
        loop {
            let next = if let Some(child) = self.child() {
                items.next_element_seed(child)?
            } else {
                let more = items.next_element::<IgnoredAny>()?;
                left_out += usize::from(more.is_some());
                more.map(|_| Value::Null)
            };
            match next {
                Some(_) if left_out > 0 => {}
                Some(value) => kept.push(value),
                None => break,
            }
        }
        if left_out > 0 {
            kept.push(Value::from(format!("{LEFT_OUT} {left_out}")));
        }
        Ok(Value::Array(kept))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        let mut left_out = 0_usize;
        while let Some(name) = fields.next_key::<String>()? {
            if let Some(child) = self.child().filter(|_| name.len() <= LONGEST_TEXT) {
                let value = fields.next_value_seed(child)?;
                kept.insert(name, value);
            } else {
                fields.next_value::<IgnoredAny>()?;
                left_out += 1;
            }
        }
        if left_out > 0 {
            kept.insert(LEFT_OUT.to_owned(), left_out.into());
        }
        Ok(Value::Object(kept))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &str, declared: Declared) -> Value {
        tree(body.as_bytes(), declared).unwrap()
    }

    #[test]
    fn json_forms_and_text_are_told_by_what_they_hold() {
        use Declared::{Form, Json, Text};
        let hi = json!({"text": "hi"});
        for declared in [Json, Form, Text] {
            assert_eq!(read(r#"{"text": "hi"}"#, declared), hi);
        }
        for (body, declared) in [("hi", Form), ("hi\n", Text)] {
            assert_eq!(read(body, declared), hi, "{body}");
        }
        assert_eq!(read("text=h%69&n=1+2", Form), json!({"text": "hi", "n": "1 2"}));
        assert_eq!(read("payload=%7B%22text%22%3A%22hi%22%7D&x=1", Form), hi);
        assert_eq!(read("{not json", Text), json!({"text": "{not json"}));
        assert_eq!(read("[1]", Text), json!({"text": "[1]"}));
        for body in ["", " \n", "{", "[1]", "\"x\"", "{\"a\": 1} x"] {
            assert!(tree(body.as_bytes(), Json).is_err(), "{body}");
        }
        assert!(tree(b"\n", Text).is_err());
        assert_eq!(tree(b"\xff", Text).unwrap(), json!({"text": "\u{fffd}"}));
    }

    #[test]
    fn what_is_kept_is_bounded_whatever_is_sent() {
        let many = format!("{{\"a\": [{}0]}}", "0,".repeat(3 * VALUES));
        let kept = read(&many, Declared::Json);
        let items = kept["a"].as_array().unwrap();
        assert_eq!(items.len(), VALUES);
        assert_eq!(items[VALUES - 1], format!("{LEFT_OUT} {}", 2 * VALUES + 2));
        let names: Vec<String> = (0..2 * VALUES).map(|n| format!("\"{n}\": {{}},")).collect();
        let names = names.concat();
        let kept = read(&format!("{{{names} \"last\": 1}}"), Declared::Json);
        assert_eq!(kept.as_object().unwrap().len(), VALUES + 1);
        assert_eq!(kept[LEFT_OUT], VALUES + 1);
        let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
        let mut depth = 0;
        let kept = read(&deep, Declared::Json);
        let mut at = &kept;
        while let Some(inner) = at.get("a") {
            (at, depth) = (inner, depth + 1);
        }
        assert_eq!((depth, &at[LEFT_OUT]), (DEEPEST, &json!(1)));
        let long = json!({"a": "ä".repeat(LONGEST_TEXT)}).to_string();
        assert!(read(&long, Declared::Json)["a"].as_str().unwrap().len() <= LONGEST_TEXT + '…'.len_utf8());
        // As deep as the parser itself refuses.
        let endless = "{\"a\":".repeat(100_000);
        assert!(tree(endless.as_bytes(), Declared::Json).is_err());
    }
}
