//! The places of a route: every destination that its tree names, once, in the order in which they are written.
//!
//! A group tells one story in each place. Guarantees: what tells the places of one room apart comes from the table and
//! never from a notification, so a story stays with its place whichever alerts come, and in whichever order; no two of a
//! room with a template have the same name.

use std::collections::{HashMap, HashSet};

use super::Destination;
use super::tree::Rule;
use crate::message::{RoomAddress, TemplateName};

/// One destination of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Where it is, and how the group appears there.
    pub destination: Destination,
    /// Its name among those of its room with its template. Empty for the first one that is written, so that its rule may be
    /// edited without a new story; the others are named by the matchers on the way to the first rule that leads there,
    /// numbered where several have the same ones, or none.
    pub branch: String,
    /// Whether nothing is sent there by this name any more: its rule leads to a place that another rule had named before.
    /// With another policy it was a place of its own, which may have a story that is not over.
    pub former: bool,
}

/// The places of a route, with another template than the table's if a caller asked for one; former ones last.
pub(super) fn of(route: &Rule, template: Option<&TemplateName>) -> Vec<Place> {
    let mut found = Found::default();
    found.walk(route, template, "");
    let mut asked = HashSet::new();
    let places = found.places.iter().map(Place::key).collect::<HashSet<_>>();
    let formers = found.former.iter();
    let formers = formers.filter(|place| !places.contains(&place.key()) && asked.insert(place.key()));
    let formers: Vec<Place> = formers.cloned().collect();
    found.places.extend(formers);
    found.places
}

impl Place {
    fn key(&self) -> (&RoomAddress, &TemplateName, &str) {
        (&self.destination.room, &self.destination.template, &self.branch)
    }
}

/// What was found so far, and where in it a room with a template is.
#[derive(Default)]
struct Found {
    places: Vec<Place>,
    former: Vec<Place>,
    of_room: HashMap<(RoomAddress, TemplateName), OfRoom>,
}

/// The places of a room with a template, and how many rules with the same matchers have led there.
#[derive(Default)]
struct OfRoom {
    places: Vec<usize>,
    rules: HashMap<String, usize>,
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
            self.add(&asked(destination, template), &branch);
        }
        for inner in &rule.rules {
            self.walk(inner, template, &branch);
        }
    }

    fn add(&mut self, destination: &Destination, branch: &str) {
        let of_room = (destination.room.clone(), destination.template.clone());
        let of_room = self.of_room.entry(of_room).or_default();
        let named = |branch: String, former| Place {
            destination: destination.clone(),
            branch,
            former,
        };
        if of_room.places.is_empty() {
            of_room.rules.insert(String::new(), 1);
            of_room.places.push(self.places.len());
            self.places.push(named(String::new(), false));
            // Another rule may have been the first.
            self.former.push(named(branch.to_owned(), true));
            return;
        }
        let before = of_room.rules.entry(branch.to_owned()).or_default();
        *before += 1;
        let branch = match *before {
            1 => branch.to_owned(),
            number => format!("{branch}#{number}"),
        };
        if of_room
            .places
            .iter()
            .any(|at| self.places[*at].destination == *destination)
        {
            self.former.push(named(branch, true));
        } else {
            of_room.places.push(self.places.len());
            self.places.push(named(branch, false));
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
