//! Flags, environment and `.env` → typed settings for each module; the only reader of the environment.
//!
//! Guarantees: flags beat the environment, the environment beats `.env`, `.env` beats the routes file, that beats
//! defaults; an empty variable counts as unset; every problem is reported at once, with the names of flag and variable
//! and where to get the value. No secret is ever printed: `Debug` redacts them.

mod auth;
pub mod declared;
pub mod dotenv;
pub mod effective;
pub mod environment;
mod flags;
mod homeserver;
mod parts;
mod reread;
pub mod routes;
mod silence;
mod store;
mod value;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use self::auth::AuthFlags;
pub use self::flags::{DeliveryFlags, Flags, HttpFlags, LogFlags, MessageFlags};
use self::homeserver::{hook, matrix};
use self::parts::{credentials, loaded, rendering, routes_source, server, shared};
pub use self::reread::{Origin, Reread};
use self::routes::{Routes, RoutesSource};
pub use self::silence::SilenceFlags;
use self::store::outbox;
use self::value::{Values, name};
use crate::matrix::TransportSettings;
use crate::message::{Mode, RoomAddress, RouteName, TemplateName};
use crate::{deliver, intake, matrix, outbox, render};

/// Everything that is set from outside.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub server: ServerSettings,
    /// Where it delivers.
    pub matrix: TransportSettings,
    /// Where notifications go, and who may send them.
    pub routes: Routes,
    /// Where the routes were read from, to read them again.
    pub routes_source: RoutesSource,
    /// The template that is used where nothing else is said.
    pub template: TemplateName,
    /// How messages are rendered.
    pub render: render::Settings,
    /// Where accepted messages wait.
    pub outbox: outbox::Settings,
    /// How failures are retried.
    pub deliver: deliver::Settings,
    /// When a backlog becomes a digest.
    pub digest: outbox::DigestPolicy,
    /// The heartbeat, and the dead-man's switch.
    pub silence: crate::silence::Settings,
    /// How to read again what stands in files.
    pub origin: Origin,
}

/// The HTTP side.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Address or host name to listen on.
    pub host: String,
    /// TCP port; 0 takes any free one.
    pub port: u16,
    /// Who may come in, and how much at once.
    pub auth: intake::AuthSettings,
    /// Bounds on connections.
    pub connections: intake::ConnectionSettings,
    /// What is served beside notifications.
    pub pages: intake::PageSettings,
    /// The folder into which the workshop may save templates; `None` where it may not.
    pub editable: Option<PathBuf>,
    /// How many of the last notifications the workshop keeps.
    pub record_notifications: usize,
    /// How long requests and deliveries in flight may take to finish at shutdown.
    pub grace: Duration,
}

/// What has to be fixed before the relay can start: one line for each problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The problems, in the order of the settings.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings:")?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))?;
        f.write_str("\nTo see the relay work without any configuration: grafana-matrix-relay demo")
    }
}

impl std::error::Error for ConfigError {}

impl Settings {
    /// Settings for a relay that delivers; all problems at once.
    pub fn from_flags(flags: &Flags) -> Result<Self, ConfigError> {
        let mut values = Values::default();
        let hook = hook(flags, &mut values);
        let mut source = routes_source(flags, &mut values);
        let matrix = if let Some(hook) = hook {
            source.room = matrix::hook_room();
            Some(hook)
        } else {
            matrix(flags, &mut values).map(TransportSettings::HomeServer)
        };
        if source.room.is_none() && source.file.is_none() && value::set(flags.default_room.as_deref()).is_none() {
            values.missing(
                name!(default_room),
                "the room: its ID (`!…`; in Element: room settings, Advanced) or an alias (`#alerts:example.org`), or a routes \
                 file (--routes-file) with rooms",
            );
        }
        let mut routes = loaded(&source, &mut values);
        if let (Some(TransportSettings::Hook(_)), Some(routes)) = (&matrix, &mut routes) {
            if let Some(mode) = source.mode.filter(|mode| *mode != Mode::New) {
                let why = format!("it is `{mode}`, and through a webhook (MATRIX_HOOK_URL) only `new` works");
                values.unusable(name!(message_mode), why);
            }
            // A webhook tells no event IDs, so nothing can refer to what went before.
            routes.table.set_mode(Mode::New);
        }
        let shared = shared(flags, &mut values);
        if let (Some(TransportSettings::Hook(_)), Some(_)) = (&matrix, &shared.silence.dead_man) {
            let why = "a webhook (MATRIX_HOOK_URL) cannot schedule messages";
            values.unusable(name!(dead_man_room), why);
        }
        match (matrix, routes) {
            (Some(matrix), Some(routes)) if values.problems.is_empty() => Ok(Self {
                origin: Origin::new(flags, &source, matches!(matrix, TransportSettings::HomeServer(_))),
                matrix,
                routes,
                routes_source: source,
                ..shared
            }),
            _ => Err(values.error()),
        }
    }

