//! The kinds of states that a reader has to tell apart, and their word, sign and colour.
//!
//! Guarantees: the word alone says it; sign and colour only add. One place, so that messages, headlines and digests agree.

use super::severity::Severity;
use super::words::spoken;
use crate::alert::AlertState;

/// What is really the matter, beyond firing and resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Firing,
    /// Of a group only: some fire, some do not any more.
    Mixed,
    /// The query returns nothing; whether the condition holds is unknown.
    NoData,
    /// The rule cannot be evaluated; it is blind.
    Error,
    Resolved,
    /// Resolved in name only: the series went away, or somebody touched the rule.
    NotRecovered,
    /// Of a group only: nothing that was sent fires, but not all was sent.
    Unknown,
    /// The Test button.
    Test,
}

impl From<AlertState> for Kind {
    fn from(state: AlertState) -> Self {
        match state {
            AlertState::Firing => Self::Firing,
            AlertState::NoData => Self::NoData,
            AlertState::Error => Self::Error,
            AlertState::Resolved => Self::Resolved,
            AlertState::NotRecovered => Self::NotRecovered,
        }
    }
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Mixed => "mixed",
            Self::NoData => "no-data",
            Self::Error => "error",
            Self::Resolved => "resolved",
            Self::NotRecovered => "not-recovered",
            Self::Unknown => "unknown",
            Self::Test => "test",
        }
    }

    /// What its words are found by.
    fn key(self) -> &'static str {
        match self {
            Self::Firing | Self::Mixed => "firing",
            Self::NoData => "no_data",
            Self::Error => "error",
            Self::Resolved => "resolved",
            Self::NotRecovered => "not_recovered",
            Self::Unknown => "unknown",
            Self::Test => "test",
        }
    }

    /// The word that stands beside the emoji.
    pub(crate) fn word(self) -> String {
        spoken().get(self.key()).to_owned()
    }

    /// What stands behind a number of them: "2 firing".
    pub(crate) fn counted(self) -> String {
        spoken().get(&format!("{}_counted", self.key())).to_owned()
    }

    pub(crate) fn emoji(self, level: Severity) -> &'static str {
        match self {
            Self::Firing | Self::Mixed => level.emoji(),
            Self::NoData | Self::Unknown => "❔",
            Self::Error => "⚠️",
            Self::Resolved => "✅",
            Self::NotRecovered => "⚪",
            Self::Test => "🧪",
        }
    }

    /// Readable on white (a contrast of 4.5 at least), and as good on Element's dark background (#15191e) as that allows: 3.9.
    pub(crate) fn color(self, level: Severity) -> &'static str {
        match self {
            Self::Firing | Self::Mixed => level.color(),
            Self::NoData | Self::Unknown | Self::Error => "#b66006",
            Self::Resolved => "#188848",
            Self::NotRecovered => "#707781",
            Self::Test => "#7a5af8",
        }
    }

    /// The kind with this name, for filters that take a status as text.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [
            Self::Firing,
            Self::Mixed,
            Self::NoData,
            Self::Error,
            Self::Resolved,
            Self::NotRecovered,
            Self::Unknown,
            Self::Test,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
    }
}
