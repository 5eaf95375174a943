//! Where a notification goes, and how its group appears there: pure, total, deterministic.
//!
//! It decides from the path and from labels and never looks at `receiver`, because Grafana's Test button sends
//! `webhook` there. It reads no clock and does no I/O.

mod policy;

pub use self::policy::{MentionPolicy, MessagePolicy};
use crate::alert::Notification;
use crate::message::{RoomAddress, TemplateName};

/// The routing table. Without a routes file it has one route, to the default room.
#[derive(Debug, Clone)]
pub struct Router {
    destinations: Vec<Destination>,
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
    pub notification: Notification,
}

impl Router {
    /// One route: everything goes to one room.
    pub fn to_room(room: RoomAddress, template: TemplateName, policy: MessagePolicy) -> Self {
        Self {
            destinations: vec![Destination { room, template, policy }],
        }
    }

    /// The destinations of a notification, each with its part of it; never empty.
    pub fn route(&self, notification: &Notification) -> Vec<Routed> {
        let destinations = self.destinations.iter().cloned();
        destinations
            .map(|destination| Routed {
                destination,
                notification: notification.clone(),
            })
            .collect()
    }

    /// Every room that messages can go to.
    pub fn rooms(&self) -> Vec<RoomAddress> {
        self.destinations
            .iter()
            .map(|destination| destination.room.clone())
            .collect()
    }
}
