//! The kinds of values that templates see.
//!
//! Guarantees: names that the relay defines are strict (a misspelt `alert.sumary` is an error), names that users define
//! are lenient (a label that an alert does not have is the empty text). They hold data and decide nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Value};

/// A record with fixed names; looking up any other name is an error.
#[derive(Debug)]
pub(crate) struct Fields(pub(crate) BTreeMap<&'static str, Value>);

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Iter(Box::new(
            self.0
                .keys()
                .map(|name| Value::from(*name))
                .collect::<Vec<_>>()
                .into_iter(),
        ))
    }
}

/// Labels, annotations or values; what is missing is the empty text.
#[derive(Debug)]
pub(crate) struct Lookup(pub(crate) BTreeMap<String, Value>);

impl Lookup {
    pub(crate) fn of<V: Into<Value>>(entries: impl Iterator<Item = (String, V)>) -> Value {
        Value::from_object(Self(entries.map(|(name, value)| (name, value.into())).collect()))
    }

    /// As an ordinary map, for built-in filters that insist on one.
    pub(crate) fn as_map(&self) -> Value {
        Value::from_pairs(self.0.iter().map(|(name, value)| (name.clone(), value.clone())))
    }
}

impl Object for Lookup {
    // Not a map to the engine, because it answers `in` for a map by looking up, and here every look-up succeeds.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        Some(self.0.get(name).cloned().unwrap_or_else(|| Value::from("")))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Iter(Box::new(self.0.keys().map(Value::from).collect::<Vec<_>>().into_iter()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if number == 0 { "" } else { ", " })?;
        }
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
        self.listed.store(true, Ordering::Relaxed);
        self.alerts.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.alerts.len())
    }
}

/// A point in time that knows what "now" and "here" are, so that `time` can be short.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) zone: TimeZone,
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        other.downcast_ref::<Self>().map(|other| self.at.cmp(&other.at))
    }
}