    /// Settings for the try-out: everything of Matrix is given, the rest may be configured.
    pub fn for_demo(flags: &Flags, matrix: matrix::Settings, room: RoomAddress) -> Result<Self, ConfigError> {
        let mut values = Values::default();
        // The stand-in has one room; rules would lead to rooms that are not there.
        let source = RoutesSource {
            file: None,
            room: Some(room),
            ..routes_source(flags, &mut values)
        };
        let routes = loaded(&source, &mut values);
        let shared = shared(flags, &mut values);
        match routes {
            Some(routes) if values.problems.is_empty() => Ok(Self {
                origin: Origin::new(flags, &source, false),
                matrix: TransportSettings::HomeServer(matrix),
                routes,
                routes_source: source,
                ..shared
            }),
            _ => Err(values.error()),
        }
    }

    /// Only where notifications go, for the commands that send nothing. The outer error is of the settings, the inner one of
    /// the file.
    pub fn routes_only(flags: &Flags) -> Result<RoutesSource, ConfigError> {
        let mut values = Values::default();
        let source = routes_source(flags, &mut values);
        if values.problems.is_empty() {
            Ok(source)
        } else {
            Err(values.error())
        }
    }

    /// Only how messages are rendered, and the default template, for the commands that send nothing.
    pub fn render_only(flags: &Flags) -> Result<(render::Settings, TemplateName), ConfigError> {
        let mut values = Values::default();
        let (settings, template) = rendering(flags, &mut values);
        if values.problems.is_empty() {
            Ok((settings, template))
        } else {
            Err(values.error())
        }
    }

    /// Only the outbox, for the operator's commands.
    pub fn outbox_only(flags: &Flags) -> Result<outbox::Settings, ConfigError> {
        let mut values = Values::default();
        let outbox = outbox(flags, &mut values);
        if values.problems.is_empty() {
            Ok(outbox)
        } else {
            Err(values.error())
        }
    }

    /// What is to be said of addresses to which secrets go in plain text; the rest of the settings need not be complete.
    pub fn plain_http(flags: &Flags) -> Vec<String> {
        let homeserver = value::set(flags.home_server_url.as_deref()).and_then(matrix::plain_homeserver);
        let hook = hook(flags, &mut Values::default()).and_then(|hook| hook.plain_http());
        homeserver.into_iter().chain(hook).collect()
    }

    /// What a relay with these flags asks for before it says why it is not well, for the health command.
    pub fn health_credentials(flags: &Flags) -> intake::CredentialSettings {
        let mut values = Values::default();
        let auth = server(flags, &mut values).auth;
        let own = [auth.metrics, auth.pages].into_iter().find(|one| !one.open());
        own.or_else(|| {
            let mut routes = routes_source(flags, &mut values).load().ok()?;
            routes.credentials.remove(&RouteName::default())
        })
        .unwrap_or_default()
    }

    /// Where a relay with these flags answers, for the health command.
    pub fn server_address(flags: &Flags) -> Result<(String, u16), ConfigError> {
        let mut values = Values::default();
        let server = server(flags, &mut values);
        if values.problems.is_empty() {
            Ok((server.host, server.port))
        } else {
            Err(values.error())
        }
    }
}
