//! The settings that several commands read, part by part.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::routes::{Routes, RoutesSource};
use super::store::{horizon, outbox};
use super::value::{Values, given, secret};
use super::{Flags, Origin};
use super::{ServerSettings, Settings, auth, silence, value};
use crate::matrix::TransportSettings;
use crate::message::TemplateName;
use crate::telemetry::LogFormat;
use crate::{deliver, intake, matrix, outbox, render};

/// Everything but Matrix, with placeholders there.
pub(super) fn shared(flags: &Flags, values: &mut Values) -> Settings {
    let mut server = server(flags, values);
    let (render, template) = rendering(flags, values);
    server.editable = render.templates_dir.clone().filter(|_| auth::edits(&flags.auth));
    let horizon = horizon(flags, values);
    let threshold = values.count(given!(flags.delivery.digest_threshold), 0);
    let min_age = values.duration(given!(flags.delivery.digest_after));
    let placeholder = SecretString::default();
    Settings {
        matrix: TransportSettings::HomeServer(matrix::Settings {
            home_server: String::new(),
            access_token: placeholder,
            request_timeout: Duration::from_secs(30),
            encryption: matrix::EncryptionSettings::default(),
        }),
        routes: Routes::default(),
        routes_source: RoutesSource::default(),
        template,
        render,
        outbox: outbox(flags, values),
        deliver: deliver::Settings { horizon },
        digest: outbox::DigestPolicy { threshold, min_age },
        silence: silence::settings(&flags.silence, values),
        server,
        origin: Origin::default(),
    }
}

/// What is known of the routes without reading their file.
pub(super) fn routes_source(flags: &Flags, values: &mut Values) -> RoutesSource {
    RoutesSource {
        file: value::set(flags.routes_file.as_deref()).map(PathBuf::from),
        room: values.optional(given!(flags.default_room)),
        template: values.optional(given!(flags.messages.default_template)),
        mode: values.optional(given!(flags.messages.message_mode)),
        reminders: values.switch(given!(flags.messages.reminders)),
        credentials: credentials(flags, values),
        repeat_window: repeat_window(flags),
    }
}

pub(super) fn loaded(source: &RoutesSource, values: &mut Values) -> Option<Routes> {
    source
        .load()
        .map_err(|problems| {
            let lines = problems.iter().map(ToString::to_string);
            values.problems.extend(lines);
        })
        .ok()
}

/// What callers show where the routes file says nothing else.
pub(super) fn credentials(flags: &Flags, values: &mut Values) -> intake::CredentialSettings {
    let tokens = values.secrets(secret!(flags.http.relay_token, relay_token_file));
    auth::credentials(&flags.auth, tokens, repeat_window(flags), values)
}

/// A problem with it is the outbox's to tell.
pub(super) fn repeat_window(flags: &Flags) -> Duration {
    outbox(flags, &mut Values::default()).repeat_window
}

pub(super) fn rendering(flags: &Flags, values: &mut Values) -> (render::Settings, TemplateName) {
    let template = values.optional(given!(flags.messages.default_template));
    let settings = render::Settings {
        templates_dir: Some(PathBuf::from(given!(flags.messages.templates_dir).or_default())),
        time_zone: values.time_zone(
            given!(flags.messages.timezone),
            flags.messages.system_timezone.as_deref(),
        ),
        language: values.language(given!(flags.messages.language)),
        isolation: render::Isolation::own_program(),
    };
    (settings, template.unwrap_or_default())
}

pub(super) fn server(flags: &Flags, values: &mut Values) -> ServerSettings {
    let max_body_bytes = values.count(given!(flags.http.max_body_bytes), 0);
    values.switch(given!(flags.log.ecs_logging));
    values.optional::<LogFormat>(given!(flags.log.log_format));
    ServerSettings {
        host: given!(flags.http.host).or_default().to_owned(),
        port: values.count(given!(flags.http.port), 0),
        auth: auth::auth(&flags.auth, max_body_bytes, values),
        connections: auth::connections(&flags.auth, values),
        pages: auth::pages(&flags.auth, values),
        editable: None,
        record_notifications: values.count(given!(flags.messages.record_notifications), 0),
        grace: values.duration(given!(flags.http.shutdown_grace)),
    }
}
