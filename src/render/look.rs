//! What a message looks like beyond its template: the words and the zone of its times.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::words::{self, Words};

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Look {
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub(crate) zone: TimeZone,
    #[serde(with = "shared")]
    pub(crate) words: Arc<Words>,
    /// The template that was asked for.
    pub(crate) template: String,
}

impl Default for Look {
    /// In English and UTC.
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            words: Arc::default(),
            template: String::new(),
        }
    }
}

impl Look {
    /// Does something in its words.
    pub(crate) fn with<T>(&self, what: impl FnOnce() -> T) -> T {
        words::with(&self.words, what)
    }
}

/// The words by themselves.
mod shared {
    use serde::{Deserializer, Serializer};

    use super::{Arc, Deserialize, Serialize, Words};

    pub(super) fn serialize<S: Serializer>(words: &Arc<Words>, to: S) -> Result<S::Ok, S::Error> {
        words.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Words>, D::Error> {
        Words::deserialize(from).map(Arc::new)
    }
}
