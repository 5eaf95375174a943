//! How bad an alert is, from whichever label and word its author uses.
//!
//! Guarantees: every word has a level, unknown words too; the author's word itself is never changed.

use crate::alert::Labels;

/// Severity words in five steps, so that alerts can be sorted and coloured. The order is the order of badness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Info,
    Warning,
    /// No severity, or a word that is not known: above a warning, because nobody said that it can wait.
    Unknown,
    High,
    Critical,
}

impl Severity {
    fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "critical" | "crit" | "disaster" | "emergency" | "emerg" | "fatal" | "page" | "p0" | "p1" | "sev0"
            | "sev1" => Self::Critical,
            "high" | "major" | "error" | "err" | "alert" | "p2" | "sev2" => Self::High,
            "warning" | "warn" | "medium" | "moderate" | "minor" | "average" | "p3" | "sev3" => Self::Warning,
            "info" | "informational" | "information" | "notice" | "low" | "none" | "debug" | "p4" | "p5" | "sev4"
            | "sev5" => Self::Info,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn emoji(self) -> &'static str {
        match self {
            Self::Critical | Self::High | Self::Unknown => "🔥",
            Self::Warning => "🟠",
            Self::Info => "🔵",
        }
    }

    pub(crate) fn color(self) -> &'static str {
        match self {
            Self::Critical | Self::High | Self::Unknown => "#db383e",
            Self::Warning => "#b66006",
            Self::Info => "#2e73e1",
        }
    }
}

/// The severity as its author spells it (empty if none), and its level.
pub(crate) fn severity(labels: &Labels) -> (&str, Severity) {
    let word = ["severity", "priority", "level"]
        .iter()
        .find_map(|name| labels.get(*name))
        .map_or("", |word| word.trim());
    (word, Severity::of(word))
}

/// The level of a bare word, for filters.
pub(crate) fn level(word: &str) -> Severity {
    Severity::of(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_houses_have_an_order() {
        let labels = |name: &str, value: &str| Labels::from([(name.to_owned(), value.to_owned())]);
        assert_eq!(severity(&labels("priority", "P1")), ("P1", Severity::Critical));
        assert_eq!(severity(&labels("team", "db")), ("", Severity::Unknown));
        assert!(level("warning") < level("whatever") && level("whatever") < level("high"));
    }
}
