//! Takes back edits until everything works.
//!
//! Guarantees: what was in use before works together, so the search always ends with templates that do; an edit that has
//! nothing to do with a failure stays. What fails is not always what is wrong: of a part that fails and the template
//! that includes it, the one is to blame that was edited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{entry_name, reached};
use crate::message::TemplateName;
use crate::render::deadline::Deadline;
use crate::render::engine::{Engine, Failure, Sources};
use crate::render::facts::Facts;
use crate::render::look::Look;
use crate::render::problem::{TemplateProblem, Trace};
use crate::render::sandbox::{Refusal, Sandbox};
use crate::render::trial;
use crate::render::values::NO_SINGLE;

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
    let mut works_in_part;
    let mut engine = loop {
        let (engine, Outcome { broken, partial }) = match tried(&edits, before, sandbox, deadline) {
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
            works_in_part = partial;
            break engine;
        }
        let known: BTreeSet<String> = problems.iter().map(|known| known.file.clone()).collect();
        for problem in blamed {
            if let Some(edit) = edits.get_mut(&problem.file).filter(|edit| edit.is_edited()) {
                taken_back.push((problem.file.clone(), edit.new.take()));
                edit.new.clone_from(&edit.old);
            }
            // All that is wrong with a file, as it was found at once.
            if !known.contains(&problem.file) && !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    };
    if taken_back.len() > 1 {
        second_chances(
            &mut engine,
            &mut edits,
            &mut problems,
            &taken_back.into_iter().collect(),
            &mut works_in_part,
            |edits| tried(edits, before, sandbox, deadline),
        );
    }
    problems.append(&mut works_in_part);
    (engine, problems)
}

/// Tries edits that were taken back once more: they may only have stood in the light of others. A part counts together
/// with the template that it is for, since nothing else shows whether it works.
fn second_chances(
    engine: &mut Engine,
    edits: &mut Edits,
    problems: &mut Vec<TemplateProblem>,
    taken_back: &BTreeMap<String, Option<String>>,
    works_in_part: &mut Vec<TemplateProblem>,
    tried: impl Fn(&Edits) -> Result<(Engine, Outcome), Refusal>,
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
        let Ok((works, outcome)) = tried(&again) else {
            break;
        };
        if outcome.broken.is_empty() {
            *edits = again;
            *works_in_part = outcome.partial;
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

/// What trials came to.
struct Outcome {
    /// Why edits have to be taken back.
    broken: Vec<Trace>,
    /// What fails for some kinds of notifications, and is used for all others.
    partial: Vec<TemplateProblem>,
}

/// The templates with all edits, and what of them is broken or fails in a trial.
fn tried(
    edits: &Edits,
    before: &Engine,
    sandbox: &Arc<Sandbox>,
    deadline: &Deadline,
) -> Result<(Engine, Outcome), Refusal> {
    let newest = edits
        .iter()
        .filter_map(|(file, edit)| Some((file.clone(), edit.new.clone()?)));
    let (engine, broken) = Engine::compile(newest.collect::<Sources>(), &before.sources, sandbox, deadline)?;
    let broken: Vec<_> = broken.into_iter().map(Trace::of).collect();
    let outcome = if broken.is_empty() {
        try_out(&engine, deadline)
    } else {
        Outcome {
            broken,
            partial: Vec::new(),
        }
    };
    Ok((engine, outcome))
}

/// Runs every template that can be chosen over the trials that concern it. What is built in word for word, with all its
/// parts, has survived them. Of some messages are made. A template may show nothing of a trial: what is built in then does.
fn try_out(engine: &Engine, deadline: &Deadline) -> Outcome {
    let notifications = trial::notifications();
    let wholes = notifications
        .iter()
        .map(|notification| Facts::new(notification, trial::now()));
    let changes = trial::changes();
    let of_changes = changes
        .iter()
        .map(|(notification, change)| Facts::of_change(notification, change, trial::now()));
    let digests = trial::digests();
    let of_digests = digests
        .iter()
        .map(|(notification, digest)| Facts::of_digest(notification, digest, trial::now()));
    let trials: Vec<Facts<'_>> = wholes.chain(of_changes).chain(of_digests).collect();
    let look = Look::default();
    let concerns = |facts: &Facts<'_>, file: &str| match (&facts.change, facts.digest) {
        (Some(_), _) => file == TemplateName::update().file_name(),
        (None, Some(_)) => file == TemplateName::digest().file_name(),
        (None, None) => entry_name(file).is_some_and(|name| name.is_of_whole()),
    };
    let mut outcome = Outcome {
        broken: Vec::new(),
        partial: Vec::new(),
    };
    'files: for file in entries(&engine.sources).filter(|file| !engine.is_built_in(file)) {
        let mut failures: Vec<(&str, Trace)> = Vec::new();
        let concerned = trials.iter().zip(trial::NAMES).enumerate();
        for (at, (facts, name)) in concerned.filter(|(_, (facts, _))| concerns(facts, file)) {
            let tried = if trial::READ.contains(&at) {
                engine.compose(file, facts, &look, None, deadline).map(drop)
            } else {
                engine.attempt(file, facts, &look, deadline)
            };
            let Some(failure) = tried.err().filter(|failure| !matches!(failure, Failure::Blank(_))) else {
                continue;
            };
            let is_last = matches!(failure, Failure::Refused(_));
            failures.push((name, Trace::from(failure)));
            if is_last {
                // Others may use the same part, and each would take as long.
                outcome.broken.extend(failures.pop().map(|(_, trace)| trace));
                break 'files;
            }
        }
        let is_fatal = |(name, trace): &(&str, Trace)| {
            // Whoever writes `alert` wants the one; a part that wants it is put to a wrong use.
            let wants_one = trace.problem.message.starts_with(NO_SINGLE) && trace.problem.file == file;
            trial::COMMON.contains(name) && !wants_one
        };
        if failures.iter().any(is_fatal) {
            outcome.broken.push(as_one(failures));
        } else {
            outcome.partial.extend(in_part(failures));
        }
    }
    outcome
}

