//! The outbound nouns: what a message is before any homeserver has seen it.
//!
//! Guarantees: a [`RoomAddress`] and a [`TemplateName`] are well formed once they exist, and a [`TxnId`] is born once
//! and never changes. It does not know alerts, templates' contents or HTTP.

mod announced;
mod conversation;
mod locale;
mod mention;
mod names;
pub(crate) mod words;

use std::fmt;
use std::str::FromStr;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

pub use self::announced::{Announced, AnnouncedAlert};
pub use self::conversation::{Mode, ModeError, Relation};
pub use self::locale::{Language, LanguageError, Locale};
pub use self::mention::MENTIONED;
pub(crate) use self::mention::too_many_people;
pub use self::names::{NameError, RouteName, TemplateName};

/// A room as the operator wrote it: a room ID (`!…`, with or without a domain) or an alias (`#name:domain`).
///
/// It stays in that spelling in the outbox. Which room an alias means is asked of the homeserver, because an alias may move.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomAddress(String);

/// Why a text is not a room address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomAddressError {
    /// It starts with neither `!` nor `#`.
    #[error("`{0}` is neither a room ID (it starts with `!`) nor a room alias (it starts with `#`)")]
    Sigil(String),
    /// It starts well, but ruma's check of the identifier refuses it.
    #[error("`{0}` is not a valid room ID or alias: {1}")]
    Invalid(String, String),
}

impl RoomAddress {
    /// Well formed, and no homeserver has it: where a dry run takes place.
    pub fn nowhere() -> Self {
        Self("!rehearsal:example.invalid".to_owned())
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an alias, which has to be resolved first.
    pub fn is_alias(&self) -> bool {
        self.0.starts_with('#')
    }
}

impl FromStr for RoomAddress {
    type Err = RoomAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if !text.starts_with(['!', '#']) {
            return Err(RoomAddressError::Sigil(text.to_owned()));
        }
        ruma::OwnedRoomOrAliasId::try_from(text)
            .map_err(|error| RoomAddressError::Invalid(text.to_owned(), error.to_string()))?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for RoomAddress {
    type Error = RoomAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RoomAddress> for String {
    fn from(room: RoomAddress) -> Self {
        room.0
    }
}

impl fmt::Display for RoomAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How loud a message is: `m.text` notifies, `m.notice` never does (by the default push rules).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Enum)]
pub enum MsgType {
    /// Rings.
    #[default]
    #[serde(rename = "m.text")]
    #[oai(rename = "m.text")]
    Text,
    /// Stays quiet, even where it mentions somebody.
    #[serde(rename = "m.notice")]
    #[oai(rename = "m.notice")]
    Notice,
}

/// Who a message mentions. Only a template or the operator's settings fill it, never text from an alert.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Object)]
pub struct Mentions {
    /// Full Matrix user IDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_ids: Vec<String>,
    /// Whether everybody in the room is mentioned; needs the power for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub room: bool,
}

/// What will be seen in a room, final: the row in the outbox holds it, so no later template edit can change it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RenderedMessage {
    /// Readable plain text; its first line is what a phone shows.
    pub body: String,
    /// The same in Matrix's HTML subset; empty where there is only plain text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub formatted_body: String,
    /// How loud it is.
    #[serde(default)]
    pub msgtype: MsgType,
    /// Who is mentioned.
    #[serde(default)]
    pub mentions: Mentions,
    /// How its language says that there are more people than it can mention; empty for English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub too_many_people: String,
    /// One plain line that names the notification.
    pub headline: String,
    /// The alerts that it announces, for a digest that may stand for it.
    #[serde(default, skip_serializing_if = "Announced::is_empty")]
    pub announced: Announced,
}

/// A Matrix transaction ID: born with the delivery and kept over all attempts, restarts and replicas, so that the
/// homeserver merges a repeated send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TxnId(String);

impl TxnId {
    /// A new one; time-ordered (UUID v7) and safe in a URL path.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }

    /// One that was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text for the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
