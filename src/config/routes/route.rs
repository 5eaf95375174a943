//! One route: what the file says of it, and what flags and variables say of the default one.

use std::collections::BTreeMap;

use super::RouteProblem;
use super::inherited::Inherited;
use super::source::Section;
use super::watch::Seen;
use super::{Routes, RoutesSource, credentials, input, rules};
use crate::intake::{CredentialError, CredentialSettings};
use crate::message::{RoomAddress, RouteName, TemplateName};
use crate::route::{Destination, MessagePolicy, Rule, Table};

/// The keys that only a route has, and the rules that it is made of.
const BESIDE: [&str; 7] = ["credentials", "rules", "input", "group", "state", "title", "severity"];

impl RoutesSource {
    /// One named route.
    pub(super) fn route(
        &self,
        name: &RouteName,
        section: &Section<'_>,
        routes: &mut Routes,
    ) -> (Rule, CredentialSettings) {
        let input = input::read(section);
        let is_default = *name == RouteName::default();
        let above = Inherited {
            rooms: Vec::new(),
            template: match &input {
                Some(_) => TemplateName::webhook(),
                None => self.template.clone().unwrap_or_default(),
            },
            policy: self.policy(),
            from: name.to_string(),
        };
        let mut own = above.refined(section, &BESIDE, &mut routes.named);
        if is_default {
            self.overrule(section, input.is_some(), &mut own);
        }
        if own.rooms.is_empty() && section.get("rooms").is_none() {
            section.error("missing `rooms` (expected for example `rooms = [\"#alerts:example.org\"]`)");
        }
        let credentials = match section.section("credentials") {
            Some(credentials) => self.credentials_of(section, &credentials, is_default, &mut routes.seen),
            None => self.credentials.clone(),
        };
        let rule = Rule {
            place: section.place(),
            matchers: Vec::new(),
            destinations: own.destinations(),
            continues: false,
            rules: rules::read(section, &own, 1, &mut routes.named),
        };
        routes.inputs.extend(input.map(|input| (name.clone(), input)));
        (rule, credentials)
    }

    /// Puts what flags and variables say in place of what the file says of the default route.
    fn overrule(&self, section: &Section<'_>, takes_any_body: bool, own: &mut Inherited) {
        if let Some(room) = &self.room {
            has_no_effect(section, "rooms", "MATRIX_DEFAULT_ROOM");
            own.rooms = vec![room.clone()];
        }
        if let Some(template) = self.template.as_ref().filter(|_| !takes_any_body) {
            has_no_effect(section, "template", "RELAY_TEMPLATE");
            own.template = template.clone();
        }
        if let Some(mode) = self.mode {
            has_no_effect(section, "mode", "RELAY_MESSAGE_MODE");
            own.policy.mode = mode;
        }
        if let Some(reminders) = self.reminders {
            has_no_effect(section, "reminders", "RELAY_REMINDERS");
            own.policy.reminders = reminders;
        }
    }

    /// The credentials of the file, unless it is the default route and others are set.
    fn credentials_of(
        &self,
        section: &Section<'_>,
        credentials: &Section<'_>,
        is_default: bool,
        seen: &mut Vec<Seen>,
    ) -> CredentialSettings {
        let read = credentials::read(credentials, seen);
        let checked = read.signature.as_ref().map(|read| read.check(self.repeat_window));
        // What else may be wrong with it has been said, with its line.
        if let Some(Err(error @ CredentialError::Tolerance { .. })) = checked {
            credentials.error(error.to_string());
        }
        if is_default && !self.credentials.open() {
            has_no_effect(
                section,
                "credentials",
                "RELAY_TOKEN, RELAY_BASIC_AUTH or RELAY_HMAC_SECRET",
            );
            return self.credentials.clone();
        }
        read
    }

    /// The relay without a routes file.
    pub(super) fn without_file(&self) -> Routes {
        let mut routes = Routes::default();
        if let Some(room) = &self.room {
            let name = RouteName::default();
            routes.table = Table::new(BTreeMap::from([(name.clone(), self.to_room(room))]));
            routes.credentials.insert(name, self.credentials.clone());
        }
        routes
    }

    pub(super) fn to_room(&self, room: &RoomAddress) -> Rule {
        Rule {
            place: "MATRIX_DEFAULT_ROOM".to_owned(),
            matchers: Vec::new(),
            destinations: vec![Destination {
                room: room.clone(),
                template: self.template.clone().unwrap_or_default(),
                policy: self.policy(),
            }],
            continues: false,
            rules: Vec::new(),
        }
    }

    /// The template of flags and variables is one that has to be there, too.
    pub(super) fn name_template(&self, routes: &mut Routes) {
        if let Some(template) = &self.template {
            let place = RouteProblem {
                file: "--default-template (RELAY_TEMPLATE)".to_owned(),
                line: None,
                message: String::new(),
            };
            routes.named.templates.push((template.clone(), place));
        }
    }

    fn policy(&self) -> MessagePolicy {
        MessagePolicy {
            mode: self.mode.unwrap_or_default(),
            reminders: self.reminders.unwrap_or_default(),
            ..MessagePolicy::default()
        }
    }
}

/// Warns that what the file says of the default route is overruled.
fn has_no_effect(section: &Section<'_>, key: &str, variable: &str) {
    if let Some(value) = section.get(key) {
        section.warn(
            value.span(),
            format!("`{key}` has no effect, because {variable} is set"),
        );
    }
}
