//! How an alert is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether an alert, or a whole group, is firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// The condition holds now.
    Firing,
    /// The sender says that it is over, which is not always a recovery: see `grafana_state_reason`.
    Resolved,
}

impl AlertStatus {
    /// The word that Grafana and Alertmanager use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl fmt::Display for AlertStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is really the matter with an alert, beyond firing and resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertState {
    /// The condition holds.
    Firing,
    /// The query returns nothing; whether the condition holds is unknown.
    NoData,
    /// The rule cannot be evaluated; it is blind.
    Error,
    /// The condition holds no longer.
    Resolved,
    /// Resolved in name only: the series went away, somebody touched the rule, or it is not listed any more.
    NotRecovered,
}

impl AlertState {
    /// Those of an alert that fires.
    pub const OF_FIRING: [Self; 3] = [Self::Firing, Self::NoData, Self::Error];

    /// The word of the settings and templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::NoData => "no-data",
            Self::Error => "error",
            Self::Resolved => "resolved",
            Self::NotRecovered => "not-recovered",
        }
    }
}

/// Why an alert is not reported any more, though nobody said that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Departure {
    /// The sender does not list it any more.
    Unlisted,
    /// The sender lists it, but the routes send it elsewhere now.
    Elsewhere,
}
