//! `send-test`: a sample in the real room, and every step towards it in a line.
//!
//! It goes past the outbox on purpose: what it shows is whether homeserver, token and room work, now.

use std::process::ExitCode;

use clap::Args;

use super::material;
use super::print::line;
use crate::config::{Flags, Settings};
use crate::matrix::{Client, Severity};
use crate::message::{RoomAddress, TemplateName, TxnId};
use crate::render::Renderer;

/// What to send, and where.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Room ID or alias [default: that of --default-room].
    #[arg(long)]
    room: Option<RoomAddress>,
    /// Built-in sample, such as test, firing, mixed, resolved or storm.
    #[arg(long, value_name = "NAME", default_value = "test")]
    sample: String,
    /// Template by its name, without `.md.j2` [default: that of --default-template].
    #[arg(long, value_name = "NAME")]
    template: Option<TemplateName>,
}

pub(super) async fn run(flags: &Flags, options: Options) -> anyhow::Result<ExitCode> {
    let mut flags = flags.clone();
    if let Some(room) = options.room {
        flags.default_room = Some(room.to_string());
    }
    let settings = Settings::from_flags(&flags)?;
    let room = settings.default_room;
    let renderer = Renderer::open(&settings.render);
    let template = material::template(&renderer, options.template.as_ref(), &settings.template)?;
    let (notification, now) = material::sample(&options.sample)?;

    let client = Client::new(&settings.matrix)?;
    let mut ready = true;
    for finding in client.check(std::slice::from_ref(&room)).await {
        let mark = match finding.severity {
            Severity::Info => "ok",
            Severity::Warn => "warning",
            Severity::Error => "error",
        };
        ready &= finding.severity != Severity::Error;
        line(&format!("{mark:<8} {finding}"))?;
    }
    if !ready {
        line("nothing was sent")?;
        return Ok(ExitCode::FAILURE);
    }
    for message in renderer.render(&template, &notification, now).messages {
        match client.send(&room, &TxnId::generate(), &message, None).await {
            Ok(event) => line(&format!("ok       sent `{}` to {room}: {event}", message.headline))?,
            Err(failure) => {
                line(&format!("error    not sent: {failure}"))?;
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
