//! What a notification is to the destinations of its route: who gets which part of it, which group that continues there, and
//! which destinations hear nothing of it.
//!
//! Guarantees: a group is identified by room, template and the sender's own names, never by what fires or by which rule; how
//! many destinations are asked although they hear nothing is bounded.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::Notification;
use crate::group::name_of;
use crate::message::{RouteName, TemplateName};
use crate::outbox::GroupQuery;
use crate::route::{Destination, Routed, Router, Share};
use crate::text;

/// How many destinations are asked what they know that a notification has nothing for. A route with more has so many rules
/// that a look at all of them would cost each acceptance milliseconds.
const VACANT_AT_MOST: usize = 100;

/// See the module.
pub(super) struct Targets {
    /// Those that hear of it; none only if there is no such route.
    pub(super) with_alerts: Vec<Target>,
    /// Those that it has nothing for. None where alerts were cut off: of those nobody knows where they belong.
    pub(super) vacant: Vec<Target>,
    /// What gives a sign of life by it; `None` where its route expects none of it.
    pub(super) signs: Option<BTreeSet<String>>,
    /// Whether nothing is said where nothing is new, whatever the mode.
    pub(super) only_news: bool,
    /// All of it.
    pub(super) whole: Arc<Notification>,
    route: RouteName,
}

/// What goes to one destination.
pub(super) struct Target {
    pub(super) destination: Destination,
    pub(super) share: Share,
    /// The group that it continues there; `None`: a message of its own.
    pub(super) group: Option<String>,
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
        let target = |destination: Destination, share: Share| Target {
            group: has_group.then(|| group.at(&destination.template)),
            destination,
            share,
        };
        let (of_signs, parts): (Vec<_>, Vec<_>) =
            (split.parts.into_iter()).partition(|part| part.destination.policy.expected.is_some());
        let with_alerts = parts.into_iter().map(|part| target(part.destination, part.share));
        let is_asked = has_group && whole.truncated_alerts == 0;
        let vacant = split.vacant.into_iter().filter(|_| is_asked);
        let vacant = vacant.filter(|one| one.policy.expected.is_none()).take(VACANT_AT_MOST);
        Self {
            signs: (!of_signs.is_empty()).then(|| of_signs.iter().filter_map(sign).collect()),
            only_news: false,
            with_alerts: with_alerts.collect(),
            vacant: vacant.map(|one| target(one, Share::of_nothing(whole))).collect(),
            route: route.clone(),
            whole: Arc::clone(whole),
        }
    }

    /// News for one room, which hears of nothing else.
    pub(super) fn only_news(route: &RouteName, whole: Arc<Notification>, target: Target) -> Self {
        Self {
            with_alerts: vec![target],
            vacant: Vec::new(),
            signs: None,
            only_news: true,
            whole,
            route: route.clone(),
        }
    }

    /// The group that a notification continues where this template renders it.
    pub(super) fn group_at(route: &RouteName, whole: &Notification, template: &TemplateName) -> String {
        GroupId::of(route, whole).at(template)
    }

    /// All groups that it is about: those of whom it tells, then those that it has nothing for.
    pub(super) fn groups(&self) -> Vec<GroupQuery<'_>> {
        fn query(target: &Target, others: bool) -> Option<GroupQuery<'_>> {
            let Target {
                destination,
                share,
                group,
            } = target;
            Some(GroupQuery {
                room: &destination.room,
                key: group.as_deref()?,
                alerts: share.fingerprints().map(|one| name_of(one).into_owned()).collect(),
                others,
            })
        }
        // Of what was cut off nobody knows whether it is over.
        let others = self.whole.truncated_alerts == 0;
        let all = self.with_alerts.iter().chain(&self.vacant);
        all.filter_map(|target| query(target, others)).collect()
    }

    /// What all notifications share that can be about one of these groups.
    pub(super) fn family(&self) -> (&str, &str, &str) {
        let (group_key, receiver) = (&self.whole.group_key.0, &self.whole.receiver);
        (self.route.as_str(), group_key, receiver)
    }
}

/// Whose sign of life it is. That an alert which always fires is resolved is none.
fn sign(part: &Routed) -> Option<String> {
    let expected = part.destination.policy.expected.as_ref()?;
    part.share.fires().then(|| expected.from.clone())
}

/// Whether it matters what came before. A body without a group key and labels to group by is no group.
pub(super) fn has_group(notification: &Notification) -> bool {
    notification.group_key.0 != "{}"
}

/// A group for one route, receiver and template: two contact points that post the same group have two messages.
struct GroupId(String);

impl GroupId {
    /// What is the same for all destinations, hashed once: a receiver's name may be as long as a body, and they are many.
    fn of(route: &RouteName, notification: &Notification) -> Self {
        let (group_key, receiver) = (&notification.group_key.0, &notification.receiver);
        Self(text::hash([route.as_str(), group_key, receiver]))
    }

    fn at(&self, template: &TemplateName) -> String {
        text::hash([self.0.as_str(), template.as_str()])
    }
}
