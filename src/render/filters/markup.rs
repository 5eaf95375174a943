//! Filters that write Markdown around a value, right in each place: the value is shielded, the signs around it are not.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use std::collections::HashSet;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value};

use super::units::rounded;
use super::{invalid, is_empty};
use crate::render::cost::{self, text};
use crate::render::html::is_color;
use crate::render::kind::Kind;
use crate::render::markdown::is_allowed;
use crate::render::readings::ALONE;
use crate::render::severity::level;
use crate::render::shield::shield;
use crate::render::values::{Lookup, Name};
use crate::render::words::{self, spoken};

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("bold", |state: &mut State<'_, '_>, value: Value| {
        wrapped(state, value, "**")
    });
    env.add_filter("code", |value: &Value| Ok::<_, Error>(code(&text(value)?)));
    env.add_filter("link", link);
    env.add_filter("links", links);
    env.add_filter("labels", labels);
    env.add_filter("joined", joined);
    env.add_filter("readings", readings);
    env.add_filter("without", without);
    env.add_filter("colored", colored);
    env.add_function("say", say);
    env.add_filter("emoji", |value: &Value| {
        let text = text(value)?;
        Ok::<_, Error>(match Kind::named(&text) {
            Some(kind) => kind.emoji(level("")),
            None => level(&text).emoji(),
        })
    });
    env.add_filter("color", |value: &Value| {
        let text = text(value)?;
        Ok::<_, Error>(match Kind::named(&text) {
            Some(kind) => kind.color(level("")),
            None => level(&text).color(),
        })
    });
}

/// `say("since", time=alert.since | time)`: one of the words of messages in the language of the message, with what it is
/// given filled in. The word is Markdown, and what is filled in is a value like any other.
fn say(state: &mut State<'_, '_>, word: &str, kwargs: Kwargs) -> Result<Value, Error> {
    let words = spoken();
    let Some(text) = words.find(word) else {
        let near =
            words::nearest_word(&words, word).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(invalid(format!("`say` knows no such word{near}")));
    };
    let filled = words::filled(text, |name, out| {
        let Some(value) = kwargs.get::<Option<Value>>(name)? else {
            return Err(invalid(format!("the word `{word}` needs {name}=…")));
        };
        let value = printed(state, value)?;
        cost::push(state, out, &value)
    })?;
    Ok(Value::from_safe_string(filled))
}

