//! Takes back edits until everything works.
//!
//! Guarantees: what was in use before works together, so the search always ends with templates that do; an edit that has
//! nothing to do with a failure stays. What fails is not always what is wrong: of a part that fails and the template
//! that includes it, the one is to blame that was edited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{entry_name, reached};
use crate::render::deadline::Deadline;
use crate::render::engine::{Engine, Failure, Sources};
use crate::render::facts::Facts;
use crate::render::problem::{TemplateProblem, Trace};
use crate::render::sandbox::{Refusal, Sandbox};
use crate::render::trial;

/// How many edits that were taken back are tried once more by themselves.
const SECOND_CHANCES: usize = 20;

/// The versions of one file; `None`: there is no such file.
#[derive(Debug, Clone, Default)]
pub(super) struct Edit {
    /// What was in use, which works with all else that was.
    old: Option<String>,
    /// What is to be used from now on.
    pub(super) new: Option<String>,
}

impl Edit {
    /// A file that stays as it is.
    pub(super) fn kept(source: &str) -> Self {
        Self {
            old: Some(source.to_owned()),
            new: Some(source.to_owned()),
        }
    }

    fn is_edited(&self) -> bool {
        self.old != self.new
    }

    fn is_removed(&self) -> bool {
        self.old.is_some() && self.new.is_none()
    }
}

/// All files by their paths.
pub(super) type Edits = BTreeMap<String, Edit>;

/// The templates with as many of the edits as work, tried in this sandbox, and what is wrong with the others. `before` is
/// what was in use.
pub(super) fn settle(
    mut edits: Edits,
    mut problems: Vec<TemplateProblem>,
    before: &Engine,
    sandbox: &Arc<Sandbox>,
    deadline: &Deadline,
) -> (Engine, Vec<TemplateProblem>) {
    let mut taken_back: Vec<(String, Option<String>)> = Vec::new();
    let mut engine = loop {
        let (engine, broken) = match tried(&edits, before, sandbox, deadline) {
            Ok(tried) => tried,
            Err(refusal) => {
                let edited = edits.iter().filter(|(_, edit)| edit.is_edited());
                problems.extend(edited.map(|(file, _)| refusal.problem(file)));
                return (before.clone(), problems);
            }
        };
        let blamed: Vec<_> = broken.iter().flat_map(|trace| blame(&edits, trace)).collect();
        if blamed.is_empty() {
            problems.extend(broken.into_iter().map(|trace| trace.problem));
            break engine;
        }
        for problem in blamed {
            if let Some(edit) = edits.get_mut(&problem.file).filter(|edit| edit.is_edited()) {
                taken_back.push((problem.file.clone(), edit.new.take()));
                edit.new.clone_from(&edit.old);
                if problems.iter().all(|known| known.file != problem.file) {
                    problems.push(problem);
                }
            }
        }
    };
    if taken_back.len() > 1 {
        second_chances(
            &mut engine,
            &mut edits,
            &mut problems,
            &taken_back.into_iter().collect(),
            |edits| tried(edits, before, sandbox, deadline),
        );
    }
    (engine, problems)
}

/// Tries edits that were taken back once more: they may only have stood in the light of others. A part counts together
/// with the template that it is for, since nothing else shows whether it works.
fn second_chances(
    engine: &mut Engine,
    edits: &mut Edits,
    problems: &mut Vec<TemplateProblem>,
    taken_back: &BTreeMap<String, Option<String>>,
    tried: impl Fn(&Edits) -> Result<(Engine, Vec<Trace>), Refusal>,
) {
    let mut wanted = engine.sources.clone();
    wanted.extend(
        taken_back
            .iter()
            .filter_map(|(file, new)| Some((file.clone(), new.clone()?))),
    );
    let parts_in_use: BTreeSet<&str> = entries(&engine.sources)
        .flat_map(|file| reached(&engine.sources, file))
        .collect();
    let (entries, parts): (Vec<_>, Vec<_>) = taken_back.keys().partition(|file| entry_name(file).is_some());
    let parts = parts.into_iter().filter(|file| parts_in_use.contains(file.as_str()));
    let alone = parts.map(|file| BTreeSet::from([file.as_str()]));
    let whole = entries.into_iter().map(|file| reached(&wanted, file));
    let mut better = None;
    for files in alone.chain(whole).take(SECOND_CHANCES) {
        let mut again = edits.clone();
        let restored: Vec<&str> = files
            .into_iter()
            .filter(|file| taken_back.contains_key(*file))
            .collect();
        for file in &restored {
            if let Some(edit) = again.get_mut(*file) {
                edit.new.clone_from(&taken_back[*file]);
            }
        }
        let Ok((works, broken)) = tried(&again) else {
            break;
        };
        if broken.is_empty() {
            *edits = again;
            problems.retain(|problem| !restored.contains(&problem.file.as_str()));
            better = Some(works);
        }
    }
    if let Some(better) = better {
        *engine = better;
    }
}

