//! What the start comes to, in one line: version, address, rooms, outbox, templates, and what to put into Grafana.
//!
//! Guarantees: no secret is in it, only where it stands.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::config::Settings;
use crate::config::routes::{Routes, RoutesSource};
use crate::intake::CredentialSettings;
use crate::matrix;
use crate::message::{RoomAddress, RouteName};

/// How many rooms are named.
const ROOMS: usize = 3;

/// What is known of it before the relay listens.
pub(super) struct Summary {
    rooms: String,
    outbox: String,
    templates: String,
    encryption: String,
    path: String,
    credential: String,
}

impl Summary {
    pub(super) fn of(settings: &Settings) -> Self {
        let (path, credential) = sender(&settings.routes, &settings.routes_source);
        let folder = settings.render.templates_dir.as_ref();
        Self {
            rooms: rooms(&settings.routes.table.rooms()),
            outbox: match settings.outbox.database_url {
                Some(_) => "PostgreSQL".to_owned(),
                None => settings.outbox.data_dir.display().to_string(),
            },
            templates: folder.map_or_else(String::new, |folder| folder.display().to_string()),
            encryption: encryption(&settings.matrix),
            path,
            credential,
        }
    }

    /// The line, for a relay that listens at this address and has so many template files of the operator's.
    pub(super) fn line(&self, address: SocketAddr, own: usize) -> String {
        let Self {
            rooms,
            outbox,
            templates,
            encryption,
            path,
            credential,
        } = self;
        let host: &dyn fmt::Display = match address.ip() {
            ip if ip.is_unspecified() => &"this-host",
            IpAddr::V4(_) | IpAddr::V6(_) => &Host(address.ip()),
        };
        let port = address.port();
        format!(
            "listening on http://{address}: grafana-matrix-relay {}; {rooms}; outbox: {outbox}; templates: {templates} ({own} files \
             there, the rest built in); {encryption}; for Grafana's contact point: URL http://{host}:{port}{path}, {credential}",
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// An address as a URL has it.
struct Host(IpAddr);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

fn rooms(rooms: &[RoomAddress]) -> String {
    let name = |room: &RoomAddress| {
        if matrix::hook_room().as_ref() == Some(room) {
            "that of the webhook".to_owned()
        } else {
            room.to_string()
        }
    };
    let names: Vec<_> = rooms.iter().take(ROOMS).map(name).collect();
    let more = match rooms.len().saturating_sub(ROOMS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let word = if rooms.len() == 1 { "room" } else { "rooms" };
    format!("{word}: {}{more}", names.join(", "))
}

/// What becomes of messages for encrypted rooms.
fn encryption(matrix: &matrix::TransportSettings) -> String {
    let matrix::TransportSettings::HomeServer(settings) = matrix else {
        return "encrypted rooms: the webhook's bridge sends there".to_owned();
    };
    let encryption = &settings.encryption;
    match (encryption.mode, &encryption.folder) {
        (matrix::EncryptionMode::Auto, Some(folder)) if cfg!(feature = "encryption") => {
            format!("keys for encrypted rooms: {}", folder.display())
        }
        _ => "encrypted rooms: get nothing (MATRIX_ENCRYPTION)".to_owned(),
    }
}

/// The path of the default route, or of the first there is, and what its senders have to show.
fn sender(routes: &Routes, source: &RoutesSource) -> (String, String) {
    let default = RouteName::default();
    let mut names = routes.credentials.keys();
    let name = names.clone().find(|name| **name == default).or_else(|| names.next());
    let path = match name {
        Some(name) if *name != default => format!("/alert/{name}"),
        _ => "/alert".to_owned(),
    };
    let asked = name
        .and_then(|name| routes.credentials.get(name))
        .cloned()
        .unwrap_or_default();
    // What flags and variables say beats the file, for the default route.
    let is_of_file = source.credentials.open() || name.is_some_and(|name| *name != default);
    (path, credential(&asked, is_of_file.then_some(name).flatten()))
}

/// What to put into the fields of a contact point.
fn credential(asked: &CredentialSettings, route: Option<&RouteName>) -> String {
    let value = |variable: &str| match route {
        None => variable.to_owned(),
        Some(route) => format!("the route `{route}`"),
    };
    let header = match (asked.bearer.is_empty(), asked.basic.is_empty()) {
        (false, _) => Some(format!(
            "Authorization Header `Bearer` with the token of {}",
            value("RELAY_TOKEN")
        )),
        (true, false) => Some(format!("Username and Password of {}", value("RELAY_BASIC_AUTH"))),
        (true, true) => None,
    };
    let signature = asked.signature.as_ref();
    let signature = signature.map(|_| format!("HMAC Signature with the secret of {}", value("RELAY_HMAC_SECRET")));
    let all: Vec<_> = header.into_iter().chain(signature).collect();
    if all.is_empty() {
        "no credential".to_owned()
    } else {
        all.join(" and ")
    }
}
