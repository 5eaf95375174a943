//! Making an engine of templates: compiling them here or in the sandbox, and saying what is wrong with those that do not compile.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::Environment;

use super::super::deadline::Deadline;
use super::super::faults;
use super::super::library::{embedded, reached};
use super::super::problem::{TemplateProblem, Trace};
use super::super::sandbox::{Answer, Job, Refusal, Sandbox};
use super::super::syntax::{self, NEGATIVE, OPERATE};
use super::environment;
use super::{Apart, Engine, Failure, Sources};
use crate::text::digest;

impl Engine {
    /// Compiles everything in this sandbox; templates that do not compile, or take too much to, are reported and left out.
    /// Those in `known` are known to compile.
    pub(crate) fn compile(
        mut sources: Sources,
        known: &Sources,
        sandbox: &Arc<Sandbox>,
        deadline: &Deadline,
    ) -> Result<(Self, Vec<TemplateProblem>), Refusal> {
        if built_in(&sources).len() == sources.len() {
            return Ok(Self::compile_here(sources));
        }
        // One by one, because the engine computes what is constant, and what that takes is not bounded by the length.
        let mut refused = Vec::new();
        for (file, source) in sources.iter().filter(|(file, source)| known.get(*file) != Some(source)) {
            let job = Job::Compile {
                file: file.into(),
                source: source.into(),
            };
            match sandbox.ask(digest([source.as_str()]), None, &job, deadline) {
                Ok(_) => {}
                Err(refusal @ (Refusal::Full | Refusal::Late)) => return Err(refusal),
                Err(refusal) => refused.push(refusal.problem(file)),
            }
        }
        for problem in &refused {
            sources.remove(&problem.file);
        }
        let version = digest(sources.iter().flat_map(|(file, source)| [file.as_str(), source]));
        let job = Job::Load {
            version,
            sources: Cow::Borrowed(&sources),
        };
        let Answer::Loaded { free, mut problems } = sandbox.ask(version, None, &job, deadline)? else {
            return Err(Refusal::Broke);
        };
        let built_in = built_in(&sources);
        let here = sources.iter().filter(|(file, _)| built_in.contains(*file));
        let (env, _) = compiled(here, &sources);
        problems.append(&mut refused);
        let engine = Self {
            env: Arc::new(env),
            free,
            built_in,
            sources,
            apart: Some(Apart {
                sandbox: Arc::clone(sandbox),
                version,
            }),
        };
        Ok((engine, problems))
    }

    /// The same without a sandbox: for what is built in, and inside of one.
    pub(crate) fn compile_here(sources: Sources) -> (Self, Vec<TemplateProblem>) {
        let (env, problems) = compiled(&sources, &sources);
        let names = |file: &String| -> Option<(String, BTreeSet<String>)> {
            let template = env.get_template(file).ok()?;
            let names = template.undeclared_variables(false).into_iter();
            Some((file.clone(), names.filter(|name| !is_own(name)).collect()))
        };
        let engine = Self {
            free: sources.keys().filter_map(names).collect(),
            env: Arc::new(env),
            built_in: built_in(&sources),
            sources,
            apart: None,
        };
        (engine, problems)
    }

    /// Compiles one file and keeps nothing of it.
    pub(crate) fn compile_one(file: &str, source: &str) {
        drop(add(&mut environment(Vec::new()), file, source));
    }
}

/// These templates in an environment, and what does not compile. `all` are the texts in which people may be named.
pub(super) fn compiled<'s>(
    sources: impl IntoIterator<Item = (&'s String, &'s String)>,
    all: &Sources,
) -> (Environment<'static>, Vec<TemplateProblem>) {
    let mut env = environment(all.values().cloned().collect());
    let mut problems = Vec::new();
    for (file, source) in sources {
        if let Err(error) = add(&mut env, file, source) {
            let mut found = faults::of_syntax(file, source);
            if found.is_empty() {
                found.push(TemplateProblem::from_error(file, &error));
            }
            problems.append(&mut found);
        }
    }
    (env, problems)
}

pub(super) fn refused(file: &str, refusal: &Refusal) -> Failure {
    Failure::Refused(Trace::of(refusal.problem(file)))
}

/// Adds a template whose operators are ours; as it is where that does not go.
pub(super) fn add(env: &mut Environment<'static>, file: &str, source: &str) -> Result<(), minijinja::Error> {
    let prepared = syntax::read(source).prepared;
    if prepared != source && env.add_template_owned(file.to_owned(), prepared).is_ok() {
        return Ok(());
    }
    env.add_template_owned(file.to_owned(), source.to_owned())
}

/// Whether a name stands for operators.
pub(super) fn is_own(name: &str) -> bool {
    [OPERATE, NEGATIVE].contains(&name)
}

/// The files that are built in, word for word, together with all their parts.
pub(super) fn built_in(sources: &Sources) -> BTreeSet<String> {
    let is_own = |file: &str| {
        embedded().all(|(known, source)| known != file || sources.get(file).is_none_or(|own| own != source))
    };
    let files = embedded().map(|(file, _)| file);
    files
        .filter(|file| sources.contains_key(*file) && !reached(sources, file).into_iter().any(is_own))
        .map(str::to_owned)
        .collect()
}
