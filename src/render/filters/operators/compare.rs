//! Which of two values is larger, whether they are equal, and whether one holds the other.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::super::{invalid, is_empty};
use super::{kind_of, number_of};
use crate::render::tree::Tree;
use crate::render::values::{Lookup, Moment};

/// Whether a comparison by an order or membership holds.
pub(in crate::render::filters) fn compared(
    state: &mut State<'_, '_>,
    a: &Value,
    sign: &str,
    b: &Value,
) -> Result<bool, Error> {
    if sign == "in" {
        return is_in(state, a, b);
    }
    if sign == "not in" {
        return Ok(!is_in(state, a, b)?);
    }
    if is_empty(a) || is_empty(b) {
        return Ok(false);
    }
    if let (Some(a), Some(b)) = (a.len(), b.len()) {
        state.consume_fuel(u64::try_from(a.min(b)).unwrap_or(u64::MAX))?;
    }
    let (a, b) = (like(a, b)?, like(b, a)?);
    let (a, b) = (&a, &b);
    let both = |is: fn(&Value) -> bool| is(a) && is(b);
    let is_number = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if a.kind() != b.kind() && !both(is_number) && !(is_list(a) && is_list(b)) {
        return Err(incomparable(a, b));
    }
    Ok(match sign {
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        _ => a >= b,
    })
}

pub(super) fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

pub(super) fn is_moment(value: &Value) -> bool {
    value.downcast_object_ref::<Moment>().is_some()
}

/// A text as what stands beside it: a number or a time, if it is one.
pub(super) fn like(value: &Value, other: &Value) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return Ok(value.clone());
    };
    if other.is_number() {
        return number_of(text).ok_or_else(|| incomparable(value, other));
    }
    match other.downcast_object_ref::<Moment>() {
        Some(moment) => moment.same_kind(text).ok_or_else(|| incomparable(value, other)),
        None => Ok(value.clone()),
    }
}

pub(super) fn incomparable(a: &Value, b: &Value) -> Error {
    invalid(format!(
        "cannot compare a {} with a {} (expected two numbers, two texts or two times)",
        kind_of(a),
        kind_of(b)
    ))
}

/// Whether something is a member, a name of labels, or a part of a text.
pub(super) fn is_in(state: &mut State<'_, '_>, item: &Value, container: &Value) -> Result<bool, Error> {
    if let Some(labels) = container.downcast_object_ref::<Lookup>() {
        return Ok(item.as_str().is_some_and(|name| labels.has(name)));
    }
    if let (Some(tree), Some(name)) = (container.downcast_object_ref::<Tree>(), item.as_str()) {
        return Ok(tree.has(name));
    }
    if is_empty(container) || (container.as_str().is_some() && is_empty(item)) {
        return Ok(false);
    }
    if matches!(container.kind(), ValueKind::Number | ValueKind::Bool) {
        return Err(invalid("`in` looks into a text, a list or labels, and this is none"));
    }
    minijinja::tests::is_in(state, item, container)
}
