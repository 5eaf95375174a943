//! The numbers worth showing of an alert: each once, without the threshold's verdict, without -1 for "no data", and without
//! what its text says already.
//!
//! Guarantees: nothing but the choice, its order and the name of one that is alone; `values` in a template still holds all
//! of them.

use std::collections::{BTreeMap, HashSet};

use minijinja::Value;

use super::context::record;
use super::facts::{AlertFacts, short};
use crate::alert::AlertStatus;

/// What one number is called that is alone: the letter of its query says nothing then.
pub(super) const ALONE: &str = "value";

/// So much of an alert's text is searched for numbers.
const SEARCHED: usize = 4 * 1024;

/// A list of names and values; empty where nothing is known, or nothing that is not said.
pub(crate) fn of(facts: &AlertFacts<'_>) -> Value {
    let values = facts.alert.values.as_ref().filter(|_| !facts.has_no_values());
    list(facts, values, facts.alert.status)
}

/// The same for what a resolved alert last fired with.
pub(crate) fn of_last(facts: &AlertFacts<'_>) -> Value {
    let meant = |values: &&BTreeMap<String, f64>| values.values().any(|value| (*value + 1.0).abs() >= f64::EPSILON);
    let values = facts.alert.last_values.as_ref().filter(meant);
    list(facts, values, AlertStatus::Firing)
}

fn list(facts: &AlertFacts<'_>, values: Option<&BTreeMap<String, f64>>, status: AlertStatus) -> Value {
    let entries: Vec<_> = values.into_iter().flatten().collect();
    let measured = match entries.split_last() {
        Some((last, rest)) if !rest.is_empty() && is_verdict(*last.1, status) => rest,
        _ => &entries,
    };
    let mut seen = HashSet::new();
    // A query and its reduction to one number are the same number.
    let different = measured.iter().filter(|(_, value)| seen.insert(value.to_bits()));
    let different: Vec<_> = different.collect();
    let said = if different.is_empty() {
        Vec::new()
    } else {
        numbers(&[facts.summary(), facts.description()])
    };
    let name = |name: &str| {
        if different.len() == 1 {
            ALONE.to_owned()
        } else {
            short(name)
        }
    };
    different
        .iter()
        .filter(|(_, value)| !said.iter().any(|number| number.tells(**value)))
        .map(|(query, value)| record([("name", Value::from(name(query))), ("value", Value::from(**value))]))
        .collect::<Vec<_>>()
        .into()
}

/// A rule's last expression is its condition, and yields 1 while it holds and 0 when it does not.
fn is_verdict(value: f64, status: AlertStatus) -> bool {
    let verdict = if status == AlertStatus::Firing { 1.0 } else { 0.0 };
    (value - verdict).abs() < f64::EPSILON
}

/// A number in a text, as exact as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Said {
    number: f64,
    decimals: i32,
    is_percent: bool,
}

impl Said {
    /// Whether it is this value, rounded. A whole number near a small one is mostly something else, such as its threshold.
    fn tells(self, value: f64) -> bool {
        let is_it = |value: f64| {
            let step = 10_f64.powi(-self.decimals);
            let is_exact = (value - self.number).abs() < step * 1e-6;
            is_exact || ((self.decimals > 0 || value.abs() >= 20.0) && (value - self.number).abs() <= step / 2.0)
        };
        is_it(value) || (self.is_percent && is_it(value * 100.0))
    }
}

/// The numbers that stand for themselves in these texts, and not in a name such as `db-2`.
fn numbers(texts: &[&str]) -> Vec<Said> {
    let mut found = Vec::new();
    for text in texts {
        let end = text
            .char_indices()
            .map(|(at, _)| at)
            .take_while(|at| *at <= SEARCHED)
            .last()
            .unwrap_or(0);
        let text = if text.len() <= SEARCHED { text } else { &text[..end] };
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '=' | ':' | ';')) {
            let word = word.trim_end_matches(['.', ',', '!', '?']);
            let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
            let unit = &word[digits.len()..];
            if digits.is_empty() {
                continue;
            }
            let (whole, decimals) = digits.rsplit_once(['.', ',']).unwrap_or((digits, ""));
            if whole.contains(['.', ',']) {
                continue;
            }
            let Ok(number) = format!("{whole}.{decimals}0").parse::<f64>() else {
                continue;
            };
            found.push(Said {
                number,
                decimals: i32::try_from(decimals.len()).unwrap_or(0),
                is_percent: unit.starts_with('%'),
            });
        }
        // "97.9 %" is as common as "97.9%".
        if text.contains(" %") {
            for number in &mut found {
                number.is_percent = true;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_said_as_exactly_as_it_is_written() {
        let tells = |text: &str, value: f64| numbers(&[text]).iter().any(|said| said.tells(value));
        assert!(tells("Checkout answers in 2.4 s (p99)", 2.4137));
        assert!(tells("CPU at 96%", 96.4359));
        assert!(tells("Disk /var is at 97.9%.", 0.979) && tells("97,9 % of the disk", 0.9789));
        assert!(tells("value=12", 12.0) && tells("12 errors", 12.0));
        assert!(!tells("CPU above 90% for 5 minutes", 96.4) && !tells("for 5 minutes", 4.7));
        assert!(!tells("db-2 and p99 and 10.1.2.3", 2.0) && !tells("p99", 99.0));
        assert!(!tells(&format!("{}42", "é ".repeat(SEARCHED)), 42.0));
    }
}
