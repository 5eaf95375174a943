//! A notification in parts: what each destination gets of an alert group.
//!
//! Guarantees: each alert is in one part for each room that it goes to; what a part says of itself (status, what its
//! alerts have in common) is true of its own alerts. The group keeps its key and its labels, because it is the same group
//! seen from several rooms, and `truncatedAlerts`, because nobody knows where those belong.
//!
//! Deliberately not kept: the sender's own title and message, which speak of all alerts, also of those that this room is
//! not meant to see.

use std::sync::Arc;

use super::place::{Place, asked};
use super::tree::Rule;
use super::{Destination, Routed};
use crate::alert::{Alert, AlertStatus, Labels, Notification, Source};
use crate::message::TemplateName;

/// A room's share of a notification. It is put together each time that it is asked for, so that a large notification
/// for many rooms is in memory once, and once more while one of them is at work on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    whole: Arc<Notification>,
    alerts: Vec<usize>,
}

impl Share {
    /// What is left for whoever gets none of its alerts.
    pub fn of_nothing(whole: &Arc<Notification>) -> Self {
        Self {
            whole: Arc::clone(whole),
            alerts: Vec::new(),
        }
    }

    /// The notification as it concerns the room.
    pub fn notification(&self) -> Notification {
        part(&self.whole, &self.alerts)
    }
}

/// What a route does with a notification; `places` are those of the route, with the same `template`.
pub(super) fn routed(
    route: &Rule,
    places: &[Place],
    notification: &Arc<Notification>,
    template: Option<&TemplateName>,
) -> Vec<Routed> {
    let same = |a: &Destination, b: &Destination| {
        let in_one_place =
            || a.room == b.room && (template.is_some() || a.template == b.template) && a.policy == b.policy;
        std::ptr::eq(a, b) || in_one_place()
    };
    let mut shares: Vec<(&Destination, Vec<usize>)> = Vec::new();
    for (index, alert) in notification.alerts.iter().enumerate() {
        for destination in destinations(route, &alert.labels) {
            match shares.iter_mut().find(|(known, _)| same(known, destination)) {
                Some((_, share)) => share.push(index),
                None => shares.push((destination, vec![index])),
            }
        }
    }
    let routed = |(destination, alerts): (&Destination, Vec<usize>)| {
        let destination = asked(destination, template);
        let place = places
            .iter()
            .find(|place| !place.former && place.destination == destination);
        Routed {
            branch: place.map_or_else(String::new, |place| place.branch.clone()),
            destination,
            share: Share {
                whole: Arc::clone(notification),
                alerts,
            },
        }
    };
    shares.into_iter().map(routed).collect()
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
        Source::Alertmanager | Source::Legacy => "",
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
