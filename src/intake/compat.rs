//! The addresses of other relays, so that their users change a host name only: a table, and no more than that.
//!
//! | relay | address | names a room by |
//! |---|---|---|
//! | grafana-matrix-forwarder | `/api/v0/forward`, `/api/v1/unified`, `/api/v1/standard` | the query's `roomId` |
//! | matrix-alertmanager | `/alerts` | nothing that is known before the body is |
//! | matrix-alertmanager-receiver | `/alerts/{room}`, and `/alert/{room}` | the path |
//!
//! Guarantees: an address exists only if the routes file enables it; a room that it names is looked up in a list of the
//! operator's and leads to a route, whose credentials apply; a name that is not in the list is a route that does not
//! exist. What the others accept as a secret in the URL is not accepted.

use std::collections::BTreeMap;

use poem::Request;

use crate::message::RouteName;

/// Which addresses are enabled, and the routes that they lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compat {
    /// Rooms of grafana-matrix-forwarder, by their `roomId`.
    pub forwarder: Option<BTreeMap<String, RouteName>>,
    /// The route for everything that matrix-alertmanager took.
    pub alertmanager: Option<RouteName>,
    /// Rooms of matrix-alertmanager-receiver, by their ID or their short name.
    pub receiver: Option<BTreeMap<String, RouteName>>,
}

/// The addresses, as the server mounts them.
pub(super) const FORWARDER: [&str; 3] = ["/api/v0/forward", "/api/v1/unified", "/api/v1/standard"];
pub(super) const ALERTMANAGER: &str = "/alerts";
pub(super) const RECEIVER: &str = "/alerts/:room";

/// Whether a path is one of them, enabled or not.
pub(super) fn is_address(path: &str) -> bool {
    let room = path.strip_prefix(ALERTMANAGER).and_then(|rest| rest.strip_prefix('/'));
    FORWARDER.contains(&path) || path == ALERTMANAGER || room.is_some_and(|room| !room.contains('/'))
}

/// What stands for a room that is not in the list. No route can have this name.
const UNLISTED: &str = "";

impl Compat {
    /// The name of the route that a request to one of these addresses is for; `None` if the address is not enabled.
    pub(super) fn route(&self, request: &Request) -> Option<String> {
        let path = request.uri().path();
        let listed = |rooms: &BTreeMap<String, RouteName>, room: Option<&str>| {
            let route = room.and_then(|room| rooms.get(room));
            route.map_or(UNLISTED, RouteName::as_str).to_owned()
        };
        if FORWARDER.contains(&path) {
            let rooms = self.forwarder.as_ref()?;
            let query = request.uri().query().unwrap_or_default();
            let mut named = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "roomId");
            let room = named.next();
            // It could name several at once. Here a route has several rooms, and one request one route.
            let one = named.next().is_none();
            return Some(listed(rooms, room.as_ref().filter(|_| one).map(|(_, room)| &**room)));
        }
        match request.raw_path_param("room") {
            Some(room) => Some(listed(self.receiver.as_ref()?, Some(room))),
            None => self.alertmanager.as_ref().map(|route| route.as_str().to_owned()),
        }
    }

    /// The route for a name in `/alert/{room}` that is none of a route.
    pub(super) fn receiver_room(&self, room: &str) -> Option<&RouteName> {
        self.receiver.as_ref()?.get(room)
    }

    /// The addresses in words, each with the route that it leads to. One in `/alert/…` is a room's only where no `route` has
    /// that name.
    pub fn addresses<'a>(
        &'a self,
        is_route: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (String, &'a RouteName)> {
        let of_forwarder = self.forwarder.iter().flatten().map(|(room, route)| {
            let paths = FORWARDER.join(", ");
            (format!("{paths} with roomId={room}"), route)
        });
        let of_alertmanager = self.alertmanager.iter().map(|route| (ALERTMANAGER.to_owned(), route));
        let of_receiver = self.receiver.iter().flatten().map(move |(room, route)| {
            let path = if is_route(room) {
                format!("{ALERTMANAGER}/{room}")
            } else {
                format!("{ALERTMANAGER}/{room}, /alert/{room}")
            };
            (path, route)
        });
        of_forwarder.chain(of_alertmanager).chain(of_receiver)
    }

    /// Every route that an address leads to.
    pub fn routes(&self) -> impl Iterator<Item = &RouteName> {
        let listed = [&self.forwarder, &self.receiver].into_iter().flatten();
        listed.flat_map(BTreeMap::values).chain(&self.alertmanager)
    }
}
