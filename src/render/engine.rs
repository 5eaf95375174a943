//! One compiled set of templates, and how one of them runs.
//!
//! Guarantees: a template has no way to files, network or clock, and what it may compute, allocate and write is bounded.
//! Values are printed shielded (see `shield`); `|safe` is the one visible way around. One thing is left to whoever may
//! edit templates: lists that are put into themselves dozens of times over, which the engine does not count.

use std::collections::BTreeMap;
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Output, OutputSpan, State, UndefinedBehavior, Value};

use super::cost::{self, LONGEST_TEXT};
use super::filters::{self, Directives, More};
use super::problem::{TemplateProblem, Trace, is_too_much};
use super::reference;
use super::shield::shield_to;

/// Instructions, and 64 bytes of data each: a quarter of a second of work and 32 MB at the very worst. The shipped templates
/// take less than a twentieth of it for the largest notification.
const FUEL: u64 = 500_000;

/// Template texts by their path inside the folder.
pub(crate) type Sources = BTreeMap<String, String>;

/// See the module.
pub(crate) struct Engine {
    env: Environment<'static>,
    pub(crate) sources: Sources,
}

/// Why a template made nothing of a notification.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It wanted too much time or memory, or wrote too much; with less to show it may still work.
    TooMuch(Trace),
    /// It is wrong.
    Wrong(Trace),
}

impl From<Failure> for Trace {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooMuch(trace) | Failure::Wrong(trace) => trace,
        }
    }
}

/// What a template made of a notification.
#[derive(Debug)]
pub(crate) struct Written {
    /// With shielded values.
    pub(crate) markdown: String,
    pub(crate) directives: Directives,
    /// Alerts that it counts instead of showing them.
    pub(crate) hidden: usize,
}

impl Engine {
    /// Compiles everything; templates that do not compile are reported and left out.
    pub(crate) fn compile(sources: Sources) -> (Self, Vec<TemplateProblem>) {
        let mut env = environment(sources.values().cloned().collect());
        let mut problems = Vec::new();
        for (file, source) in &sources {
            if let Err(error) = env.add_template_owned(file.clone(), source.clone()) {
                problems.push(TemplateProblem::from_error(file, &error));
            }
        }
        (Self { env, sources }, problems)
    }

    /// Runs one template over a context.
    pub(crate) fn run(&self, file: &str, context: &Value) -> Result<Written, Failure> {
        let failure = |error: minijinja::Error| {
            let trace = Trace::from_error(file, &error);
            if is_too_much(&error) {
                Failure::TooMuch(trace)
            } else {
                Failure::Wrong(trace)
            }
        };
        let template = self.env.get_template(file).map_err(failure)?;
        let mut written = Limited(Vec::new());
        let captured = template
            .render_captured_to(context.clone(), &mut written)
            .map_err(failure)?;
        let directives = captured
            .state()
            .get_extension::<Directives>()
            .cloned()
            .unwrap_or_default();
        drop(captured);
        let mut markdown =
            String::from_utf8(written.0).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let hidden = add_hidden_line(&mut markdown, context, &directives);
        Ok(Written {
            markdown,
            directives,
            hidden,
        })
    }

    /// Runs a template and keeps which part of the output came from where.
    pub(crate) fn run_with_spans(&self, file: &str, context: &Value) -> Option<(String, Vec<OutputSpan>)> {
        self.env
            .get_template(file)
            .ok()?
            .render_with_spans(context.clone())
            .ok()
    }

    /// Names that the template uses and nobody provides, also in branches that are not taken; with the first line.
    pub(crate) fn undeclared(&self, file: &str) -> Vec<(String, Option<usize>)> {
        let Ok(template) = self.env.get_template(file) else {
            return Vec::new();
        };
        let is_known = |name: &String| reference::names().any(|known| known == name);
        let mut names: Vec<_> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !is_known(name))
            .collect();
        names.sort();
        let line = |name: &str| {
            template
                .source()
                .lines()
                .position(|line| line.contains(name))
                .map(|at| at + 1)
        };
        names
            .into_iter()
            .map(|name| {
                let at = line(&name);
                (name, at)
            })
            .collect()
    }

    /// Whether a template, or a part whose path stands in it, calls this function, in whichever branch.
    pub(crate) fn calls(&self, file: &str, function: &str) -> bool {
        let mut files = vec![file];
        let mut at = 0;
        while let Some(file) = files.get(at).copied() {
            at += 1;
            let Ok(template) = self.env.get_template(file) else {
                continue;
            };
            if template.undeclared_variables(false).contains(function) {
                return true;
            }
            let named = |path: &&str| template.source().contains(*path) && !files.contains(path);
            let parts: Vec<&str> = self.sources.keys().map(String::as_str).filter(named).collect();
            files.extend(parts);
        }
        false
    }

    /// Whether there is a working template of that name.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.env.get_template(file).is_ok()
    }
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

fn environment(sources: Vec<String>) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::Custom("markdown".into()));
    env.set_formatter(print);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(100);
    env.set_debug(true);
    // A line that holds only a tag leaves no line behind.
    if let Ok(syntax) = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
    {
        env.set_syntax(syntax);
    }
    filters::add_to(&mut env, sources);
    env
}

/// How a value is printed.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let escape = !value.is_safe() && *state.auto_escape() != AutoEscape::None;
    let write = |out: &mut Output<'_>, text: &str| {
        cost::check(text)?;
        let written = if escape {
            shield_to(out, text)
        } else {
            out.write_str(text)
        };
        written.map_err(minijinja::Error::from)
    };
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(()),
        ValueKind::String => write(out, value.as_str().unwrap_or_default()),
        ValueKind::Bool => write(out, if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if !value.is_integer() => write(
            out,
            &f64::try_from(value.clone())
                .map(filters::number_text)
                .unwrap_or_default(),
        ),
        _ => {
            let text = cost::text(value)?;
            write(out, &text)
        }
    }
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
