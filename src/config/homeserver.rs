//! Where messages are delivered: an account on a homeserver, or a webhook in its place.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::Flags;
use super::value::{self, Values};
use crate::matrix::{self, TransportSettings};

/// The webhook that stands in the place of homeserver, token and rooms, if one is set.
pub(super) fn hook(flags: &Flags, values: &mut Values) -> Option<TransportSettings> {
    let url = values.secret(
        ("--hook-url", "MATRIX_HOOK_URL"),
        flags.hook_url.as_ref(),
        flags.hook_url_file.as_deref(),
    )?;
    let token = flags.access_token.as_ref().map(ExposeSecret::expose_secret);
    let others = [
        (
            "--home-server-url",
            "MATRIX_HOME_SERVER_URL",
            flags.home_server_url.as_deref(),
        ),
        ("--access-token", "MATRIX_ACCESS_TOKEN", token),
        (
            "--access-token-file",
            "MATRIX_ACCESS_TOKEN_FILE",
            flags.access_token_file.as_deref(),
        ),
        ("--default-room", "MATRIX_DEFAULT_ROOM", flags.default_room.as_deref()),
        ("--routes-file", "RELAY_ROUTES_FILE", flags.routes_file.as_deref()),
    ];
    for (flag, variable, _) in others.iter().filter(|(_, _, value)| value::set(*value).is_some()) {
        values.problems.push(format!(
            "{flag} ({variable}) and --hook-url (MATRIX_HOOK_URL) are both set: a webhook leads to one room and needs no \
             account; keep one of the two ways"
        ));
    }
    let settings = matrix::HookSettings {
        url,
        request_timeout: matrix_timeout(flags, values),
    };
    if let Err(error) = settings.check() {
        values
            .problems
            .push(format!("--hook-url (MATRIX_HOOK_URL) is not usable: {error}"));
    }
    Some(TransportSettings::Hook(settings))
}

fn matrix_timeout(flags: &Flags, values: &mut Values) -> Duration {
    values.duration(
        "--matrix-timeout",
        "RELAY_MATRIX_TIMEOUT",
        flags.matrix_timeout.as_deref(),
        30,
    )
}

pub(super) fn matrix(flags: &Flags, values: &mut Values) -> Option<matrix::Settings> {
    let home_server: Option<String> = values.required(
        "--home-server-url",
        "MATRIX_HOME_SERVER_URL",
        flags.home_server_url.as_deref(),
        "the homeserver's base URL (https://matrix.example.org) or its server name (example.org)",
    );
    let access_token = values.secret(
        ("--access-token", "MATRIX_ACCESS_TOKEN"),
        flags.access_token.as_ref(),
        flags.access_token_file.as_deref(),
    );
    if access_token.is_none() {
        values.missing(
            "--access-token",
            "MATRIX_ACCESS_TOKEN",
            "the bot's access token; the README says how to get one that lasts",
        );
    }
    let request_timeout = matrix_timeout(flags, values);
    let settings = matrix::Settings {
        home_server: home_server?,
        access_token: access_token?,
        request_timeout,
    };
    let problem = match settings.check() {
        Ok(()) => return Some(settings),
        Err(error @ matrix::SetupError::HomeServer(_)) => {
            format!("--home-server-url (MATRIX_HOME_SERVER_URL) is not usable: {error}")
        }
        Err(error) => format!("--access-token (MATRIX_ACCESS_TOKEN) is not usable: {error}"),
    };
    values.problems.push(problem);
    None
}
