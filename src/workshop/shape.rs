//! The form of a preview: what is asked and what is answered, as the document shows it.

use std::collections::BTreeMap;

use poem_openapi::Object;
use poem_openapi::types::Any;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::matrix;
use crate::message::{Mentions, MsgType, RenderedMessage};
use crate::pipeline::dry_run::{DryRun, Event};
use crate::render::{self, BudgetSteps, CONTENT_LIMIT, Diagnostic, Level, TemplateProblem};

/// What to render, and with which template.
#[derive(Debug, Deserialize, Object)]
pub(super) struct PreviewRequest {
    /// The template; the relay's default one if it is left out.
    pub(super) template: Option<String>,
    /// The text of that template, or of `file`, as its author has it now; the one in use if it is left out.
    pub(super) source: Option<String>,
    /// The file that `source` is a draft of, such as `partials/header.md.j2`; that of the template if it is left out.
    pub(super) file: Option<String>,
    /// Further drafts by their paths inside the templates folder, for what was edited in several files at once.
    pub(super) sources: Option<BTreeMap<String, String>>,
    /// The name of a built-in sample. Exactly one of `sample`, `recorded`, `payload` and `sequence` is needed.
    pub(super) sample: Option<String>,
    /// The number of a notification that was received lately.
    pub(super) recorded: Option<i64>,
    /// A body as Grafana or Alertmanager would send it.
    pub(super) payload: Option<Any<Box<RawValue>>>,
    /// Notifications in the order in which they come, five minutes apart, each one the name of a sample, the number of a
    /// notification that was received, or a body; where all were received, they come when they did. Answered is what a
    /// room gets, each group for itself: root messages, edits and the lines that `update.md.j2` writes; with the template
    /// `update`, the root messages are written by the relay's default one.
    pub(super) sequence: Option<Vec<Any<Box<RawValue>>>>,
    /// What later notifications of a sequence do to the first message of their group: `live`, `thread` or
    /// `new`; `live` if it is left out.
    pub(super) mode: Option<String>,
    /// The language of the messages, such as `de`; the relay's if it is left out.
    pub(super) language: Option<String>,
    /// The zone in which they tell the time, such as `Europe/Berlin`; the relay's if it is left out.
    pub(super) timezone: Option<String>,
}

/// What the relay would send.
#[derive(Debug, Object)]
pub(super) struct PreviewAnswer {
    /// The template's output, with values escaped as a person would.
    markdown: String,
    /// The messages in order; more than one only where one cannot hold it all, or of a sequence. Empty only if it took
    /// too long.
    messages: Vec<PreviewMessage>,
    /// The most bytes that one message may have.
    limit: usize,
    /// What was needed to keep to it.
    budget: BudgetSteps,
    /// Whether the messages are not those of the draft, because it does not work: they are what the relay would send as it is
    /// now.
    stands_in: bool,
    /// What the template's author should know, errors first.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// One message of a preview.
#[derive(Debug, Object)]
pub(super) struct PreviewMessage {
    /// The plain text.
    body: String,
    /// The same in Matrix's HTML subset.
    formatted_body: String,
    /// `m.text`, which notifies, or `m.notice`, which does not.
    msgtype: MsgType,
    /// Who is mentioned.
    mentions: Mentions,
    /// The content of the Matrix event, exactly as it would be sent.
    event: Any<Value>,
    /// The size of that content, without a relation; the limit leaves room for the second copy in an edit.
    bytes: usize,
    /// Where it stands in a sequence; null without one.
    place: Option<SequencePosition>,
}

/// Where an event stands in a sequence.
#[derive(Debug, Object)]
pub(super) struct SequencePosition {
    /// Which notification led to it, counted from 1.
    step: usize,
    /// When that one comes (RFC 3339).
    at: String,
    /// A made-up event ID, to which the relations of later events refer.
    event_id: String,
}

impl PreviewAnswer {
    /// A finished preview.
    pub(super) fn of(preview: render::Preview) -> Self {
        let rendered = preview.rendered;
        Self {
            markdown: rendered.markdown.to_string(),
            messages: rendered.messages.into_iter().map(message).collect(),
            limit: CONTENT_LIMIT,
            budget: rendered.budget,
            stands_in: preview.stands_in,
            diagnostics: preview.diagnostics,
        }
    }

    /// the dry run of a sequence.
    pub(super) fn of_sequence(dry_run: DryRun) -> Self {
        Self {
            markdown: dry_run.markdown.join("\n\n"),
            messages: dry_run.events.into_iter().map(event).collect(),
            limit: CONTENT_LIMIT,
            budget: BudgetSteps::default(),
            stands_in: dry_run.stands_in,
            diagnostics: dry_run.diagnostics,
        }
    }

    /// The messages as they would be sent.
    pub(super) fn into_messages(self) -> Vec<RenderedMessage> {
        let message = |one: PreviewMessage| RenderedMessage {
            headline: one.body.lines().next().unwrap_or_default().to_owned(),
            body: one.body,
            formatted_body: one.formatted_body,
            msgtype: one.msgtype,
            mentions: one.mentions,
            ..RenderedMessage::default()
        };
        self.messages.into_iter().map(message).collect()
    }

    /// No messages, and why.
    pub(super) fn failed(file: String, message: String) -> Self {
        Self {
            markdown: String::new(),
            messages: Vec::new(),
            limit: CONTENT_LIMIT,
            budget: BudgetSteps::default(),
            stands_in: true,
            diagnostics: vec![Diagnostic {
                level: Level::Error,
                problem: TemplateProblem {
                    file,
                    line: None,
                    message,
                },
            }],
        }
    }
}

fn message(message: RenderedMessage) -> PreviewMessage {
    PreviewMessage {
        place: None,
        event: Any(matrix::event(&message)),
        bytes: render::content_size(&message),
        msgtype: message.msgtype,
        body: message.body,
        formatted_body: message.formatted_body,
        mentions: message.mentions,
    }
}

fn event(event: Event) -> PreviewMessage {
    let related = event
        .relation
        .as_ref()
        .map(|relation| matrix::related_event(&event.message, relation));
    let mut shown = message(event.message);
    // Not missing: the event IDs of a dry run are well formed.
    if let Some(Ok(content)) = related {
        shown.event = Any(content);
    }
    shown.place = Some(SequencePosition {
        step: event.step,
        at: event.at.to_string(),
        event_id: event.event_id,
    });
    shown
}
