//! The filters, functions and tests that templates have beyond minijinja's own.
//!
//! Guarantees: no input or output, no clock; nothing stays nothing (see `operators`), so a template needs no `if` around a
//! filter. [`NAMES`], [`FUNCTIONS`] and [`TESTS`] list all of them; `reference` explains each, and a test compares.

mod directives;
mod formats;
mod known;
mod markup;
mod measures;
mod methods;
mod numbers;
mod operators;
mod regexes;
mod severities;
mod units;

use std::borrow::Cow;
use std::fmt::Write as _;

pub(crate) use directives::{Directives, More};
pub(crate) use formats::{check_format, translated as translated_format};
pub(crate) use measures::{duration_text, time_text};
use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, State, Value};
pub(crate) use operators::Notes;
pub(crate) use units::{names as units, number_text};

use super::cost::{self, text};
use super::tree::Nothing;
use super::values::AlertList;

/// Filters that the relay adds or replaces.
pub(crate) const NAMES: &[&str] = &[
    "abs",
    "bold",
    "by_severity",
    "code",
    "color",
    "colored",
    "combine",
    "default",
    "duration",
    "emoji",
    "filesizeformat",
    "float",
    "format",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "int",
    "joined",
    "labels",
    "length",
    "link",
    "links",
    "max",
    "min",
    "number",
    "pill",
    "reReplaceAll",
    "readings",
    "regex_findall",
    "regex_replace",
    "regex_search",
    "round",
    "sort",
    "sort_severity",
    "strftime",
    "stripDomain",
    "stripPort",
    "sum",
    "ternary",
    "time",
    "toLower",
    "toUpper",
    "tojson",
    "top",
    "trimSpace",
    "truncate",
    "without",
    "wordwrap",
];

/// Functions that the relay adds; `more` comes with the context.
pub(crate) const FUNCTIONS: &[&str] = &["mention", "mention_room", "more", "msgtype", "say"];

/// Tests that the relay adds or replaces.
pub(crate) const TESTS: &[&str] = &["ge", "gt", "in", "le", "lt", "match", "regex", "search"];

/// Adds them all. `sources` are the texts of all templates: nobody is mentioned whose name is not written there.
pub(crate) fn add_to(env: &mut Environment<'static>, sources: Vec<String>) {
    markup::add_to(env);
    measures::add_to(env);
    directives::add_to(env, sources);
    known::add_to(env);
    numbers::add_to(env);
    operators::add_to(env);
    regexes::add_to(env);
    severities::add_to(env);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("length", length);
    env.add_filter("count", length);
    env.add_filter("tojson", tojson);
    env.add_filter("truncate", truncate);
    env.add_filter("pluralize", minijinja_contrib::filters::pluralize);
    // Made for the terminal, and without a limit.
    env.remove_filter("pprint");
    env.add_function("debug", debug);
    env.set_unknown_method_callback(methods::call);
}

pub(super) fn is_empty(value: &Value) -> bool {
    value.is_undefined() || value.is_none() || value.as_str().is_some_and(str::is_empty) || Nothing::is(value)
}

/// Unlike minijinja's, it also replaces the empty text, because that is what a missing label is. `true` as a second argument
/// makes it replace 0 and false as well.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]
fn default(value: &Value, other: Option<Value>, also_false: Option<bool>, kwargs: Kwargs) -> Result<Value, Error> {
    let also_false = also_false.or(kwargs.get("boolean")?).unwrap_or_default();
    let other = other.or(kwargs.get("default_value")?);
    numbers::unknown_argument("default", &kwargs, "a value, and `boolean`")?;
    Ok(if is_empty(value) || (also_false && !value.is_true()) {
        other.unwrap_or_else(|| Value::from(""))
    } else {
        value.clone()
    })
}

fn length(value: &Value) -> Result<usize, Error> {
    match value.downcast_object_ref::<AlertList>() {
        Some(list) => Ok(list.total),
        None => minijinja::filters::length(value),
    }
}

/// `truncate(20)`, and as Jinja2 has it: whether words may be cut, what stands at the end, and how much longer a text may be.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]
fn truncate(
    value: &Value,
    length: Option<usize>,
    killwords: Option<bool>,
    end: Option<&str>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let length = length.or(kwargs.get("length")?).unwrap_or(80);
    let killwords = killwords.or(kwargs.get("killwords")?).unwrap_or(true);
    let end = end.or(kwargs.get("end")?).unwrap_or("…");
    let leeway = kwargs.get::<Option<usize>>("leeway")?.unwrap_or(0);
    numbers::unknown_argument("truncate", &kwargs, "`length`, `killwords`, `end` and `leeway`")?;
    cost::check(end)?;
    // A text that is too long is what this is for.
    let text = value
        .as_str()
        .map_or_else(|| text(value), |text| Ok(Cow::Borrowed(text)))?;
    let is_short = text.chars().nth(length.saturating_add(leeway)).is_none();
    let cut = if is_short {
        text.into_owned()
    } else {
        let room = length.saturating_sub(end.chars().count());
        let mut kept: String = text.chars().take(room).collect();
        if !killwords && let Some(space) = kept.rfind(char::is_whitespace) {
            kept.truncate(space);
        }
        kept.truncate(kept.trim_end().len());
        kept + end
    };
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

/// Everything there is, or the values that are given, for the author of a template; not more than can be read.
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
