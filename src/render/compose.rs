//! From one template and the facts to finished messages: the middle of the room, as one sentence.
//!
//! Guarantees: it reads no more of what a template wrote than messages can hold, and says so where that is not all; where
//! nothing of it can be seen there is no message. It runs where the template does, because reading takes as long as it
//! likes: see `sandbox`.

use std::fmt::Write as _;
use std::ops::Range;

use super::announced::announced;
use super::budget::{self, BudgetSteps, CONTENT_LIMIT, MOST_TEXT, content_size};
use super::context::{Context, Limits};
use super::engine::{Engine, Failure, Written};
use super::facts::Facts;
use super::kind::Kind;
use super::look::Look;
use super::markdown::{self, Document};
use super::problem::{TemplateProblem, Trace};
use super::readable::Markdown;
use super::shield::{self, shield, shield_to};
use super::words::spoken;
use super::{Rendered, html, plain, visible, words};
use crate::message::{MsgType, RenderedMessage, TemplateName, too_many_people};

/// Renders, and climbs down the ladder until the message fits. `footer` is Markdown that is put below.
pub(super) fn compose(
    engine: &Engine,
    file: &str,
    facts: &Facts<'_>,
    look: &Look,
    footer: Option<&str>,
) -> Result<Rendered, Failure> {
    let mut limits = Limits {
        alerts: facts.most().min(Limits::NONE.alerts),
        ..Limits::NONE
    };
    loop {
        let mut written = match engine.run(file, &Context::new(facts, look, limits)) {
            Ok(written) => written,
            Err(Failure::TooMuch(_)) if limits != limits.least() => {
                limits = limits.least();
                continue;
            }
            Err(failure) => return Err(failure),
        };
        append_lines(&mut written, footer);
        let length = shield::restored_length(&written.markdown);
        if length > MOST_TEXT
            && let Some(tighter) = limits.tighter(length)
        {
            limits = tighter;
            continue;
        }
        let bytes_cut = budget::cut(&mut written.markdown);
        let mut document = markdown::parse(&written.markdown);
        let message = message(facts, &written, &document);
        let size = content_size(&message);
        if size > CONTENT_LIMIT
            && let Some(tighter) = limits.tighter(size)
        {
            limits = tighter;
            continue;
        }
        // Nothing could stand in for what is built in.
        if !engine.is_built_in(file) && !is_visible(&written, &message) {
            let why = "shows nothing of this notification";
            return Err(Failure::Blank(Trace::of(TemplateProblem::new(file, why))));
        }
        let (messages, budget) = if size <= CONTENT_LIMIT && bytes_cut == 0 {
            let budget = BudgetSteps {
                labels_truncated: limits.truncate_labels,
                ..BudgetSteps::default()
            };
            (vec![message], budget)
        } else {
            budget::split(&document.events, document.raw_html, &message, bytes_cut)
        };
        let budget = BudgetSteps {
            alerts_hidden: written.hidden,
            ..budget
        };
        let verbatim = Markdown::verbatim(&mut document);
        return Ok(rendered(messages, written, verbatim, budget));
    }
}

/// What the relay puts below what the template wrote.
fn append_lines(written: &mut Written, footer: Option<&str>) {
    let unmentioned = written.directives.mentions.cut();
    if unmentioned > 0 {
        let line = spoken().say("too_many_people", &[("count", &unmentioned)]);
        let _ = write!(written.markdown, "\n\n{line}");
    }
    if let Some(footer) = footer {
        let _ = write!(written.markdown, "\n\n{footer}");
    }
}

/// Whether the template itself wrote something that can be seen.
fn is_visible(written: &Written, message: &RenderedMessage) -> bool {
    match written.markdown.get(..written.own) {
        Some(own) if own.len() < written.markdown.len() => {
            let document = markdown::parse(own);
            visible::in_html(&html::write(&document.events, document.raw_html))
        }
        _ => visible::in_html(&message.formatted_body),
    }
}

