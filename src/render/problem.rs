//! What is wrong with a template, in words that its author can act on.
//!
//! Guarantees: a problem names the file, the line where one is known, and for an unknown name the nearest known one.

pub(super) mod remedies;

use std::fmt;

use minijinja::{Error, ErrorKind};
use poem_openapi::Object;

use crate::text::beginning;

/// How many characters of a message are kept: it stands below the alert that it is about.
const LONGEST_MESSAGE: usize = 400;

/// What is done where a template fails that is in use.
const STANDS_IN: &str = "the built-in template is used instead";

/// Something that keeps a template, or one rendering of it, from working.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct TemplateProblem {
    /// The file, as its path inside the templates folder.
    pub file: String,
    /// Counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl TemplateProblem {
    pub(crate) fn new(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            message: message.into(),
        }
    }

    /// The same for something that works but for these kinds of notifications.
    pub(crate) fn in_part(mut self, kinds: &str) -> Self {
        self.message = format!("{}. For {kinds}, {STANDS_IN}", self.message);
        self
    }

    /// Whether the file is used in spite of this, where it works.
    pub fn is_partial(&self) -> bool {
        self.message.ends_with(STANDS_IN)
    }

    /// The innermost error counts: a broken partial is reported as itself and not as the template that includes it.
    pub(crate) fn from_error(file: &str, error: &Error) -> Self {
        let innermost = chain(error).last().unwrap_or(error);
        let detail = innermost.detail();
        // The engine names what it did not find: "filter x is unknown", "`a.b` is undefined".
        let word = |at: usize| detail.and_then(|detail| detail.split(' ').nth(at));
        let path = detail.and_then(|detail| detail.split('`').nth(1));
        let message = match (innermost.kind(), detail) {
            (ErrorKind::OutOfFuel, _) => "takes too much time or memory".to_owned(),
            (ErrorKind::WriteFailure, _) => "writes too much text".to_owned(),
            (ErrorKind::TemplateNotFound, detail) if !is_written_out(error, detail.unwrap_or_default()) => {
                "a template is not there, and its name is not written out here".to_owned()
            }
            (ErrorKind::UnknownFilter | ErrorKind::UnknownTest, _) if !stands_in(error, word(1)) => {
                "a filter or test is not there, and its name is not written out here".to_owned()
            }
            (ErrorKind::UnknownFilter, _) => remedies::unknown_filter(word(1).unwrap_or_default()),
            (ErrorKind::UnknownTest, _) => remedies::unknown_test(word(1).unwrap_or_default()),
            (ErrorKind::UnknownFunction, _) if stands_in(error, word(0)) => {
                remedies::unknown_name(word(0).unwrap_or_default())
            }
            (ErrorKind::UndefinedError, _) => match path.or_else(|| expression(innermost)) {
                Some(path) => remedies::undefined(path),
                None => "a value is not defined".to_owned(),
            },
            (ErrorKind::MissingArgument, _) => "an argument is missing (`templates reference` lists them)".to_owned(),
            (ErrorKind::TooManyArguments, _) => {
                "an argument is unknown or one too many (`templates reference` lists them)".to_owned()
            }
            (kind, None) => kind.to_string(),
            (ErrorKind::SyntaxError | ErrorKind::InvalidOperation, Some(detail)) => detail.to_owned(),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
        };
        Self {
            file: innermost.name().unwrap_or(file).to_owned(),
            line: innermost.line().or_else(|| error.line()),
            message: beginning(&message, LONGEST_MESSAGE).to_owned(),
        }
    }
}

/// The expression that an error is about, where it is known and is one path.
fn expression(error: &Error) -> Option<&str> {
    let text = error.template_source()?.get(error.range()?)?;
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    (!text.is_empty() && text.chars().all(is_path)).then_some(text)
}

/// A problem, and the way to it: a part that is put to a wrong use fails in itself, and the template that includes it is to blame.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Trace {
    pub(crate) problem: TemplateProblem,
    /// The files with their lines: where it came to light first, the template that was rendered last.
    pub(crate) through: Vec<(String, Option<usize>)>,
}

impl Trace {
    /// `file` is the template that was rendered.
    pub(crate) fn from_error(file: &str, error: &Error) -> Self {
        let named = chain(error).filter_map(|error| Some((error.name()?.to_owned(), error.line())));
        let mut through: Vec<_> = named.collect();
        through.reverse();
        if through.iter().all(|(known, _)| known != file) {
            through.push((file.to_owned(), None));
        }
        Self {
            problem: TemplateProblem::from_error(file, error),
            through,
        }
    }

    /// A problem of one file alone.
    pub(crate) fn of(problem: TemplateProblem) -> Self {
        Self {
            through: vec![(problem.file.clone(), problem.line)],
            problem,
        }
    }

    /// The problem as one of this file, which is on the way.
    pub(crate) fn seen_from(&self, file: &str) -> TemplateProblem {
        let line = self
            .through
            .iter()
            .find(|(known, _)| known == file)
            .and_then(|(_, line)| *line);
        if self.problem.file == file {
            return self.problem.clone();
        }
        TemplateProblem {
            file: file.to_owned(),
            line,
            message: self.problem.to_string(),
        }
    }
}

/// An error, and the errors that led to it.
fn chain(error: &Error) -> impl Iterator<Item = &Error> {
    std::iter::successors(Some(error), |error| std::error::Error::source(*error)?.downcast_ref())
}

/// Whether what an error quotes stands in a template on the way to it. If not it may be an alert's, and errors are logged
/// and shown in `ready`.
fn is_written_out(error: &Error, detail: &str) -> bool {
    stands_in(error, detail.split(['\'', '"']).nth(1))
}

/// Whether a name stands in a template on the way to an error.
fn stands_in(error: &Error, name: Option<&str>) -> bool {
    let name = name.unwrap_or_default();
    let is_written = |error: &Error| error.template_source().is_some_and(|source| source.contains(name));
    chain(error).any(is_written)
}

/// Whether it is about too much time, memory or text, wherever on the way that came to light.
pub(crate) fn is_too_much(error: &Error) -> bool {
    chain(error).any(|error| matches!(error.kind(), ErrorKind::OutOfFuel | ErrorKind::WriteFailure))
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for TemplateProblem {}

/// The known name that takes the fewest changes, if it takes few enough to be what was meant.
pub(crate) fn nearest<'k>(word: &str, known: &mut dyn Iterator<Item = &'k str>) -> Option<&'k str> {
    let most = (word.chars().count() / 3).max(1) + 1;
    known
        .map(|name| (strsim::levenshtein(&word.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(changes, name)| *changes <= most && *changes < name.len() && *name != word)
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let known = || ["summary", "severity", "startsAt"].into_iter();
        assert_eq!(nearest("sumary", &mut known()), Some("summary"));
        assert_eq!(nearest("starts_at", &mut known()), Some("startsAt"));
        assert_eq!(nearest("fingerprint", &mut known()), None);
    }
}
