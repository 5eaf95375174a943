//! What a notification is to the places of its route: who gets which part of it, which group that continues there, and
//! which places hear nothing of it.
//!
//! Guarantees: a group is told apart by the routing table and the sender's own names, never by what fires; how many places
//! are asked although they hear nothing is bounded.

use std::collections::HashSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::alert::{Notification, Source};
use crate::message::{RoomAddress, RouteName, TemplateName};
use crate::route::{Destination, Place, Routed, Router, Share};

/// Of how many places that a notification has nothing for it is asked what they know. A route with more has so many rules
/// that a look at all of them would cost each acceptance milliseconds.
const VACANT_AT_MOST: usize = 100;

/// See the module.
pub(super) struct Targets {
    /// Those that hear of it; none only if there is no such route.
    pub(super) told: Vec<Target>,
    /// Those that it has nothing for; none of them shares its room and group with one that hears of it.
    pub(super) vacant: Vec<Vacant>,
    /// Whether whoever gets nothing of it knows that there is nothing: of what was cut off nobody knows where it belongs.
    pub(super) is_complete: bool,
    /// All of it.
    pub(super) whole: Arc<Notification>,
    route: RouteName,
}

/// What goes to one place.
pub(super) struct Target {
    pub(super) destination: Destination,
    pub(super) share: Share,
    /// The group whose story it continues; `None`: a message of its own.
    pub(super) group: Option<String>,
}

/// A place that a notification has nothing for, and what its group would be there.
pub(super) struct Vacant {
    pub(super) destination: Destination,
    pub(super) group: String,
    /// See [`Place::former`].
    pub(super) former: bool,
}

impl Targets {
    pub(super) fn of(
        router: &Router,
        route: &RouteName,
        whole: &Arc<Notification>,
        template: Option<&TemplateName>,
    ) -> Self {
        let split = router.split(route, whole, template);
        let has_group = has_group(whole);
        let group = GroupId::of(route, whole);
        let id = |destination: &Destination, branch: &str| group.at(&destination.template, branch);
        let target = |routed: Routed| Target {
            group: has_group.then(|| id(&routed.destination, &routed.branch)),
            destination: routed.destination,
            share: routed.share,
        };
        let vacant = |place: Place| Vacant {
            group: id(&place.destination, &place.branch),
            destination: place.destination,
            former: place.former,
        };
        let told: Vec<Target> = split.parts.into_iter().map(target).collect();
        let is_complete = whole.truncated_alerts == 0;
        // A group that is named twice would be told two stories at once.
        let mut named: HashSet<(RoomAddress, String)> = told.iter().filter_map(Target::of_room).collect();
        let vacant = split.vacant.into_iter().filter(|_| has_group).map(vacant);
        let vacant = vacant
            .filter(|vacant| (is_complete || vacant.former) && named.insert(vacant.of_room()))
            .take(VACANT_AT_MOST)
            .collect();
        Self {
            told,
            vacant,
            is_complete,
            route: route.clone(),
            whole: Arc::clone(whole),
        }
    }

    /// All groups that it is about: those of whom it tells, then those of the vacant places.
    pub(super) fn groups(&self) -> Vec<(RoomAddress, String)> {
        let told = self.told.iter().filter_map(Target::of_room);
        told.chain(self.vacant.iter().map(Vacant::of_room)).collect()
    }

    /// What all notifications share that can be about one of these groups.
    pub(super) fn family(&self) -> (&str, &str, &str) {
        let (group_key, receiver) = (&self.whole.group_key.0, &self.whole.receiver);
        (self.route.as_str(), group_key, receiver)
    }

    /// What a vacant place hears: the same without an alert.
    pub(super) fn nothing(&self) -> Notification {
        Share::of_nothing(&self.whole).notification()
    }
}

impl Target {
    fn of_room(&self) -> Option<(RoomAddress, String)> {
        Some((self.destination.room.clone(), self.group.clone()?))
    }
}

impl Vacant {
    fn of_room(&self) -> (RoomAddress, String) {
        (self.destination.room.clone(), self.group.clone())
    }
}

/// Whether it matters what came before. A dashboard alert has no times and no group; a body without a group key and
/// labels to group by has none either.
pub(super) fn has_group(notification: &Notification) -> bool {
    notification.source != Source::Legacy && notification.group_key.0 != "{}"
}

/// A group for one route, receiver and template: two contact points that post the same group tell two stories. So do the
/// branches of a route that lead to one room, each with another policy.
#[derive(Clone)]
struct GroupId(Sha256);

impl GroupId {
    /// What is the same for all places, hashed once: a receiver's name may be as long as a body, and places are many.
    fn of(route: &RouteName, notification: &Notification) -> Self {
        let (group_key, receiver) = (&notification.group_key.0, &notification.receiver);
        let parts = [route.as_str(), group_key, receiver];
        parts.into_iter().fold(Self(Sha256::new()), Self::with)
    }

    fn with(mut self, part: &str) -> Self {
        self.0.update(part.len().to_le_bytes());
        self.0.update(part);
        self
    }

    fn at(&self, template: &TemplateName, branch: &str) -> String {
        let id = self.clone().with(template.as_str()).with(branch);
        hex::encode(id.0.finalize())
    }
}
