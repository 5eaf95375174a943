//! What is remembered of a group from one notification to the next: its state, and what its message says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::group::{Known, State};
use crate::outbox::{KnownAlert, KnownGroup, RootState};

/// See the module. It is stored as JSON; what cannot be read begins anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GroupMemory {
    pub(super) state: State,
    /// The repeat key of the last notification, and how often it was another one than before.
    pub(super) last_key: String,
    pub(super) generation: u64,
    /// A hash of what the message says, and the moment as of which it says it.
    pub(super) text: String,
    pub(super) text_at: Timestamp,
    /// Whether the room got this episode as messages that are no group's.
    pub(super) was_sent: bool,
}

/// What is known of a group before a notification. The version stands beside the memory: also what cannot be read is
/// replaced only as the one that was seen.
pub(super) struct Before {
    /// Counts the acceptances; 0 where there was none.
    pub(super) version: i64,
    pub(super) memory: Option<GroupMemory>,
    pub(super) root: RootState,
    /// Whether the message says what it should.
    pub(super) is_shown: bool,
    /// Whether the room has heard of what it shows.
    pub(super) is_heard: bool,
    /// Whether it is edited.
    pub(super) live: bool,
}

impl Default for Before {
    fn default() -> Self {
        Self {
            version: 0,
            memory: None,
            root: RootState::None,
            is_shown: true,
            is_heard: false,
            live: false,
        }
    }
}

impl Before {
    pub(super) fn read(known: Option<KnownGroup>) -> Self {
        known.map_or_else(Self::default, |known| Self {
            version: known.version,
            root: known.root,
            is_shown: known.is_shown,
            is_heard: known.is_heard,
            live: known.live,
            memory: GroupMemory::read(known),
        })
    }

    /// Whether there is something that is not over.
    pub(super) fn is_going_on(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| !memory.state.is_over())
    }
}

impl GroupMemory {
    fn read(known: KnownGroup) -> Option<Self> {
        let read = || {
            let memory: Self = serde_json::from_str(&known.memory)?;
            let alerts = known.alerts.into_iter().map(alert).collect::<Result<Vec<_>, _>>()?;
            let state = memory.state.with_alerts(alerts, known.others_firing);
            Ok(Self { state, ..memory })
        };
        read()
            .inspect_err(|error: &serde_json::Error| {
                tracing::warn!(error.message = %error, "cannot read what is known of a group; the group begins anew");
            })
            .ok()
    }

    pub(super) fn text(&self) -> String {
        // There is nothing in it that JSON could refuse.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The alerts that have to be written.
    pub(super) fn changed_alerts(&self) -> Vec<KnownAlert> {
        let row = |(name, known, is_new): (&String, &Known, bool)| KnownAlert {
            name: name.clone(),
            firing: known.firing,
            data: serde_json::to_string(known).unwrap_or_default(),
            is_new,
        };
        self.state.changed().map(row).collect()
    }

    /// The generation of a notification with this key.
    pub(super) fn generation_of(before: Option<&Self>, key: &str) -> u64 {
        match before {
            Some(memory) if memory.last_key == key => memory.generation,
            Some(memory) => memory.generation.wrapping_add(1),
            None => 0,
        }
    }
}

fn alert(row: KnownAlert) -> Result<(String, Known), serde_json::Error> {
    let mut known: Known = serde_json::from_str(&row.data)?;
    known.firing = row.firing;
    Ok((row.name, known))
}
