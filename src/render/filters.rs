//! The filters and functions that templates have beyond minijinja's own.
//!
//! Guarantees: no input or output, no clock; an empty value gives an empty text, so a template needs no `if` around a
//! filter. [`NAMES`] and [`FUNCTIONS`] list all of them; `templates/README.md` explains them, and a test compares.

mod directives;
mod markup;
mod measures;
mod methods;

use std::borrow::Cow;
use std::fmt::Write as _;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, State, Value};

pub(crate) use directives::{Directives, More};
pub(crate) use measures::number_text;

use super::cost::{self, text};
use super::values::{AlertList, Lookup};

/// Filters that the relay adds or replaces.
pub(crate) const NAMES: &[&str] = &[
    "bold", "code", "color", "colored", "default", "dictsort", "duration", "emoji", "items", "joined", "labels",
    "length", "link", "links", "number", "pill", "readings", "time", "tojson", "top", "truncate", "without",
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
    env.add_filter("items", |state: &State<'_, '_>, value: &Value| {
        minijinja::filters::items(&as_map(state, value)?)
    });
    env.add_filter("dictsort", |state: &State<'_, '_>, value: &Value, kwargs: Kwargs| {
        minijinja::filters::dictsort(&as_map(state, value)?, kwargs)
    });
    env.add_filter("tojson", tojson);
    env.add_filter("truncate", truncate);
    env.add_filter("pluralize", minijinja_contrib::filters::pluralize);
    // Made for the terminal, and without a limit.
    env.remove_filter("pprint");
    env.add_function("debug", debug);
    env.set_unknown_method_callback(methods::call);
}

/// Labels and annotations as an ordinary map, everything else as it is.
fn as_map(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    let Some(lookup) = value.downcast_object_ref::<Lookup>() else {
        return Ok(value.clone());
    };
    state.consume_fuel(u64::try_from(lookup.len()).unwrap_or(u64::MAX))?;
    Ok(lookup.as_map())
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

fn truncate(value: &Value, length: Option<usize>) -> Result<Value, Error> {
    // A text that is too long is what this is for.
    let text = value
        .as_str()
        .map_or_else(|| text(value), |text| Ok(Cow::Borrowed(text)))?;
    let cut = super::context::truncated(&text, length.unwrap_or(80));
    Ok(if value.is_safe() {
        Value::from_safe_string(cut)
    } else {
        Value::from(cut)
    })
}

/// Unlike minijinja's, its result is text as any other: what it escapes makes it safe in HTML and not in Markdown.
fn tojson(state: &State<'_, '_>, value: &Value, indent: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    const WIDEST: i64 = 16;
    // JSON takes up at most six times as much.
    cost::pay(state, text(value)?.len() * 6)?;
    let indent = match indent {
        Some(indent) => Some(indent),
        None => kwargs.get("indent")?,
    };
    if indent
        .as_ref()
        .and_then(Value::as_i64)
        .is_some_and(|width| width > WIDEST)
    {
        return Err(invalid(format!("an indent of more than {WIDEST}")));
    }
    let json = minijinja::filters::tojson(value, indent, kwargs)?;
    Ok(Value::from(text(&json)?))
}

/// Everything there is, or the values that are given, for whoever writes a template; not more than can be read.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]
fn debug(state: &State<'_, '_>, values: Rest<Value>) -> String {
    const MOST: usize = 20_000;
    let mut shown = cost::Capped::new(MOST);
    let written = match values.as_slice() {
        [] => write!(shown, "{state:#?}"),
        values => values.iter().try_for_each(|value| writeln!(shown, "{value:#?}")),
    };
    let mut shown = shown.into_text();
    if written.is_err() {
        shown.push_str("\n… and more");
    }
    shown
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
