//! What is known about a change in a group.

use super::AlertFacts;
use crate::group::{Change, News};
use crate::render::kind::Kind;

/// What is new, worst first.
#[derive(Debug, Clone)]
pub(crate) struct ChangeFacts<'a> {
    pub(crate) change: &'a Change,
    pub(crate) starting: Vec<AlertFacts<'a>>,
    pub(crate) ended: Vec<AlertFacts<'a>>,
    pub(crate) gone: Vec<AlertFacts<'a>>,
}

impl<'a> ChangeFacts<'a> {
    pub(super) fn new(change: &'a Change) -> Self {
        let facts = |alerts: &'a [crate::alert::Alert]| -> Vec<AlertFacts<'a>> {
            alerts.iter().map(|alert| AlertFacts::new(alert, false)).collect()
        };
        let mut starting = facts(&change.starting);
        starting.sort_by_key(|facts| std::cmp::Reverse(facts.level));
        Self {
            change,
            starting,
            ended: facts(&change.ended),
            gone: facts(&change.gone),
        }
    }

    /// `changed`, or `reminder` where nothing is new.
    pub(crate) fn kind(&self) -> &'static str {
        match self.change.news {
            News::Begins | News::Changed => "changed",
            News::Nothing => "reminder",
        }
    }

    /// Whether it is to wake somebody.
    pub(crate) fn rings(&self) -> bool {
        !self.starting.is_empty()
    }

    /// One plain line that names the change.
    pub(super) fn headline(&self, name: &str, folder: &str) -> String {
        let counted = |count: usize, text: &str| format!("{text} {count}");
        let mut parts = Vec::new();
        if let Some(worst) = self.starting.first() {
            let text = format!("{} {}", worst.kind.emoji(worst.level), "NEWLY FIRING");
            parts.push(counted(self.starting.len(), &text));
        }
        let lost = self
            .ended
            .iter()
            .filter(|facts| facts.kind == Kind::NotRecovered)
            .count();
        if self.ended.len() > lost {
            parts.push(counted(self.ended.len() - lost, "✅ RESOLVED"));
        }
        if lost + self.gone.len() > 0 {
            parts.push(counted(lost + self.gone.len(), "⚪ NO LONGER REPORTED"));
        }
        if parts.is_empty() {
            parts.push("🔔 STILL FIRING".to_owned());
        }
        parts.push(name.to_owned());
        if !folder.is_empty() {
            parts.push(folder.to_owned());
        }
        parts.join(" · ")
    }
}
