//! Where a notification goes, and how its group appears there: pure, total, deterministic.
//!
//! It decides from the path and from labels and never looks at `receiver`, because Grafana's Test button sends
//! `webhook` there. It reads no clock and does no I/O: the routes file is read by `config`, and a new table is handed in.

mod dialect;
mod explain;
mod grammar;
mod input;
mod matcher;
mod pattern;
mod policy;
mod quoted;
mod split;
mod tree;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use self::explain::{Explanation, Step};
pub use self::grammar::{MatcherError, matchers};
pub use self::input::Input;
pub use self::matcher::{Matcher, Operator};
pub use self::pattern::{LONGEST_VALUE, PatternError};
pub use self::policy::{AllowList, Expected, Field, Mention, MentionPolicy, MessagePolicy, SeverityFilter};
pub use self::split::Share;
pub use self::tree::Rule;
pub use crate::alert::AlertState;
use crate::alert::Notification;
use crate::message::{Locale, Mode, RoomAddress, RouteName, TemplateName};

/// All routes by their names. Without a routes file there is one, to the default room.
#[derive(Debug, Clone, Default)]
pub struct Table {
    routes: BTreeMap<RouteName, Rule>,
    inputs: BTreeMap<RouteName, Arc<Input>>,
    destinations: BTreeMap<RouteName, Vec<Destination>>,
}

/// The table in use. Clones share it, and all of them see when it is replaced.
#[derive(Debug, Clone)]
pub struct Router {
    table: Arc<ArcSwap<Table>>,
}

/// A room, how the message reads there, and how its group appears there over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// The room.
    pub room: RoomAddress,
    /// The template that renders it.
    pub template: TemplateName,
    /// How its group appears there.
    pub policy: MessagePolicy,
}

/// What a destination gets: the whole notification, or those of its alerts that the rules send there.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed {
    /// Where it goes.
    pub destination: Destination,
    /// What goes there.
    pub share: Share,
}

/// What becomes of a notification in a route.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Split {
    /// Who gets which part of it; none only if there is no such route.
    pub parts: Vec<Routed>,
    /// Who gets nothing, in the order in which the rules are written.
    pub vacant: Vec<Destination>,
}

impl Table {
    /// A table of routes.
    pub fn new(routes: BTreeMap<RouteName, Rule>) -> Self {
        let mut table = Self {
            routes,
            ..Self::default()
        };
        table.find_destinations();
        table
    }

    /// The same, where these routes take bodies of any shape.
    #[must_use]
    pub fn with_inputs(mut self, inputs: BTreeMap<RouteName, Input>) -> Self {
        self.inputs = inputs
            .into_iter()
            .map(|(route, input)| (route, Arc::new(input)))
            .collect();
        self
    }

    /// How a route reads bodies of any shape; `None` for one that takes alerts.
    pub fn input(&self, route: &RouteName) -> Option<&Arc<Input>> {
        self.inputs.get(route)
    }

    fn find_destinations(&mut self) {
        let of = |(name, rule): (&RouteName, &Rule)| (name.clone(), split::destinations_of(rule, None));
        self.destinations = self.routes.iter().map(of).collect();
    }

    /// The routes by their names.
    pub fn routes(&self) -> &BTreeMap<RouteName, Rule> {
        &self.routes
    }

    /// The rooms of a route in the order in which they are written, some maybe more than once.
    pub fn rooms_of(&self, route: &RouteName) -> Vec<RoomAddress> {
        let all = self.routes.get(route).map(Rule::all_destinations).unwrap_or_default();
        all.into_iter().map(|destination| destination.room.clone()).collect()
    }

    /// Whether a route mentions people when an alert starts to fire.
    pub fn mentions_people(&self, route: &RouteName) -> bool {
        let all = self.routes.get(route).map(Rule::all_destinations).unwrap_or_default();
        all.iter().any(|destination| !destination.policy.mentions.is_empty())
    }

    /// Every room that messages can go to, once, in the order of the routes.
    pub fn rooms(&self) -> Vec<RoomAddress> {
        self.rooms_where(|_| true)
    }

    /// The rooms in which everybody may be mentioned, by the policy or by a template that can, as `by_template` says.
    pub fn mentioned_rooms(&self, by_template: impl Fn(&TemplateName) -> bool) -> Vec<RoomAddress> {
        let of_lines = by_template(&TemplateName::update());
        let of_digests = by_template(&TemplateName::digest());
        self.rooms_where(|to| {
            let has_lines = matches!(to.policy.mode, Mode::Live | Mode::Thread);
            to.policy.mentions.can_mention_room() || by_template(&to.template) || of_digests || (of_lines && has_lines)
        })
    }

