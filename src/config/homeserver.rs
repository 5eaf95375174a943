//! Where messages are delivered: an account on a homeserver, or a webhook in its place.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::Flags;
use super::store::data_dir;
use super::value::{self, Given, Values, given, name, secret};
use crate::matrix::{self, EncryptionSettings, TransportSettings};

/// The webhook that stands in the place of homeserver, token and rooms, if one is set.
pub(super) fn hook(flags: &Flags, values: &mut Values) -> Option<TransportSettings> {
    let url = values.secret(secret!(flags.hook_url, hook_url_file))?;
    let token = flags.access_token.as_ref().map(ExposeSecret::expose_secret);
    let others = [
        given!(flags.home_server_url),
        Given {
            name: name!(access_token),
            text: token,
        },
        given!(flags.access_token_file),
        given!(flags.default_room),
        given!(flags.routes_file),
    ];
    for other in others.iter().filter(|other| value::set(other.text).is_some()) {
        values.problems.push(format!(
            "invalid {}: {} is set too (expected one of them; a webhook leads to one room and needs no account)",
            name!(hook_url),
            other.name
        ));
    }
    let settings = matrix::HookSettings {
        url,
        request_timeout: matrix_timeout(flags, values),
    };
    if let Err(error) = settings.check() {
        values.unusable(name!(hook_url), error);
    }
    Some(TransportSettings::Hook(settings))
}

fn matrix_timeout(flags: &Flags, values: &mut Values) -> Duration {
    values.duration(given!(flags.matrix_timeout))
}

/// How encrypted rooms are treated; the keys live beside the outbox.
fn encryption(flags: &Flags, values: &mut Values) -> EncryptionSettings {
    let mode = values.optional(given!(flags.encryption));
    let recipients = values.optional(given!(flags.key_recipients));
    EncryptionSettings {
        mode: mode.unwrap_or_default(),
        recipients: recipients.unwrap_or_default(),
        folder: Some(data_dir(flags)),
        recovery_key: values.secret(secret!(flags.recovery_key, recovery_key_file)),
    }
}

pub(super) fn matrix(flags: &Flags, values: &mut Values) -> Option<matrix::Settings> {
    let home_server: Option<String> = values.required(
        given!(flags.home_server_url),
        "the homeserver's base URL (https://matrix.example.org) or its server name (example.org)",
    );
    let access_token = values.secret(secret!(flags.access_token, access_token_file));
    if access_token.is_none() {
        values.missing(
            name!(access_token),
            "the bot's access token; the README says how to get one that lasts",
        );
    }
    let request_timeout = matrix_timeout(flags, values);
    let encryption = encryption(flags, values);
    let settings = matrix::Settings {
        home_server: home_server?,
        access_token: access_token?,
        request_timeout,
        encryption,
    };
    match settings.check() {
        Ok(()) => return Some(settings),
        Err(error @ matrix::SetupError::HomeServer(_)) => values.unusable(name!(home_server_url), error),
        Err(error) => values.unusable(name!(access_token), error),
    }
    None
}
