//! `render`: prints what the relay would send for a notification.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::material::{self, Material};
use super::print::line;
use crate::alert::Notification;
use crate::config::{Flags, Settings};
use crate::matrix;
use crate::message::{Mode, Relation, RenderedMessage, TemplateName};
use crate::pipeline::rehearsal::{self, Event};
use crate::render::{Gravity, Renderer, TemplateProblem};

/// What to render, and what of it to print.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Template by its name, without `.md.j2` [default: that of --default-template].
    #[arg(long, value_name = "NAME")]
    template: Option<TemplateName>,
    #[command(flatten)]
    material: Material,
    /// Built-in sequence of notifications: incident, short or lost. Printed is what a room gets, heads, edits and lines;
    /// with `--template update` only the lines.
    #[arg(long, value_name = "NAME", conflicts_with = "Material")]
    sequence: Option<String>,
    /// What later notifications of the sequence do to the first message: live, thread, reply, reaction or new.
    #[arg(long, value_name = "MODE", requires = "sequence", default_value_t)]
    mode: Mode,
    /// What to print.
    #[arg(long = "as", value_enum, default_value_t = Form::Markdown, value_name = "FORM")]
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
        return sequence(&renderer, &template, &default, &steps, options);
    }
    let (notification, now) = options.material.read()?;
    let written = renderer.render(&template, &notification, now);
    if options.form == Form::Markdown {
        line(&written.markdown.to_string())?;
    }
    for message in written.messages.iter().filter(|_| options.form != Form::Markdown) {
        line(&printed(message, options.form)?)?;
    }
    // What is printed is what would be sent; that it is not what the template's author meant is worth a failure.
    let mut problems = renderer.problems_of(&template);
    problems.extend(written.problem);
    Ok(outcome(&problems))
}

/// Success only if nothing is wrong; else what it is, each thing once.
fn outcome(problems: &[TemplateProblem]) -> ExitCode {
    for (at, problem) in problems.iter().enumerate() {
        if !problems[..at].contains(problem) {
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
    let head = if lines_only { default } else { template };
    let told = rehearsal::rehearse(renderer, &[], head, options.mode, steps);
    let is_line = |event: &&Event| matches!(event.relation, Some(Relation::Thread { .. } | Relation::Reply { .. }));
    if form == Form::Markdown && !lines_only {
        line(&told.markdown.join("\n"))?;
    }
    for event in told.events.iter().filter(|event| !lines_only || is_line(event)) {
        match (&event.relation, form) {
            (_, Form::Markdown) if !lines_only => {}
            (Some(relation), Form::Event) => {
                let content = matrix::related_event(&event.message, relation)?;
                line(&serde_json::to_string_pretty(&content)?)?;
            }
            _ => line(&printed(&event.message, form)?)?,
        }
    }
    let errors = told.diagnostics.into_iter().filter(|one| one.gravity == Gravity::Error);
    Ok(outcome(&errors.map(|one| one.problem).collect::<Vec<_>>()))
}

fn printed(message: &RenderedMessage, form: Form) -> anyhow::Result<String> {
    Ok(match form {
        Form::Markdown | Form::Body => message.body.clone(),
        Form::Html => message.formatted_body.clone(),
        Form::Event => serde_json::to_string_pretty(&matrix::event(message))?,
    })
}
