//! What people call a room: its ID, its alias and its name, as the homeserver says them.
//!
//! Guarantees: each is one bounded line that moves no cursor, because the name is whatever a room's admin wrote. They are for the eyes of
//! an operator; nothing is decided by them.

use ruma::RoomId;
use ruma::events::StateEventType;
use serde::{Deserialize, Serialize};

use super::{Client, clean};

/// Names of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomNames {
    /// Its ID.
    pub id: String,
    /// Its main alias, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Client {
    /// The names of a room that the account is in. What the homeserver does not say is left out.
    pub(super) async fn names(&self, id: &RoomId) -> RoomNames {
        let member = async |kind: StateEventType, key: &str| {
            let content = self.state(id, kind, "").await.ok()?;
            let content: serde_json::Value = serde_json::from_str(content.get()).ok()?;
            let text = clean::one_line(content.get(key)?.as_str()?.trim());
            (!text.is_empty()).then_some(text)
        };
        RoomNames {
            id: clean::one_line(id.as_str()),
            alias: member(StateEventType::RoomCanonicalAlias, "alias").await,
            name: member(StateEventType::RoomName, "name").await,
        }
    }
}
