//! `send-test`: a sample in the real room, and every step towards it in a line.
//!
//! It goes past the outbox on purpose: what it shows is whether homeserver, token and room work, now. Into an encrypted room
//! the relay itself sends it.

mod encrypted;

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::material;
use super::print::line;
use crate::config::{Flags, Settings};
use crate::matrix::{Level, Transport};
use crate::message::{RoomAddress, RouteName, TemplateName, TxnId};
use crate::render::Renderer;
use crate::route::{MessagePolicy, Routed, Router};

/// What to send, and where.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Room ID or alias [default: where the route sends the sample].
    #[arg(long)]
    room: Option<RoomAddress>,
    /// Route of the routes file.
    #[arg(long, value_name = "NAME", default_value_t, conflicts_with = "room")]
    route: RouteName,
    /// Built-in sample, such as test, firing, mixed, resolved or storm.
    #[arg(long, value_name = "NAME", default_value = "test")]
    sample: String,
    /// Template by its name, without `.md.j2` [default: that of the route].
    #[arg(long, value_name = "NAME")]
    template: Option<TemplateName>,
}

pub(super) async fn run(flags: &Flags, options: Options) -> anyhow::Result<ExitCode> {
    let mut flags = flags.clone();
    if let Some(room) = &options.room {
        flags.default_room = Some(room.to_string());
    }
    let settings = Settings::from_flags(&flags)?;
    super::report(&flags, &settings.routes.variables);
    let renderer = Renderer::open(&settings.render);
    let (mut notification, now) = material::sample(&options.sample)?;
    notification.route = options.route.to_string();
    let router = match options.room {
        Some(room) => Router::to_room(room, settings.template, MessagePolicy::default()),
        None => Router::new(settings.routes.table),
    };
    let routed = router.route(&options.route, &notification.into());
    if routed.is_empty() {
        bail!("unknown route `{}`; `check` lists the routes", options.route);
    }

    let transport = Transport::new(&settings.matrix)?;
    let rooms: Vec<RoomAddress> = routed.iter().map(|routed| routed.destination.room.clone()).collect();
    let mut ready = true;
    for finding in transport.check(&rooms, &[]).await {
        let mark = match finding.level {
            Level::Info => "ok",
            Level::Warn => "warning",
            Level::Error => "error",
        };
        ready &= finding.level != Level::Error;
        line(&format!("{mark:<8} {finding}"))?;
    }
    if !ready {
        line("nothing was sent")?;
        return Ok(ExitCode::FAILURE);
    }
    for Routed { destination, share, .. } in routed {
        let client = transport.client();
        let is_encrypted = client.is_some_and(|client| client.known_encrypted(&destination.room).is_some());
        let template = material::template(&renderer, options.template.as_ref(), &destination.template)?;
        let renderer = renderer.for_locale(&destination.policy.locale);
        for message in renderer.render(&template, &share.notification(), now).messages {
            let headline = message.headline.clone();
            let sent = if is_encrypted {
                encrypted::by_relay(&settings.outbox, &destination.room, message).await
            } else {
                let txn = TxnId::generate();
                let sent = transport.send(&destination.room, &txn, &message, None);
                sent.await.map_err(anyhow::Error::from)
            };
            match sent {
                Ok(event) => line(&format!(
                    "ok       sent `{}` to {} (route {}, template {template}): {event}",
                    headline, destination.room, options.route
                ))?,
                Err(error) => {
                    line(&format!("error    not sent: {error:#}"))?;
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
