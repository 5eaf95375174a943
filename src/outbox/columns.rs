//! How times, texts, names and keys stand in the columns of both databases.

use std::time::Duration;

use jiff::Timestamp;

use super::error::OutboxError;
use crate::message::{RenderedMessage, RoomAddress};
use crate::text;

/// Milliseconds since 1970: what both tables hold.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// A duration in the same.
pub(super) fn millis_of(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The reverse. A number that is no time can only come from a hand in the table; it reads as 1970.
pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// Text that any database takes: PostgreSQL has no place for NUL. A whole error page is of use to nobody.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(2_000).collect()
}

/// A repeat key as it is stored: an index refuses long ones, and no database has to take what a caller sends.
pub(super) fn fixed_length(key: &str) -> String {
    text::hash([key])
}

/// A group as it is stored: the same in two rooms is two.
pub(super) fn group_key(room: &RoomAddress, key: &str) -> String {
    fixed_length(&format!("{room}\n{key}"))
}

/// The message as JSON, where NUL is escaped.
pub(super) fn message_text(message: &RenderedMessage) -> Result<String, OutboxError> {
    Ok(serde_json::to_string(message)?)
}

/// The name of an alert as it is stored: PostgreSQL has no place for NUL.
pub(super) fn stored_name(name: &str) -> String {
    name.replace('\0', "\u{fffd}")
}