/// The first of the failures of a template that cannot be used, and for what it fails if that is not everything.
fn as_one(failures: Vec<(&str, Trace)>) -> Trace {
    let starts_with = |name: &str| failures.first().is_some_and(|(first, _)| *first == name);
    let fails_at_once = [0, 3, 5].into_iter().any(|at| starts_with(trial::COMMON[at]));
    let names: Vec<&str> = failures.iter().map(|(name, _)| *name).collect();
    let kinds = listed(&names);
    let mut traces = failures.into_iter().map(|(_, trace)| trace);
    let mut trace = traces.next().unwrap_or_else(|| Trace::of(TemplateProblem::new("", "")));
    if !fails_at_once {
        // It works for others, so its author has to know for what it does not.
        trace.problem.message = format!("{} (for {kinds})", trace.problem.message);
    }
    trace
}

/// What fails, each with the kinds of notifications that it fails for.
fn in_part(failures: Vec<(&str, Trace)>) -> Vec<TemplateProblem> {
    let mut found: Vec<(TemplateProblem, Vec<&str>)> = Vec::new();
    for (name, trace) in failures {
        match found.iter_mut().find(|(problem, _)| *problem == trace.problem) {
            Some((_, names)) => names.push(name),
            None => found.push((trace.problem, vec![name])),
        }
    }
    let told = |(problem, names): (TemplateProblem, Vec<&str>)| problem.in_part(&listed(&names));
    found.into_iter().map(told).collect()
}

/// "a test, an alert without data and 2 more".
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => (*name).to_owned(),
        [first, second] => format!("{first} and {second}"),
        [first, second, third] => format!("{first}, {second} and {third}"),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
    }
}

/// The templates that can be chosen.
fn entries(sources: &Sources) -> impl Iterator<Item = &str> {
    sources
        .keys()
        .map(String::as_str)
        .filter(|file| entry_name(file).is_some())
}
