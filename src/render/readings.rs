//! The numbers worth showing of an alert: each once, without the threshold's verdict, and without -1 for "no data".
//!
//! Guarantees: nothing but the choice and its order; `values` in a template still holds all of them.

use std::collections::{BTreeMap, HashSet};

use minijinja::Value;

use super::context::record;
use super::facts::{AlertFacts, short};
use crate::alert::AlertStatus;

/// A list of names and values; empty where nothing is known.
pub(crate) fn of(facts: &AlertFacts<'_>) -> Value {
    let values = facts.alert.values.as_ref().filter(|_| !facts.has_no_values());
    list(values, facts.alert.status)
}

/// The same for what a resolved alert last fired with.
pub(crate) fn of_last(facts: &AlertFacts<'_>) -> Value {
    let meant = |values: &&BTreeMap<String, f64>| values.values().any(|value| (*value + 1.0).abs() >= f64::EPSILON);
    list(facts.alert.last_values.as_ref().filter(meant), AlertStatus::Firing)
}

fn list(values: Option<&BTreeMap<String, f64>>, status: AlertStatus) -> Value {
    let entries: Vec<_> = values.into_iter().flatten().collect();
    let shown = match entries.split_last() {
        Some((last, rest)) if !rest.is_empty() && is_verdict(*last.1, status) => rest,
        _ => &entries,
    };
    let mut seen = HashSet::new();
    shown
        .iter()
        // A query and its reduction to one number are the same number.
        .filter(|(_, value)| seen.insert(value.to_bits()))
        .map(|(name, value)| record([("name", Value::from(short(name))), ("value", Value::from(**value))]))
        .collect::<Vec<_>>()
        .into()
}

/// A rule's last expression is its condition, and yields 1 while it holds and 0 when it does not.
fn is_verdict(value: f64, status: AlertStatus) -> bool {
    let verdict = if status == AlertStatus::Firing { 1.0 } else { 0.0 };
    (value - verdict).abs() < f64::EPSILON
}
