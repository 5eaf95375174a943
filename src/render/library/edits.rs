//! Takes edits into use, whole or not at all, and names the edited file that is at fault.
//!
//! Guarantees: what is in use works together, and every file that is at fault is named. Only where nothing of the folder is
//! in use yet, as at the start, is the rest of it used.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attempt::attempt;
use super::{Library, is_misnamed};
use crate::render::deadline::Deadline;
use crate::render::engine::{Engine, Sources};
use crate::render::problem::{TemplateProblem, Trace};
use crate::render::sandbox::Sandbox;

impl Library {
    /// What would be wrong with these files if they were saved as they are.
    pub(in crate::render) fn refusals(
        &self,
        drafts: &Sources,
        sandbox: &Arc<Sandbox>,
        deadline: &Deadline,
    ) -> Vec<TemplateProblem> {
        let mut wanted = self.engine.sources.clone();
        let mut problems = add(&mut wanted, drafts);
        let edits = Edits::between(&self.engine.sources, &wanted);
        match attempt(wanted, &self.engine, sandbox, deadline) {
            Ok(attempt) => {
                problems.extend(attempt.broken.iter().flat_map(|trace| edits.blame(trace)));
                problems.extend(attempt.partial);
            }
            Err(refusal) => problems.extend(edits.0.keys().map(|file| refusal.problem(file))),
        }
        problems.retain(|problem| drafts.contains_key(&problem.file));
        without_repeats(problems)
    }

    /// The templates to use from now on, where the folder wants these and some of its files are `unusable`; and what is
    /// wrong. Edits that fail are taken back only to find out what else is wrong, and at the start to use the rest.
    pub(super) fn take(
        &self,
        mut wanted: Sources,
        unusable: Vec<TemplateProblem>,
        sandbox: &Arc<Sandbox>,
    ) -> (Engine, Vec<TemplateProblem>) {
        let mut problems = unusable;
        loop {
            let edits = Edits::between(&self.engine.sources, &wanted);
            let attempt = match attempt(wanted.clone(), &self.engine, sandbox, &Deadline::none()) {
                Ok(attempt) => attempt,
                Err(refusal) => {
                    problems.extend(edits.0.keys().map(|file| refusal.problem(file)));
                    return (self.engine.clone(), without_repeats(problems));
                }
            };
            let blamed: Vec<_> = attempt.broken.iter().flat_map(|trace| edits.blame(trace)).collect();
            if blamed.is_empty() {
                let is_taken = problems.is_empty() || self.is_built_in();
                problems.extend(attempt.broken.into_iter().map(|trace| trace.problem));
                problems.extend(attempt.partial);
                let engine = if is_taken { attempt.engine } else { self.engine.clone() };
                return (engine, without_repeats(problems));
            }
            for problem in blamed {
                match self.engine.sources.get(&problem.file) {
                    Some(in_use) => drop(wanted.insert(problem.file.clone(), in_use.clone())),
                    None => drop(wanted.remove(&problem.file)),
                }
                problems.push(problem);
            }
        }
    }
}

/// Adds the files that can be read as templates, and says what is wrong with the others.
pub(super) fn add(wanted: &mut Sources, files: &Sources) -> Vec<TemplateProblem> {
    let mut problems = Vec::new();
    for (file, source) in files {
        match unusable(file, source) {
            Some(problem) => problems.push(problem),
            None => drop(wanted.insert(file.clone(), source.clone())),
        }
    }
    problems
}

fn without_repeats(problems: Vec<TemplateProblem>) -> Vec<TemplateProblem> {
    let mut found: Vec<TemplateProblem> = Vec::new();
    for problem in problems {
        if !found.contains(&problem) {
            found.push(problem);
        }
    }
    found
}

/// The files that differ from those in use, and whether each is there.
struct Edits(BTreeMap<String, bool>);

impl Edits {
    fn between(in_use: &Sources, wanted: &Sources) -> Self {
        let files = in_use.keys().chain(wanted.keys());
        let edited = files.filter(|file| in_use.get(*file) != wanted.get(*file));
        Self(edited.map(|file| (file.clone(), wanted.contains_key(file))).collect())
    }

    /// The failure as one of the files that were edited, nobody's if there is none: of a part that fails and the template
    /// that includes it, the edited one is at fault, and the template if both are.
    fn blame(&self, trace: &Trace) -> Vec<TemplateProblem> {
        if let Some((file, _)) = trace.through.iter().rev().find(|(file, _)| self.0.contains_key(file)) {
            return vec![trace.seen_from(file)];
        }
        let is_missed =
            |(file, is_there): &(&String, &bool)| !**is_there && trace.problem.message.contains(file.as_str());
        let missed = self.0.iter().filter(is_missed);
        let missed: Vec<_> = missed
            .map(|(file, _)| TemplateProblem::new(file, format!("is gone and still in use: {}", trace.problem)))
            .collect();
        if !missed.is_empty() {
            return missed;
        }
        let edited = self.0.keys();
        edited
            .map(|file| TemplateProblem::new(file, trace.problem.to_string()))
            .collect()
    }
}

/// What is wrong with a file before anybody reads it.
fn unusable(file: &str, source: &str) -> Option<TemplateProblem> {
    let why = if source.trim().is_empty() {
        "is empty"
    } else if is_misnamed(file) {
        "cannot be chosen: letters, digits, `-`, `_` and `.md.j2`"
    } else {
        return None;
    };
    Some(TemplateProblem::new(file, why))
}
