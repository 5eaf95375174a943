//! Typed reading of a TOML document that collects every problem with its line instead of stopping at the first.
//!
//! Guarantees: a value of another type than the wanted one is a problem and counts as absent; a key that nobody reads is
//! a problem that names the nearest known one.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Variable;
use super::problem::RouteProblem;
use crate::config::value::{ON_OR_OFF, on_or_off};
use crate::render::nearest;

/// A value and where it stands.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// The text of the file, the environment, and the problems found so far.
pub(super) struct Source<'t> {
    pub(super) path: &'t Path,
    text: &'t str,
    variable: Variable<'t>,
    /// The variables that were read.
    used: RefCell<Vec<String>>,
    errors: RefCell<Vec<RouteProblem>>,
    warnings: RefCell<Vec<RouteProblem>>,
}

impl<'t> Source<'t> {
    pub(super) fn new(path: &'t Path, text: &'t str, variable: Variable<'t>) -> Self {
        Self {
            path,
            text,
            variable,
            used: RefCell::default(),
            errors: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// The document; `None`, and problems, if it is no TOML.
    pub(super) fn document(&self) -> Option<Spanned<DeTable<'t>>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            self.error(error.span().unwrap_or_default(), error.message());
        }
        errors.is_empty().then_some(document)
    }

    pub(super) fn at(&self, span: Range<usize>, message: impl Into<String>) -> RouteProblem {
        let before = self.text.get(..span.start).unwrap_or_default();
        RouteProblem {
            file: self.path.display().to_string(),
            line: Some(before.matches('\n').count() + 1),
            message: message.into(),
        }
    }

    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) {
        self.errors.borrow_mut().push(self.at(span, message));
    }

    /// The value of a variable of the environment.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.used.borrow_mut().push(name.to_owned());
        (self.variable)(name)
    }

    /// The variables that were read so far.
    pub(super) fn used(&self) -> Vec<String> {
        self.used.borrow().clone()
    }

    /// Errors and warnings, each in the order of the file.
    pub(super) fn into_problems(self) -> (Vec<RouteProblem>, Vec<RouteProblem>) {
        let sorted = |problems: RefCell<Vec<RouteProblem>>| {
            let mut problems = problems.into_inner();
            problems.sort_by_key(|problem| problem.line);
            problems
        };
        (sorted(self.errors), sorted(self.warnings))
    }
}

/// A table of the document.
pub(super) struct Section<'t> {
    pub(super) source: &'t Source<'t>,
    table: &'t DeTable<'t>,
    span: Range<usize>,
}

impl<'t> Section<'t> {
    pub(super) fn new(source: &'t Source<'t>, table: &'t DeTable<'t>, span: Range<usize>) -> Self {
        Self { source, table, span }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// `file:line`, for people.
    pub(super) fn place(&self) -> String {
        let problem = self.source.at(self.span(), "");
        format!("{}:{}", problem.file, problem.line.unwrap_or(1))
    }

    /// A problem of the section as a whole.
    pub(super) fn error(&self, message: impl Into<String>) {
        self.source.error(self.span(), message);
    }

    pub(super) fn warn(&self, span: Range<usize>, message: impl Into<String>) {
        self.source.warnings.borrow_mut().push(self.source.at(span, message));
    }

    /// Says which keys are known; any other is a problem.
    pub(super) fn only(&self, known: &[&str]) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let message = match nearest(name, &mut known.iter().copied()) {
                Some(near) => format!("unknown key `{name}`; did you mean `{near}`?"),
                None => format!("unknown key `{name}` (expected one of {})", known.join(", ")),
            };
            self.source.error(key.span(), message);
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'t Value<'t>> {
        self.table.get(key)
    }

    /// Every key with its value, in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'t str, &'t Value<'t>)> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), value))
    }

    /// The tables in it, where all it holds are tables.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&'t str, Self)> {
        self.entries()
            .filter_map(|(key, value)| Some((key, self.as_section(key, value)?)))
    }

    pub(super) fn section(&self, key: &str) -> Option<Self> {
        self.as_section(key, self.get(key)?)
    }

    /// One table, or an array of them.
    pub(super) fn list(&self, key: &str) -> Option<Vec<Self>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Array(items) => Some(items.iter().filter_map(|item| self.as_section(key, item)).collect()),
            _ => Some(self.as_section(key, value).into_iter().collect()),
        }
    }

    pub(super) fn as_section(&self, key: &str, value: &'t Value<'t>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::new(self.source, table, value.span())),
            other => self.wrong(key, value.span(), "a table", other),
        }
    }

    /// A switch, in the words of the flags.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        let flag = match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            DeValue::String(text) => on_or_off(text),
            DeValue::Integer(number) => on_or_off(number.as_str()),
            other => return self.wrong(key, value.span(), "true or false", other),
        };
        if flag.is_none() {
            let message =
                format!("invalid `{key}`: neither on nor off (expected true or false; as a text {ON_OR_OFF})");
            self.source.error(value.span(), message);
        }
        flag
    }

    pub(super) fn text(&self, key: &str) -> Option<(&'t str, Range<usize>)> {
        self.as_text(key, self.get(key)?)
    }

    /// One text, or an array of them.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<(&'t str, Range<usize>)>> {
        Some(self.as_texts(key, self.get(key)?))
    }

    pub(super) fn as_texts(&self, key: &str, value: &'t Value<'t>) -> Vec<(&'t str, Range<usize>)> {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|item| self.as_text(key, item)).collect(),
            _ => self.as_text(key, value).into_iter().collect(),
        }
    }

    fn as_text(&self, key: &str, value: &'t Value<'t>) -> Option<(&'t str, Range<usize>)> {
        match value.get_ref() {
            DeValue::String(text) => Some((text.as_ref(), value.span())),
            other => self.wrong(key, value.span(), "a text in quotes", other),
        }
    }

    /// A text as something that it can be parsed to.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self, text: &str, span: Range<usize>) -> Option<T> {
        text.parse()
            .map_err(|error: T::Err| self.source.error(span, error.to_string()))
            .ok()
    }

    fn wrong<T>(&self, key: &str, span: Range<usize>, wanted: &str, found: &DeValue<'_>) -> Option<T> {
        let found = found.type_str();
        self.source.error(
            span,
            format!("invalid `{key}`: its type is {found} (expected {wanted})"),
        );
        None
    }
}
