//! `render`: prints what the relay would send for a notification.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::material::{self, Material};
use super::print::line;
use crate::config::{Flags, Settings};
use crate::matrix;
use crate::message::{RenderedMessage, TemplateName};
use crate::render::Renderer;

/// What to render, and what of it to print.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Template by its name, without `.md.j2` [default: that of --default-template].
    #[arg(long, value_name = "NAME")]
    template: Option<TemplateName>,
    #[command(flatten)]
    material: Material,
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
    let (notification, now) = options.material.read()?;
    let written = renderer.render(&template, &notification, now);
    if options.form == Form::Markdown {
        line(&written.markdown)?;
    }
    for message in written.messages.iter().filter(|_| options.form != Form::Markdown) {
        line(&printed(message, options.form)?)?;
    }
    // What is printed is what would be sent; that it is not what the template's author meant is worth a failure.
    let file = template.file_name();
    let broken = renderer.problems().into_iter().find(|problem| problem.file == file);
    match written.problem.or(broken) {
        Some(problem) => {
            tracing::error!("{problem}");
            Ok(ExitCode::FAILURE)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

fn printed(message: &RenderedMessage, form: Form) -> anyhow::Result<String> {
    Ok(match form {
        Form::Markdown | Form::Body => message.body.clone(),
        Form::Html => message.formatted_body.clone(),
        Form::Event => serde_json::to_string_pretty(&matrix::event(message))?,
    })
}
