//! How an alert group appears in its room over time, and how one event refers to another.
//!
//! Guarantees: nothing here knows alerts or an outbox; the names are those of the settings and of the Matrix
//! specification (relations: `m.replace`, `m.thread`, `m.annotation`, and replies).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What later notifications of an alert group do to the message of the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The head is edited to the present state, and each change has a line in its thread.
    #[default]
    Live,
    /// Each change has a line in the thread of a head that is never edited.
    Thread,
    /// Each change is a reply to the head.
    Reply,
    /// New alerts are messages of their own; a recovery is a ✅ on the head.
    Reaction,
    /// Each notification is a message of its own, as the original relay did.
    New,
}

/// A word that is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mode: live, thread, reply, reaction or new")]
pub struct ModeError(String);

impl Mode {
    /// All of them, the default first.
    pub const ALL: [Self; 5] = [Self::Live, Self::Thread, Self::Reply, Self::Reaction, Self::New];

    /// The word of the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Thread => "thread",
            Self::Reply => "reply",
            Self::Reaction => "reaction",
            Self::New => "new",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|mode| mode.as_str() == text.trim());
        found.ok_or_else(|| ModeError(text.chars().take(40).collect()))
    }
}

/// How an event refers to one that is in the room already. The texts are event IDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// Takes the place of an event's content (`m.replace`).
    Edit {
        /// The original, never an edit of it.
        of: String,
    },
    /// Is in a thread (`m.thread`).
    Thread {
        /// Where the thread began.
        root: String,
        /// The last event of the thread, for clients without threads; the root if there is none.
        latest: String,
    },
    /// Answers an event.
    Reply {
        /// Which.
        to: String,
    },
    /// Is a reaction (`m.annotation`): the event has no text but this key.
    Reaction {
        /// To which event.
        to: String,
        /// An emoji.
        key: String,
    },
}

impl Relation {
    /// The event that it refers to; of a thread, where it began.
    pub fn event_id(&self) -> &str {
        match self {
            Self::Edit { of: id }
            | Self::Thread { root: id, .. }
            | Self::Reply { to: id }
            | Self::Reaction { to: id, .. } => id,
        }
    }
}
