//! Shows the author of a template what it does, and everything that is not right about it.
//!
//! Guarantees: the same code as for real messages; nothing is changed or sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::context::{Context, Limits};
use super::engine::{Engine, Sources};
use super::facts::Facts;
use super::folder::{self, LARGEST_FILE};
use super::library::{Library, reached};
use super::markdown;
use super::problem::{self, TemplateProblem};
use super::sandbox::Span;
use super::{Rendered, Renderer, compose, reference};
use crate::alert::Notification;
use crate::group::Change;
use crate::message::TemplateName;

/// More remarks on what was written are counted: nobody reads them, and each has to be placed.
const MOST_NOTES: usize = 100;

/// The text of a file as its author has it now.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The file's path inside the templates folder.
    pub file: &'a str,
    /// Its new text.
    pub source: &'a str,
}

/// Whether the template does not work, or works and could be better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// The relay would go on with an older version.
    Error,
    /// It works, but something will not be seen as it was meant.
    Warning,
}

/// One remark on a template.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub gravity: Gravity,
    /// Where, and what.
    #[serde(flatten)]
    pub problem: TemplateProblem,
}

/// What a draft would look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// What the relay would send with the drafts in place.
    pub rendered: Rendered,
    /// What its author should know, errors first.
    pub diagnostics: Vec<Diagnostic>,
}

/// Drafts over the templates in use, compiled once for everything that is to be seen of them.
pub struct Desk {
    renderer: Renderer,
    library: Arc<Library>,
    engine: Engine,
    /// Files that do not compile.
    broken: Vec<TemplateProblem>,
    /// What else is wrong, whatever is rendered.
    known: Vec<TemplateProblem>,
    /// Drafts that say something new.
    changed: Sources,
}