fn message(facts: &Facts<'_>, written: &Written, document: &Document<'_>) -> RenderedMessage {
    let headline = facts.headline();
    let quiet = match &facts.change {
        Some(change) => !change.notifies(),
        // How loud a digest is, the messages say that it stands for.
        None => facts.digest.is_none() && matches!(facts.kind, Kind::Resolved | Kind::NotRecovered),
    };
    let body = plain::write(&document.events);
    RenderedMessage {
        // A picture has no text; an empty message would be refused, and would be silence.
        body: if visible::in_text(&body) {
            body
        } else {
            headline.clone()
        },
        formatted_body: html::write(&document.events, document.raw_html),
        msgtype: written
            .directives
            .msgtype
            .unwrap_or(if quiet { MsgType::Notice } else { MsgType::Text }),
        mentions: written.directives.mentions.clone(),
        too_many_people: too_many_people(),
        headline,
        announced: announced(facts),
    }
}

/// The line that says why something built in stands in for what the operator wrote.
pub(super) fn stand_in_line(problem: &TemplateProblem) -> String {
    let words = spoken();
    let template = problem.file.strip_suffix(".md.j2").filter(|name| !name.contains('/'));
    let said = if let (Some(template), Some(line)) = (template, problem.line) {
        filled_in(
            words.get("stand_in"),
            &[
                ("template", template),
                ("line", &line.to_string()),
                ("error", &problem.message),
            ],
        )
    } else {
        let file = problem
            .line
            .map_or_else(|| problem.file.clone(), |line| format!("{}:{line}", problem.file));
        filled_in(
            words.get("stand_in_part"),
            &[("file", &file), ("error", &problem.message)],
        )
    };
    format!("⚠️ {said}")
}

/// A word with texts in it that are nothing but texts.
fn filled_in(word: &str, fill: &[(&str, &str)]) -> String {
    let filled = words::filled(word, |name, out| {
        let text = fill
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, text)| *text);
        shield_to(out, text)
    });
    filled.unwrap_or_default()
}

/// The built-in template of the same name, or the default one, with a line that says why.
pub(super) fn fall_back(
    embedded: &Engine,
    template: &TemplateName,
    facts: &Facts<'_>,
    look: &Look,
    problem: TemplateProblem,
) -> Rendered {
    let footer = stand_in_line(&problem);
    let named = template.file_name();
    let file = if embedded.has(&named) {
        named
    } else if facts.notification.payload.is_some() {
        TemplateName::webhook().file_name()
    } else {
        TemplateName::default().file_name()
    };
    let composed = compose(embedded, &file, facts, look, Some(&footer));
    let mut rendered = composed.unwrap_or_else(|_| without_template(facts, &footer));
    rendered.problem = Some(problem);
    rendered
}

/// What is left if even the built-in template fails: the headline, so that somebody is woken.
fn without_template(facts: &Facts<'_>, footer: &str) -> Rendered {
    let written = Written {
        markdown: format!("{}\n\n{footer}", shield(&facts.headline())),
        own: 0,
        directives: super::filters::Directives::default(),
        hidden: 0,
        notes: Vec::new(),
    };
    let mut document = markdown::parse(&written.markdown);
    let messages = vec![message(facts, &written, &document)];
    let verbatim = Markdown::verbatim(&mut document);
    rendered(messages, written, verbatim, BudgetSteps::default())
}

fn rendered(
    messages: Vec<RenderedMessage>,
    written: Written,
    verbatim: Vec<Range<usize>>,
    budget: BudgetSteps,
) -> Rendered {
    Rendered {
        messages,
        markdown: Markdown::new(written.markdown, verbatim),
        problem: None,
        notes: written.notes,
        budget,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_without_a_template_a_message_fits() {
        let mut notification = crate::render::trial::notifications().remove(0);
        for name in ["alertname", "severity", "grafana_folder"] {
            notification.alerts[0]
                .labels
                .insert(name.to_owned(), "\"<é".repeat(1 << 20));
        }
        let facts = Facts::new(&notification, crate::render::trial::now());
        let problem = TemplateProblem::new("alert.md.j2", "x");
        let rendered = without_template(&facts, &stand_in_line(&problem));
        let size = content_size(&rendered.messages[0]);
        assert!(size < CONTENT_LIMIT / 2, "{size} bytes");
        assert!(rendered.messages[0].body.starts_with("🔥 FIRING · \"<é\"<é"));
    }
}
