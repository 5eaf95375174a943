//! The words of messages, by language: those of `templates/words.toml`, and over them those of the operator's own file.
//!
//! Guarantees: every word is there in every language, because the built-in one or the English one stands in for what is missing;
//! a word never has a hole, because only what English fills in may stand in braces. It decides no layout: that is the templates'.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::diagnostic::Level;
use super::problem::{TemplateProblem, nearest};
use crate::message::Language;
pub(crate) use crate::message::words::{BUILT_IN, ENGLISH, Words, english, filled, spoken, with};

/// The file beside the templates.
pub(crate) const FILE: &str = "words.toml";

/// The words of all languages.
#[derive(Debug, Clone)]
pub(crate) struct Vocabulary {
    languages: BTreeMap<String, Arc<Words>>,
    /// Words for which English stands in, by language.
    missing: BTreeMap<String, Vec<String>>,
}

/// Languages as they are written: tables of words.
type Written = BTreeMap<String, BTreeMap<String, String>>;

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::of(Written::new()));

impl Vocabulary {
    /// What is built in.
    pub(crate) fn built_in() -> Self {
        VOCABULARY.clone()
    }

    /// The same with the operator's words over it, and what is wrong with those. A file that cannot be read at all is `None`.
    pub(crate) fn with(text: &str) -> (Option<Self>, Vec<TemplateProblem>) {
        let mut own = match written(text) {
            Ok(own) => own,
            Err(problem) => return (None, vec![problem]),
        };
        let mut problems = Vec::new();
        for (language, words) in &mut own {
            words.retain(|word, said| match wrong(word, said) {
                None => true,
                Some(message) => {
                    let message = format!("[{language}] {message}");
                    problems.push(TemplateProblem {
                        line: line_of(text, language, word),
                        ..TemplateProblem::new(FILE, message)
                    });
                    false
                }
            });
        }
        (Some(Self::of(own)), problems)
    }

    fn of(own: Written) -> Self {
        let mut all = written(BUILT_IN).unwrap_or_default();
        for (language, words) in own {
            all.entry(language).or_default().extend(words);
        }
        let mut complete = english().clone();
        complete.extend(all.get(ENGLISH).cloned().unwrap_or_default());
        let missing = |words: &BTreeMap<String, String>| {
            let missing = english().keys().filter(|word| !words.contains_key(*word));
            missing.cloned().collect::<Vec<_>>()
        };
        let missing = all.iter().map(|(language, words)| (language.clone(), missing(words)));
        let missing = missing.filter(|(_, words)| !words.is_empty()).collect();
        let languages = all.into_iter().map(|(language, words)| {
            let mut complete = complete.clone();
            complete.extend(words);
            (language, Arc::new(Words::new(complete)))
        });
        Self {
            languages: languages.collect(),
            missing,
        }
    }

    /// The words of a language, or else of the one that it is a kind of (`de-AT`), or else English ones.
    pub(crate) fn words(&self, language: Option<&str>) -> Arc<Words> {
        let words = language.and_then(|language| self.languages.get(self.known(language)?));
        words
            .or_else(|| self.languages.get(ENGLISH))
            .cloned()
            .unwrap_or_default()
    }

    /// All languages.
    pub(crate) fn names(&self) -> Vec<String> {
        self.languages.keys().cloned().collect()
    }

    /// Which language stands for this one.
    fn known<'l>(&self, language: &'l str) -> Option<&'l str> {
        let general = language.split(['-', '_']).next().unwrap_or_default();
        [language, general]
            .into_iter()
            .find(|name| self.languages.contains_key(*name))
    }

    /// What is to be said of a language that somebody has chosen: that it is not known, or which of its words are missing.
    pub(crate) fn remark(&self, language: &str) -> Option<(Level, String)> {
        let Some(known) = self.known(language) else {
            let mut names = self.languages.keys().map(String::as_str);
            let all = self.languages.keys().cloned().collect::<Vec<_>>().join(", ");
            let near = nearest(language, &mut names).map(|near| format!("; did you mean `{near}`?"));
            let near = near.unwrap_or_else(|| format!(" (known: {all})"));
            let message = format!("there are no words of the language `{language}`, so messages are in English{near}");
            return Some((Level::Error, message));
        };
        let missing = self.missing.get(known)?;
        let (count, some) = (
            missing.len(),
            missing.iter().take(20).cloned().collect::<Vec<_>>().join(", "),
        );
        let more = if count > 20 { ", …" } else { "" };
        let message = format!("{FILE} [{known}] lacks {count} words, and English ones stand in: {some}{more}");
        Some((Level::Warning, message))
    }
}

