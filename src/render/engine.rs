//! One set of templates, and how one of them runs.
//!
//! Guarantees: a template has no way to files, network or clock, and what it may compute, allocate and write is counted.
//! Values are printed shielded (see `shield`); `|safe` is the one visible way around. What is built in is compiled and runs
//! here; all else does so in a `sandbox`, which bounds what the engine does not count, and which reads what was written too.

mod compile;
mod environment;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::Environment;
use serde::{Deserialize, Serialize};

use self::compile::refused;
pub(super) use self::environment::environment;
use self::run::{MOST_SPANS, run};
use super::context::{Context, Limits};
use super::cost::LONGEST_TEXT;
use super::deadline::Deadline;
use super::facts::Facts;
use super::filters::Directives;
use super::library::reached;
use super::look::Look;
use super::problem::{TemplateProblem, Trace};
use super::sandbox::{Answer, Job, Key, Loaded, Refusal, Sandbox, Template};
use super::syntax::{self};
use super::warnings::{self, Shown, Span};
use super::{Rendered, compose, reference};
use crate::text::digest;

/// Template texts by their path inside the folder.
pub(crate) type Sources = BTreeMap<String, String>;

/// See the module.
#[derive(Clone)]
pub(crate) struct Engine {
    /// What runs here.
    env: Arc<Environment<'static>>,
    pub(crate) sources: Sources,
    /// The names that each file uses and does not set, for each file that compiles.
    pub(crate) free: Free,
    /// Files that are built in, as are all their parts: they need no sandbox.
    built_in: BTreeSet<String>,
    /// Where all others run; nowhere else inside of one.
    apart: Option<Apart>,
}

/// Names by file.
type Free = BTreeMap<String, BTreeSet<String>>;

#[derive(Clone)]
struct Apart {
    sandbox: Arc<Sandbox>,
    /// Tells these sources from all others.
    version: Key,
}

/// Why a template made nothing of a notification.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// It wanted too much time or memory, or wrote too much; with less to show it may still work.
    TooMuch(Trace),
    /// It is wrong.
    Wrong(Trace),
    /// It was not run to its end, and is not to be run again soon.
    Refused(Trace),
    /// It works, and nothing of what it wrote can be seen.
    Blank(Trace),
}

impl Failure {
    pub(crate) fn into_problem(self) -> TemplateProblem {
        Trace::from(self).problem
    }
}

impl From<Failure> for Trace {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooMuch(trace) | Failure::Wrong(trace) | Failure::Refused(trace) | Failure::Blank(trace) => trace,
        }
    }
}

/// What a template made of a notification.
#[derive(Debug)]
pub(crate) struct Written {
    /// With shielded values.
    pub(crate) markdown: String,
    /// How much of it is the template's: behind that stands what the relay adds.
    pub(crate) own: usize,
    pub(crate) directives: Directives,
    /// Alerts that it counts instead of showing them.
    pub(crate) hidden: usize,
    /// What its author should know although it worked.
    pub(crate) notes: Vec<TemplateProblem>,
}

impl Engine {
    /// The same, to run in another sandbox.
    pub(crate) fn within(&self, sandbox: &Arc<Sandbox>) -> Self {
        let mut engine = self.clone();
        if let Some(apart) = &mut engine.apart {
            apart.sandbox = Arc::clone(sandbox);
        }
        engine
    }

