//! Compiles a set of templates and runs its trials: does all of it work, and if not, why?
//!
//! Guarantees: nothing that passes fails in all of the common kinds of notifications. What fails for rare ones only is used
//! for the others, and is named with those for which it fails.

use std::sync::Arc;

use super::entry_name;
use crate::message::TemplateName;
use crate::render::deadline::Deadline;
use crate::render::engine::{Engine, Failure, Sources};
use crate::render::facts::Facts;
use crate::render::look::Look;
use crate::render::problem::{TemplateProblem, Trace};
use crate::render::sandbox::{Refusal, Sandbox};
use crate::render::trial;
use crate::render::values::NO_SINGLE;

/// After so many templates that take too much, the others are not tried: each takes seconds.
const MOST_REFUSED: usize = 4;

/// A set of templates, and how it fared.
pub(super) struct Attempt {
    pub(super) engine: Engine,
    /// Why it cannot be used.
    pub(super) broken: Vec<Trace>,
    /// What fails for some kinds of notifications, and is used for all others.
    pub(super) partial: Vec<TemplateProblem>,
}

/// Compiles these files and tries them out. `before` is what is in use.
pub(super) fn attempt(
    sources: Sources,
    before: &Engine,
    sandbox: &Arc<Sandbox>,
    deadline: &Deadline,
) -> Result<Attempt, Refusal> {
    let (engine, broken) = Engine::compile(sources, &before.sources, sandbox, deadline)?;
    let mut attempt = Attempt {
        engine,
        broken: broken.into_iter().map(Trace::of).collect(),
        partial: Vec::new(),
    };
    if attempt.broken.is_empty() {
        try_out(&mut attempt, deadline);
    }
    Ok(attempt)
}

/// Runs every template that can be chosen over the trials that concern it. What is built in word for word, with all its
/// parts, has survived them. Of some messages are made. A template may show nothing of a trial: what is built in then does.
fn try_out(attempt: &mut Attempt, deadline: &Deadline) {
    let Attempt {
        engine,
        broken,
        partial,
    } = attempt;
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
    let concerns = |facts: &Facts<'_>, file: &str| match (&facts.change, facts.digest) {
        (Some(_), _) => file == TemplateName::update().file_name(),
        (None, Some(_)) => file == TemplateName::digest().file_name(),
        (None, None) => entry_name(file).is_some_and(|name| name.is_of_whole()),
    };
    let mut refused = 0;
    // What bodies of any shape hold, no trial knows: a template for them is used as soon as it compiles.
    let is_tried = |file: &&str| !engine.is_built_in(file) && !engine.calls(file, "payload");
    for file in entries(&engine.sources).filter(is_tried) {
        let concerned = trials.iter().zip(trial::NAMES).enumerate();
        let concerned = concerned.filter(|(_, (facts, _))| concerns(facts, file));
        match failures(engine, file, concerned, deadline) {
            Ok(failures) if failures.iter().any(|failure| is_fatal(file, failure)) => broken.push(as_one(failures)),
            Ok(failures) => partial.extend(in_part(failures)),
            Err(trace) => {
                broken.push(trace);
                refused += 1;
                if refused == MOST_REFUSED {
                    return;
                }
            }
        }
    }
}

/// What of these trials a template fails; `Err` if it is not to be run again.
fn failures<'t>(
    engine: &Engine,
    file: &str,
    trials: impl Iterator<Item = (usize, (&'t Facts<'t>, &'static str))>,
    deadline: &Deadline,
) -> Result<Vec<(&'static str, Trace)>, Trace> {
    let look = Look::default();
    let mut failures = Vec::new();
    for (at, (facts, name)) in trials {
        let tried = if trial::READ.contains(&at) {
            engine.compose(file, facts, &look, None, deadline).map(drop)
        } else {
            engine.attempt(file, facts, &look, deadline)
        };
        match tried {
            Ok(()) | Err(Failure::Blank(_)) => {}
            Err(Failure::Refused(trace)) => return Err(trace),
            Err(failure) => failures.push((name, Trace::from(failure))),
        }
    }
    Ok(failures)
}

/// Whether a template that fails this trial cannot be used.
fn is_fatal(file: &str, (name, trace): &(&str, Trace)) -> bool {
    // Whoever writes `alert` wants the one; a part that wants it is put to a wrong use.
    let wants_one = trace.problem.message.starts_with(NO_SINGLE) && trace.problem.file == file;
    trial::COMMON.contains(name) && !wants_one
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
    let named = |(problem, names): (TemplateProblem, Vec<&str>)| problem.in_part(&listed(&names));
    found.into_iter().map(named).collect()
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
