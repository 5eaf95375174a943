//! What a notification does to a group's message: a value that is overwritten, and news that is appended.
//!
//! Guarantees: pure, so that both stores decide alike; a change that is read before another one is refused (compare and
//! swap); a message that nobody has seen and that was to notify people notifies them when it is sent.

use serde::{Deserialize, Serialize};

use super::DeliveryId;
use crate::message::{Announced, Mentions, MsgType, RenderedMessage, RoomAddress};

/// What a group's message should say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMessage {
    /// The message itself. Its mentions are those of the template.
    pub text: RenderedMessage,
    /// What does not fit into one event; each follows as a quiet line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rest: Vec<RenderedMessage>,
    /// Whether it notifies people where it is sent as a message of its own.
    pub loud: bool,
    /// Whom it mentions then, beside those whom the template names.
    #[serde(default)]
    pub mentions: Mentions,
}

/// What becomes of the message itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Root {
    /// It stays where it is.
    #[default]
    Keep,
    /// A new one begins; the old one stays in the room as it is.
    Begin,
    /// The same one is sent once more, because it is not in the room.
    Again,
    /// The old one stays in the room as it is, and there is no new one.
    Forget,
}

/// What a notification brings for a group, if nobody else has accepted one of it meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupUpdate {
    /// The room in which the group is shown.
    pub room: RoomAddress,
    /// Which group; two with the same key in different rooms are different ones.
    pub key: String,
    /// The version that was read; 0 where there was none.
    pub expected: i64,
    /// What to remember; opaque.
    pub memory: String,
    /// The alerts of which something else is known from now on.
    pub alerts: Vec<KnownAlert>,
    /// What the message should say from now on; `None`: as before.
    pub message: Option<GroupMessage>,
    /// What becomes of it.
    pub root: Root,
    /// When what is new of it began, for the age at delivery.
    pub starts_at: Option<jiff::Timestamp>,
    /// Whether it is edited from now on.
    pub live: bool,
    /// Lines in its thread.
    pub lines: Vec<NewLine>,
}

/// A line in the thread of a group's message.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLine {
    /// What it says.
    pub message: RenderedMessage,
    /// When the alerts began, for the age at delivery.
    pub starts_at: Option<jiff::Timestamp>,
}

/// What is known of one alert of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAlert {
    /// Which one, within its group.
    pub name: String,
    /// Whether it fires.
    pub firing: bool,
    /// What to remember; opaque.
    pub data: String,
    /// Whether it was not remembered before.
    #[serde(skip)]
    pub is_new: bool,
}

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownGroup {
    /// Counts the acceptances.
    pub version: i64,
    /// What was remembered.
    pub memory: String,
    /// Where its message stands.
    pub root: RootState,
    /// Whether its message says what it should. One that is not edited says what it said.
    pub is_shown: bool,
    /// Whether the room has heard of what it shows, by the message or by a digest.
    pub is_heard: bool,
    /// Whether it is edited.
    pub live: bool,
    /// Of its alerts those that were asked for and, where the others matter, those that fire.
    pub alerts: Vec<KnownAlert>,
    /// How many fire beside these.
    pub others_firing: usize,
}

/// Where a group's message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootState {
    /// Nowhere, and nothing waits that will be it.
    None,
    /// It waits to be sent, by itself or in a digest.
    Waiting,
    /// It is in the room. That somebody deleted it is known only once something that refers to it is refused.
    InRoom,
}

impl GroupMessage {
    /// As a message of its own.
    pub fn as_root(&self) -> RenderedMessage {
        let mut message = self.text.clone();
        message.msgtype = if self.loud { MsgType::Text } else { MsgType::Notice };
        if self.loud {
            message.mention(&self.mentions);
        } else {
            message.mentions = Mentions::default();
        }
        message
    }

    /// As the new text of a message that is in the room: it mentions nobody.
    pub fn as_edit(&self) -> RenderedMessage {
        RenderedMessage {
            mentions: Mentions::default(),
            announced: Announced::default(),
            ..self.text.clone()
        }
    }

