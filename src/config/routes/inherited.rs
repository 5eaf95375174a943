//! What a rule takes over from what it is in: rooms, template and policy, unless it says otherwise.

use super::mentions;
use super::problem::RouteProblem;
use super::source::Section;
use crate::message::{RoomAddress, TemplateName};
use crate::route::{Destination, MessagePolicy};

/// More rooms than this are no rule's.
const MOST_ROOMS: usize = 50;

/// What holds at one place of the tree.
#[derive(Debug, Clone)]
pub(super) struct Inherited {
    pub(super) rooms: Vec<RoomAddress>,
    pub(super) template: TemplateName,
    pub(super) policy: MessagePolicy,
}

impl Inherited {
    /// The same with what a section says; `templates` collects what is named.
    pub(super) fn refined(&self, section: &Section<'_>, templates: &mut Vec<(TemplateName, RouteProblem)>) -> Self {
        let mut own = self.clone();
        if let Some(texts) = section.texts("rooms") {
            own.rooms = rooms(section, texts);
        }
        if let Some((text, span)) = section.text("template")
            && let Some(template) = section.parsed::<TemplateName>(text, span.clone())
        {
            templates.push((template.clone(), section.source.at(span, "")));
            own.template = template;
        }
        if let Some((text, span)) = section.text("mode") {
            own.policy.mode = section.parsed(text, span).unwrap_or_default();
        }
        if let Some(reminders) = section.flag("reminders") {
            own.policy.reminders = reminders;
        }
        if let Some(mentions) = section.list("mentions") {
            own.policy.mentions = mentions::read(&mentions);
        }
        own
    }

    pub(super) fn destinations(&self) -> Vec<Destination> {
        let to = |room: &RoomAddress| Destination {
            room: room.clone(),
            template: self.template.clone(),
            policy: self.policy.clone(),
        };
        self.rooms.iter().map(to).collect()
    }
}

fn rooms(section: &Section<'_>, texts: Vec<(&str, std::ops::Range<usize>)>) -> Vec<RoomAddress> {
    if let (Some(value), true) = (section.get("rooms"), texts.is_empty() || texts.len() > MOST_ROOMS) {
        let message = format!("`rooms` needs at least one room, and at most {MOST_ROOMS}");
        section.source.error(value.span(), message);
    }
    let mut rooms: Vec<RoomAddress> = Vec::new();
    for (text, span) in texts {
        if let Some(room) = section.parsed::<RoomAddress>(text, span)
            && !rooms.contains(&room)
        {
            rooms.push(room);
        }
    }
    rooms
}