/// A value as it would be printed: Markdown stays Markdown, everything else is shielded.
fn printed(state: &mut State<'_, '_>, value: Value) -> Result<String, Error> {
    if value.is_safe() || is_empty(&value) {
        Ok(text(&value)?.into_owned())
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

/// `url | link("Rule")`: nothing if there is no address, or none that a client opens, because a word that cannot be pressed
/// helps nobody. Without a word of its own it is still a text.
fn link(state: &mut State<'_, '_>, url: &Value, label: Option<Value>) -> Result<Value, Error> {
    let url = text(url)?;
    let label = label.filter(|label| !is_empty(label));
    if url.is_empty() || (label.is_some() && !is_allowed(&url)) {
        return Ok(Value::from(""));
    }
    let label = printed(state, label.unwrap_or_else(|| Value::from(url.as_ref())))?;
    Ok(Value::from_safe_string(format!("[{label}]({})", shield(&url))))
}

/// A list of `{text, url}` as links in a row.
fn links(state: &mut State<'_, '_>, list: Value, separator: Option<Value>) -> Result<Value, Error> {
    let mut row = Row::new(state, separator)?;
    for entry in list.try_iter()? {
        let link = link(state, &entry.get_attr("url")?, Some(entry.get_attr("text")?))?;
        row.add(state, &text(&link)?)?;
    }
    Ok(row.into_value())
}

/// Names and values as `name=value`, the value in code, in a row: for `shared`, `alert.differing`, `alert.labels`.
fn labels(state: &mut State<'_, '_>, list: &Value, separator: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let names = kwargs.get::<Option<bool>>("names")?.unwrap_or(true);
    kwargs.assert_all_used()?;
    let mut row = Row::new(state, separator)?;
    for (name, value) in pairs(state, list)? {
        let (name, value) = (name.as_ref(), text(&value)?);
        if value.is_empty() {
            continue;
        }
        let part = match name {
            "…" => shield(&format!("… {value}")),
            _ if names => format!("{}=`{}`", shield(name), shield(&value)),
            _ => format!("`{}`", shield(&value)),
        };
        row.add(state, &part)?;
    }
    Ok(row.into_value())
}

/// Values as "A = 96.44, B = 3"; one that is alone as "value 96.44".
fn readings(state: &mut State<'_, '_>, list: &Value) -> Result<String, Error> {
    let mut row = Row::new(state, Some(Value::from_safe_string(", ".to_owned())))?;
    for (name, value) in pairs(state, list)? {
        let number = f64::try_from(value)
            .map(|number| rounded(number, 2))
            .unwrap_or_default();
        let said = if name.as_ref() == ALONE {
            format!("{} {number}", spoken().get("value"))
        } else {
            format!("{name} = {number}")
        };
        row.add(state, &said)?;
    }
    Ok(row.out)
}

/// The parts that are not empty, in a row; Markdown among them stays Markdown.
fn joined(state: &mut State<'_, '_>, list: Value, separator: Option<Value>) -> Result<Value, Error> {
    let mut row = Row::new(state, separator)?;
    for part in list.try_iter()? {
        let part = printed(state, part)?;
        row.add(state, &part)?;
    }
    Ok(row.into_value())
}

/// Parts in a row, those that are not empty, paid for one by one. What stands between them is a value like any other.
struct Row {
    out: String,
    separator: String,
}

impl Row {
    fn new(state: &mut State<'_, '_>, separator: Option<Value>) -> Result<Self, Error> {
        let separator = separator.filter(|value| !value.is_undefined() && !value.is_none());
        Ok(Self {
            out: String::new(),
            separator: separator.map_or_else(|| Ok(" · ".to_owned()), |value| printed(state, value))?,
        })
    }

    fn add(&mut self, state: &State<'_, '_>, part: &str) -> Result<(), Error> {
        // An empty part costs its look, or a list without end would be free.
        state.consume_fuel(1)?;
        if part.is_empty() {
            return Ok(());
        }
        if !self.out.is_empty() {
            cost::push(state, &mut self.out, &self.separator)?;
        }
        cost::push(state, &mut self.out, part)
    }

    fn into_value(self) -> Value {
        Value::from_safe_string(self.out)
    }
}

/// Labels without those named, or without those that a second set of labels has as well, as a list.
fn without(state: &State<'_, '_>, list: &Value, left_out: Rest<Value>) -> Result<Value, Error> {
    let mut names = HashSet::new();
    for value in left_out.iter() {
        match value.as_str() {
            Some(name) => drop(names.insert(Name::from(name.to_owned()))),
            None => names.extend(pairs(state, value)?.into_iter().map(|(name, _)| name)),
        }
    }
    let kept = pairs(state, list)?
        .into_iter()
        .filter(|(name, _)| !names.contains(name));
    Ok(kept
        .map(|(name, value)| Value::from_pairs([("name", Value::from(name)), ("value", value)]))
        .collect())
}

/// Names and values of a set of labels, or of a list that was made of one.
fn pairs(state: &State<'_, '_>, list: &Value) -> Result<Vec<(Name, Value)>, Error> {
    if let Some(lookup) = list.downcast_object_ref::<Lookup>() {
        state.consume_fuel(u64::try_from(lookup.len()).unwrap_or(u64::MAX))?;
        return Ok(lookup
            .pairs()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect());
    }
    let mut pairs = Vec::new();
    for entry in list.try_iter()? {
        state.consume_fuel(1)?;
        if let Some(name) = entry.as_str() {
            pairs.push((Name::from(name.to_owned()), list.get_item(&entry)?));
        } else {
            let name = text(&entry.get_attr("name")?)?.into_owned();
            pairs.push((Name::from(name), entry.get_attr("value")?));
        }
    }
    Ok(pairs)
}

/// `"FIRING" | colored("#db383e")`; clients that do not show colours show the text.
fn colored(state: &mut State<'_, '_>, value: Value, color: &str) -> Result<Value, Error> {
    if !is_color(color) {
        // Without what it is: that may be an alert's, and errors are logged and shown in `ready`.
        return Err(invalid("a color has the form #rrggbb"));
    }
    let text = printed(state, value)?;
    Ok(Value::from_safe_string(format!(
        "<span data-mx-color=\"{color}\">{text}</span>"
    )))
}
