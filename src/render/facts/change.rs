//! What is known about a change in a group.

use super::AlertFacts;
use crate::group::{Change, News};
use crate::render::kind::Kind;
use crate::render::severity::Severity;
use crate::render::words::spoken;

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
    pub(crate) fn notifies(&self) -> bool {
        !self.starting.is_empty()
    }

    /// One plain line that names the change. Where the sender `cut_off` alerts, what has ended is not all.
    pub(super) fn headline(&self, name: &str, folder: &str, cut_off: bool) -> String {
        let count = |alerts: &[AlertFacts<'_>], kind| alerts.iter().filter(|facts| facts.kind == kind).count();
        let level = self.starting.first().map_or(Severity::Unknown, |worst| worst.level);
        let words = spoken();
        let begun = [
            (Kind::Firing, words.get("newly_firing").to_owned()),
            (Kind::Error, Kind::Error.word()),
            (Kind::NoData, Kind::NoData.word()),
        ];
        let begun = begun.map(|(kind, word)| (kind.emoji(level), word, count(&self.starting, kind)));
        let lost = count(&self.ended, Kind::NotRecovered);
        let over = [
            (Kind::Resolved, self.ended.len() - lost),
            (Kind::NotRecovered, lost + self.gone.len()),
        ];
        let over = over.map(|(kind, count)| (kind.emoji(level), kind.word(), count));
        let all = begun.into_iter().chain(over).filter(|(.., count)| *count > 0);
        let all: Vec<_> = all.collect();
        let mut parts: Vec<String> = match all.as_slice() {
            // Its name follows.
            [(emoji, word, 1)] => vec![format!("{emoji} {word}")],
            all => all
                .iter()
                .map(|(emoji, word, count)| format!("{emoji} {word}: {}", alerts(*count)))
                .collect(),
        };
        if parts.is_empty() {
            parts.push(format!("🔔 {}", words.get("still_firing")));
        } else if cut_off && self.starting.is_empty() {
            parts.push(format!("❔ {}", words.get("rest_unknown")));
        }
        parts.push(name.to_owned());
        if !folder.is_empty() {
            parts.push(folder.to_owned());
        }
        parts.join(" · ")
    }
}

/// So many alerts, in words.
fn alerts(count: usize) -> String {
    match count {
        1 => spoken().get("one_alert").to_owned(),
        count => spoken().say("alerts_counted", &[("count", &count)]),
    }
}
