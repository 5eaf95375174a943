//! How an alert group appears in a room over time, and whom it mentions.
//!
//! Guarantees: only users whom the operator wrote down are mentioned, and only for alerts that fire. A label can choose
//! among them, but no text of an alert becomes a user ID.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::matcher::Matcher;
use crate::alert::{Alert, AlertState, AlertStatus};
use crate::message::{Locale, Mentions, Mode};

/// What an operator decides for a route beside rooms and template.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MessagePolicy {
    /// What later notifications do to the first message of their group.
    pub mode: Mode,
    /// Whether a repeat with nothing new is a quiet line, too.
    pub reminders: bool,
    /// Who is mentioned when something starts firing.
    pub mentions: MentionPolicy,
    /// The language of its messages, and the zone of their times.
    pub locale: Locale,
    /// What the alerts are a sign of life of: they make no message, and that none comes is the news.
    pub expected: Option<Expected>,
}

/// Something that gives a sign of life again and again, by an alert that always fires.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expected {
    /// What people call it.
    pub from: String,
    /// How long it may be silent.
    pub every: Duration,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let every = SignedDuration::try_from(self.every).unwrap_or(SignedDuration::MAX);
        write!(f, "a sign of life from {} expected every {every:#}", self.from)
    }
}

/// Who is mentioned for which alerts. Only the operator fills it; text from an alert never does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MentionPolicy {
    mentions: Arc<[Mention]>,
}

/// Some people, and the alerts that they are mentioned for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mention {
    /// Conditions on the labels, all of which have to hold; none means every alert.
    pub matchers: Vec<Matcher>,
    /// Values of a label one of which the alert needs to have; none means every alert.
    pub severity: Option<SeverityFilter>,
    /// What has to be the matter with the alert, one of these; none means whatever makes it fire.
    pub states: Option<Vec<AlertState>>,
    /// Full Matrix user IDs.
    pub users: Vec<String>,
    /// Whether everybody in the room is mentioned.
    pub room: bool,
    /// Users by what an alert says.
    pub from: Vec<AllowList>,
}

/// Which severities are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeverityFilter {
    /// The label that tells an alert's severity.
    pub label: String,
    /// The values that are meant, compared without regard to case.
    pub values: Vec<String>,
}

/// The users that a value of a label or annotation stands for. Other values stand for nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowList {
    /// Where the value is.
    pub field: Field,
    /// Full Matrix user IDs by value.
    pub users: BTreeMap<String, Vec<String>>,
}

/// Which text of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The label of this name.
    Label(String),
    /// The annotation of this name.
    Annotation(String),
}

impl MentionPolicy {
    /// The union of some mentions.
    pub fn new(mentions: Vec<Mention>) -> Self {
        Self {
            mentions: mentions.into(),
        }
    }

    /// Who is mentioned because these alerts have just started to fire. Resolved ones among them mention nobody.
    pub fn of<'a>(&self, starting: impl IntoIterator<Item = &'a Alert>) -> Mentions {
        let mut mentioned = Mentions::default();
        let firing = starting.into_iter().filter(|alert| alert.status == AlertStatus::Firing);
        for alert in firing {
            for mention in self.mentions.iter().filter(|mention| mention.means(alert)) {
                mentioned.room |= mention.room;
                let chosen = mention.from.iter().flat_map(|list| list.users_of(alert));
                for user in mention.users.iter().chain(chosen) {
                    if !mentioned.user_ids.contains(user) {
                        mentioned.user_ids.push(user.clone());
                    }
                }
            }
        }
        mentioned
    }

    /// Whether any alert at all can mention everybody in the room.
    pub fn can_mention_room(&self) -> bool {
        self.mentions.iter().any(|mention| mention.room)
    }

    /// Whether nobody is ever mentioned.
    pub fn is_empty(&self) -> bool {
        self.mentions.is_empty()
    }
}

impl Mention {
    fn means(&self, alert: &Alert) -> bool {
        let severe = self.severity.as_ref().is_none_or(|filter| filter.holds(alert));
        let states = self.states.as_ref();
        severe
            && states.is_none_or(|states| states.contains(&alert.state()))
            && self.matchers.iter().all(|matcher| matcher.matches(&alert.labels))
    }
}

impl SeverityFilter {
    fn holds(&self, alert: &Alert) -> bool {
        let found = alert.labels.get(&self.label).map_or("", String::as_str);
        self.values.iter().any(|value| value.eq_ignore_ascii_case(found))
    }
}

impl AllowList {
    fn users_of(&self, alert: &Alert) -> &[String] {
        let value = match &self.field {
            Field::Label(name) => alert.labels.get(name),
            Field::Annotation(name) => alert.annotations.get(name),
        };
        value
            .and_then(|value| self.users.get(value.trim()))
            .map_or(&[], Vec::as_slice)
    }
}