/// Who has to take an edit back so that this failure goes away; nobody only if nothing is edited.
fn blame(edits: &Edits, trace: &Trace) -> Vec<TemplateProblem> {
    let is_edited = |file: &str| edits.get(file).is_some_and(Edit::is_edited);
    if let Some((file, _)) = trace.through.iter().find(|(file, _)| is_edited(file)) {
        return vec![trace.seen_from(file)];
    }
    let is_missed =
        |(file, edit): &(&String, &Edit)| edit.is_removed() && trace.problem.message.contains(file.as_str());
    let missed: Vec<_> = edits
        .iter()
        .filter(is_missed)
        .map(|(file, _)| TemplateProblem::new(file.clone(), format!("is gone and still in use: {}", trace.problem)))
        .collect();
    if !missed.is_empty() {
        return missed;
    }
    let edited = edits.iter().filter(|(_, edit)| edit.is_edited());
    edited
        .map(|(file, _)| TemplateProblem::new(file.clone(), trace.problem.to_string()))
        .collect()
}

/// The templates with all edits, and the first failure of each file that is broken or fails in a trial.
fn tried(
    edits: &Edits,
    before: &Engine,
    sandbox: &Arc<Sandbox>,
    deadline: &Deadline,
) -> Result<(Engine, Vec<Trace>), Refusal> {
    let newest = edits
        .iter()
        .filter_map(|(file, edit)| Some((file.clone(), edit.new.clone()?)));
    let (engine, broken) = Engine::compile(newest.collect::<Sources>(), &before.sources, sandbox, deadline)?;
    let broken: Vec<_> = broken.into_iter().map(Trace::of).collect();
    let broken = if broken.is_empty() {
        try_out(&engine, deadline)
    } else {
        broken
    };
    Ok((engine, broken))
}

/// Runs every template that can be chosen over the trials, and makes messages of some; the first failure of each. What is
/// built in word for word, with all its parts, has survived them. A template may show nothing of a trial: what is built in
/// then does.
fn try_out(engine: &Engine, deadline: &Deadline) -> Vec<Trace> {
    let notifications = trial::notifications();
    let wholes = notifications
        .iter()
        .map(|notification| Facts::new(notification, trial::now()));
    let changes = trial::changes();
    let of_changes = changes
        .iter()
        .map(|(notification, change)| Facts::of_change(notification, change, trial::now()));
    let trials: Vec<Facts<'_>> = wholes.chain(of_changes).collect();
    let zone = TimeZone::UTC;
    let first_failure = |file: &str| {
        let mut trials = trials.iter().zip(trial::NAMES).enumerate();
        trials.find_map(|(before, (facts, name))| {
            let tried = if trial::READ.contains(&before) {
                engine.compose(file, facts, &zone, None, deadline).map(drop)
            } else {
                engine.attempt(file, facts, &zone, deadline)
            };
            let failure = tried.err().filter(|failure| !matches!(failure, Failure::Blank(_)))?;
            let is_last = matches!(failure, Failure::Refused(_));
            let mut trace = Trace::from(failure);
            if before > 0 {
                // It works for others, so its author has to know for what it does not.
                trace.problem.message = format!("{} (for {name})", trace.problem.message);
            }
            Some((trace, is_last))
        })
    };
    let mut failures = Vec::new();
    let own = entries(&engine.sources).filter(|file| !engine.is_built_in(file));
    for (trace, is_last) in own.filter_map(first_failure) {
        failures.push(trace);
        if is_last {
            // Others may use the same part, and each would take as long.
            break;
        }
    }
    failures
}

/// The templates that can be chosen.
fn entries(sources: &Sources) -> impl Iterator<Item = &str> {
    sources
        .keys()
        .map(String::as_str)
        .filter(|file| entry_name(file).is_some())
}
