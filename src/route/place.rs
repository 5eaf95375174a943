//! The places of a route: every destination that its tree names, once, in the order in which they are written.
//!
//! A group tells one story in each place. Guarantees: what tells the places of one room apart comes from the table and
//! never from a notification, so a story stays with its place whichever alerts come, and in whichever order.

use std::collections::HashMap;

use super::Destination;
use super::tree::Rule;
use crate::message::{RoomAddress, TemplateName};

/// One destination of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Where it is, and how the group appears there.
    pub destination: Destination,
    /// Which branch of the route leads there, where the room has the same template from several: the matchers on the way
    /// to the first rule that names it. Empty for the route's own rooms, and where there is no other: then a rule may be
    /// edited without a new story.
    pub branch: String,
}

/// The places of a route, with another template than the table's if a caller asked for one.
pub(super) fn of(route: &Rule, template: Option<&TemplateName>) -> Vec<Place> {
    let mut found = Found::default();
    found.walk(route, template, "");
    for alone in found.of_room.values().filter(|places| places.len() == 1) {
        found.places[alone[0]].branch.clear();
    }
    found.places
}

/// What was found so far, and where in it a room with a template is.
#[derive(Default)]
struct Found {
    places: Vec<Place>,
    of_room: HashMap<(RoomAddress, TemplateName), Vec<usize>>,
}

impl Found {
    fn walk(&mut self, rule: &Rule, template: Option<&TemplateName>, above: &str) {
        let mut matchers: Vec<String> = rule.matchers.iter().map(ToString::to_string).collect();
        // In whichever order they are written, they mean the same.
        matchers.sort_unstable();
        let branch = if matchers.is_empty() {
            above.to_owned()
        } else {
            format!("{above}{{{}}}", matchers.join(","))
        };
        for destination in &rule.destinations {
            self.add(asked(destination, template), &branch);
        }
        for inner in &rule.rules {
            self.walk(inner, template, &branch);
        }
    }

    fn add(&mut self, destination: Destination, branch: &str) {
        let of_room = (destination.room.clone(), destination.template.clone());
        let known = self.of_room.entry(of_room).or_default();
        if known.iter().all(|at| self.places[*at].destination != destination) {
            known.push(self.places.len());
            self.places.push(Place {
                destination,
                branch: branch.to_owned(),
            });
        }
    }
}

/// A destination, with the template that the caller asked for.
pub(super) fn asked(destination: &Destination, template: Option<&TemplateName>) -> Destination {
    Destination {
        template: template.unwrap_or(&destination.template).clone(),
        ..destination.clone()
    }
}
