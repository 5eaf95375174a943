//! What a group is, in one line.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::super::kind::Kind;
use super::super::severity::{Severity, level};
use super::super::values::Name;
use super::super::words::spoken;
use super::{Facts, LONGEST_LINE};
use crate::text::truncated;

impl Facts<'_> {
    /// How many there are of each kind, those that matter most first.
    pub(crate) fn states(&self) -> Vec<(Kind, usize)> {
        const ORDER: [Kind; 6] = [
            Kind::Test,
            Kind::Firing,
            Kind::Error,
            Kind::NoData,
            Kind::Resolved,
            Kind::NotRecovered,
        ];
        let all = || self.firing.iter().chain(&self.resolved);
        let counted = ORDER.map(|kind| (kind, all().filter(|facts| facts.kind == kind).count()));
        counted.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// How many fire of each severity, worst first; one entry if severities are not in use. Rules that are blind count
    /// only where nothing else fires.
    pub(crate) fn severities(&self) -> Vec<(String, Severity, usize)> {
        let mut counts: Vec<(String, Severity, usize)> = Vec::new();
        let mut places: HashMap<Name, usize> = HashMap::new();
        let sure = self.firing.iter().any(|facts| facts.kind == Kind::Firing);
        let counted = self.firing.iter().filter(|facts| !sure || facts.kind == Kind::Firing);
        let counted = counted.map(|facts| (&facts.severity, facts.level, 1));
        let unnamed = self.digest.iter().flat_map(|digest| &digest.more_firing);
        let unnamed = unnamed.map(|(severity, more)| (severity, level(severity), *more));
        for (severity, level, more) in counted.chain(unnamed) {
            // They are sorted, so mostly it is that of the one before.
            if let Some((.., count)) = counts.last_mut().filter(|(last, ..)| last == severity) {
                *count += more;
                continue;
            }
            let place = *places.entry(severity.clone().into()).or_insert(counts.len());
            match counts.get_mut(place) {
                Some((.., count)) => *count += more,
                None => counts.push((severity.clone(), level, more)),
            }
        }
        counts.sort_by_key(|(_, level, _)| Reverse(*level));
        counts
    }

    /// How many alerts there are at least, with those that the sender cut off.
    fn at_least(&self) -> Option<u64> {
        let cut_off = self.notification.truncated_alerts;
        (cut_off > 0).then(|| cut_off.saturating_add(self.total() as u64))
    }

    /// One plain line that names the notification.
    pub(crate) fn headline(&self) -> String {
        let line = if let Some(digest) = self.digest {
            format!("📬 {}", spoken().say("delayed_counted", &[("count", &digest.messages)]))
        } else if let Some(change) = &self.change {
            change.headline(&self.name(), &self.folder(), self.at_least().is_some())
        } else if self.notification.is_message() {
            self.name()
        } else {
            let parts = [self.state_line(), self.name(), self.severity.clone(), self.folder()];
            let parts = parts.into_iter().filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join(" · ")
        };
        truncated(&line, LONGEST_LINE)
    }

    /// The first part of it: how it stands.
    fn state_line(&self) -> String {
        let kind = self.kind;
        let (emoji, word, total) = (kind.emoji(self.level), kind.word(), self.total());
        match self.at_least() {
            _ if kind == Kind::Test => return format!("{emoji} {word}"),
            None if total == 1 => return format!("{emoji} {word}"),
            Some(all) if kind == Kind::Unknown => {
                let over = if self.not_recovered() == 0 {
                    "of_at_least_resolved"
                } else {
                    "of_at_least_over"
                };
                let over = spoken().say(over, &[("count", &total), ("total", &all)]);
                return format!("{emoji} {word} ({over})");
            }
            _ => {}
        }
        let states = self.states();
        let parts = states.iter().enumerate().map(|(number, (kind, count))| {
            let (emoji, word) = (kind.emoji(self.level), kind.word());
            match self.at_least().filter(|_| number == 0) {
                Some(all) => {
                    let all = spoken().say("of_at_least", &[("total", &all)]);
                    format!("{emoji} {count} {word} {all}")
                }
                None => format!("{emoji} {count} {word}"),
            }
        });
        parts.collect::<Vec<_>>().join(" · ")
    }
}
