//! The kinds of values that templates see.
//!
//! Guarantees: names that the relay defines are strict (a misspelt `alert.sumary` is an error), names that users define
//! are lenient (a label that an alert does not have is the empty text). They hold data and decide nothing.

mod moment;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind};

pub(crate) use self::moment::Moment;
use crate::alert::is_private;

/// A record with fixed names; looking up any other name is an error.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// With room for so many.
    pub(crate) fn with_capacity(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    pub(crate) fn extend<const N: usize>(&mut self, fields: [(&'static str, Value); N]) {
        self.0.extend(fields);
    }

    /// Their names, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }
}

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        // A few dozen names are found faster one after the other than in a tree, which has to be built first.
        let key = key.as_str()?;
        let field = self.0.iter().find(|(name, _)| *name == key)?;
        Some(field.1.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Iter(Box::new(self.names().into_iter().map(Value::from)))
    }
}

/// A name to look something up by. In tests it counts how often names are compared: the sender decides how many
/// labels there are, so the work must not grow with the square of their number.
#[derive(Debug, Clone)]
pub(crate) struct Name(Value);

#[cfg(test)]
thread_local! {
    pub(crate) static COMPARED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl<'a, T: Into<Cow<'a, str>>> From<T> for Name {
    fn from(name: T) -> Self {
        // The engine's texts keep short ones in place.
        Self(Value::from(name.into()))
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.0.as_str().unwrap_or_default()
    }
}

impl From<Name> for Value {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_ref())
    }
}

impl Name {
    pub(super) fn compared(&self, other: &str) -> Ordering {
        #[cfg(test)]
        COMPARED.with(|compared| compared.set(compared.get() + 1));
        self.as_ref().cmp(other)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.compared(other.as_ref()).is_eq()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compared(other.as_ref())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

/// Labels, annotations or values, by name; what is missing is the empty text. What is for the sender's own use is there for
/// a template that asks for it by name, and in no list.
#[derive(Debug)]
pub(crate) struct Lookup(Vec<(Name, Value)>);

impl Lookup {
    pub(crate) fn of<'a, V: Into<Value>>(entries: impl Iterator<Item = (Cow<'a, str>, V)>) -> Value {
        static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::from_object(Lookup(Vec::new())));
        let mut entries: Vec<_> = entries.map(|(name, value)| (name.into(), value.into())).collect();
        if entries.is_empty() {
            return EMPTY.clone();
        }
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            // Cleaning the names may have changed their order, or made one of two.
            entries = entries.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
        }
        Value::from_object(Self(entries))
    }

    /// What it takes to look at all of it.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = &(Name, Value)> {
        self.0.iter().filter(|(name, _)| !is_private(name.as_ref()))
    }

    /// Whether there is something of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.binary_search_by(|(known, _)| known.compared(name)).is_ok()
    }
}

impl Object for Lookup {
    // To the engine a map, in which every look-up succeeds; `filters::operators` answers `in`.
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let found = self.0.binary_search_by(|(known, _)| known.compared(name));
        Some(found.map_or_else(|_| Value::from(""), |at| self.0[at].1.clone()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names: Vec<Value> = self.pairs().map(|(name, _)| name.clone().into()).collect();
        Enumerator::Iter(Box::new(names.into_iter()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, value)) in self.pairs().enumerate() {
            write!(f, "{}{name}={value}", if number == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// How the error begins where `alert` is looked into and there are several.
pub(crate) const NO_SINGLE: &str = "`alert` exists only where a notification holds exactly one alert";

/// Stands for the one alert of a notification where there are several, or none: false, and an error that says so as soon as
/// something of it is wanted.
#[derive(Debug)]
pub(crate) struct NoSingle;

impl Object for NoSingle {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        let message = format!(
            "{NO_SINGLE} (expected `{{% if alert %}}…{{% endif %}}` around it, or `{{% for alert in alerts %}}…{{% endfor %}}`)"
        );
        Some(Value::from(Error::new(ErrorKind::InvalidOperation, message)))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Which list of alerts this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Firing,
    Resolved,
    All,
}

/// Alerts, worst first. In a message that would be too long it ends early, and still knows how many there are.
#[derive(Debug)]
pub(crate) struct AlertList {
    pub(crate) which: Which,
    pub(crate) alerts: Vec<Value>,
    pub(crate) total: usize,
    /// Whether the template looked at its members, as opposed to counting them.
    pub(crate) listed: AtomicBool,
}

impl AlertList {
    pub(crate) fn new(which: Which, alerts: Vec<Value>, total: usize) -> Self {
        Self {
            which,
            alerts,
            total,
            listed: AtomicBool::new(false),
        }
    }
}

impl Object for AlertList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.listed.store(true, Relaxed);
        self.alerts.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.alerts.len())
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::alert::Alert;
    use crate::message::TemplateName;
    use crate::render::{Isolation, Renderer, Settings, trial};

    /// How often names are compared to render a notification whose alerts `grow` to a size.
    fn compared(template: &str, size: usize, grow: impl Fn(&mut Vec<Alert>, usize)) -> usize {
        let renderer = Renderer::open(&Settings {
            templates_dir: None,
            time_zone: TimeZone::UTC,
            language: None,
            isolation: Isolation::None,
        });
        let template: TemplateName = template.parse().unwrap();
        let mut notification = trial::notifications().remove(0);
        grow(&mut notification.alerts, size);
        COMPARED.set(0);
        let rendered = renderer.render(&template, &notification, trial::now());
        assert_eq!(rendered.problem, None);
        COMPARED.get()
    }

    #[test]
    fn work_does_not_grow_with_the_square_of_what_is_posted() {
        let labels = |alerts: &mut Vec<Alert>, size: usize| {
            for number in 0..size {
                alerts[0].labels.insert(format!("label{number}"), "x".to_owned());
                alerts[0]
                    .annotations
                    .insert(format!("annotation{number}"), "x".to_owned());
            }
        };
        let severities = |alerts: &mut Vec<Alert>, size: usize| {
            let alert = alerts[0].clone();
            *alerts = vec![alert; size];
            for (number, alert) in alerts.iter_mut().enumerate() {
                alert.labels.insert("severity".to_owned(), format!("severity{number}"));
            }
        };
        for template in ["alert", "compact", "detailed"] {
            for grow in [&labels as &dyn Fn(&mut Vec<Alert>, usize), &severities] {
                let [few, many] = [1_000, 8_000].map(|size| compared(template, size, grow));
                assert!(few > 0 && many < few * 16, "{template}: {few} comparisons, then {many}");
            }
        }
    }
}
