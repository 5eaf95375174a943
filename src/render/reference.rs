//! Every name that a template may use, taken from the code that provides it, and what is said of each.
//!
//! Guarantees: the variables and their types are read off contexts that were really built, so this list cannot be out of
//! date. Tests hold that something is said of every name, and that every example runs.

mod built_in;
mod entries;
mod seen;
mod variables;

use std::sync::LazyLock;

use minijinja::Value;
use minijinja::value::ValueKind;

pub(crate) use self::built_in::{BUILT_IN_FILTERS, BUILT_IN_FUNCTIONS, BUILT_IN_TESTS};
use super::context::{Context, Limits};
use super::facts::Facts;
use super::look::Look;
use super::tree::Nothing;
use super::values::{Fields, Lookup};
use super::{filters, trial};

struct Reference {
    root: Vec<&'static str>,
    alert: Vec<&'static str>,
    nested: Vec<(&'static str, Vec<&'static str>)>,
}

/// Where records stand inside of others: what leads to them, with `[]` for the members of a list.
const NESTED: [&str; 15] = [
    "count",
    "states[]",
    "severities[]",
    "shared[]",
    "links[]",
    "change",
    "change.count",
    "digest",
    "digest.count",
    "digest.rules[]",
    "digest.came_and_went[]",
    "digest.over[]",
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
    let roots = roots();
    let record = |path: &str| roots.iter().find_map(|root| found(root, path)).unwrap_or_default();
    Reference {
        root: names(&roots.first().cloned().unwrap_or_default()),
        alert: names(&record("alert")),
        nested: NESTED.iter().map(|path| (*path, names(&record(path)))).collect(),
    }
});

/// Contexts of trials. Together they have something in every list.
fn roots() -> Vec<Value> {
    let built = |facts: &Facts<'_>| Context::new(facts, &Look::default(), Limits::NONE).build();
    let changes = trial::changes().into_iter();
    let changes = changes.map(|(whole, change)| built(&Facts::of_change(&whole, &change, trial::now())));
    let digests = trial::digests().into_iter();
    let digests = digests.map(|(firing, digest)| built(&Facts::of_digest(&firing, &digest, trial::now())));
    changes.chain(digests).collect()
}

/// What a path leads to, if it leads anywhere; `alert` is any of them.
fn found(root: &Value, path: &str) -> Option<Value> {
    let steps = match path.split_once('.') {
        Some(("alert", rest)) => format!("alerts[].{rest}"),
        _ if path == "alert" => "alerts[]".to_owned(),
        _ => path.to_owned(),
    };
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

/// All tests.
pub fn tests() -> impl Iterator<Item = &'static str> {
    filters::TESTS.iter().chain(BUILT_IN_TESTS).copied()
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

pub use entries::Entry;
pub use seen::Seen;

/// A variable as the reference tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The same with what leads to it: `alert.summary`.
    pub path: String,
    /// What kind of value it holds.
    pub holds: String,
    /// What it is.
    pub about: &'static str,
    /// Where it can be used, if that is not everywhere.
    pub only: Option<&'static str>,
}

impl Variable {
    /// What it is and where it can be used, for a list that shows nothing else of it.
    pub fn described(&self) -> String {
        match self.only {
            Some(only) => format!("{} ({only})", self.about),
            None => self.about.to_owned(),
        }
    }
}

/// The tables of variables: a title, a sentence, and what belongs there.
pub fn variable_tables() -> &'static [VariableTable] {
    &TABLES
}

/// A title, a sentence, and what belongs there.
pub type VariableTable = (&'static str, &'static str, Vec<Variable>);

/// Made once: the trials' contexts are much work.
static TABLES: LazyLock<Vec<VariableTable>> = LazyLock::new(|| {
    let roots = roots();
    let of = |parent: &str, names: &[variables::About]| -> Vec<Variable> {
        let variable = |(name, about): &variables::About| Variable {
            name: (*name).to_owned(),
            path: format!("{parent}{name}"),
            holds: held(&roots, &format!("{parent}{name}")),
            about,
            only: (parent == "alert.").then_some("only with one alert, or in a loop over several"),
        };
        names.iter().map(variable).collect()
    };
    vec![
        (
            "What the sender says",
            "Under the sender's own names, as in Grafana's documentation of the webhook.",
            of("", variables::SENT),
        ),
        (
            "What the relay works out",
            "Of the whole notification.",
            of("", variables::COMPUTED),
        ),
        (
            "An alert",
            "A member of `alerts`, `firing`, `resolved` and of the lists in `change`. With one alert, `alert` is that one; with several, \
             write `{% for alert in alerts %}…{% endfor %}`.",
            of("alert.", variables::ALERT),
        ),
        (
            "What has changed",
            "In `change`, which `update.md.j2` is about.",
            of("change.", variables::CHANGE),
        ),
        (
            "What waited",
            "In `digest`, which `digest.md.j2` is about.",
            of("digest.", variables::DIGEST),
        ),
    ]
});

/// All filters, with what is said of them.
pub fn filter_entries() -> &'static [Entry] {
    entries::FILTERS
}

/// All functions, with what is said of them.
pub fn function_entries() -> &'static [Entry] {
    entries::FUNCTIONS
}

/// All tests, with what is said of them.
pub fn test_entries() -> &'static [Entry] {
    entries::TESTS
}

/// The units that `number` knows.
pub fn units() -> impl Iterator<Item = &'static str> {
    filters::units()
}

/// What kind of value stands under a path, in any of the trials; of records and lists of records also the names in them.
fn held(roots: &[Value], path: &str) -> String {
    let found = roots.iter().map(|root| {
        // What a resolved alert fired with is known in a change only.
        let ended = path
            .strip_prefix("alert.")
            .map(|field| format!("change.ended[].{field}"));
        [found(root, path), ended.and_then(|path| found(root, &path))]
    });
    let is_empty = |value: &Value| value.as_str() == Some("") || value.len() == Some(0);
    let values: Vec<Value> = found.flatten().flatten().collect();
    let Some(value) = values.iter().find(|value| !is_empty(value)).or(values.first()) else {
        return String::new();
    };
    let record = |value: &Value| {
        let names = value
            .downcast_object_ref::<Fields>()
            .map(Fields::names)
            .unwrap_or_default();
        names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let is_alert = |value: &Value| value.get_attr("fingerprint").is_ok_and(|value| !value.is_undefined());
    match value.kind() {
        ValueKind::String => "text".to_owned(),
        ValueKind::Bool => "true or false".to_owned(),
        ValueKind::Number => "number".to_owned(),
        ValueKind::Plain => "time".to_owned(),
        _ if Nothing::is(value) => "record or list of anything".to_owned(),
        ValueKind::Map if value.downcast_object_ref::<Lookup>().is_some() => "names with values".to_owned(),
        ValueKind::Map if is_alert(value) => "alert".to_owned(),
        ValueKind::Map => format!("record of {}", record(value)),
        _ => match value.try_iter().ok().and_then(|mut members| members.next()) {
            Some(member) if is_alert(&member) => "list of alerts".to_owned(),
            Some(member) if member.kind() == ValueKind::Map => format!("list of {}", record(&member)),
            Some(_) => "list of texts".to_owned(),
            None => "list".to_owned(),
        },
    }
}
