//! The engine's filters for numbers, over values of which some may be missing: see `operators` for the rule.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use minijinja::value::{Kwargs, Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, filters};

use super::operators::{as_number, not_a, number_of};
use super::units::marked;
use super::{invalid, is_empty};
use crate::render::cost;

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("round", round);
    env.add_filter("abs", |value: &Value| {
        if is_empty(value) {
            return Ok(Value::from(""));
        }
        filters::abs(numeric(value)?)
    });
    env.add_filter("int", int);
    env.add_filter("float", float);
    env.add_filter("format", format);
    env.add_filter("sum", sum);
    env.add_filter("max", |state: &State<'_, '_>, list: Value, kwargs: Kwargs| {
        let present = present(state, &list, kwargs.get("attribute")?)?;
        filters::max(state, present, kwargs).map(or_nothing)
    });
    env.add_filter("min", |state: &State<'_, '_>, list: Value, kwargs: Kwargs| {
        let present = present(state, &list, kwargs.get("attribute")?)?;
        filters::min(state, present, kwargs).map(or_nothing)
    });
    env.add_filter("sort", sort);
    env.add_filter(
        "filesizeformat",
        |value: &Value, binary: Option<bool>, kwargs: Kwargs| {
            let binary = binary.or(kwargs.get("binary")?);
            kwargs.assert_all_used()?;
            if is_empty(value) {
                return Ok(String::new());
            }
            let number = as_number(value).ok_or_else(|| not_a("number of bytes", value))?;
            Ok::<_, Error>(marked(minijinja_contrib::filters::filesizeformat(number, binary)))
        },
    );
}

/// A text that is a number as that number; everything else as it is.
fn numeric(value: &Value) -> Result<Value, Error> {
    match value.as_str() {
        Some(text) => number_of(text).ok_or_else(|| not_a("number", value)),
        None => Ok(value.clone()),
    }
}

fn or_nothing(value: Value) -> Value {
    if value.is_undefined() { Value::from("") } else { value }
}

fn round(value: &Value, precision: Option<i32>, method: Option<&str>, kwargs: Kwargs) -> Result<Value, Error> {
    if is_empty(value) {
        return Ok(Value::from(""));
    }
    filters::round(numeric(value)?, precision, method, kwargs)
}

fn int(
    state: &State<'_, '_>,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    if is_empty(value) {
        return Ok(default.or(kwargs.get("default")?).unwrap_or_else(|| Value::from("")));
    }
    filters::int(state, value, default, base, kwargs).map_err(|_| not_a("number", value))
}

fn float(state: &State<'_, '_>, value: &Value, default: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    if is_empty(value) {
        return Ok(default.or(kwargs.get("default")?).unwrap_or_else(|| Value::from("")));
    }
    filters::float(state, value, default, kwargs).map_err(|_| not_a("number", value))
}

/// `"%.1f" | format(alert.values.A)`; nothing where a number is wanted that is missing.
fn format(state: &mut State<'_, '_>, template: &Value, values: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let values = values.into_values();
    let given = |values: Vec<Value>| Rest(values.into_iter().map(ValueOrKwargs::from).collect());
    let error = match filters::format(state, template, given(values.clone())) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    if values.iter().any(is_empty) {
        return Ok(Value::from(""));
    }
    let numbers = values
        .iter()
        .map(|value| value.as_str().and_then(number_of).unwrap_or_else(|| value.clone()));
    let numbers = numbers.collect();
    filters::format(state, template, given(numbers)).map_err(|_| error)
}

/// The members of which this attribute, or which themselves, are there.
fn present(state: &State<'_, '_>, list: &Value, attribute: Option<&str>) -> Result<Value, Error> {
    let mut found = Vec::new();
    for item in list.try_iter().map_err(|_| not_a("list", list))? {
        state.consume_fuel(1)?;
        if !is_empty(&key(&item, attribute)) {
            found.push(item);
        }
    }
    Ok(Value::from(found))
}

fn key(item: &Value, attribute: Option<&str>) -> Value {
    let Some(path) = attribute else {
        return item.clone();
    };
    let keys = path.split(',').map(str::trim);
    let mut found = keys.map(|path| {
        let step = |value: Value, name: &str| match name.parse::<usize>() {
            Ok(index) => value.get_item_by_index(index),
            Err(_) => value.get_attr(name),
        };
        path.split('.').try_fold(item.clone(), step).unwrap_or_default()
    });
    found.find(|key| !is_empty(key)).unwrap_or_default()
}

fn sum(
    state: &State<'_, '_>,
    list: Value,
    attribute: Option<&str>,
    start: Option<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let attribute = match attribute {
        Some(attribute) => Some(attribute),
        None => kwargs.get("attribute")?,
    };
    let mut numbers = Vec::new();
    for item in present(state, &list, attribute)?.try_iter()? {
        let value = key(&item, attribute);
        numbers.push(match value.as_str() {
            Some(_) => numeric(&value)?,
            None => value,
        });
    }
    let start = start.or(kwargs.get("start")?);
    kwargs.assert_all_used()?;
    filters::sum(
        state,
        Value::from(numbers),
        None,
        start,
        Kwargs::from_iter([] as [(&str, Value); 0]),
    )
}

/// What has no value to be sorted by comes last, in whichever direction.
fn sort(state: &State<'_, '_>, list: Value, kwargs: Kwargs) -> Result<Value, Error> {
    let attribute: Option<&str> = kwargs.get("attribute")?;
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for item in list.try_iter().map_err(|_| not_a("list", &list))? {
        state.consume_fuel(1)?;
        if is_empty(&key(&item, attribute)) {
            missing.push(item);
        } else {
            there.push(item);
        }
    }
    if missing.is_empty() {
        return filters::sort(state, Value::from(there), kwargs);
    }
    let sorted = filters::sort(state, Value::from(there), kwargs)?;
    cost::pay(state, missing.len())?;
    Ok(sorted.try_iter()?.chain(missing).collect())
}

/// Refuses what is no name of an argument, in words.
pub(super) fn unknown_argument(filter: &str, kwargs: &Kwargs, known: &str) -> Result<(), Error> {
    kwargs
        .assert_all_used()
        .map_err(|_| invalid(format!("`{filter}` has no such argument (expected {known})")))
}
