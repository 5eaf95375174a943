//! Filters that write Markdown around a value, right in each place: the value is shielded, the signs around it are not.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value};

use super::measures::rounded;
use super::{invalid, is_empty, text};
use crate::render::html::is_color;
use crate::render::kind::Kind;
use crate::render::severity::level;
use crate::render::shield::shield;

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("bold", |state: &mut State<'_, '_>, value: Value| {
        wrapped(state, value, "**")
    });
    env.add_filter("code", |value: &Value| code(&text(value)));
    env.add_filter("link", link);
    env.add_filter("links", links);
    env.add_filter("labels", labels);
    env.add_filter("joined", joined);
    env.add_filter("readings", readings);
    env.add_filter("without", without);
    env.add_filter("colored", colored);
    env.add_filter("emoji", |value: &Value| match Kind::named(&text(value)) {
        Some(kind) => kind.emoji(level("")),
        None => level(&text(value)).emoji(),
    });
    env.add_filter("color", |value: &Value| match Kind::named(&text(value)) {
        Some(kind) => kind.color(level("")),
        None => level(&text(value)).color(),
    });
}

/// A value as it would be printed: Markdown stays Markdown, everything else is shielded.
fn printed(state: &mut State<'_, '_>, value: Value) -> Result<String, Error> {
    if value.is_safe() {
        Ok(value.to_string())
    } else {
        state.format(value)
    }
}

fn wrapped(state: &mut State<'_, '_>, value: Value, sign: &str) -> Result<Value, Error> {
    let text = printed(state, value)?;
    Ok(Value::from_safe_string(if text.is_empty() {
        text
    } else {
        format!("{sign}{text}{sign}")
    }))
}

fn code(text: &str) -> Value {
    Value::from_safe_string(if text.is_empty() {
        String::new()
    } else {
        format!("`{}`", shield(text))
    })
}

/// `url | link("Rule")`: nothing if there is no address.
fn link(state: &mut State<'_, '_>, url: &Value, label: Option<Value>) -> Result<Value, Error> {
    let url = text(url);
    if url.is_empty() {
        return Ok(Value::from(""));
    }
    let label = printed(
        state,
        label
            .filter(|label| !is_empty(label))
            .unwrap_or_else(|| Value::from(url.as_ref())),
    )?;
    Ok(Value::from_safe_string(format!("[{label}]({})", shield(&url))))
}

/// A list of `{text, url}` as links in a row.
fn links(state: &mut State<'_, '_>, list: Value, separator: Option<&str>) -> Result<Value, Error> {
    let mut parts = Vec::new();
    for entry in list.try_iter()? {
        parts.push(link(state, &entry.get_attr("url")?, Some(entry.get_attr("text")?))?);
    }
    joined(state, Value::from(parts), separator)
}

/// Names and values as `name` in plain and `value` in code, in a row: for `shared`, `alert.differing`, `alert.labels`.
fn labels(list: &Value, separator: Option<&str>, kwargs: Kwargs) -> Result<Value, Error> {
    let names = kwargs.get::<Option<bool>>("names")?.unwrap_or(true);
    kwargs.assert_all_used()?;
    let parts = name_value_pairs(list)?
        .into_iter()
        .filter(|(_, value)| !is_empty(value))
        .map(|(name, value)| match text(&value) {
            value if name == "…" => shield(&format!("… {value}")),
            value if names => format!("{} {}", shield(&name), code(&value)),
            value => code(&value).to_string(),
        });
    Ok(Value::from_safe_string(
        parts.collect::<Vec<_>>().join(separator.unwrap_or(" · ")),
    ))
}

/// Values as "A = 96.44, B = 3".
fn readings(list: &Value) -> Result<String, Error> {
    let parts = name_value_pairs(list)?.into_iter().map(|(name, value)| {
        let number = f64::try_from(value)
            .map(|number| rounded(number, 2))
            .unwrap_or_default();
        format!("{name} = {number}")
    });
    Ok(parts.collect::<Vec<_>>().join(", "))
}

/// The parts that are not empty, in a row; Markdown among them stays Markdown.
fn joined(state: &mut State<'_, '_>, list: Value, separator: Option<&str>) -> Result<Value, Error> {
    let mut out = String::new();
    for part in list.try_iter()? {
        let part = printed(state, part)?;
        if part.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push_str(separator.unwrap_or(" · "));
        }
        out.push_str(&part);
    }
    Ok(Value::from_safe_string(out))
}

/// Labels without those named, or without those that a second set of labels has as well, as a list.
fn without(list: &Value, left_out: Rest<Value>) -> Result<Value, Error> {
    let mut names = Vec::new();
    for value in left_out.iter() {
        match value.as_str() {
            Some(name) => names.push(name.to_owned()),
            None => names.extend(name_value_pairs(value)?.into_iter().map(|(name, _)| name)),
        }
    }
    let kept = name_value_pairs(list)?
        .into_iter()
        .filter(|(name, _)| !names.contains(name));
    Ok(kept
        .map(|(name, value)| Value::from_pairs([("name", Value::from(name)), ("value", value)]))
        .collect())
}

/// Names and values of a set of labels, or of a list that was made of one.
fn name_value_pairs(list: &Value) -> Result<Vec<(String, Value)>, Error> {
    let mut pairs = Vec::new();
    for entry in list.try_iter()? {
        if let Some(name) = entry.as_str() {
            pairs.push((name.to_owned(), list.get_item(&entry)?));
        } else {
            pairs.push((text(&entry.get_attr("name")?).into_owned(), entry.get_attr("value")?));
        }
    }
    Ok(pairs)
}

/// `"FIRING" | colored("#e5484d")`; clients that do not show colours show the text.
fn colored(state: &mut State<'_, '_>, value: Value, color: &str) -> Result<Value, Error> {
    if !is_color(color) {
        return Err(invalid(format!("`{color}` is not a color of the form #rrggbb")));
    }
    let text = printed(state, value)?;
    Ok(Value::from_safe_string(format!(
        "<span data-mx-color=\"{color}\">{text}</span>"
    )))
}
