//! Takes secrets out of what people look at: notifications that are kept for the workshop, headlines, group keys in the log.
//!
//! Guarantees: nothing is left of a value whose name tells that it is secret, whatever it holds; of a password in an address; of
//! what is assigned to a telling name in a text, however that is written; of credentials by a form that is known (JWT, PEM, the
//! tokens of common services, addresses of webhooks). A body stays JSON. The time grows with the size of the text.
//!
//! It errs towards masking: a text reads a little worse, and a secret is out. A secret that nothing names and that has no known
//! form is not recognised.

mod addresses;
mod assigned;
mod names;
mod phrases;
mod shapes;
mod value;

use serde_json::{Map, Value};

/// What stands for a secret.
const MASK: &str = "***";
/// Bytes of the shortest text that can hold a name and a secret.
const SHORTEST: usize = 4;

/// Masks a whole body: what telling names hold, and what any text or name gives away.
pub fn body(value: &mut Value) {
    match value {
        Value::String(held) => *held = text(held),
        Value::Array(items) => items.iter_mut().for_each(body),
        Value::Object(fields) => *fields = object(std::mem::take(fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn object(fields: Map<String, Value>) -> Map<String, Value> {
    let is_pair = names_its_value(&fields);
    let (mut masked, mut hidden) = (Map::new(), 0_u32);
    for (name, mut value) in fields {
        if names::is_telling(&name) || (is_pair && HOLDING.contains(&name.to_lowercase().as_str())) {
            value = without(value);
        } else {
            body(&mut value);
        }
        let mut shown = text(&name);
        if shown != name {
            // Two names that are secrets stay two.
            hidden += 1;
            shown = format!("{shown} {hidden}");
        }
        masked.insert(shown, value);
    }
    masked
}

const NAMING: [&str; 5] = ["name", "key", "field", "header", "variable"];
const HOLDING: [&str; 4] = ["value", "val", "content", "default"];

/// `{"name": "DB_PASSWORD", "value": "…"}`, as environments and headers are listed.
fn names_its_value(fields: &Map<String, Value>) -> bool {
    let named = |name: &str| fields.get(name).and_then(Value::as_str).is_some_and(names::is_telling);
    NAMING.into_iter().any(named)
}

/// What is empty, and what is on or off, is no secret.
fn without(value: Value) -> Value {
    let is_bare = match &value {
        Value::Null | Value::Bool(_) => true,
        Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    if is_bare { value } else { MASK.into() }
}

/// Masks what a text gives away.
pub fn text(text: &str) -> String {
    if text.len() < SHORTEST {
        return text.to_owned();
    }
    let text = shapes::masked(text);
    let text = addresses::masked(&text);
    let text = phrases::masked(&text);
    assigned::masked(&text)
}
