//! What a notification is to the places of its route: who gets which part of it, which group that continues there, and
//! which places hear nothing of it.
//!
//! Guarantees: a group is told apart by the routing table and the sender's own names, never by what fires; how many places
//! are asked although they hear nothing is bounded.

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
    /// Those that it has nothing for.
    pub(super) vacant: Vec<Vacant>,
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
        let id = |destination: &Destination, branch: &str| group_id(route, whole, &destination.template, branch);
        let target = |routed: Routed| Target {
            group: has_group.then(|| id(&routed.destination, &routed.branch)),
            destination: routed.destination,
            share: routed.share,
        };
        let vacant = |place: Place| Vacant {
            group: id(&place.destination, &place.branch),
            destination: place.destination,
        };
        // Of what was cut off nobody knows where it belongs.
        let is_complete = has_group && whole.truncated_alerts == 0;
        let vacant_at_most = if is_complete { VACANT_AT_MOST } else { 0 };
        let (told, vacant) = (
            split.parts.into_iter().map(target).collect(),
            split.vacant.into_iter().take(vacant_at_most).map(vacant).collect(),
        );
        Self {
            told,
            vacant,
            route: route.clone(),
            whole: Arc::clone(whole),
        }
    }

    /// All groups that it is about: those of whom it tells, then those of the vacant places.
    pub(super) fn groups(&self) -> Vec<(RoomAddress, String)> {
        let told = self
            .told
            .iter()
            .filter_map(|target| Some((target.destination.room.clone(), target.group.clone()?)));
        let vacant = self
            .vacant
            .iter()
            .map(|place| (place.destination.room.clone(), place.group.clone()));
        told.chain(vacant).collect()
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

/// Whether it matters what came before. A dashboard alert has no times and no group; a body without a group key and
/// labels to group by has none either.
pub(super) fn has_group(notification: &Notification) -> bool {
    notification.source != Source::Legacy && notification.group_key.0 != "{}"
}

/// A group for one route, receiver and template: two contact points that post the same group tell two stories. So do the
/// branches of a route that lead to one room, each with another policy.
fn group_id(route: &RouteName, notification: &Notification, template: &TemplateName, branch: &str) -> String {
    let mut hash = Sha256::new();
    let (group_key, receiver) = (&notification.group_key.0, &notification.receiver);
    for part in [route.as_str(), group_key, receiver, template.as_str(), branch] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
