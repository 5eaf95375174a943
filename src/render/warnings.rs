//! What an author should know of a template that works: what does not fit, and what will not be seen as it was meant.
//!
//! Guarantees: bounded, whatever the template writes. Like `compose` it runs where the template does.

use std::collections::BTreeMap;
use std::ops::Range;

use minijinja::{OutputSpan, OutputSpanKind};
use serde::{Deserialize, Serialize};

use super::compose::compose;
use super::context::{Context, Limits};
use super::engine::{Engine, Failure};
use super::facts::Facts;
use super::look::Look;
use super::problem::TemplateProblem;
use super::{Rendered, budget, empties, html, markdown};

/// More remarks on what was written are counted: nobody reads them, and each has to be placed.
const MOST_NOTES: usize = 100;

/// What is said of a value that changes the structure of a message where it is missing.
const MISSING: &str = "a missing value changes the message around it; `| bold`, `| code` and `| link` leave nothing of \
                       nothing, and `{% if … %}` leaves out a line";

/// Messages, and what is to be said of their template.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) rendered: Rendered,
    pub(crate) warnings: Vec<TemplateProblem>,
}

/// A piece of a text, and where in which template it was written.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    file: String,
    line: usize,
    /// Its bytes in the text.
    bytes: Range<usize>,
    /// Whether it is the template's own text, as opposed to a value.
    is_own: bool,
}

impl From<&OutputSpan> for Span {
    fn from(span: &OutputSpan) -> Self {
        Self {
            file: span.name().to_owned(),
            line: span.line(),
            bytes: span.output_range(),
            is_own: span.kind() == OutputSpanKind::Raw,
        }
    }
}

/// Renders, and looks at what was written once more.
pub(super) fn show(
    engine: &Engine,
    file: &str,
    facts: &Facts<'_>,
    look: &Look,
    footer: Option<&str>,
) -> Result<Shown, Failure> {
    let rendered = compose(engine, file, facts, look, footer)?;
    let warnings = warnings(engine, file, facts, &rendered, look);
    Ok(Shown { rendered, warnings })
}

fn warnings(engine: &Engine, file: &str, facts: &Facts<'_>, rendered: &Rendered, look: &Look) -> Vec<TemplateProblem> {
    let context = Context::new(facts, look, Limits::NONE);
    let (mut text, spans) = engine.run_with_spans(file, &context).unwrap_or_default();
    budget::cut(&mut text);
    let written = Output { file, text, spans };

    let mut warnings = rendered.notes.clone();
    warnings.extend(missing(engine, file, facts, look));
    // The steps by which what is built in becomes shorter are as they are meant to be.
    if !engine.is_built_in(file) {
        warnings.extend(written.too_long(rendered));
    }
    warnings.extend(written.remarks());
    warnings
}

/// What changes the structure of the message because a value is missing.
fn missing(engine: &Engine, file: &str, facts: &Facts<'_>, look: &Look) -> Vec<TemplateProblem> {
    let marks = Limits {
        marks_nothing: true,
        ..Limits::NONE
    };
    let marked = engine.run_with_spans(file, &Context::new(facts, look, marks));
    let (mut text, spans) = marked.unwrap_or_default();
    budget::cut(&mut text);
    let written = Output { file, text, spans };
    let changing = empties::changing(&written.text).into_iter();
    let warning = |at| match written.span(at) {
        Some(span) => problem(&span.file, Some(span.line), MISSING.to_owned()),
        None => problem(file, None, MISSING.to_owned()),
    };
    changing.map(warning).collect()
}

fn problem(file: &str, line: Option<usize>, message: String) -> TemplateProblem {
    TemplateProblem {
        file: file.to_owned(),
        line,
        message,
    }
}

/// What a template wrote, and which part of it came from where.
struct Output<'a> {
    file: &'a str,
    text: String,
    spans: Vec<Span>,
}

impl Output<'_> {
    fn span(&self, at: usize) -> Option<&Span> {
        self.spans.iter().find(|span| span.bytes.contains(&at))
    }

    /// A remark on what stands at this byte.
    fn at(&self, at: usize, message: String) -> TemplateProblem {
        match self.span(at) {
            Some(span) => problem(&span.file, Some(line_of(span, &self.text, at)), message),
            None => problem(self.file, None, message),
        }
    }

    fn too_long(&self, rendered: &Rendered) -> Option<TemplateProblem> {
        let what = if rendered.budget.extra_messages > 0 {
            format!("split into {}", rendered.messages.len())
        } else if rendered.budget.labels_truncated {
            "long labels and texts are cut".to_owned()
        } else {
            return None;
        };
        let (file, line) = longest(&self.spans).unwrap_or((self.file, None));
        let message = format!("too long for one message: {what}; most of it is written here");
        Some(problem(file, line, message))
    }

    /// What will not be seen as it was meant.
    fn remarks(&self) -> Vec<TemplateProblem> {
        let document = markdown::parse(&self.text);
        let notes = document.notes.iter().take(MOST_NOTES);
        let mut remarks: Vec<_> = notes.map(|note| self.at(note.at, note.message.clone())).collect();
        if let Some(more) = document.notes.len().checked_sub(MOST_NOTES).filter(|more| *more > 0) {
            remarks.push(problem(
                self.file,
                None,
                format!("… and {more} more remarks on its text"),
            ));
        }
        if document.raw_html && html::loses_something(&html::write(&document.events, false)) {
            // The end of a tag says nothing by itself.
            let tags = document.tags.iter().filter(|(_, tag)| !tag.starts_with("</"));
            let lost = tags.take(MOST_NOTES).find(|(_, tag)| html::loses_something(tag));
            let message = "some of the HTML is not allowed in Matrix and is cut".to_owned();
            remarks.push(match lost {
                Some((at, _)) => self.at(*at, message),
                None => problem(self.file, None, message),
            });
        }
        remarks
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
    let before = text.get(span.bytes.start..at).unwrap_or_default();
    // The template's own text has the same line breaks as its output; a value's are its own.
    let breaks = if span.is_own { before.matches('\n').count() } else { 0 };
    span.line + breaks
}
