//! A body of any shape as templates see it.
//!
//! Guarantees: every look-up succeeds, however deep; what is not there is [`Nothing`], which is empty. Texts are texts, whatever
//! they hold.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};

use super::shield::clean;
use super::values::Name;

/// Stands for what a body of any shape does not have: empty, and so is whatever is looked up in it.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Nothing {
    pub(crate) fn value() -> Value {
        static NOTHING: LazyLock<Value> = LazyLock::new(|| Value::from_object(Nothing));
        NOTHING.clone()
    }

    pub(crate) fn is(value: &Value) -> bool {
        value.downcast_object_ref::<Self>().is_some()
    }
}

impl Object for Nothing {
    // An empty list can be looped over, counted, cut and joined.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Self::value())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(0)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// An object or a list of a body of any shape, in which every look-up succeeds.
#[derive(Debug)]
pub(crate) enum Tree {
    /// By name, sorted.
    Fields(Vec<(Name, Value)>),
    Items(Vec<Value>),
}

impl Tree {
    /// A body as templates see it. Its texts are texts, whatever they hold.
    pub(crate) fn of(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Nothing::value(),
            serde_json::Value::Bool(value) => Value::from(*value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => Value::from(whole),
                (_, Some(whole)) => Value::from(whole),
                _ => number.as_f64().map_or_else(Nothing::value, Value::from),
            },
            serde_json::Value::String(text) => Value::from(clean(text)),
            serde_json::Value::Array(items) => Value::from_object(Self::Items(items.iter().map(Self::of).collect())),
            serde_json::Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| (Name::from(clean(name)), Self::of(value)));
                // Cleaning the names may have made one of two.
                let fields: BTreeMap<Name, Value> = fields.collect();
                Value::from_object(Self::Fields(fields.into_iter().collect()))
            }
        }
    }

    /// Whether there is something of this name in it.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Fields(fields) => fields.binary_search_by(|(known, _)| known.compared(name)).is_ok(),
            Self::Items(items) => items.iter().any(|item| item.as_str() == Some(name)),
        }
    }
}

impl Object for Tree {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match **self {
            Self::Fields(_) => ObjectRepr::Map,
            Self::Items(_) => ObjectRepr::Seq,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let found = match &**self {
            Self::Fields(fields) => key.as_str().and_then(|name| {
                let at = fields.binary_search_by(|(known, _)| known.compared(name));
                at.ok().map(|at| fields[at].1.clone())
            }),
            Self::Items(items) => key.as_usize().and_then(|at| items.get(at).cloned()),
        };
        Some(found.unwrap_or_else(Nothing::value))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &**self {
            Self::Fields(fields) => {
                let names: Vec<Value> = fields.iter().map(|(name, _)| name.clone().into()).collect();
                Enumerator::Iter(Box::new(names.into_iter()))
            }
            Self::Items(items) => Enumerator::Seq(items.len()),
        }
    }
}
