//! The ordered rules of a route: which alerts they take, and what they change.
//!
//! Guarantees: number and depth are bounded; a rule that can never be reached is a warning.

use super::inherited::{Inherited, Named};
use super::source::Section;
use crate::route::{Matcher, Rule, matchers};
use crate::text::truncated;

/// Characters of a matcher that an error shows.
const LONGEST_QUOTED: usize = 120;

/// How deep rules may stand in rules, and how many may stand in one place.
const DEEPEST: usize = 6;
const MOST: usize = 200;

pub(super) fn read(parent: &Section<'_>, above: &Inherited, depth: usize, named: &mut Named) -> Vec<Rule> {
    let sections = parent.list("rules").unwrap_or_default();
    if let Some(first) = sections.first().filter(|_| depth > DEEPEST || sections.len() > MOST) {
        first.error(format!(
            "too many rules (expected at most {MOST} in one place, nested at most {DEEPEST} deep)"
        ));
        return Vec::new();
    }
    let mut rules: Vec<Rule> = Vec::new();
    for section in &sections {
        let own = above.refined(section, &["matchers", "continue", "rules"], named);
        let rule = Rule {
            place: section.place(),
            matchers: conditions(section),
            destinations: own.destinations(),
            continues: section.flag("continue").unwrap_or(false),
            rules: read(section, &own, depth + 1, named),
        };
        // What meets more conditions has met fewer of the same.
        let before = rules
            .iter()
            .find(|before| !before.continues && before.matchers.iter().all(|matcher| rule.matchers.contains(matcher)));
        if let Some(before) = before {
            let message = format!(
                "no alert reaches this rule: the rule at {} takes all of them and has no `continue = true`",
                before.place
            );
            section.warn(section.span(), message);
        }
        rules.push(rule);
    }
    rules
}

/// The matchers of a section, each text of which may hold several.
pub(super) fn conditions(section: &Section<'_>) -> Vec<Matcher> {
    let mut read = Vec::new();
    for (text, span) in section.texts("matchers").unwrap_or_default() {
        match matchers(text) {
            Ok(matchers) => read.extend(matchers),
            Err(error) => section.source.error(
                span,
                format!(
                    "invalid matcher `{}`: {error}",
                    truncated(text, LONGEST_QUOTED).replace('\n', " ")
                ),
            ),
        }
    }
    read
}
