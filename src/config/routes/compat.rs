//! Which addresses of other relays are served, and the routes that the rooms they name stand for.
//!
//! Guarantees: every name leads to a route that the file has; see `intake::Compat` for what the addresses are.

use std::collections::BTreeMap;
use std::ops::Range;

use super::source::Section;
use crate::intake::Compat;
use crate::message::RouteName;

const FORWARDER: &str = "grafana-matrix-forwarder";
const ALERTMANAGER: &str = "matrix-alertmanager";
const RECEIVER: &str = "matrix-alertmanager-receiver";

pub(super) fn read(section: &Section<'_>, exists: &dyn Fn(&RouteName) -> bool) -> Compat {
    section.only(&[FORWARDER, ALERTMANAGER, RECEIVER]);
    let route = |text: &str, span: Range<usize>| {
        let route = section.parsed::<RouteName>(text, span.clone())?;
        if !exists(&route) {
            section
                .source
                .error(span, format!("unknown route `{route}` (expected one of this file)"));
        }
        Some(route)
    };
    let rooms = |key: &str| -> Option<BTreeMap<String, RouteName>> {
        let listed = section.section(key)?;
        let pairs = listed.entries().filter_map(|(room, _)| {
            let (text, span) = listed.text(room)?;
            Some((room.to_owned(), route(text, span)?))
        });
        Some(pairs.collect())
    };
    Compat {
        forwarder: rooms(FORWARDER),
        alertmanager: section.text(ALERTMANAGER).and_then(|(text, span)| route(text, span)),
        receiver: rooms(RECEIVER),
    }
}