    /// The same, notifying nobody.
    pub(super) fn quiet(mut self) -> Self {
        self.loud = false;
        self.text.mentions = Mentions::default();
        self.mentions = Mentions::default();
        self
    }

    /// Lets it wake whom `other` would have.
    fn raise(&mut self, loud: bool, others: &[&Mentions]) {
        self.loud |= loud;
        if loud {
            for other in others {
                self.mentions.add(other);
            }
        }
    }
}

/// A group as it stands in the table.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupRow {
    pub(super) id: i64,
    pub(super) version: i64,
    pub(super) remembered: i64,
    pub(super) root_news: Option<DeliveryId>,
    pub(super) in_room: bool,
    pub(super) wanted_rev: i64,
    pub(super) tried_rev: i64,
    pub(super) shown_rev: i64,
    pub(super) owed: bool,
    /// What it should say, as far as the room does not show it.
    pub(super) wanted: Option<GroupMessage>,
}

/// What an update comes to.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// Whether a row is appended that will be the message.
    pub(super) new_root: bool,
    /// Whether the lines are appended. Otherwise the message says what they do: nobody has seen it.
    pub(super) appends_lines: bool,
    /// Whether an edit is owed that was not before.
    pub(super) owes_edit: bool,
    pub(super) wanted: Option<GroupMessage>,
}

impl GroupRow {
    /// Whether its message waits, and may not have been sent yet.
    fn waits(&self) -> bool {
        self.root_news.is_some() && !self.in_room
    }

    /// Whether an update was made for what stands there now: one that begins a message has seen that none waits.
    pub(super) fn fits(&self, update: &GroupUpdate) -> bool {
        let begins = matches!(update.root, Root::Begin | Root::Again);
        self.version == update.expected && !(begins && self.waits())
    }

    /// Takes an update in.
    pub(super) fn accept(&mut self, update: &GroupUpdate) -> Decision {
        let mut decision = Decision::default();
        match update.root {
            Root::Keep => {}
            Root::Begin | Root::Again => {
                decision.new_root = true;
                (self.tried_rev, self.in_room, self.owed) = (0, false, false);
            }
            Root::Forget => (self.root_news, self.tried_rev, self.in_room, self.owed) = (None, 0, false, false),
        }
        if matches!(update.root, Root::Begin | Root::Forget) {
            self.shown_rev = 0;
        }
        let is_untried = self.waits() && !decision.new_root && self.tried_rev == 0;
        decision.appends_lines = !is_untried && !decision.new_root;
        if let Some(message) = &update.message {
            self.wanted_rev += 1;
            decision.wanted = Some(self.worded(message, update, decision.new_root, is_untried));
        }
        let is_behind = self.wanted_rev > self.shown_rev;
        if update.live && self.in_room && is_behind && !self.owed {
            self.owed = true;
            decision.owes_edit = true;
        }
        decision
    }

    /// The message, with those whom it is to wake if it is sent as one of its own.
    fn worded(&self, message: &GroupMessage, update: &GroupUpdate, is_new: bool, is_untried: bool) -> GroupMessage {
        let mut message = message.clone();
        if !is_new && !is_untried {
            // Its news is in the lines.
            message = message.quiet();
        }
        let own = std::mem::take(&mut message.mentions);
        // Of what was to be sent before and never was: by itself, or given up.
        let is_unsent = is_untried || (self.waits() && self.shown_rev == 0) || (is_new && update.root == Root::Again);
        if let Some(before) = self.wanted.as_ref().filter(|_| is_unsent) {
            message.raise(before.loud, &[&before.text.mentions, &before.mentions]);
        }
        message.mentions.add(&own);
        for line in update.lines.iter().filter(|_| is_untried) {
            message.raise(line.message.msgtype == MsgType::Text, &[&line.message.mentions]);
        }
        message
    }
}