    /// The destinations whose alerts are signs of life, each with its route; those of one thing in one room once.
    pub fn expected(&self) -> Vec<(&RouteName, &Destination)> {
        let mut found: Vec<(&RouteName, &Destination)> = Vec::new();
        for (name, rule) in &self.routes {
            for one in rule.all_destinations() {
                let is_same =
                    |known: &Destination| known.room == one.room && known.policy.expected == one.policy.expected;
                if one.policy.expected.is_some() && !found.iter().any(|(_, known)| is_same(known)) {
                    found.push((name, one));
                }
            }
        }
        found
    }

    /// Lets every group appear in this way, whatever the routes say.
    pub fn set_mode(&mut self, mode: Mode) {
        self.routes.values_mut().for_each(|rule| rule.set_mode(mode));
        self.find_destinations();
    }

    /// Lets the same people be mentioned everywhere, whatever the routes say.
    pub fn set_mentions(&mut self, mentions: &MentionPolicy) {
        let set = |rule: &mut Rule| rule.set_mentions(mentions);
        self.routes.values_mut().for_each(set);
        self.find_destinations();
    }

    /// The destinations of a route; with a `template`, that one instead of what the table says.
    fn destinations(&self, route: &RouteName, template: Option<&TemplateName>) -> Cow<'_, [Destination]> {
        let known = self.destinations.get(route).map_or(&[][..], Vec::as_slice);
        match (template, self.routes.get(route)) {
            (Some(_), Some(rule)) => Cow::Owned(split::destinations_of(rule, template)),
            _ => Cow::Borrowed(known),
        }
    }

    fn rooms_where(&self, wanted: impl Fn(&Destination) -> bool) -> Vec<RoomAddress> {
        let mut rooms: Vec<RoomAddress> = Vec::new();
        let all = self.routes.values().flat_map(Rule::all_destinations);
        for destination in all.filter(|destination| wanted(destination)) {
            if !rooms.contains(&destination.room) {
                rooms.push(destination.room.clone());
            }
        }
        rooms
    }
}

impl Router {
    /// A router with a table.
    pub fn new(table: Table) -> Self {
        Self {
            table: Arc::new(ArcSwap::from_pointee(table)),
        }
    }

    /// One route: everything goes to one room.
    pub fn to_room(room: RoomAddress, template: TemplateName, policy: MessagePolicy) -> Self {
        let rule = Rule {
            place: String::new(),
            matchers: Vec::new(),
            destinations: vec![Destination { room, template, policy }],
            continues: false,
            rules: Vec::new(),
        };
        Self::new(Table::new(BTreeMap::from([(RouteName::default(), rule)])))
    }

    /// Uses another table from now on; a notification that is being routed sees the old one or the new one as a whole.
    pub fn replace(&self, table: Table) {
        self.table.store(Arc::new(table));
    }

    /// The table in use.
    pub fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Whether there is such a route.
    pub fn knows(&self, route: &RouteName) -> bool {
        self.table.load().routes.contains_key(route)
    }

    /// How a route reads bodies of any shape; `None` for one that takes alerts.
    pub fn input(&self, route: &RouteName) -> Option<Arc<Input>> {
        self.table.load().input(route).cloned()
    }

    /// The destinations of a notification, each with its part of it; empty only if there is no such route.
    pub fn route(&self, route: &RouteName, notification: &Arc<Notification>) -> Vec<Routed> {
        self.split(route, notification, None).parts
    }

    /// The same, and the destinations of the route that it has nothing for. With a `template`, that one instead of what the table
    /// says.
    pub fn split(&self, route: &RouteName, notification: &Arc<Notification>, template: Option<&TemplateName>) -> Split {
        let table = self.table.load();
        let Some(rule) = table.routes.get(route) else {
            return Split::default();
        };
        let known = table.destinations(route, template);
        let (parts, vacant) = split::routed(rule, &known, notification, template);
        Split { parts, vacant }
    }

    /// How messages to a room are written, where they are of several routes: as the first of them says.
    pub fn locale(&self, room: &RoomAddress) -> Locale {
        let table = self.table.load();
        let mut all = table.routes.values().flat_map(Rule::all_destinations);
        let of_room = all.find(|destination| destination.room == *room);
        of_room
            .map(|destination| destination.policy.locale.clone())
            .unwrap_or_default()
    }

    /// Every room that messages can go to.
    pub fn rooms(&self) -> Vec<RoomAddress> {
        self.table.load().rooms()
    }

    /// The rooms in which everybody may be mentioned, which takes power there.
    pub fn mentioned_rooms(&self, by_template: impl Fn(&TemplateName) -> bool) -> Vec<RoomAddress> {
        self.table.load().mentioned_rooms(by_template)
    }
}
