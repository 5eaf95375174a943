//! The filters and functions that templates have beyond minijinja's own.
//!
//! Guarantees: no input or output, no clock; an empty value gives an empty text, so a template needs no `if` around a
//! filter. [`NAMES`] and [`FUNCTIONS`] list all of them; `templates/README.md` explains them, and a test compares.

mod directives;
mod markup;
mod measures;

use std::borrow::Cow;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, State, Value};

pub(crate) use directives::{Directives, More};
pub(crate) use measures::number_text;

use super::values::{AlertList, Lookup};

/// Filters that the relay adds or replaces.
pub(crate) const NAMES: &[&str] = &[
    "bold", "code", "color", "colored", "default", "dictsort", "duration", "emoji", "items", "joined", "labels",
    "length", "link", "links", "number", "pill", "readings", "time", "top", "truncate", "without",
];

/// Functions that the relay adds; `more` comes with the context.
pub(crate) const FUNCTIONS: &[&str] = &["mention", "mention_room", "more", "msgtype"];

/// Adds them all. `sources` are the texts of all templates: nobody is mentioned whose name is not written there.
pub(crate) fn add_to(env: &mut Environment<'static>, sources: Vec<String>) {
    markup::add_to(env);
    measures::add_to(env);
    directives::add_to(env, sources);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("length", length);
    env.add_filter("count", length);
    env.add_filter("items", |value: &Value| minijinja::filters::items(&as_map(value)));
    env.add_filter("dictsort", |value: &Value, kwargs: Kwargs| {
        minijinja::filters::dictsort(&as_map(value), kwargs)
    });
    env.add_filter("truncate", truncate);
    env.add_filter("pluralize", minijinja_contrib::filters::pluralize);
    env.set_unknown_method_callback(|state, value, method, args| {
        minijinja_contrib::pycompat::unknown_method_callback(state, &as_map(value), method, args)
    });
}

/// Labels and annotations as an ordinary map, everything else as it is.
fn as_map(value: &Value) -> Value {
    value
        .downcast_object_ref::<Lookup>()
        .map_or_else(|| value.clone(), Lookup::as_map)
}

/// The text of a value; nothing for what is missing.
fn text(value: &Value) -> Cow<'_, str> {
    match value.as_str() {
        Some(text) => Cow::Borrowed(text),
        None if is_empty(value) => Cow::Borrowed(""),
        None => Cow::Owned(value.to_string()),
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_undefined() || value.is_none() || value.as_str().is_some_and(str::is_empty)
}

/// Unlike minijinja's, it also replaces the empty text, because that is what a missing label is.
fn default(value: &Value, other: Option<Value>) -> Value {
    if is_empty(value) {
        other.unwrap_or_else(|| Value::from(""))
    } else {
        value.clone()
    }
}

fn length(value: &Value) -> Result<usize, Error> {
    match value.downcast_object_ref::<AlertList>() {
        Some(list) => Ok(list.total),
        None => minijinja::filters::length(value),
    }
}

fn truncate(state: &State<'_, '_>, value: &Value, length: Option<usize>) -> Result<Value, Error> {
    let text = text(value);
    state.consume_fuel(u64::try_from(text.len() / 64).unwrap_or(u64::MAX))?;
    let cut = super::context::truncated(&text, length.unwrap_or(80));
    Ok(if value.is_safe() {
        Value::from_safe_string(cut)
    } else {
        Value::from(cut)
    })
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