impl Desk {
    pub(super) fn new(renderer: &Renderer, drafts: &[Draft<'_>]) -> Self {
        let library = renderer.0.library.load_full();
        let (mut sources, mut changed, mut too_large) = (library.engine.sources.clone(), Sources::new(), Vec::new());
        for draft in drafts {
            if draft.source.len() > LARGEST_FILE {
                too_large.push(TemplateProblem::new(draft.file, folder::too_large()));
                continue;
            }
            let known = [
                sources.insert(draft.file.to_owned(), draft.source.to_owned()),
                library.on_disk.get(draft.file).cloned(),
            ];
            if known.iter().flatten().all(|known| known != draft.source) {
                changed.insert(draft.file.to_owned(), draft.source.to_owned());
            }
        }
        // What is said of a file holds for a draft that is the same.
        let is_replaced = |file: &str| {
            let draft = drafts.iter().find(|draft| draft.file == file);
            draft.is_some_and(|draft| library.on_disk.get(file).is_none_or(|text| text != draft.source))
        };
        let sandbox = &renderer.0.sandboxes.drafts;
        let in_use = || library.engine.within(sandbox);
        let mut known: Vec<_> = library
            .problems
            .iter()
            .filter(|problem| !is_replaced(&problem.file))
            .cloned()
            .collect();
        known.append(&mut too_large);
        let (engine, broken) = if sources == library.engine.sources {
            (in_use(), Vec::new())
        } else {
            Engine::compile(sources, &library.engine.sources, sandbox).unwrap_or_else(|refusal| {
                known.extend(drafts.iter().map(|draft| refusal.problem(draft.file)));
                (in_use(), Vec::new())
            })
        };
        Self {
            renderer: renderer.clone(),
            engine,
            broken,
            known,
            changed,
            library,
        }
    }

    /// What the relay would make of a notification, without [`Desk::add_refusals`].
    pub fn preview(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Preview {
        self.shown(template, &Facts::new(notification, now))
    }

    /// The same for a change in a group.
    pub fn preview_change(&self, notification: &Notification, change: &Change, now: Timestamp) -> Preview {
        self.shown(&TemplateName::update(), &Facts::of_change(notification, change, now))
    }

    /// Adds what the relay would not take of the drafts, where that is not said already.
    pub fn add_refusals(&self, diagnostics: &mut Vec<Diagnostic>) {
        if self.changed.is_empty() {
            return;
        }
        for problem in self.library.refusals(&self.changed, &self.renderer.0.sandboxes.drafts) {
            let is_said = |one: &Diagnostic| {
                let said = &one.problem;
                one.gravity == Gravity::Error && (&said.file, said.line) == (&problem.file, problem.line)
            };
            if !diagnostics.iter().any(is_said) {
                let message = format!("would not be taken: {}", problem.message);
                diagnostics.push(Diagnostic {
                    gravity: Gravity::Error,
                    problem: TemplateProblem { message, ..problem },
                });
            }
        }
        diagnostics.sort_by_key(|one| one.gravity != Gravity::Error);
    }

    fn shown(&self, template: &TemplateName, facts: &Facts<'_>) -> Preview {
        let mut remarks = Remarks::default();
        remarks.errors(self.known.iter().cloned());
        remarks.errors(self.broken.iter().cloned());
        let zone = &self.renderer.0.settings.time_zone;
        let file = template.file_name();
        let stood_in_for = self
            .library
            .stood_in_for(&file)
            .filter(|problem| self.known.contains(problem));
        let footer = stood_in_for.map(compose::stand_in_line);
        let shown = match compose::compose(&self.engine, &file, facts, zone, footer.as_deref()) {
            Ok(shown) => {
                remarks.unknown_names(&self.engine, &file);
                remarks.warnings(&self.engine, &file, facts, &shown, zone);
                shown
            }
            Err(problem) => {
                let known = self.broken.iter().find(|broken| broken.file == file);
                remarks.errors([known.cloned().unwrap_or(problem)]);
                self.renderer.render_with(&self.library, template, facts)
            }
        };
        Preview {
            rendered: shown,
            diagnostics: remarks.0,
        }
    }
}

#[derive(Default)]
struct Remarks(Vec<Diagnostic>);

impl Remarks {
    fn add(&mut self, gravity: Gravity, problem: TemplateProblem) {
        if !self.0.iter().any(|known| known.problem == problem) {
            self.0.push(Diagnostic { gravity, problem });
        }
    }

    fn errors(&mut self, problems: impl IntoIterator<Item = TemplateProblem>) {
        for problem in problems {
            self.add(Gravity::Error, problem);
        }
    }

    /// Names in branches that this notification does not take.
    fn unknown_names(&mut self, engine: &Engine, file: &str) {
        let parts = reached(&engine.sources, file);
        let words = |part: &str| -> BTreeSet<&str> {
            let source = engine.sources.get(part).map_or("", String::as_str);
            source.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect()
        };
        // A part sees what those set that include it, so what stands in none of the others can only be misspelt.
        let words: BTreeMap<&str, BTreeSet<&str>> = parts.iter().map(|part| (*part, words(part))).collect();
        let stands_elsewhere = |part: &str, name: &str| {
            part != file
                && words
                    .iter()
                    .any(|(other, words)| *other != part && words.contains(name))
        };
        let names = parts.iter().flat_map(|part| {
            let names = engine.undeclared(part).into_iter();
            let misspelt = names.filter(move |(name, _)| !stands_elsewhere(part, name));
            misspelt.map(move |found| (*part, found))
        });
        for (file, (name, line)) in names {
            let message = match problem::nearest(&name, &mut reference::names()) {
                Some(known) => format!("`{name}` is not known here; did you mean `{known}`?"),
                None => format!("`{name}` is not known here"),
            };
            self.add(
                Gravity::Error,
                TemplateProblem {
                    file: file.to_owned(),
                    line,
                    message,
                },
            );
        }
    }

    fn warnings(
        &mut self,
        engine: &Engine,
        file: &str,
        facts: &Facts<'_>,
        rendered: &Rendered,
        zone: &jiff::tz::TimeZone,
    ) {
        let mut warn = |file: &str, line, message: String| {
            self.add(
                Gravity::Warning,
                TemplateProblem {
                    file: file.to_owned(),
                    line,
                    message,
                },
            );
        };
        let context = Context::new(facts, zone, Limits::NONE);
        let (text, spans) = engine.run_with_spans(file, &context).unwrap_or_default();
        let place = |at: usize| {
            let span = spans.iter().find(|span| span.bytes.contains(&at));
            span.map_or((file, None), |span| {
                (span.file.as_str(), Some(line_of(span, &text, at)))
            })
        };
        // The steps by which what is built in becomes shorter are as they are meant to be.
        let too_long = if engine.is_built_in(file) {
            None
        } else if rendered.budget.extra_messages > 0 {
            Some(format!("split into {}", rendered.messages.len()))
        } else {
            rendered
                .budget
                .labels_folded
                .then(|| "long labels and texts are cut".to_owned())
        };
        if let Some(what) = too_long {
            let (file, line) = longest(&spans).unwrap_or((file, None));
            warn(
                file,
                line,
                format!("too long for one message: {what}; most of it is written here"),
            );
        }
        let document = markdown::parse(&text);
        for note in document.notes.iter().take(MOST_NOTES) {
            let (file, line) = place(note.at);
            warn(file, line, note.message.clone());
        }
        if let Some(more) = document.notes.len().checked_sub(MOST_NOTES).filter(|more| *more > 0) {
            warn(file, None, format!("… and {more} more remarks on its text"));
        }
        if document.raw_html && super::html::loses_something(&super::html::write(&document.events, false)) {
            // The end of a tag says nothing by itself.
            let tags = document.tags.iter().filter(|(_, tag)| !tag.starts_with("</"));
            let mut tags = tags.take(MOST_NOTES);
            let lost = tags.find(|(_, tag)| super::html::loses_something(tag));
            let (file, line) = lost.map_or((file, None), |(at, _)| place(*at));
            warn(
                file,
                line,
                "some of the HTML is not allowed in Matrix and is cut".to_owned(),
            );
        }
    }
}

/// The line that wrote most of the output, with its file.
fn longest(spans: &[Span]) -> Option<(&str, Option<usize>)> {
    let mut written: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for span in spans {
        *written.entry((&span.file, span.line)).or_default() += span.bytes.len();
    }
    let (place, _) = written.into_iter().max_by_key(|(_, bytes)| *bytes)?;
    Some((place.0, Some(place.1)))
}

/// The line of the template that wrote this byte of the output.
fn line_of(span: &Span, text: &str, at: usize) -> usize {
    let before = &text[span.bytes.start..at];
    // The template's own text has the same line breaks as its output; a value's are its own.
    let breaks = if span.is_own { before.matches('\n').count() } else { 0 };
    span.line + breaks
}
