//! What a delivery is in the story of its group, and what a group brings along when a notification of it is accepted.
//!
//! A *head* is the message that shows the group; edits, rests of its text, lines of its thread, replies and reactions
//! refer to it by the event ID that it got. Guarantees: whatever refers to a head that is not in the room goes out as a message of its own
//! and becomes the head, so nothing waits for an event that never comes. What a group's state means is not known here.

use jiff::Timestamp;

use super::delivery::DeliveryId;
use super::store::timestamp;
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
    /// What does not fit into a head or its edit any more. A newer text's takes its place as long as it waits.
    Rest {
        /// Which part of the text it is, counted from 1: the first is the head.
        number: u32,
        /// Whether it stands in the head's thread; otherwise it is a reply to it.
        threaded: bool,
    },
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
            Self::Rest { threaded: true, .. } => "rest",
            Self::Rest { threaded: false, .. } => "rest-reply",
            Self::Reaction { .. } => "reaction",
        }
    }

    /// Whether it only shows a state, and goes after what is news once its head is in the room.
    pub fn gives_way(&self) -> bool {
        matches!(self, Self::Edit | Self::Rest { .. } | Self::Reaction { .. })
    }

    /// The key of a reaction, or the number of a rest.
    pub(super) fn key(&self) -> Option<String> {
        match self {
            Self::Reaction { key } => Some(key.clone()),
            Self::Rest { number, .. } => Some(number.to_string()),
            _ => None,
        }
    }

    /// The reverse of the two. What is none of this can only come from a hand in the table.
    pub(super) fn stored(word: &str, key: Option<String>) -> Self {
        let rest = |threaded| Self::Rest {
            number: key.as_ref().and_then(|key| key.parse().ok()).unwrap_or_default(),
            threaded,
        };
        match word {
            "rest" => rest(true),
            "rest-reply" => rest(false),
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

    /// How it refers to a head with this event. Where a head is sent late and another message stands for it by now, it is
    /// a line in that one's thread.
    pub fn relation(&self, head: Option<String>, latest: Option<String>) -> Option<Relation> {
        let head = head?;
        match self {
            Self::Message => None,
            Self::Edit => Some(Relation::Edit { of: head }),
            Self::Head | Self::Line | Self::Rest { threaded: true, .. } => Some(Relation::Thread {
                latest: latest.unwrap_or_else(|| head.clone()),
                root: head,
            }),
            Self::Reply | Self::Rest { threaded: false, .. } => Some(Relation::Reply { to: head }),
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
    /// What was given up of its head, which is in the room, and the room was not told otherwise since; oldest first.
    pub lost: Vec<Lost>,
}

/// A delivery that was given up, and that would make the room true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// Which one; a digest, where it was given up with all that it names.
    pub id: DeliveryId,
    /// Whether it only shows a state, so that a newer one takes its place.
    pub shows_state: bool,
    /// When it was given up. A digest has none: it is older than what its groups would say by themselves instead.
    pub since: Option<Timestamp>,
}

impl Lost {
    /// From the lists that both stores answer: of id, 1 if it shows a state, and milliseconds, which are 0 for a digest.
    pub(super) fn stored(lists: [Option<&str>; 2]) -> Vec<Self> {
        let read = |list: &str| serde_json::from_str::<Vec<(i64, u8, i64)>>(list).unwrap_or_default();
        let all = lists.into_iter().flatten().flat_map(read);
        let mut lost: Vec<Self> = all
            .map(|(id, shows_state, since)| Self {
                id: DeliveryId(id),
                shows_state: shows_state != 0,
                since: (since != 0).then(|| timestamp(since)),
            })
            .collect();
        lost.sort_unstable();
        lost.dedup();
        lost
    }
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
