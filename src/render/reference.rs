//! Every name that a template may use, taken from the code that provides it.
//!
//! Guarantees: the variables are read off a context that was really built, so this list cannot be out of date.

use std::sync::LazyLock;

use jiff::tz::TimeZone;

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
}

static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let notifications = trial::notifications();
    let names = |value: &minijinja::Value| -> Vec<&'static str> {
        value
            .downcast_object_ref::<Fields>()
            .map(Fields::names)
            .unwrap_or_default()
    };
    let Some(notification) = notifications.first() else {
        return Reference {
            root: Vec::new(),
            alert: Vec::new(),
        };
    };
    let facts = Facts::new(notification, trial::now());
    let root = Context::new(&facts, &TimeZone::UTC, Limits::NONE).build();
    let alert = root
        .get_attr("alerts")
        .and_then(|alerts| alerts.get_item_by_index(0))
        .unwrap_or_default();
    Reference {
        root: names(&root),
        alert: names(&alert),
    }
});

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

/// Everything that can stand where a name is looked up.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    variables().chain(alert_fields()).chain(functions())
}
