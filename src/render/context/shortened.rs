//! Texts as a template gets them: as they were sent, or shorter where the message would not fit.

use std::borrow::Cow;

use jiff::Timestamp;
use minijinja::Value;

use super::super::links::Link;
use super::super::shield::{clean, clean_line};
use super::super::values::{Lookup, Moment};
use super::super::words::spoken;
use super::{Context, record};
use crate::alert::Labels;
use crate::text::truncated;

pub(super) const FOLDED_LABELS: usize = 4;

pub(super) const FOLDED_LABEL: usize = 60;

pub(super) const FOLDED_ANNOTATION: usize = 240;

pub(super) const FOLDED_LINK: usize = 2_000;

impl Context<'_> {
    /// Text of several lines, such as an annotation.
    pub(super) fn long(&self, text: &str) -> Value {
        let text = clean(text.trim());
        if self.limits.truncate_labels {
            truncated(&text, FOLDED_ANNOTATION).into()
        } else {
            Value::from(text)
        }
    }

    /// Text that stays on one line.
    pub(super) fn line(&self, text: &str) -> Value {
        Value::from(self.name(text))
    }

    pub(super) fn name<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let text = clean_line(text);
        if self.limits.truncate_labels && text.len() > FOLDED_ANNOTATION {
            truncated(&text, FOLDED_ANNOTATION).into()
        } else {
            text
        }
    }

    /// An address, which has no beginning that would lead anywhere: it is there, or where room is short and no browser would
    /// open it, it is not.
    pub(super) fn address(&self, url: &str) -> Value {
        if self.limits.truncate_labels && url.len() > FOLDED_LINK {
            return Value::from("");
        }
        Value::from(clean_line(url))
    }

    pub(super) fn labels(&self, labels: &Labels) -> Value {
        Lookup::of(labels.iter().map(|(name, value)| (self.name(name), self.label(value))))
    }

    fn label(&self, value: &str) -> Value {
        let value = clean_line(value);
        if self.limits.truncate_labels {
            truncated(&value, FOLDED_LABEL).into()
        } else {
            Value::from(value)
        }
    }

    pub(super) fn annotations(&self, annotations: &Labels) -> Value {
        Lookup::of(
            annotations
                .iter()
                .map(|(name, text)| (self.name(name), self.long(text))),
        )
    }

    /// Labels as a list of names and values.
    pub(super) fn label_list<'b>(&self, labels: impl Iterator<Item = (&'b String, &'b String)>) -> Value {
        let entry = |name: Value, value: Value| record([("name", name), ("value", value)]);
        let mut list: Vec<_> = labels
            .map(|(name, value)| entry(self.line(name), self.label(value)))
            .collect();
        if self.limits.truncate_labels && list.len() > FOLDED_LABELS {
            let left_out = list.len() - FOLDED_LABELS;
            list.truncate(FOLDED_LABELS);
            list.push(entry(
                Value::from("…"),
                Value::from(spoken().say("more_labels", &[("count", &left_out)])),
            ));
        }
        list.into()
    }

    /// Links as a list of texts and addresses. Where room is short those are left out that no browser would open.
    pub(super) fn link_list(&self, links: &[Link<'_>]) -> Value {
        let shown = links
            .iter()
            .filter(|link| !self.limits.truncate_labels || link.url.len() <= FOLDED_LINK);
        shown
            .map(|link| record([("text", link.text.as_ref().into()), ("url", link.url.as_ref().into())]))
            .collect::<Vec<_>>()
            .into()
    }

    pub(super) fn moment(&self, at: Option<Timestamp>) -> Value {
        at.map_or_else(
            || Value::from(""),
            |at| {
                Value::from_object(Moment {
                    at,
                    now: self.facts.now,
                    zone: self.look.zone.clone(),
                })
            },
        )
    }
}
