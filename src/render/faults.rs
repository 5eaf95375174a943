//! Everything that is wrong with the text of a template, whether it runs or not, with what to write instead.
//!
//! The engine stops at the first error, and names what it met instead of what is missing. So each tag is looked at by
//! itself: its expression, its place among the others, the filters and tests it uses, the arguments that are written out.
//!
//! Guarantees: the work grows with the length of the text; what is found holds for every notification. It runs nothing.

mod blocks;
mod go;
mod names;
mod unclosed;

use std::sync::LazyLock;

use minijinja::Environment;

use self::unclosed::Seen;
use super::engine::environment;
use super::problem::TemplateProblem;
use super::problem::remedies;
use super::syntax::{self, Kind, Tag};

/// More are not worth reading at once.
const MOST: usize = 50;

/// What compiles expressions, to say what is wrong with them.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Vec::new()));

/// What keeps a file from being compiled, in the order of its lines; empty if it can be read.
pub(super) fn of_syntax(file: &str, source: &str) -> Vec<TemplateProblem> {
    let seen = unclosed::tags(source);
    let mut go = go::Translator::default();
    let mut found: Vec<(usize, String)> = Vec::new();
    for Seen { tag, fault } in &seen {
        let of_tag = || Some((tag.line, wrong_inside(tag, source, &mut go)?));
        found.extend(fault.clone().or_else(of_tag));
    }
    // Which block a half tag opens or closes, nobody knows.
    let is_half = |seen: &Seen| seen.tag.kind != Kind::Print && !seen.tag.is_closed;
    if !go.is_go() && !seen.iter().any(is_half) {
        found.extend(blocks::unpaired(seen.iter().map(|seen| &seen.tag), source));
    }
    found.sort_by_key(|(line, _)| *line);
    found.truncate(MOST);
    placed(file, found)
}

/// What is wrong within a tag that has its end.
fn wrong_inside(tag: &Tag, source: &str, go: &mut go::Translator) -> Option<String> {
    let text = &source[tag.inside.clone()];
    if tag.kind == Kind::Comment {
        return None;
    }
    if let Some(jinja) = go.answer(text, tag.kind) {
        return Some(jinja);
    }
    if syntax::inside(tag, source).is_none() {
        return Some(expression(tag, text));
    }
    refused(tag, text)
}

/// Filters and tests that do not exist, arguments that cannot work, and what is Go's.
pub(super) fn of_names(file: &str, source: &str) -> Vec<TemplateProblem> {
    let mut found = names::unknown(&syntax::read(source).uses);
    // Some of it reads as Jinja: `range .Alerts` is a name with a field to it.
    let mut go = go::Translator::default();
    for tag in syntax::tags(source).iter().filter(|tag| tag.is_closed) {
        let answer = go.answer(&source[tag.inside.clone()], tag.kind);
        found.extend(answer.map(|answer| (tag.line, answer)));
    }
    found.sort_by_key(|(line, _)| *line);
    found.truncate(MOST);
    placed(file, found)
}

fn placed(file: &str, found: Vec<(usize, String)>) -> Vec<TemplateProblem> {
    let mut problems: Vec<TemplateProblem> = Vec::new();
    for (line, message) in found {
        let problem = TemplateProblem {
            line: Some(line),
            ..TemplateProblem::new(file, message)
        };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems
}

/// What is wrong with a tag that cannot be read.
fn expression(tag: &Tag, text: &str) -> String {
    if let Some(remedy) = remedies::of_code(text) {
        return remedy;
    }
    let code = code_of(tag, text).unwrap_or(text);
    if let Some(message) = unfinished(code) {
        return message.to_owned();
    }
    match ENGINE.compile_expression(code) {
        Err(error) => remedies::of_syntax(error.detail().unwrap_or("cannot be read")),
        Ok(_) => format!(
            "`{{% {} %}}` is not complete (expected something behind it)",
            text.trim()
        ),
    }
}

/// What is to come behind the sign with which an expression ends.
fn unfinished(code: &str) -> Option<&'static str> {
    match code.trim_end().chars().next_back()? {
        '.' => Some("nothing follows the `.` (expected a name, as in `alert.name`)"),
        '|' => Some("nothing follows the `|` (expected a filter, as in `name | upper`)"),
        _ => None,
    }
}

/// What the engine says of an expression that this module can read.
fn refused(tag: &Tag, text: &str) -> Option<String> {
    let error = ENGINE.compile_expression(code_of(tag, text)?).err()?;
    let of_syntax = || remedies::of_syntax(error.detail().unwrap_or("cannot be read"));
    Some(remedies::of_code(text).unwrap_or_else(of_syntax))
}

/// The expression of a tag, where it is one.
fn code_of<'s>(tag: &Tag, text: &'s str) -> Option<&'s str> {
    if tag.kind == Kind::Print {
        return Some(text);
    }
    let text = text.trim();
    let code = |keyword: &str| {
        text.strip_prefix(keyword)
            .filter(|rest| rest.starts_with([' ', '(', '\n']))
    };
    code("if").or_else(|| code("elif")).or_else(|| code("do"))
}
