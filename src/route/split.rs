//! A notification in parts: what each destination gets of an alert group.
//!
//! Guarantees: each alert is in one part for each room that it goes to; what a part says of itself (status, what its
//! alerts have in common) is true of its own alerts. The group keeps its key and its labels, because it is the same group
//! seen from several rooms, and `truncatedAlerts`, because nobody knows where those belong.
//!
//! Deliberately not kept: the sender's own title and message, which speak of all alerts, also of those that this room is
//! not meant to see.

use std::collections::HashSet;
use std::sync::Arc;

use super::policy::{Expected, MentionPolicy};
use super::tree::Rule;
use super::{Destination, Routed};
use crate::alert::{Alert, AlertStatus, Fingerprint, Labels, Notification, Source};
use crate::message::{Mentions, RoomAddress, TemplateName};

/// A room's share of a notification. It is put together each time that it is asked for, so that a large notification
/// for many rooms is in memory once, and once more while one of them is at work on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    whole: Arc<Notification>,
    alerts: Vec<usize>,
    /// Whom the rules mention, each with the alerts that it sends there.
    mentions: Vec<(MentionPolicy, Vec<usize>)>,
}

impl Share {
    /// What a destination gets that none of its alerts go to.
    pub fn of_nothing(whole: &Arc<Notification>) -> Self {
        Self {
            whole: Arc::clone(whole),
            alerts: Vec::new(),
            mentions: Vec::new(),
        }
    }

    /// All of it, with nobody who is mentioned for it.
    pub fn of_all(whole: &Arc<Notification>) -> Self {
        Self {
            alerts: (0..whole.alerts.len()).collect(),
            ..Self::of_nothing(whole)
        }
    }

    /// All of it, with those who are mentioned for it.
    pub fn of_all_for(whole: &Arc<Notification>, mentions: &MentionPolicy) -> Self {
        let share = Self::of_all(whole);
        Self {
            mentions: vec![(mentions.clone(), share.alerts.clone())],
            ..share
        }
    }

    /// Whether any of its alerts fires.
    pub fn fires(&self) -> bool {
        let mut alerts = self.alerts.iter().filter_map(|index| self.whole.alerts.get(*index));
        alerts.any(|alert| alert.status == AlertStatus::Firing)
    }

    /// The notification as it concerns the room.
    pub fn notification(&self) -> Notification {
        part(&self.whole, &self.alerts)
    }

    /// The identities of its alerts.
    pub fn fingerprints(&self) -> impl Iterator<Item = &Fingerprint> {
        let alert = |index: &usize| self.whole.alerts.get(*index);
        self.alerts.iter().filter_map(alert).map(|alert| &alert.fingerprint)
    }

    /// Who is mentioned because these of its alerts have just started to fire: each as the rule wants it that sends it there.
    pub fn mentions<'a>(&self, starting: impl IntoIterator<Item = &'a Alert> + Clone) -> Mentions {
        if let [(policy, _)] = self.mentions.as_slice() {
            return policy.of(starting);
        }
        let mut all = Mentions::default();
        for (policy, alerts) in self.mentions.iter().filter(|(policy, _)| !policy.is_empty()) {
            let own = alerts.iter().filter_map(|index| self.whole.alerts.get(*index));
            let own: HashSet<&Fingerprint> = own.map(|alert| &alert.fingerprint).collect();
            let starting = starting
                .clone()
                .into_iter()
                .filter(|alert| own.contains(&alert.fingerprint));
            all.add(&policy.of(starting));
        }
        all
    }
}

/// The destinations of a route, each room with a template once, in the order in which they are written: a group has one
/// message there. Rules that differ in whom they mention share it, and what else they say is said by the first of them. With a
/// `template`, that one instead of what the table says.
pub(super) fn destinations_of(route: &Rule, template: Option<&TemplateName>) -> Vec<Destination> {
    let mut known: HashSet<(RoomAddress, TemplateName, Option<Expected>)> = HashSet::new();
    let all = route.all_destinations().into_iter().map(|one| asked(one, template));
    all.filter(|one| known.insert((one.room.clone(), one.template.clone(), one.policy.expected.clone())))
        .collect()
}

