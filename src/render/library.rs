//! The templates in use: those of the folder over those built in, each in its last version that works.
//!
//! Guarantees: every template in here compiles and has survived the trials; a broken edit is reported and costs nothing.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::tz::TimeZone;
use minijinja::Value;

use super::context::{Context, Limits};
use super::engine::{Engine, Sources};
use super::facts::Facts;
use super::folder::Files;
use super::problem::TemplateProblem;
use super::trial;
use crate::message::TemplateName;

const EMBEDDED: &[(&str, &str)] = &[
    ("alert.md.j2", include_str!("../../templates/alert.md.j2")),
    ("compact.md.j2", include_str!("../../templates/compact.md.j2")),
    ("detailed.md.j2", include_str!("../../templates/detailed.md.j2")),
    ("update.md.j2", include_str!("../../templates/update.md.j2")),
    (
        "partials/header.md.j2",
        include_str!("../../templates/partials/header.md.j2"),
    ),
    (
        "partials/line.md.j2",
        include_str!("../../templates/partials/line.md.j2"),
    ),
    (
        "partials/truncated.md.j2",
        include_str!("../../templates/partials/truncated.md.j2"),
    ),
];

/// What every variable, filter and function does, for authors of templates.
pub const GUIDE: &str = include_str!("../../templates/README.md");

/// The built-in templates by file name, for export.
pub fn embedded() -> impl Iterator<Item = (&'static str, &'static str)> {
    EMBEDDED.iter().copied()
}

pub(super) struct Library {
    pub(super) engine: Engine,
    pub(super) problems: Vec<TemplateProblem>,
    /// What the folder held when it was last read, whether it works or not.
    pub(super) on_disk: Sources,
}

impl Library {
    /// Only what is built in.
    pub(super) fn embedded() -> Self {
        let sources = embedded()
            .map(|(file, source)| (file.to_owned(), source.to_owned()))
            .collect();
        let (engine, problems) = Engine::compile(sources);
        Self {
            engine,
            problems,
            on_disk: Sources::new(),
        }
    }

    /// What the folder holds; in place of what does not work, what `before` holds.
    pub(super) fn load(files: &Files, before: &Self) -> Self {
        let mut candidates: BTreeMap<String, Candidates> = BTreeMap::new();
        for (file, source) in embedded() {
            candidates.entry(file.to_owned()).or_default().0.push(source.to_owned());
        }
        let unreadable = |file: &str| files.problems.iter().any(|problem| problem.file == file);
        for (file, source) in &before.engine.sources {
            if files.sources.contains_key(file) || unreadable(file) {
                candidates.entry(file.clone()).or_default().push(source);
            }
        }
        let mut problems = files.problems.clone();
        for (file, source) in &files.sources {
            if source.trim().is_empty() {
                problems.push(TemplateProblem::new(file.clone(), "is empty"));
            } else if is_misnamed(file) {
                problems.push(TemplateProblem::new(
                    file.clone(),
                    "cannot be chosen: letters, digits, `-`, `_` and `.md.j2`",
                ));
            } else {
                candidates.entry(file.clone()).or_default().push(source);
            }
        }
        let (engine, problems) = settle(candidates, problems);
        Self {
            engine,
            problems,
            on_disk: files.sources.clone(),
        }
    }

    /// Templates that can be chosen: those not in a subfolder.
    pub(super) fn names(&self) -> Vec<TemplateName> {
        self.engine.sources.keys().filter_map(|file| entry_name(file)).collect()
    }
}

/// The versions of one file, the newest last.
#[derive(Default)]
struct Candidates(Vec<String>);

impl Candidates {
    fn push(&mut self, source: &str) {
        if self.0.last().is_none_or(|last| last != source) {
            self.0.push(source.to_owned());
        }
    }
}

/// Goes back to older versions, one file at a time, until everything works.
fn settle(
    mut candidates: BTreeMap<String, Candidates>,
    mut problems: Vec<TemplateProblem>,
) -> (Engine, Vec<TemplateProblem>) {
    loop {
        let newest = candidates
            .iter()
            .filter_map(|(file, versions)| Some((file.clone(), versions.0.last()?.clone())));
        let (engine, broken) = Engine::compile(newest.collect());
        let broken = if broken.is_empty() { try_out(&engine) } else { broken };
        if broken.is_empty() {
            return (engine, problems);
        }
        let mut went_back = false;
        for problem in broken {
            if let Some(versions) = candidates.get_mut(&problem.file) {
                went_back |= versions.0.pop().is_some();
            }
            if !problems.iter().any(|known| known.file == problem.file) {
                problems.push(problem);
            }
        }
        if !went_back {
            return (engine, problems);
        }
    }
}

/// Runs every template that can be chosen over the trials; the first problem of each file.
fn try_out(engine: &Engine) -> Vec<TemplateProblem> {
    let notifications = trial::notifications();
    let facts: Vec<_> = notifications
        .iter()
        .map(|notification| Facts::new(notification, trial::now()))
        .collect();
    let changes = trial::changes();
    let of_changes = changes
        .iter()
        .map(|(notification, change)| Facts::of_change(notification, change, trial::now()));
    let contexts: Vec<Value> = facts
        .into_iter()
        .chain(of_changes)
        .collect::<Vec<_>>()
        .iter()
        .map(|facts| Context::new(facts, &TimeZone::UTC, Limits::NONE).build())
        .collect();
    let mut problems: Vec<TemplateProblem> = Vec::new();
    for file in engine.sources.keys().filter(|file| entry_name(file).is_some()) {
        for context in &contexts {
            if let Err(failure) = engine.run(file, context) {
                let problem = TemplateProblem::from(failure);
                if !problems.iter().any(|known| known.file == problem.file) {
                    problems.push(problem);
                }
                break;
            }
        }
    }
    problems
}

fn entry_name(file: &str) -> Option<TemplateName> {
    TemplateName::from_str(file.strip_suffix(".md.j2")?).ok()
}

/// A file beside the templates that looks like one and could never be used.
fn is_misnamed(file: &str) -> bool {
    !file.contains('/') && file.ends_with(".md.j2") && entry_name(file).is_none()
}
