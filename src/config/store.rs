//! Where accepted messages wait, and how long what is known of them is kept.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Flags;
use super::declared;
use super::value::{self, Values, given, name, secret};
use crate::outbox;

/// How long a delivery is retried while the homeserver fails.
pub(super) fn horizon(flags: &Flags, values: &mut Values) -> Duration {
    values.duration(given!(flags.delivery.retry_horizon))
}

/// Not shorter than what is tried again, or comes again, may take: it is about its group all that time.
fn keep_groups(flags: &Flags, repeat_window: Duration, values: &mut Values) -> Duration {
    let least = horizon(flags, values).max(repeat_window);
    let declared = value::duration(declared::default("keep_groups")).unwrap_or_default();
    let keep = values.duration_or(given!(flags.delivery.keep_groups), declared.max(least));
    if keep < least {
        let why = "too short (expected at least RELAY_RETRY_HORIZON and RELAY_REPEAT_WINDOW)";
        values.unusable(name!(keep_groups), why);
    }
    keep
}

/// The folder of what the relay keeps.
pub(super) fn data_dir(flags: &Flags) -> PathBuf {
    PathBuf::from(given!(flags.delivery.data_dir).or_default())
}

/// The outbox, and how long it keeps what.
pub(super) fn outbox(flags: &Flags, values: &mut Values) -> outbox::Settings {
    let repeat_window = values.duration(given!(flags.delivery.repeat_window));
    let database_url = values.secret(secret!(flags.delivery.database_url, database_url_file));
    let is_postgres = |url: &SecretString| {
        let url = url::Url::parse(url.expose_secret());
        url.is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"))
    };
    if database_url.as_ref().is_some_and(|url| !is_postgres(url)) {
        values.unusable(
            name!(database_url),
            "it needs the form postgres://user:password@host/database; characters such as `/` and `@` in a password are \
             written `%2F` and `%40`",
        );
    }
    if database_url.is_some() && !cfg!(feature = "postgres") {
        values.unusable(name!(database_url), outbox::WITHOUT_POSTGRES);
    }
    outbox::Settings {
        data_dir: data_dir(flags),
        database_url,
        repeat_window,
        keep_delivered: values.duration(given!(flags.delivery.keep_delivered)),
        keep_groups: keep_groups(flags, repeat_window, values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "postgres"))]
    fn a_database_is_refused_where_nothing_was_built_for_it() {
        let mut flags = Flags::default();
        flags.delivery.database_url = Some("postgres://user@host/database".into());
        let mut values = Values::default();
        outbox(&flags, &mut values);
        assert!(
            values.problems[0].contains(outbox::WITHOUT_POSTGRES),
            "{:?}",
            values.problems
        );
    }

    #[test]
    fn a_group_is_remembered_as_long_as_its_messages_are_tried() {
        let read = |keep: Option<&str>, horizon: &str| {
            let mut flags = Flags::default();
            flags.delivery.keep_groups = keep.map(str::to_owned);
            flags.delivery.retry_horizon = Some(horizon.to_owned());
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
            problems[0].starts_with("invalid --keep-groups (RELAY_KEEP_GROUPS)"),
            "{problems:?}"
        );
    }
}
