//! Whether the bot can do its work in the rooms: the homeserver is asked.

use super::report::{Level, Part, Report};
use crate::config::{Flags, Settings};
use crate::matrix::{self, Transport};
use crate::message::RoomAddress;
use crate::render::Renderer;
use crate::silence::DeadManSettings;

/// Whether the bot can do in the rooms what the routes want of it; settings that are not usable end it, unless they are `noted`.
pub(super) async fn check_rooms(
    flags: &Flags,
    renderer: &Renderer,
    noted: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let settings = match Settings::from_flags(flags) {
        Ok(settings) => settings,
        Err(error) if noted => {
            for problem in &error.problems {
                report.say(Part::Settings, Level::Error, &format!("settings: error: {problem}"))?;
            }
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let table = settings.routes.table;
    let transport = Transport::new(&settings.matrix)?;
    let mentioned = table.mentioned_rooms(|template| renderer.can_mention_room(template));
    let mut rooms = table.rooms();
    if let Some(DeadManSettings { room, .. }) = &settings.silence.dead_man {
        check_dead_man(&transport, room, report).await?;
        if !rooms.contains(room) {
            rooms.push(room.clone());
        }
    }
    for finding in transport.check(&rooms, &mentioned).await {
        let (level, text) = match finding.level {
            matrix::Level::Info => (Level::Info, finding.to_string()),
            matrix::Level::Warn => (Level::Warning, format!("warning: {finding}")),
            matrix::Level::Error => (Level::Error, format!("error: {finding}")),
        };
        report.say(Part::Homeserver, level, &text)?;
    }
    Ok(())
}

/// Whether the homeserver can tell a room that the relay is gone.
pub(super) async fn check_dead_man(
    transport: &Transport,
    room: &RoomAddress,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Some(client) = transport.client() else {
        return Ok(());
    };
    let (level, text) = match client.delayed_events().await {
        Ok(Some(_)) => (
            Level::Info,
            format!("the homeserver can tell {room} that the relay gives no sign of life"),
        ),
        Ok(None) => (
            Level::Error,
            format!(
                "error: the homeserver cannot tell {room} that the relay gives no sign of life: it does not say that it can \
                 send delayed events (RELAY_DEAD_MAN_ROOM; in Synapse, max_event_delay_duration switches them on)"
            ),
        ),
        Err(failure) => (
            Level::Error,
            format!(
                "error: the homeserver does not say whether it can send delayed events (RELAY_DEAD_MAN_ROOM): {failure}"
            ),
        ),
    };
    report.say(Part::Homeserver, level, &text)?;
    Ok(())
}
