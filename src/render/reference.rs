//! Every name that a template may use, taken from the code that provides it.
//!
//! Guarantees: the variables are read off a context that was really built, so this list cannot be out of date.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use minijinja::Value;

use super::context::{Context, Limits};
use super::facts::Facts;
use super::values::Fields;
use super::{filters, trial};

/// minijinja's own filters that are of use in a message; the rest of them work as well.
pub(crate) const BUILT_IN_FILTERS: &[&str] = &[
    "abs",
    "batch",
    "capitalize",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "join",
    "last",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pluralize",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// minijinja's own functions.
pub(crate) const BUILT_IN_FUNCTIONS: &[&str] = &["debug", "dict", "namespace", "range"];

struct Reference {
    root: Vec<&'static str>,
    alert: Vec<&'static str>,
    nested: Vec<(&'static str, Vec<&'static str>)>,
}

/// Where records stand inside of others: what leads to them, with `[]` for the members of a list.
const NESTED: [&str; 10] = [
    "count",
    "states[]",
    "severities[]",
    "shared[]",
    "links[]",
    "change",
    "change.count",
    "alert.differing[]",
    "alert.readings[]",
    "alert.links[]",
];

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let names = |value: &Value| -> Vec<&'static str> {
        value
            .downcast_object_ref::<Fields>()
            .map(Fields::names)
            .unwrap_or_default()
    };
    // Together they have something in every list.
    let contexts = || {
        trial::changes().into_iter().map(|(notification, change)| {
            let facts = Facts::of_change(&notification, &change, trial::now());
            Context::new(&facts, &TimeZone::UTC, Limits::NONE).build()
        })
    };
    let record = |path: &str| contexts().find_map(|root| found(&root, path)).unwrap_or_default();
    Reference {
        root: names(&contexts().next().unwrap_or_default()),
        alert: names(&record("alert")),
        nested: NESTED.iter().map(|path| (*path, names(&record(path)))).collect(),
    }
});

/// What a path leads to, if it leads anywhere; `alert` is any of them.
fn found(root: &Value, path: &str) -> Option<Value> {
    let steps = path.replace("alert", "alerts[]");
    let step = |value: Value, step: &str| {
        let next = value.get_attr(step.trim_end_matches("[]")).ok()?;
        if step.ends_with("[]") {
            next.try_iter().ok()?.next()
        } else {
            Some(next)
        }
    };
    steps.split('.').try_fold(root.clone(), step)
}

/// Names of the notification, without those that are functions.
pub fn variables() -> impl Iterator<Item = &'static str> {
    REFERENCE
        .root
        .iter()
        .copied()
        .filter(|name| !filters::FUNCTIONS.contains(name))
}

/// Names of an alert.
pub fn alert_fields() -> impl Iterator<Item = &'static str> {
    REFERENCE.alert.iter().copied()
}

/// All filters.
pub fn filters() -> impl Iterator<Item = &'static str> {
    filters::NAMES.iter().chain(BUILT_IN_FILTERS).copied()
}

/// All functions.
pub fn functions() -> impl Iterator<Item = &'static str> {
    filters::FUNCTIONS.iter().chain(BUILT_IN_FUNCTIONS).copied()
}

/// Names inside of others, each list with what leads to it: `count`, `states[]`.
pub fn nested() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    REFERENCE.nested.iter().map(|(path, names)| (*path, names.as_slice()))
}

/// Everything that can stand where a name is looked up by itself.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    variables().chain(functions())
}

/// Everything that can stand behind a dot; behind this name, where it is one of those that lead to others.
pub(crate) fn names_behind(parent: &str) -> Vec<&'static str> {
    let leads = |path: &str| path.trim_end_matches("[]").rsplit('.').next() == Some(parent);
    let known: Vec<_> = nested()
        .filter(|(path, _)| leads(path))
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    if known.is_empty() {
        // The variable of a loop may be called anything; mostly it is an alert.
        return alert_fields()
            .chain(nested().flat_map(|(_, names)| names.iter().copied()))
            .collect();
    }
    known
}
