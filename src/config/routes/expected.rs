//! The alerts that are signs of life: how often one is expected, and from whom.
//!
//! Guarantees: whatever has one name is expected equally often wherever it is written.

use std::collections::BTreeMap;
use std::time::Duration;

use super::inherited::Inherited;
use super::source::Section;
use crate::config::value::duration;
use crate::route::{Expected, Table};

/// What is expected more often is in time by chance.
const LEAST: Duration = Duration::from_secs(10);
const MOST: Duration = Duration::from_hours(366 * 24);

/// What a section says of it.
pub(super) fn refine(section: &Section<'_>, own: &mut Inherited) {
    if let Some((text, span)) = section.text("expect_from") {
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            let message = "invalid `expect_from`: no name (expected for example \"Prometheus\")";
            section.source.error(span, message);
        }
        text.clone_into(&mut own.from);
        if let Some(expected) = &mut own.policy.expected {
            expected.from.clone_from(&own.from);
        }
    }
    let Some((text, span)) = section.text("expect_every") else {
        if let Some(value) = section.get("expect_from").filter(|_| own.policy.expected.is_none()) {
            section.warn(value.span(), "`expect_from` has no effect without `expect_every`");
        }
        return;
    };
    match duration(text) {
        Ok(every) if (LEAST..=MOST).contains(&every) => {
            let from = own.from.clone();
            own.policy.expected = Some(Expected { from, every });
        }
        _ => {
            let message = format!("invalid `expect_every`: `{text:.40}` (expected 10s to 366d, such as \"5m\")");
            section.source.error(span, message);
        }
    }
}

/// Says which names are expected in different intervals.
pub(super) fn must_agree(document: &Section<'_>, table: &Table) {
    let mut known: BTreeMap<&str, Duration> = BTreeMap::new();
    for expected in table
        .expected()
        .into_iter()
        .filter_map(|(_, one)| one.policy.expected.as_ref())
    {
        let every = *known.entry(&expected.from).or_insert(expected.every);
        if every != expected.every {
            document.error(format!(
                "invalid `expect_every`: `{}` is expected in different intervals (expected a name for each, by `expect_from`)",
                expected.from
            ));
        }
    }
}
