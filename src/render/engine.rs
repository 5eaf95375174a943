//! One set of templates, and how one of them runs.
//!
//! Guarantees: a template has no way to files, network or clock, and what it may compute, allocate and write is counted.
//! Values are printed shielded (see `shield`); `|safe` is the one visible way around. What is built in is compiled and runs
//! here; all else does so in a `sandbox`, which bounds what the engine does not count, and which reads what was written too.

mod environment;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use minijinja::{Environment, Value};
use serde::{Deserialize, Serialize};

pub(super) use self::environment::environment;
use super::context::{Context, Limits};
use super::cost::LONGEST_TEXT;
use super::deadline::Deadline;
use super::facts::Facts;
use super::faults;
use super::filters::{Directives, More, Notes};
use super::library::{embedded, reached};
use super::look::Look;
use super::problem::{TemplateProblem, Trace, is_too_much};
use super::remarks::{self, Shown, Span};
use super::sandbox::{Answer, Job, Key, Loaded, Refusal, Sandbox, Template};
use super::syntax::{self, NEGATIVE, OPERATE};
use super::{Rendered, compose, reference};
use crate::text::digest;

/// Room for what a notification of a few alerts is written in.
const USUAL_TEXT: usize = 4096;

/// More pieces of a text are not placed: a template that writes so many has other faults.
const MOST_SPANS: usize = 100_000;

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
            return remarks::show(self, file, facts, look, footer);
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

/// These templates in an environment, and what does not compile. `all` are the texts in which people may be named.
fn compiled<'s>(
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

fn refused(file: &str, refusal: &Refusal) -> Failure {
    Failure::Refused(Trace::of(refusal.problem(file)))
}

/// Adds a template whose operators are ours; as it is where that does not go.
fn add(env: &mut Environment<'static>, file: &str, source: &str) -> Result<(), minijinja::Error> {
    let prepared = syntax::read(source).prepared;
    if prepared != source && env.add_template_owned(file.to_owned(), prepared).is_ok() {
        return Ok(());
    }
    env.add_template_owned(file.to_owned(), source.to_owned())
}

/// Whether a name stands for operators.
fn is_own(name: &str) -> bool {
    [OPERATE, NEGATIVE].contains(&name)
}

/// The files that are built in, word for word, together with all their parts.
fn built_in(sources: &Sources) -> BTreeSet<String> {
    let is_own = |file: &str| {
        embedded().all(|(known, source)| known != file || sources.get(file).is_none_or(|own| own != source))
    };
    let files = embedded().map(|(file, _)| file);
    files
        .filter(|file| sources.contains_key(*file) && !reached(sources, file).into_iter().any(is_own))
        .map(str::to_owned)
        .collect()
}

fn run(env: &Environment<'_>, file: &str, context: &Value) -> Result<Written, Failure> {
    let failure = |error: minijinja::Error| {
        let trace = Trace::from_error(file, &error);
        if is_too_much(&error) {
            Failure::TooMuch(trace)
        } else {
            Failure::Wrong(trace)
        }
    };
    let template = env.get_template(file).map_err(failure)?;
    let mut written = Limited(Vec::with_capacity(USUAL_TEXT));
    let captured = template
        .render_captured_to(context.clone(), &mut written)
        .map_err(failure)?;
    let directives = captured
        .state()
        .get_extension::<Directives>()
        .cloned()
        .unwrap_or_default();
    let notes = captured.state().get_extension::<Notes>().cloned().unwrap_or_default();
    drop(captured);
    let mut markdown =
        String::from_utf8(written.0).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    let own = markdown.len();
    let hidden = add_hidden_line(&mut markdown, context, &directives);
    Ok(Written {
        markdown,
        own,
        directives,
        hidden,
        notes: notes.0,
    })
}

/// A template that shows fewer alerts than there are says so; if it does not, the relay does.
fn add_hidden_line(markdown: &mut String, context: &Value, directives: &Directives) -> usize {
    let more = context.get_attr("more").unwrap_or_default();
    let Some(more) = more.downcast_object_ref::<More>() else {
        return 0;
    };
    let hidden = more.hidden(directives);
    if hidden.total() > 0 && !directives.said_more {
        markdown.push_str("\n\n");
        markdown.push_str(&more.line(&hidden));
    }
    hidden.total()
}

struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_TEXT {
            return Err(io::Error::other("too much text"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
