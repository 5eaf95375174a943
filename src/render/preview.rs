//! Shows the author of a template what it does, and everything that is not right about it.
//!
//! Guarantees: the same code as for real messages; nothing is changed or sent.

use std::collections::BTreeMap;

use minijinja::{OutputSpan, OutputSpanKind};

use super::context::{Context, Limits};
use super::engine::Engine;
use super::facts::Facts;
use super::markdown;
use super::problem::{self, TemplateProblem};
use super::{Rendered, Renderer, compose, reference};
use crate::message::TemplateName;

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

pub(super) fn preview(
    renderer: &Renderer,
    drafts: &[Draft<'_>],
    template: &TemplateName,
    facts: &Facts<'_>,
) -> Preview {
    let library = renderer.0.library.load();
    let mut sources = library.engine.sources.clone();
    for draft in drafts {
        sources.insert(draft.file.to_owned(), draft.source.to_owned());
    }
    let (engine, broken) = Engine::compile(sources);
    let mut remarks = Remarks::default();
    let replaced = |problem: &&TemplateProblem| drafts.iter().all(|draft| draft.file != problem.file);
    remarks.errors(library.problems.iter().filter(replaced).cloned());
    remarks.errors(broken.iter().cloned());
    let zone = &renderer.0.settings.time_zone;
    let file = template.file_name();
    let stood_in_for = library.stood_in_for(&file).filter(replaced);
    let footer = stood_in_for.map(compose::stand_in_line);
    let shown = match compose::compose(&engine, &file, facts, zone, footer.as_deref()) {
        Ok(shown) => {
            remarks.unknown_names(&engine, &file);
            remarks.warnings(&engine, &file, facts, &shown, zone);
            shown
        }
        Err(problem) => {
            let problem = broken.into_iter().find(|broken| broken.file == file).unwrap_or(problem);
            remarks.errors([problem]);
            renderer.render_with(&library, template, facts)
        }
    };
    Preview {
        rendered: shown,
        diagnostics: remarks.0,
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
        for (name, line) in engine.undeclared(file) {
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
        let context = Context::new(facts, zone, Limits::NONE).build();
        let (text, spans) = engine.run_with_spans(file, &context).unwrap_or_default();
        let place = |at: usize| {
            let span = spans.iter().find(|span| span.output_range().contains(&at));
            span.map_or((file, None), |span| (span.name(), Some(line_of(span, &text, at))))
        };
        let too_long = if rendered.budget.extra_messages > 0 {
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
        for note in &document.notes {
            let (file, line) = place(note.at);
            warn(file, line, note.message.clone());
        }
        if document.raw_html && super::html::loses_something(&super::html::write(&document.events, false)) {
            // The end of a tag says nothing by itself.
            let mut tags = document.tags.iter().filter(|(_, tag)| !tag.starts_with("</"));
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
fn longest(spans: &[OutputSpan]) -> Option<(&str, Option<usize>)> {
    let mut written: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for span in spans {
        *written.entry((span.name(), span.line())).or_default() += span.output_range().len();
    }
    let (place, _) = written.into_iter().max_by_key(|(_, bytes)| *bytes)?;
    Some((place.0, Some(place.1)))
}

/// The line of the template that wrote this byte of the output.
fn line_of(span: &OutputSpan, text: &str, at: usize) -> usize {
    let before = &text[span.output_range().start..at];
    // The template's own text has the same line breaks as its output; a value's are its own.
    let breaks = if span.kind() == OutputSpanKind::Raw {
        before.matches('\n').count()
    } else {
        0
    };
    span.line() + breaks
}
