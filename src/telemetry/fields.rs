//! The fields of an event or a span as values, with long texts cut.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};

use super::human::{LONGEST_FIELD, LONGEST_MESSAGE, masked};
use crate::text::truncated;

#[derive(Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.others.push((field.name(), value));
    }

    fn add_text(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            self.message = truncated(text, LONGEST_MESSAGE);
        } else {
            self.others.push((field.name(), truncated(text, LONGEST_FIELD).into()));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add_text(field, &masked(field, value).unwrap_or_else(|| format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let masked = masked(field, &format_args!("{value}"));
        self.add_text(field, masked.as_deref().unwrap_or(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}