/// The word whose name is nearest to this one.
pub(crate) fn nearest_word<'w>(words: &'w Words, name: &str) -> Option<&'w str> {
    nearest(name, &mut words.names())
}

fn holes(word: &str) -> Vec<String> {
    let mut names = Vec::new();
    let _ = filled(word, |name, _| {
        names.push(name.to_owned());
        Ok::<_, std::convert::Infallible>(())
    });
    names
}

/// What keeps a word from being used.
fn wrong(word: &str, said: &str) -> Option<String> {
    let Some(english) = english().get(word) else {
        let near = nearest(word, &mut english().keys().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Some(format!("`{word}` is no word of messages{near}"));
    };
    let known = holes(english);
    if let Some(hole) = holes(said).into_iter().find(|hole| !known.contains(hole)) {
        let known: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
        let expected = if known.is_empty() {
            "nothing in braces".to_owned()
        } else {
            known.join(", ")
        };
        return Some(format!(
            "invalid `{word}`: nothing fills in {{{hole}}} (expected {expected})"
        ));
    }
    let items = |text: &str| text.split(',').filter(|item| !item.trim().is_empty()).count();
    let is_list = word.starts_with("weekdays") || word.starts_with("months");
    if is_list && items(said) != items(english) {
        return Some(format!(
            "invalid `{word}`: {} names (expected {})",
            items(said),
            items(english)
        ));
    }
    said.contains('\n')
        .then(|| format!("invalid `{word}`: several lines (expected one)"))
}

fn written(text: &str) -> Result<Written, TemplateProblem> {
    let written: Written = toml::from_str(text).map_err(|error| TemplateProblem {
        line: error
            .span()
            .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        ..TemplateProblem::new(FILE, error.message().to_owned())
    })?;
    match written.keys().find_map(|name| name.parse::<Language>().err()) {
        None => Ok(written),
        Some(error) => Err(TemplateProblem::new(FILE, error.to_string())),
    }
}

/// The line of a word in its language's table.
fn line_of(text: &str, language: &str, word: &str) -> Option<usize> {
    let mut is_there = false;
    let found = text.lines().position(|line| {
        let line = line.trim();
        if line.starts_with('[') {
            is_there = line.starts_with(&format!("[{language}]"));
        }
        let named = line
            .strip_prefix(word)
            .is_some_and(|rest| rest.trim_start().starts_with('='));
        is_there && named
    });
    found.map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_built_in_languages_have_every_word() {
        let built_in = Vocabulary::built_in();
        assert_eq!(built_in.missing, BTreeMap::new());
        assert_eq!(built_in.remark("de"), None);
        assert_eq!(built_in.words(Some("de-AT")).get("firing"), "ALARM");
        assert_eq!(built_in.words(None).get("firing"), "FIRING");
        let (own, problems) = Vocabulary::with(BUILT_IN);
        assert!(own.is_some() && problems.is_empty(), "{problems:?}");
        for word in english().keys() {
            assert!(!built_in.words(Some("de")).get(word).is_empty(), "{word}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_word_costs_that_word_alone() {
        let text = "[fr]\nfiring = \"ALERTE\"\nsinze = \"x\"\nsince = \"depuis {temps}\"\nmonths = \"janvier\"\n[en]\ntest = \"TRIAL\"\n";
        let (own, problems) = Vocabulary::with(text);
        let own = own.unwrap();
        let french = own.words(Some("fr"));
        assert_eq!((french.get("firing"), french.get("since")), ("ALERTE", "since {time}"));
        assert_eq!(french.get("test"), "TRIAL");
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 3, "{problems:#?}");
        assert!(
            problems[1].starts_with("words.toml:3: [fr] `sinze`") || problems[2].contains("`since`"),
            "{problems:#?}"
        );
        assert!(
            problems
                .iter()
                .any(|problem| problem.contains("{temps} (expected {time})")),
            "{problems:#?}"
        );
        let (level, remark) = own.remark("fr").unwrap();
        assert_eq!(level, Level::Warning);
        assert!(remark.contains("[fr] lacks") && remark.contains("after, "), "{remark}");
        assert!(own.remark("de_AT").is_none() && own.remark("xx").unwrap().1.contains("`xx`"));
    }

    #[test]
    fn what_is_no_file_of_words_is_refused_with_its_line() {
        for (text, line) in [
            ("[de]\nfiring = 5\n", 2),
            ("[de]\nfiring\n", 2),
            ("firing = \"x\"\n", 1),
        ] {
            let (own, problems) = Vocabulary::with(text);
            assert!(own.is_none(), "{text}");
            assert_eq!(problems[0].line, Some(line), "{problems:?}");
        }
        assert!(Vocabulary::with("[\"a b\"]\nfiring = \"x\"\n").0.is_none());
    }
}
