//! Where a notification goes: pure, total, deterministic.
//!
//! It decides from labels alone and never looks at `receiver`, because Grafana's Test button sends `webhook` there. It
//! reads no clock and does no I/O.

use crate::alert::Notification;
use crate::message::{RoomAddress, TemplateName};

/// The routing table. Without a routes file it has one route, to the default room.
#[derive(Debug, Clone)]
pub struct Router {
    destinations: Vec<Destination>,
}

/// A room and how the message reads there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The room.
    pub room: RoomAddress,
    /// The template that renders it.
    pub template: TemplateName,
}

impl Router {
    /// One route: everything goes to one room.
    pub fn to_room(room: RoomAddress, template: TemplateName) -> Self {
        Self {
            destinations: vec![Destination { room, template }],
        }
    }

    /// The destinations of a notification; never empty.
    pub fn route(&self, _notification: &Notification) -> Vec<Destination> {
        self.destinations.clone()
    }

    /// Every room that messages can go to.
    pub fn rooms(&self) -> Vec<RoomAddress> {
        self.destinations
            .iter()
            .map(|destination| destination.room.clone())
            .collect()
    }
}
