//! Where accepted messages wait, and how long what is known of them is kept.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Flags;
use super::value::{self, Values};
use crate::outbox;

/// How long a delivery is retried while the homeserver fails.
pub(super) fn horizon(flags: &Flags, values: &mut Values) -> Duration {
    let given = flags.retry_horizon.as_deref();
    values.duration("--retry-horizon", "RELAY_RETRY_HORIZON", given, 24 * 3600)
}

/// Not shorter than what is tried again, or comes again, may take: it is about its group all that time.
fn keep_groups(flags: &Flags, repeat_window: Duration, values: &mut Values) -> Duration {
    let least = horizon(flags, values).max(repeat_window);
    let month = Duration::from_hours(30 * 24).max(least);
    let given = flags.keep_groups.as_deref();
    let keep = values.duration("--keep-groups", "RELAY_KEEP_GROUPS", given, month.as_secs());
    if keep < least {
        values.problems.push(
            "--keep-groups (RELAY_KEEP_GROUPS) is not usable: it has to be as long as RELAY_RETRY_HORIZON and \
             RELAY_REPEAT_WINDOW at least"
                .to_owned(),
        );
    }
    keep
}

/// The outbox, and how long it keeps what.
pub(super) fn outbox(flags: &Flags, values: &mut Values) -> outbox::Settings {
    let repeat_window = values.duration(
        "--repeat-window",
        "RELAY_REPEAT_WINDOW",
        flags.repeat_window.as_deref(),
        90,
    );
    let week = 7 * 24 * 3600;
    let database_url = values.secret(
        ("--database-url", "RELAY_DATABASE_URL"),
        flags.database_url.as_ref(),
        flags.database_url_file.as_deref(),
    );
    let is_postgres = |url: &SecretString| {
        let url = url::Url::parse(url.expose_secret());
        url.is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"))
    };
    if database_url.as_ref().is_some_and(|url| !is_postgres(url)) {
        values.problems.push(
            "--database-url (RELAY_DATABASE_URL) is not usable: it needs the form postgres://user:password@host/database; \
             characters such as `/` and `@` in a password are written `%2F` and `%40`"
                .to_owned(),
        );
    }
    outbox::Settings {
        data_dir: PathBuf::from(value::set(flags.data_dir.as_deref()).unwrap_or("data")),
        database_url,
        repeat_window,
        keep_delivered: values.duration(
            "--keep-delivered",
            "RELAY_KEEP_DELIVERED",
            flags.keep_delivered.as_deref(),
            week,
        ),
        keep_groups: keep_groups(flags, repeat_window, values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_remembered_as_long_as_its_messages_are_tried() {
        let read = |keep: Option<&str>, horizon: &str| {
            let flags = Flags {
                keep_groups: keep.map(str::to_owned),
                retry_horizon: Some(horizon.to_owned()),
                ..Flags::default()
            };
            let mut values = Values::default();
            (
                outbox(&flags, &mut values).keep_groups.as_secs() / 3600,
                values.problems,
            )
        };
        assert_eq!(read(Some("24h"), "24h"), (24, vec![]));
        assert_eq!(read(None, "24h"), (30 * 24, vec![]));
        assert_eq!(read(None, "60d"), (60 * 24, vec![]));
        let (_, problems) = read(Some("23h"), "24h");
        assert!(
            problems[0].starts_with("--keep-groups (RELAY_KEEP_GROUPS)"),
            "{problems:?}"
        );
    }
}
