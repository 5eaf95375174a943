//! What a delivery is in the story of its group, and what a group brings along when a notification of it is accepted.
//!
//! A *head* is the message that shows the group; edits, lines of its thread, replies and reactions refer to it by the
//! event ID that it got. Guarantees: whatever refers to a head that is not in the room goes out as a message of its own
//! and becomes the head, so nothing waits for an event that never comes. What a group's state means is not known here.

use crate::message::{Relation, RoomAddress};

/// What a delivery is to the head of its group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Part {
    /// A message of its own.
    #[default]
    Message,
    /// A new head.
    Head,
    /// The head's new text.
    Edit,
    /// A line in the head's thread.
    Line,
    /// A reply to the head.
    Reply,
    /// A reaction to the head; the delivery's message is what is said where there is no head to react to.
    Reaction {
        /// An emoji.
        key: String,
    },
}

impl Part {
    /// The word that is stored, and that the operator reads.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Head => "head",
            Self::Edit => "edit",
            Self::Line => "line",
            Self::Reply => "reply",
            Self::Reaction { .. } => "reaction",
        }
    }

    /// The key of a reaction.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Reaction { key } => Some(key),
            _ => None,
        }
    }

    /// The reverse of the two. A word that is none can only come from a hand in the table.
    pub(super) fn stored(word: &str, key: Option<String>) -> Self {
        match word {
            "head" => Self::Head,
            "edit" => Self::Edit,
            "line" => Self::Line,
            "reply" => Self::Reply,
            "reaction" => Self::Reaction {
                key: key.unwrap_or_default(),
            },
            _ => Self::Message,
        }
    }

    /// How it refers to a head with this event.
    pub fn relation(&self, head: Option<String>, latest: Option<String>) -> Option<Relation> {
        let head = head?;
        match self {
            Self::Message | Self::Head => None,
            Self::Edit => Some(Relation::Edit { of: head }),
            Self::Line => Some(Relation::Thread {
                latest: latest.unwrap_or_else(|| head.clone()),
                root: head,
            }),
            Self::Reply => Some(Relation::Reply { to: head }),
            Self::Reaction { key } => Some(Relation::Reaction {
                to: head,
                key: key.clone(),
            }),
        }
    }
}

/// What is known of a group from now on, if nobody else has accepted a notification of it meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// The room in which the group is shown.
    pub room: RoomAddress,
    /// Which group; two with the same key in different rooms are different ones.
    pub key: String,
    /// The version that was read; 0 where there was none.
    pub expected: i64,
    /// What to remember; opaque.
    pub state: String,
}

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownGroup {
    /// Counts the acceptances.
    pub version: i64,
    /// What was remembered.
    pub state: String,
    /// Whether people can see it.
    pub head: HeadStanding,
}

/// Whether the message that shows a group is in its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadStanding {
    /// There has never been one.
    None,
    /// It is there, or something waits that will be it, by itself or in a digest. That it was deleted is known only once
    /// the homeserver has refused what refers to it.
    Present,
    /// It was given up or dropped, or named in a digest, or was found to be gone, and nothing waits that would be it.
    Absent {
        /// Whether people have heard of the group all the same, by the head that is gone or by the digest.
        rang: bool,
    },
}

impl HeadStanding {
    /// By the word that both stores answer.
    pub(super) fn stored(word: &str) -> Self {
        match word {
            "present" => Self::Present,
            "rang" => Self::Absent { rang: true },
            "silent" => Self::Absent { rang: false },
            _ => Self::None,
        }
    }
}
