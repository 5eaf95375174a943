//! Shows the author of a template what it does, and everything that is not right about it.
//!
//! Guarantees: the same code as for real messages; nothing is changed or sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::announced::announced;
use super::diagnostic::{Diagnostic, Level};
use super::digest::Digest;
use super::engine::{Engine, Failure, Sources};
use super::facts::Facts;
use super::folder::{self, LARGEST_FILE};
use super::library::{Library, reached};
use super::look::Look;
use super::problem::{TemplateProblem, remedies};
use super::warnings::Shown;
use super::{Rendered, Renderer, compose, faults};
use crate::alert::Notification;
use crate::group::Change;
use crate::message::{Announced, TemplateName};

/// The text of a file as its author has it now.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The file's path inside the templates folder.
    pub file: &'a str,
    /// Its new text.
    pub source: &'a str,
}

/// What a draft would look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// What the relay would send with the drafts in place.
    pub rendered: Rendered,
    /// What its author should know, errors first.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether something else was rendered in the draft's place, because it does not work.
    pub stands_in: bool,
}

impl Renderer {
    /// Some files replaced by drafts of them.
    pub fn with_drafts(&self, drafts: &[Draft<'_>]) -> Drafts {
        Drafts::new(self, drafts)
    }

    /// Renders with some files replaced by drafts of them, and says everything that its author should know.
    pub fn preview(
        &self,
        drafts: &[Draft<'_>],
        template: &TemplateName,
        notification: &Notification,
        now: Timestamp,
    ) -> Preview {
        let drafts = self.with_drafts(drafts);
        let mut preview = drafts.preview(template, notification, now);
        drafts.add_refusals(&mut preview.diagnostics);
        preview
    }
}

/// Drafts over the templates in use, compiled once for everything that is to be seen of them.
pub struct Drafts {
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

impl Drafts {
    pub(super) fn new(renderer: &Renderer, drafts: &[Draft<'_>]) -> Self {
        let library = renderer.inner.library.load_full();
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
        let sandbox = &renderer.inner.sandboxes.drafts;
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
            let compiled = Engine::compile(sources, &library.engine.sources, sandbox, &renderer.deadline);
            compiled.unwrap_or_else(|refusal| {
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

    /// What the relay would make of a notification, without [`Drafts::add_refusals`].
    pub fn preview(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Preview {
        let look = self.renderer.look(&self.library, template);
        look.with(|| self.shown(template, &Facts::new(notification, now), &look))
    }

    /// The same for a change in a group.
    pub fn preview_change(&self, notification: &Notification, change: &Change, now: Timestamp) -> Preview {
        let template = TemplateName::update();
        let look = self.renderer.look(&self.library, &template);
        look.with(|| self.shown(&template, &Facts::of_change(notification, change, now), &look))
    }

    /// The same for messages that waited.
    pub fn preview_digest(&self, notification: &Notification, digest: &Digest, now: Timestamp) -> Preview {
        let template = TemplateName::digest();
        let look = self.renderer.look(&self.library, &template);
        look.with(|| self.shown(&template, &Facts::of_digest(notification, digest, now), &look))
    }

    /// The line that names a notification, and what a message about it announces.
    pub fn announced(&self, notification: &Notification, now: Timestamp) -> (String, Announced) {
        let look = self.renderer.look(&self.library, &TemplateName::default());
        look.with(|| {
            let facts = Facts::new(notification, now);
            (facts.headline(), announced(&facts))
        })
    }

    /// Adds what the relay would not take of the drafts, where that is not said already.
    pub fn add_refusals(&self, diagnostics: &mut Vec<Diagnostic>) {
        if self.changed.is_empty() {
            return;
        }
        let sandbox = &self.renderer.inner.sandboxes.drafts;
        for problem in self.library.refusals(&self.changed, sandbox, &self.renderer.deadline) {
            let is_said = |one: &Diagnostic| {
                let said = &one.problem;
                one.level == Level::Error && (&said.file, said.line) == (&problem.file, problem.line)
            };
            if !diagnostics.iter().any(is_said) {
                diagnostics.push(Diagnostic::refused(problem));
            }
        }
        diagnostics.sort_by_key(|one| one.level != Level::Error);
    }

    /// Whether another text of a file is looked at than the one in use.
    fn is_drafted(&self, file: &str) -> bool {
        self.engine.sources.get(file) != self.library.engine.sources.get(file)
    }

    fn shown(&self, template: &TemplateName, facts: &Facts<'_>, look: &Look) -> Preview {
        let mut diagnostics = Diagnostics::default();
        diagnostics.errors(self.known.iter().cloned());
        diagnostics.errors(self.broken.iter().cloned());
        let file = template.file_name();
        let stood_in_for = self
            .library
            .stood_in_for(&file)
            .filter(|problem| self.known.contains(problem) && !self.is_drafted(&problem.file));
        let footer = stood_in_for.map(compose::stand_in_line);
        let deadline = &self.renderer.deadline;
        let mut stands_in = true;
        let shown = match self.engine.show(&file, facts, look, footer.as_deref(), deadline) {
            Ok(Shown { rendered, warnings }) => {
                diagnostics.unknown_names(&self.engine, &file);
                diagnostics.warnings(warnings);
                stands_in = false;
                rendered
            }
            Err(Failure::Blank(trace)) => {
                diagnostics.unknown_names(&self.engine, &file);
                let built_in = &self.renderer.inner.fallback.engine;
                let shown = compose::fall_back(built_in, template, facts, look, trace.problem.clone());
                let message = format!("{}: the built-in template does instead", trace.problem.message);
                diagnostics.warnings([TemplateProblem {
                    message,
                    ..trace.problem
                }]);
                shown
            }
            Err(failure) => {
                let problem = failure.into_problem();
                diagnostics.unknown_names(&self.engine, &file);
                let is_said = |one: &Diagnostic| {
                    let said = &one.problem;
                    said.file == problem.file
                        && (said.line == problem.line || said.file == file && problem.line.is_none())
                };
                if !diagnostics.0.iter().any(is_said) {
                    diagnostics.errors([problem]);
                }
                self.renderer.render_with(&self.library, template, facts, look)
            }
        };
        Preview {
            rendered: shown,
            diagnostics: diagnostics.0,
            stands_in,
        }
    }
}

#[derive(Default)]
struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    fn add(&mut self, level: Level, problem: TemplateProblem) {
        if !self.0.iter().any(|known| known.problem == problem) {
            self.0.push(Diagnostic { level, problem });
        }
    }

    fn errors(&mut self, problems: impl IntoIterator<Item = TemplateProblem>) {
        for problem in problems {
            self.add(Level::Error, problem);
        }
    }

    fn warnings(&mut self, problems: impl IntoIterator<Item = TemplateProblem>) {
        for problem in problems {
            self.add(Level::Warning, problem);
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
            self.add(
                Level::Error,
                TemplateProblem {
                    line,
                    ..TemplateProblem::new(file, remedies::unknown_name(&name))
                },
            );
        }
        for part in parts {
            let source = engine.sources.get(part).map_or("", String::as_str);
            self.errors(faults::of_names(part, source));
        }
    }
}
