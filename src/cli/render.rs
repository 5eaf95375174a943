//! `render`: prints what the relay would send for a notification.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::material::{self, Material};
use super::print::line;
use crate::alert::Notification;
use crate::config::{Flags, Settings};
use crate::matrix;
use crate::message::{Mode, Relation, RenderedMessage, TemplateName};
use crate::pipeline::dry_run::{self, Event};
use crate::render::{Draft, Level, Renderer, TemplateProblem};

/// What to render, and what of it to print.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Template by its name, without `.md.j2` [default: that of --default-template].
    #[arg(long, value_name = "NAME")]
    template: Option<TemplateName>,
    #[command(flatten)]
    material: Material,
    /// Built-in sequence of notifications: incident, short or lost. Prints each event that a room gets, with a line that names it;
    /// with `--template update` only the lines of threads.
    #[arg(long, value_name = "NAME", conflicts_with = "Material")]
    sequence: Option<String>,
    /// What later notifications of the sequence do to the first message: live, thread or new.
    #[arg(long, value_name = "MODE", requires = "sequence", default_value_t)]
    mode: Mode,
    /// What to print.
    #[arg(long = "as", value_enum, default_value_t = Form::Body, value_name = "FORM")]
    form: Form,
}

/// A form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// What the template wrote.
    Markdown,
    /// The plain text, which phones show.
    Body,
    /// The HTML that Matrix clients show.
    Html,
    /// The content of the Matrix event (JSON).
    Event,
}

pub(super) fn run(flags: &Flags, options: &Options) -> anyhow::Result<ExitCode> {
    let (settings, default) = Settings::render_only(flags)?;
    let renderer = Renderer::open(&settings);
    let template = material::template(&renderer, options.template.as_ref(), &default)?;
    if let Some(name) = &options.sequence {
        let steps = material::sequence(name)?;
        if template == TemplateName::digest() {
            return one(&renderer, &template, &steps, options.form);
        }
        return sequence(&renderer, &template, &default, &steps, options);
    }
    let one_of = [options.material.read(renderer.takes_payload(&template))?];
    one(&renderer, &template, &one_of, options.form)
}

/// What the relay would send for the last of these notifications, or in place of all of them where the template is that of
/// digests.
fn one(
    renderer: &Renderer,
    template: &TemplateName,
    notifications: &[(Notification, Timestamp)],
    form: Form,
) -> anyhow::Result<ExitCode> {
    // The files as they are, although the relay would not use them all: a file that fails for another kind of
    // notification still shows what it makes of this one.
    let on_disk = renderer.on_disk();
    let desk = renderer.with_drafts(&drafts(renderer, &on_disk));
    let preview = dry_run::preview(&desk, template, notifications);
    let shown = preview.rendered;
    if form == Form::Markdown {
        line(&shown.markdown.to_string())?;
    }
    for message in shown.messages.iter().filter(|_| form != Form::Markdown) {
        line(&printed(message, form)?)?;
    }
    // What is wrong is said after it, and is worth a failure: also where this notification shows nothing of it.
    let mut problems = renderer.problems_of(template);
    let errors = preview.diagnostics.into_iter().filter(|one| one.level == Level::Error);
    let mine = errors
        .map(|one| one.problem)
        .filter(|problem| renderer.is_part_of(&problem.file, template));
    problems.extend(mine);
    problems.extend(shown.problem);
    Ok(outcome(&problems))
}

/// What the folder holds and the relay does not use as it is.
fn drafts<'a>(renderer: &Renderer, on_disk: &'a BTreeMap<String, String>) -> Vec<Draft<'a>> {
    let unused = on_disk
        .iter()
        .filter(|(file, source)| renderer.source(file).as_ref() != Some(*source));
    unused.map(|(file, source)| Draft { file, source }).collect()
}

/// Success only if nothing is wrong; else what it is, each thing once.
fn outcome(problems: &[TemplateProblem]) -> ExitCode {
    for (at, problem) in problems.iter().enumerate() {
        let is_same = |known: &TemplateProblem| (&known.file, known.line) == (&problem.file, problem.line);
        if !problems[..at].iter().any(is_same) {
            tracing::error!("{problem}");
        }
    }
    if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a room gets for a sequence.
fn sequence(
    renderer: &Renderer,
    template: &TemplateName,
    default: &TemplateName,
    steps: &[(Notification, Timestamp)],
    options: &Options,
) -> anyhow::Result<ExitCode> {
    let form = options.form;
    let lines_only = *template == TemplateName::update();
    let first = if lines_only { default } else { template };
    let dry_run = dry_run::run(renderer, &[], first, options.mode, steps);
    let is_line = |event: &Event| matches!(event.relation, Some(Relation::Thread { .. }));
    if form == Form::Markdown && !lines_only {
        for (at, text) in dry_run.markdown.iter().enumerate() {
            line(&format!("──── {} of {} ────", at + 1, dry_run.markdown.len()))?;
            line(text)?;
        }
    }
    let all = dry_run.events.iter().enumerate();
    for (at, event) in all.filter(|(_, event)| !lines_only || is_line(event)) {
        match (&event.relation, form) {
            (_, Form::Markdown) if !lines_only => {}
            // Several documents of JSON need nothing between them.
            (Some(relation), Form::Event) => {
                let content = matrix::related_event(&event.message, relation)?;
                line(&serde_json::to_string_pretty(&content)?)?;
            }
            (None, Form::Event) => line(&printed(&event.message, form)?)?,
            _ => {
                line(&format!(
                    "──── {} of {}: {} ────",
                    at + 1,
                    dry_run.events.len(),
                    what_it_is(event, &dry_run.events)
                ))?;
                line(&printed(&event.message, form)?)?;
            }
        }
    }
    let errors = dry_run.diagnostics.into_iter().filter(|one| one.level == Level::Error);
    Ok(outcome(&errors.map(|one| one.problem).collect::<Vec<_>>()))
}

/// What an event does in the room, and to which other one.
fn what_it_is(event: &Event, all: &[Event]) -> String {
    let number = |id: &str| all.iter().position(|other| other.event_id == id).map_or(0, |at| at + 1);
    let what = match &event.relation {
        None => "a message".to_owned(),
        Some(Relation::Edit { of }) => format!("an edit of {}", number(of)),
        Some(Relation::Thread { root, .. }) => format!("a line in the thread of {}", number(root)),
    };
    format!("{what}, notification {}", event.step)
}

fn printed(message: &RenderedMessage, form: Form) -> anyhow::Result<String> {
    Ok(match form {
        Form::Markdown | Form::Body => message.body.clone(),
        Form::Html => message.formatted_body.clone(),
        Form::Event => serde_json::to_string_pretty(&matrix::event(message))?,
    })
}
