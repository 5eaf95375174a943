//! `outbox`: the operator's view, beside a running relay or without one.

mod copy;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use self::show::List;
use super::help;
use super::print::line;
use crate::config::{Flags, Settings};
use crate::message::RoomAddress;
use crate::outbox::{DeliveryId, Ended, Outbox, RetryResult};
use crate::startup::room_names;

/// What to do with the outbox.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// List deliveries: first the edits that are owed, then all others, newest first.
    #[command(after_help = help::OUTBOX_LIST)]
    List(List),
    /// Show one delivery with its message and its last error.
    #[command(after_help = help::OUTBOX_SHOW)]
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Its number, or the name of an edit, as `outbox list` shows them.
        #[arg(value_name = "DELIVERY")]
        id: DeliveryId,
    },
    /// Send dead deliveries again, after what already waits in their room.
    #[command(after_help = help::OUTBOX_RETRY)]
    Retry(Retry),
    /// Give up deliveries that wait: they become dead, and you can still read and retry them.
    ///
    /// An edit ends when you give it up. The next change of its alert group brings the message up to date.
    #[command(after_help = help::OUTBOX_GIVE_UP)]
    GiveUp(Named),
    /// Delete dead deliveries for good, together with the deliveries that a dead digest names.
    #[command(after_help = help::OUTBOX_DELETE)]
    Delete(Named),
    /// Write a copy of the outbox into a new file, while the relay runs or not. For SQLite; PostgreSQL has `pg_dump`.
    #[command(after_help = help::OUTBOX_BACKUP)]
    Backup {
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Put a copy in the place of the outbox. Stop the relay first.
    #[command(after_help = help::OUTBOX_RESTORE)]
    Restore {
        /// What `outbox backup` wrote.
        file: PathBuf,
    },
}

/// Some deliveries.
#[derive(Debug, Clone, Args)]
pub struct Named {
    /// Their numbers, or the names of edits, as `outbox list` shows them.
    #[arg(required = true, value_name = "DELIVERY")]
    ids: Vec<DeliveryId>,
}

/// What to send again.
#[derive(Debug, Clone, Args)]
#[group(required = true)]
pub struct Retry {
    /// Numbers of dead deliveries.
    #[arg(value_name = "DELIVERY")]
    ids: Vec<DeliveryId>,
    /// All dead deliveries of this room. The room is also tried at once, if it waits.
    #[arg(long, conflicts_with = "ids")]
    room: Option<RoomAddress>,
    /// All dead deliveries of all rooms.
    #[arg(long, conflicts_with_all = ["ids", "room"])]
    all: bool,
}

pub(super) async fn run(flags: &Flags, command: Command) -> anyhow::Result<ExitCode> {
    let settings = Settings::outbox_only(flags)?;
    let known = room_names::read(&settings.data_dir);
    let open = async || {
        Outbox::open_for_operator(&settings)
            .await
            .context("cannot open the outbox")
    };
    match command {
        Command::List(list) => show::list(&open().await?, &known, list).await,
        Command::Show { id, json } => show::show(&open().await?, &known, id, json).await,
        Command::Retry(retry) => again(&open().await?, retry).await,
        Command::GiveUp(named) => give_up(&open().await?, named).await,
        Command::Delete(named) => delete(&open().await?, named).await,
        Command::Backup { file } => copy::backup(&settings, file).await,
        Command::Restore { file } => copy::restore(&settings, file).await,
    }
}

async fn again(outbox: &Outbox, retry: Retry) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    if retry.all {
        let retried = outbox.retry_all(now).await?;
        for (room, count) in &retried {
            line(&format!("waiting again in {room}: {count}"))?;
        }
        if retried.is_empty() {
            line("no delivery is dead")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(room) = retry.room {
        let retried = outbox.retry_room(&room, now).await?;
        let count = retried.len();
        // Also where nothing is dead: what waits in a parked room is not to wait any longer.
        outbox.set_room_due(&room, None, now).await?;
        line(&format!("waiting again in {room}: {count}; the room is tried now"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut code = ExitCode::SUCCESS;
    for retried in outbox.retry(&retry.ids, now).await? {
        let id = retried.id;
        line(&match &retried.result {
            queued @ RetryResult::Queued { .. } if queued.may_repeat() => format!(
                "{id} waits again; its last attempt is over 24 h ago, so the relay first looks for it in the room"
            ),
            RetryResult::Queued { .. } => format!("{id} waits again"),
            RetryResult::NotDead(state) => {
                code = ExitCode::FAILURE;
                format!("{id} is {state}; only a dead delivery can be retried")
            }
            RetryResult::Unknown => {
                code = ExitCode::FAILURE;
                unknown(id)
            }
        })?;
    }
    Ok(code)
}

async fn give_up(outbox: &Outbox, named: Named) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for id in named.ids {
        let is_edit = outbox.edit(id).await?.is_some();
        line(&match outbox.give_up(id, Timestamp::now()).await? {
            Ended::Done => {
                tracing::warn!(delivery.id = %id, "the operator gave up delivery {id}");
                if is_edit {
                    format!("{id} is given up; the next change of its alert group brings the message up to date")
                } else {
                    format!("{id} is given up; `outbox retry {id}` sends it, `outbox delete {id}` deletes it")
                }
            }
            Ended::Kept(state) => {
                code = ExitCode::FAILURE;
                format!("{id} is {state}; only a pending delivery can be given up")
            }
            Ended::Unknown => {
                code = ExitCode::FAILURE;
                unknown(id)
            }
        })?;
    }
    Ok(code)
}

async fn delete(outbox: &Outbox, named: Named) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for id in named.ids {
        line(&match outbox.delete(id).await? {
            Ended::Done => {
                tracing::warn!(delivery.id = %id, "the operator deleted the dead delivery {id}");
                format!("{id} is deleted")
            }
            Ended::Kept(state) => {
                code = ExitCode::FAILURE;
                format!("{id} is {state}; only a dead delivery can be deleted")
            }
            Ended::Unknown => {
                code = ExitCode::FAILURE;
                unknown(id)
            }
        })?;
    }
    Ok(code)
}

fn unknown(id: DeliveryId) -> String {
    format!("{id} does not exist; `outbox list` shows the deliveries that do")
}
