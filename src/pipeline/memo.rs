//! What is remembered of a group from one notification to the next: its state, and what its head says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::story::Before;
use crate::group::State;
use crate::outbox::{HeadStanding, KnownGroup};

/// See the module. It is stored as JSON; what cannot be read begins anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Memo {
    pub(super) state: State,
    /// When the last notification was accepted.
    pub(super) at: Timestamp,
    /// The repeat key of the last notification, and how often it was another one than before.
    pub(super) last_key: String,
    pub(super) generation: u64,
    /// A hash of what the head says, and the moment as of which it says it.
    pub(super) head: String,
    pub(super) head_at: Timestamp,
    #[serde(default)]
    pub(super) kept: Kept,
}

/// What this episode has in the room, whatever the room's mode is by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kept {
    /// Messages of their own, none of which is a head.
    None,
    /// A head that stays as it was.
    #[default]
    Once,
    /// A head that was edited to the present state, and is until all is over.
    Live,
}

/// What is known of a group before a notification. The version stands beside the memo: also what cannot be read is
/// replaced only as the one that was seen.
#[derive(Default)]
pub(super) struct Knows {
    /// Counts the acceptances; 0 where there was none.
    pub(super) version: i64,
    pub(super) memo: Option<Memo>,
    head: Option<HeadStanding>,
}

impl Knows {
    pub(super) fn read(known: Option<KnownGroup>) -> Self {
        known.map_or_else(Self::default, |known| Self {
            version: known.version,
            memo: Memo::read(&known),
            head: Some(known.head),
        })
    }

    pub(super) fn state(&self) -> Option<&State> {
        self.memo.as_ref().map(|memo| &memo.state)
    }

    pub(super) fn before(&self) -> Option<Before<'_>> {
        let (memo, head) = (self.memo.as_ref()?, self.head?);
        Some(Before { memo, head })
    }

    /// Whether there is a story that is not over.
    pub(super) fn is_going_on(&self) -> bool {
        self.state().is_some_and(|state| !state.is_over())
    }
}

impl Memo {
    fn read(known: &KnownGroup) -> Option<Self> {
        serde_json::from_str(&known.state)
            .inspect_err(|error| {
                tracing::warn!(error.message = %error, "what was known of a group cannot be read; it begins anew");
            })
            .ok()
    }

    pub(super) fn text(&self) -> String {
        // There is nothing in it that JSON could refuse.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The generation of a notification with this key.
    pub(super) fn generation_of(before: Option<&Self>, key: &str) -> u64 {
        match before {
            Some(memo) if memo.last_key == key => memo.generation,
            Some(memo) => memo.generation.wrapping_add(1),
            None => 0,
        }
    }
}