    /// The finished messages that a template makes of a notification. Where it does not run here, what it wrote is not read
    /// here either. `footer` is Markdown that is put below.
    pub(crate) fn compose<'f>(
        &self,
        file: &'f str,
        facts: &Facts<'f>,
        look: &Look,
        footer: Option<&'f str>,
        deadline: &Deadline,
    ) -> Result<Rendered, Failure> {
        let Some(apart) = self.apart(file) else {
            return compose::compose(self, file, facts, look, footer);
        };
        match self.ask(
            apart,
            file,
            &Job::Compose(Template::new(file, facts, look, footer)),
            deadline,
        )? {
            Answer::Composed(composed) => composed,
            _ => Err(refused(file, &Refusal::Broke)),
        }
    }

    /// Whether a template works for a notification: it is run, and what it writes is not read.
    pub(crate) fn attempt(
        &self,
        file: &str,
        facts: &Facts<'_>,
        look: &Look,
        deadline: &Deadline,
    ) -> Result<(), Failure> {
        let Some(apart) = self.apart(file) else {
            return self.run(file, &Context::new(facts, look, Limits::NONE)).map(drop);
        };
        match self.ask(apart, file, &Job::Try(Template::new(file, facts, look, None)), deadline)? {
            Answer::Tried(tried) => tried,
            _ => Err(refused(file, &Refusal::Broke)),
        }
    }

    /// The messages, with what their author should know.
    pub(crate) fn show<'f>(
        &self,
        file: &'f str,
        facts: &Facts<'f>,
        look: &Look,
        footer: Option<&'f str>,
        deadline: &Deadline,
    ) -> Result<Shown, Failure> {
        let Some(apart) = self.apart(file) else {
            return warnings::show(self, file, facts, look, footer);
        };
        match self.ask(
            apart,
            file,
            &Job::Show(Template::new(file, facts, look, footer)),
            deadline,
        )? {
            Answer::Shown(shown) => shown,
            _ => Err(refused(file, &Refusal::Broke)),
        }
    }

    /// Runs one template over a context, in this process.
    pub(crate) fn run(&self, file: &str, context: &Context<'_>) -> Result<Written, Failure> {
        run(&self.env, file, &context.build())
    }

    /// Runs a template, in this process, and keeps which part of the output came from where.
    pub(crate) fn run_with_spans(&self, file: &str, context: &Context<'_>) -> Option<(String, Vec<Span>)> {
        let template = self.env.get_template(file).ok()?;
        let (text, spans) = template.render_with_spans(context.build()).ok()?;
        if text.len() > LONGEST_TEXT || spans.len() > MOST_SPANS {
            return None;
        }
        Some((text, spans.iter().map(Span::from).collect()))
    }

    fn ask(&self, apart: &Apart, file: &str, job: &Job<'_>, deadline: &Deadline) -> Result<Answer, Failure> {
        let loaded = Loaded {
            version: &apart.version,
            sources: &self.sources,
        };
        let answer = apart.sandbox.ask(self.key(file), Some(loaded), job, deadline);
        answer.map_err(|refusal| refused(file, &refusal))
    }

    /// Where a file runs, if it is not here.
    fn apart(&self, file: &str) -> Option<&Apart> {
        self.apart.as_ref().filter(|_| !self.is_built_in(file))
    }

    /// What a file and its parts are, as far as it names them.
    fn key(&self, file: &str) -> Key {
        let parts = reached(&self.sources, file).into_iter();
        let texts = parts.flat_map(|part| [part, self.sources.get(part).map_or("", String::as_str)]);
        digest([file].into_iter().chain(texts))
    }

    /// Whether this file is built in together with all its parts, so that it needs no sandbox.
    pub(crate) fn is_built_in(&self, file: &str) -> bool {
        self.built_in.contains(file)
    }

    /// Names that the template uses and nobody provides, also in branches that are not taken; with the first line.
    pub(crate) fn undeclared(&self, file: &str) -> Vec<(String, Option<usize>)> {
        let is_known = |name: &str| reference::names().any(|known| known == name);
        let source = self.sources.get(file).map_or("", String::as_str);
        let uses = syntax::read(source).uses;
        let in_text = |name: &str| source.lines().position(|line| line.contains(name)).map(|at| at + 1);
        let used = |name: &str| uses.iter().find(|used| used.name == name && used.what.stands_alone());
        let line = |name: &str| used(name).map(|used| used.line).or_else(|| in_text(name));
        let names = self.free.get(file).into_iter().flatten();
        names
            .filter(|name| !is_known(name))
            .map(|name| (name.clone(), line(name)))
            .collect()
    }

    /// Whether a template, or a part whose path stands in it, calls this function, in whichever branch.
    pub(crate) fn calls(&self, file: &str, function: &str) -> bool {
        let mut files = vec![file];
        let mut at = 0;
        while let Some(file) = files.get(at).copied() {
            at += 1;
            let (Some(free), Some(source)) = (self.free.get(file), self.sources.get(file)) else {
                continue;
            };
            if free.contains(function) {
                return true;
            }
            let named = |path: &&str| source.contains(*path) && !files.contains(path);
            let parts: Vec<&str> = self.sources.keys().map(String::as_str).filter(named).collect();
            files.extend(parts);
        }
        false
    }

    /// Whether there is a working template of that name.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.free.contains_key(file)
    }
}
