//! Why an alert goes where it goes, for people.
//!
//! Guarantees: it walks the rules as routing does, and says of every rule that was looked at which condition failed.

use super::matcher::Matcher;
use super::split;
use super::tree::Rule;
use super::{Destination, Table};
use crate::alert::{Alert, Labels};
use crate::message::RouteName;

/// What became of an alert in a route.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The rules that were looked at, in order.
    pub steps: Vec<Step>,
    /// Where it goes, once for each room.
    pub destinations: Vec<Destination>,
}

/// What one rule did with an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where the rule is written.
    pub place: String,
    /// How many rules it is in.
    pub depth: usize,
    /// Its conditions, each with whether it holds and what the alert has there.
    pub conditions: Vec<(Matcher, bool, Option<String>)>,
    /// Whether it took the alert: all conditions hold.
    pub taken: bool,
    /// Whether the alert stays with it, and not with a rule inside it.
    pub ends_here: bool,
    /// Whether it took the alert and the rules after it were tried all the same.
    pub continues: bool,
}

impl Table {
    /// Why an alert goes where it goes; `None` if there is no such route.
    pub fn explain(&self, route: &RouteName, alert: &Alert) -> Option<Explanation> {
        let route = self.routes.get(route)?;
        let mut steps = Vec::new();
        walk(route, &alert.labels, 0, &mut steps);
        let destinations = split::destinations(route, &alert.labels);
        Some(Explanation {
            steps,
            destinations: destinations.into_iter().cloned().collect(),
        })
    }
}

/// Notes the rules inside one, which the alert has reached; says whether any of them took it.
fn walk(rule: &Rule, labels: &Labels, depth: usize, steps: &mut Vec<Step>) -> bool {
    let mut any = false;
    for inner in &rule.rules {
        let taken = inner.takes(labels);
        let at = steps.len();
        steps.push(Step {
            place: inner.place.clone(),
            depth,
            conditions: conditions(inner, labels),
            taken,
            ends_here: false,
            continues: taken && inner.continues,
        });
        if !taken {
            continue;
        }
        any = true;
        let refined = walk(inner, labels, depth + 1, steps);
        if let Some(step) = steps.get_mut(at) {
            step.ends_here = !refined;
        }
        if !inner.continues {
            break;
        }
    }
    any
}

fn conditions(rule: &Rule, labels: &Labels) -> Vec<(Matcher, bool, Option<String>)> {
    let condition = |matcher: &Matcher| {
        let found = labels.get(matcher.name()).filter(|value| !value.is_empty());
        (matcher.clone(), matcher.matches(labels), found.cloned())
    };
    rule.matchers.iter().map(condition).collect()
}
