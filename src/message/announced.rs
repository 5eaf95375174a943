//! What a message announces, alert by alert, so that one digest can stand for many messages.
//!
//! Guarantees: it is as much as a digest tells, and no more: its maker bounds the number of alerts and the length of
//! their texts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The alerts of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Announced {
    /// Those that fire first, worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<AnnouncedAlert>,
    /// How many more fire than are listed, by the word for their severity; empty where they have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more_firing: BTreeMap<String, usize>,
    /// How many more are over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_over: usize,
    /// How many more the sender cut off; nobody knows how they are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut_off: usize,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AnnouncedAlert {
    /// Tells it from all others of the room.
    pub id: String,
    /// The name of its rule.
    pub name: String,
    /// Whether it fires.
    pub firing: bool,
    /// Whether the message says that it has just begun, and not only that it is so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begins: bool,
    /// Its severity, and the labels that say where.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What is the matter, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The sender's word for why its state is not simply what the query says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Where it leads, and what that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<(String, String)>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
}

impl Announced {
    /// Whether nothing is known of what the message announces.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
