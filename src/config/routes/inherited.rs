//! What a rule takes over from what it is in: rooms, template and policy, unless it says otherwise.

use super::expected;
use super::mentions;
use super::problem::RouteProblem;
use super::source::Section;
use crate::message::{Language, RoomAddress, TemplateName};
use crate::render::time_zone;
use crate::route::{Destination, MessagePolicy};

/// More rooms than this are no rule's.
const MOST_ROOMS: usize = 50;

/// The keys by which a route or a rule says otherwise.
const KEYS: [&str; 9] = [
    "rooms",
    "template",
    "mode",
    "reminders",
    "language",
    "timezone",
    "mentions",
    "expect_every",
    "expect_from",
];

/// What the file names that others have, each with its place.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    pub(super) templates: Vec<(TemplateName, RouteProblem)>,
    pub(super) languages: Vec<(Language, RouteProblem)>,
}

/// What holds at one place of the tree.
#[derive(Debug, Clone)]
pub(super) struct Inherited {
    pub(super) rooms: Vec<RoomAddress>,
    pub(super) template: TemplateName,
    pub(super) policy: MessagePolicy,
    /// Whose sign of life an alert is, where one is expected.
    pub(super) from: String,
}

impl Inherited {
    /// The same with what a section says, which may have these keys beside; `named` collects what has to be there.
    pub(super) fn refined(&self, section: &Section<'_>, beside: &[&str], named: &mut Named) -> Self {
        section.only(&[&KEYS[..], beside].concat());
        let mut own = self.clone();
        if let Some(texts) = section.texts("rooms") {
            own.rooms = rooms(section, texts);
        }
        if let Some((text, span)) = section.text("template")
            && let Some(template) = section.parsed::<TemplateName>(text, span.clone())
        {
            named.templates.push((template.clone(), section.source.at(span, "")));
            own.template = template;
        }
        if let Some((text, span)) = section.text("mode") {
            own.policy.mode = section.parsed(text, span).unwrap_or_default();
        }
        if let Some(reminders) = section.flag("reminders") {
            own.policy.reminders = reminders;
        }
        if let Some((text, span)) = section.text("language")
            && let Some(language) = section.parsed::<Language>(text, span.clone())
        {
            named.languages.push((language.clone(), section.source.at(span, "")));
            own.policy.locale.language = Some(language);
        }
        if let Some((text, span)) = section.text("timezone") {
            match time_zone(text) {
                Ok(zone) => own.policy.locale.time_zone = Some(zone),
                Err(why) => section.source.error(span, format!("invalid `timezone`: {why}")),
            }
        }
        expected::refine(section, &mut own);
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
        let message = format!("invalid `rooms`: too few or too many (expected 1 to {MOST_ROOMS} rooms)");
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
