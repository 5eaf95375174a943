//! The names that a template could use for one notification, with the values that they have there.
//!
//! Guarantees: read off the context that templates are given, so it says what they would print; bounded in number, depth and
//! length, whatever was posted. No template is run.

use jiff::Timestamp;
use minijinja::Value;
use minijinja::value::ValueKind;

use super::super::Renderer;
use super::super::context::{Context, Limits};
use super::super::facts::Facts;
use super::super::filters;
use super::super::values::{Fields, Lookup};
use crate::alert::Notification;
use crate::message::TemplateName;
use crate::text::truncated;

/// More are not listed.
const MOST: usize = 400;
/// How long a value may be, in characters.
const LONGEST: usize = 160;
const DEEPEST: usize = 4;

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// As it is written in a template: `alert.labels.instance`.
    pub path: String,
    /// What it prints, cut; of a list how many there are.
    pub value: String,
}

impl Renderer {
    /// The names with their values for a notification.
    pub fn seen(&self, notification: &Notification, now: Timestamp) -> Vec<Seen> {
        let library = self.inner.library.load();
        let look = self.look(&library, &TemplateName::default());
        look.with(|| {
            let facts = Facts::new(notification, now);
            let root = Context::new(&facts, &look, Limits::NONE).build();
            let mut seen = Vec::new();
            members(&root, "", 0, &mut seen);
            seen
        })
    }
}

fn members(value: &Value, prefix: &str, depth: usize, seen: &mut Vec<Seen>) {
    if depth > DEEPEST {
        return;
    }
    if let Some(fields) = value.downcast_object_ref::<Fields>() {
        for name in fields.names() {
            // Of the whole notification, what is a function, or what only other templates see, says nothing here.
            let is_elsewhere =
                depth == 0 && (matches!(name, "change" | "digest") || filters::FUNCTIONS.contains(&name));
            if let Some(value) = value.get_attr(name).ok().filter(|_| !is_elsewhere) {
                let path = if prefix.is_empty() {
                    name.to_owned()
                } else {
                    format!("{prefix}.{name}")
                };
                visit(&value, path, depth, seen);
            }
        }
    } else if let Some(entries) = value.downcast_object_ref::<Lookup>() {
        for (name, value) in entries.pairs() {
            let name = name.as_ref();
            let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit());
            let path = if is_plain {
                format!("{prefix}.{name}")
            } else {
                format!("{prefix}[\"{}\"]", name.replace('\\', "\\\\").replace('"', "\\\""))
            };
            visit(value, path, depth, seen);
        }
    }
}

fn visit(value: &Value, path: String, depth: usize, seen: &mut Vec<Seen>) {
    if seen.len() >= MOST || value.is_undefined() {
        return;
    }
    let is_record = value.downcast_object_ref::<Fields>().is_some() || value.downcast_object_ref::<Lookup>().is_some();
    if is_record {
        members(value, &path, depth + 1, seen);
    } else if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let mut all = value.try_iter().into_iter().flatten();
        let first = all.next();
        let count = value
            .len()
            .unwrap_or_else(|| usize::from(first.is_some()) + all.count());
        seen.push(Seen {
            value: if count == 1 {
                "1 entry".to_owned()
            } else {
                format!("{count} entries")
            },
            path: path.clone(),
        });
        // One alert is enough to see what alerts have; `firing` and `resolved` hold the same ones.
        let is_shown = !matches!(path.as_str(), "firing" | "resolved");
        if let Some(first) = first.filter(|_| is_shown) {
            visit(&first, format!("{path}[0]"), depth, seen);
        }
    } else if value.kind() != ValueKind::Invalid {
        seen.push(Seen {
            value: truncated(&value.to_string(), LONGEST),
            path,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Isolation, Settings, trial};
    use super::*;

    fn seen(notification: &Notification) -> Vec<Seen> {
        let renderer = Renderer::open(&Settings {
            templates_dir: None,
            time_zone: jiff::tz::TimeZone::UTC,
            language: None,
            isolation: Isolation::None,
        });
        renderer.seen(notification, trial::now())
    }

    #[test]
    fn names_are_listed_with_what_they_would_print() {
        let notification = trial::notifications().remove(0);
        let (list, alert) = (seen(&notification), &notification.alerts[0]);
        let of = |path: &str| list.iter().find(|one| one.path == path).map(|one| one.value.as_str());
        assert_eq!(of("status"), Some(notification.status.as_str()));
        assert_eq!(of("count.total"), Some(notification.alerts.len().to_string().as_str()));
        for (name, value) in alert.labels.iter().filter(|(name, _)| !name.starts_with("__")) {
            let plain = format!("alerts[0].labels.{name}");
            let quoted = format!("alerts[0].labels[\"{name}\"]");
            assert!(
                of(&plain).or(of(&quoted)).is_some(),
                "{name}={value} is missing: {list:#?}"
            );
        }
    }

    #[test]
    fn it_stays_short_whatever_was_posted() {
        let mut notification = trial::notifications().remove(0);
        for number in 0..5_000 {
            let value = "x".repeat(5_000);
            notification.alerts[0].labels.insert(format!("label {number}"), value);
        }
        let list = seen(&notification);
        assert!(list.len() <= MOST);
        assert!(list.iter().all(|one| one.value.chars().count() <= LONGEST + 1));
    }
}
