//! The rules of one route, as a tree, and where they send an alert.
//!
//! The meaning is that of Alertmanager's routing tree: rules are tried in order, the first that matches takes the alert
//! unless it says `continue`, rules inside a rule refine it, and whatever no rule takes stays with the route itself.
//!
//! Guarantees: every alert has at least one destination, because every rule and the route have one.

use super::Destination;
use super::matcher::Matcher;
use super::policy::MentionPolicy;
use crate::alert::Labels;
use crate::message::Mode;

/// A route, or a rule in it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Where it is written, such as `routes.toml:12`; for people.
    pub place: String,
    /// What an alert's labels have to meet, all of it; nothing means every alert.
    pub matchers: Vec<Matcher>,
    /// Where its alerts go; never empty.
    pub destinations: Vec<Destination>,
    /// Whether the rules after it are tried although it matched.
    pub continues: bool,
    /// The rules inside it.
    pub rules: Vec<Rule>,
}

impl Rule {
    /// Whether it takes an alert with these labels.
    pub fn takes(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }

    /// The rules that an alert ends at, in the order in which they are written; never empty. It presumes that the rule itself takes the
    /// alert, as a route does.
    pub(super) fn chosen(&self, labels: &Labels) -> Vec<&Self> {
        let mut chosen = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.takes(labels)) {
            chosen.extend(rule.chosen(labels));
            if !rule.continues {
                break;
            }
        }
        if chosen.is_empty() {
            chosen.push(self);
        }
        chosen
    }

    pub(super) fn set_mode(&mut self, mode: Mode) {
        for destination in &mut self.destinations {
            destination.policy.mode = mode;
        }
        self.rules.iter_mut().for_each(|rule| rule.set_mode(mode));
    }

    pub(super) fn set_mentions(&mut self, mentions: &MentionPolicy) {
        for destination in &mut self.destinations {
            destination.policy.mentions = mentions.clone();
        }
        self.rules.iter_mut().for_each(|rule| rule.set_mentions(mentions));
    }

    /// All destinations in it, in the order in which they are written.
    pub(super) fn all_destinations(&self) -> Vec<&Destination> {
        let mut all: Vec<_> = self.destinations.iter().collect();
        all.extend(self.rules.iter().flat_map(Self::all_destinations));
        all
    }
}
