//! How an alert group appears in its room over time, and how one event refers to another.
//!
//! Guarantees: nothing here knows alerts or an outbox; the names are those of the settings and of the Matrix
//! specification (relations: `m.replace`, `m.thread`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::beginning;

/// What later notifications of an alert group do to the message of the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Its message is edited to the present state, and each change has a line in its thread.
    #[default]
    Live,
    /// Each change has a line in the thread of a message that is never edited; clients without threads show it as a reply.
    Thread,
    /// Each notification is a message of its own, as the original relay did.
    New,
}

/// A word that is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// It was one before there was a better one.
    #[error("invalid mode `{0}`: use `thread`")]
    UseThread(String),
    /// It is none.
    #[error("invalid mode `{0}` (expected live, thread or new)")]
    Unknown(String),
}

impl Mode {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Live, Self::Thread, Self::New];

    /// The word of the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Thread => "thread",
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
        found.ok_or_else(|| match text.trim() {
            word @ ("reply" | "reaction") => ModeError::UseThread(word.to_owned()),
            other => ModeError::Unknown(beginning(other, 40).to_owned()),
        })
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
}

impl Relation {
    /// The event that it refers to; of a thread, where it began.
    pub fn event_id(&self) -> &str {
        match self {
            Self::Edit { of: id } | Self::Thread { root: id, .. } => id,
        }
    }
}