/// A destination, with the template that the caller asked for.
fn asked(destination: &Destination, template: Option<&TemplateName>) -> Destination {
    Destination {
        template: template.unwrap_or(&destination.template).clone(),
        ..destination.clone()
    }
}

/// What a route does with a notification; `known` are its destinations with the same `template`. Then those that it has
/// nothing for.
pub(super) fn routed(
    route: &Rule,
    known: &[Destination],
    notification: &Arc<Notification>,
    template: Option<&TemplateName>,
) -> (Vec<Routed>, Vec<Destination>) {
    let mut shares: Vec<(&Destination, Share)> = Vec::new();
    for (index, alert) in notification.alerts.iter().enumerate() {
        for destination in destinations(route, &alert.labels) {
            let is_same = |one: &Destination| {
                one.room == destination.room
                    && one.template == *template.unwrap_or(&destination.template)
                    && one.policy.expected == destination.policy.expected
            };
            let at = shares.iter().position(|(one, _)| is_same(one)).unwrap_or_else(|| {
                // All that the rules name is known.
                let first = known.iter().find(|one| is_same(one)).unwrap_or(destination);
                shares.push((first, Share::of_nothing(notification)));
                shares.len() - 1
            });
            let share = &mut shares[at].1;
            share.alerts.push(index);
            let mentions = &destination.policy.mentions;
            match share.mentions.iter_mut().find(|(policy, _)| policy == mentions) {
                Some((_, alerts)) => alerts.push(index),
                None => share.mentions.push((mentions.clone(), vec![index])),
            }
        }
    }
    let is_vacant = |one: &&Destination| !shares.iter().any(|(served, _)| std::ptr::eq(*served, *one));
    let vacant = known.iter().filter(is_vacant).cloned().collect();
    let routed = |(destination, share): (&Destination, Share)| Routed {
        destination: destination.clone(),
        share,
    };
    (shares.into_iter().map(routed).collect(), vacant)
}

/// Where an alert goes. It appears once in a room, as the first of its rules wants it, however many send it there.
pub(super) fn destinations<'r>(route: &'r Rule, labels: &Labels) -> Vec<&'r Destination> {
    let mut found: Vec<&Destination> = Vec::new();
    for destination in route.chosen(labels).into_iter().flat_map(|rule| &rule.destinations) {
        if !found.iter().any(|known| known.room == destination.room) {
            found.push(destination);
        }
    }
    found
}

fn part(whole: &Notification, share: &[usize]) -> Notification {
    if share.len() == whole.alerts.len() {
        return whole.clone();
    }
    let alerts: Vec<Alert> = share
        .iter()
        .filter_map(|index| whole.alerts.get(*index))
        .cloned()
        .collect();
    let firing = alerts.iter().any(|alert| alert.status == AlertStatus::Firing);
    let status = if firing {
        AlertStatus::Firing
    } else {
        AlertStatus::Resolved
    };
    let state = match whole.source {
        Source::Grafana if firing => "alerting",
        Source::Grafana => "ok",
        Source::Alertmanager => "",
        // It has one alert, and so no parts.
        Source::Json => whole.state.as_str(),
    };
    Notification {
        status,
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        state: state.to_owned(),
        title: String::new(),
        message: String::new(),
        alerts,
        // Named one by one, so that a new field is a decision here.
        source: whole.source,
        receiver: whole.receiver.clone(),
        group_labels: whole.group_labels.clone(),
        external_url: whole.external_url.clone(),
        group_key: whole.group_key.clone(),
        truncated_alerts: whole.truncated_alerts,
        org_id: whole.org_id,
        version: whole.version.clone(),
        app_version: whole.app_version.clone(),
        notification_reason: whole.notification_reason.clone(),
        route_labels: whole.route_labels.clone(),
        payload: whole.payload.clone(),
        route: whole.route.clone(),
    }
}

/// The pairs that all of them have.
fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = all.next() else {
        return Labels::new();
    };
    all.fold(first.clone(), |mut shared, labels| {
        shared.retain(|name, value| labels.get(name) == Some(value));
        shared
    })
}
