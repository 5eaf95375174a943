//! How an alert group appears in a room over time, and whom it pings.

use crate::alert::Alert;
use crate::message::{Mentions, Mode};

/// What an operator decides for a route beside rooms and template.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MessagePolicy {
    /// What later notifications do to the first message of their group.
    pub mode: Mode,
    /// Whether a repeat with nothing new is a quiet line, too.
    pub reminders: bool,
    /// Who is pinged when something starts firing.
    pub mentions: MentionPolicy,
}

/// Who is pinged for which alerts. Only the operator fills it; text from an alert never does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MentionPolicy {}

impl MentionPolicy {
    /// Who is pinged because these alerts have just started to fire.
    pub fn of<'a>(&self, _starting: impl IntoIterator<Item = &'a Alert>) -> Mentions {
        Mentions::default()
    }
}
