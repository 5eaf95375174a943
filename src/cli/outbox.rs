//! `outbox`: the operator's view, beside a running relay or without one.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::print::line;
use crate::config::{Flags, Settings};
use crate::message::RoomAddress;
use crate::outbox::{Delivery, DeliveryId, DeliveryState, Dropped, Filter, Outbox, RetryResult};

/// What to do with the outbox.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// List deliveries, newest first.
    List(List),
    /// Show one delivery with its message and its last error.
    Show {
        /// Its number.
        id: i64,
    },
    /// Send dead deliveries again, behind what waits in their room.
    Retry(Retry),
    /// Give up a delivery that waits, or remove one that is dead.
    Drop {
        /// Its number.
        id: i64,
    },
}

/// Which deliveries to list.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only in this state: pending, in-flight, delivered, dead or combined (another one is sent in its place).
    #[arg(long)]
    state: Option<DeliveryState>,
    /// Only of this room.
    #[arg(long)]
    room: Option<RoomAddress>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Only older than this number: the next page.
    #[arg(long)]
    before: Option<i64>,
}

/// What to send again.
#[derive(Debug, Clone, Args)]
#[group(required = true)]
pub struct Retry {
    /// Numbers of dead deliveries.
    ids: Vec<i64>,
    /// All dead deliveries of this room; also ends the wait of a room that is parked.
    #[arg(long, conflicts_with = "ids")]
    room: Option<RoomAddress>,
}

pub(super) async fn run(flags: &Flags, command: Command) -> anyhow::Result<ExitCode> {
    let settings = Settings::outbox_only(flags)?;
    let outbox = Outbox::open_for_operator(&settings)
        .await
        .context("the outbox cannot be opened")?;
    match command {
        Command::List(list) => show_list(&outbox, list).await,
        Command::Show { id } => show(&outbox, DeliveryId(id)).await,
        Command::Retry(retry) => again(&outbox, retry).await,
        Command::Drop { id } => drop_one(&outbox, DeliveryId(id)).await,
    }
}

async fn show_list(outbox: &Outbox, list: List) -> anyhow::Result<ExitCode> {
    let before = list.before.map(DeliveryId);
    let filter = Filter {
        state: list.state,
        room: list.room,
        before,
        limit: list.limit,
        ..Filter::default()
    };
    for delivery in outbox.list(filter).await? {
        let error = delivery
            .last_error
            .as_deref()
            .map_or_else(String::new, |error| format!("  [{error}]"));
        line(&format!(
            "{:>8}  {:<9}  {:<8}  {}  {}  {}{error}",
            delivery.id,
            delivery.state.to_string(),
            delivery.part.as_str(),
            delivery.accepted_at.strftime("%Y-%m-%d %H:%M:%S"),
            delivery.room,
            delivery.message.headline.replace('\n', " / ")
        ))?;
    }
    let stats = outbox.stats(Timestamp::now()).await?;
    line(&format!(
        "{} wait, {} in flight, {} dead, {} delivered and {} combined are kept",
        stats.pending, stats.in_flight, stats.dead, stats.delivered, stats.combined
    ))?;
    Ok(ExitCode::SUCCESS)
}

async fn show(outbox: &Outbox, id: DeliveryId) -> anyhow::Result<ExitCode> {
    let delivery = outbox
        .show(id)
        .await?
        .with_context(|| format!("there is no delivery {id}"))?;
    line(&story(&delivery))?;
    Ok(ExitCode::SUCCESS)
}

fn story(delivery: &Delivery) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    format!(
        "delivery     {}\nstate        {}\npart         {}\nrefers to    {}\nroom         {}\ntransaction  {}\naccepted     {}\nattempts     {}\n\
         last tried   {}\nevent        {}\nlast error   {}\nsent as      {}\nmsgtype      {:?}\n\n{}",
        delivery.id,
        delivery.state,
        delivery.part.as_str(),
        or_dash(
            delivery
                .relation
                .as_ref()
                .map(|relation| relation.event_id().to_owned())
        ),
        delivery.room,
        delivery.txn_id,
        delivery.accepted_at,
        delivery.attempts,
        or_dash(delivery.last_attempt_at.map(|time| time.to_string())),
        or_dash(delivery.event_id.clone()),
        or_dash(delivery.last_error.clone()),
        or_dash(delivery.combined_into.map(|digest| format!("delivery {digest}"))),
        delivery.message.msgtype,
        delivery.message.body
    )
}

async fn again(outbox: &Outbox, retry: Retry) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    if let Some(room) = retry.room {
        let retried = outbox.retry_room(&room, now).await?;
        let count = retried.len();
        // Also where nothing is dead: what waits in a parked room is not to wait any longer.
        outbox.set_room_due(&room, None, now).await?;
        line(&format!("waiting again in {room}: {count}; the room is tried now"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let ids: Vec<DeliveryId> = retry.ids.into_iter().map(DeliveryId).collect();
    let mut code = ExitCode::SUCCESS;
    for retried in outbox.retry(&ids, now).await? {
        let text = match &retried.result {
            queued @ RetryResult::Queued { .. } if queued.may_repeat() => {
                "waits again; it was tried over 24 h ago, so it is first looked for in the room"
            }
            RetryResult::Queued { .. } => "waits again",
            RetryResult::NotDead(_) => {
                code = ExitCode::FAILURE;
                "is not dead, so there is nothing to retry"
            }
            RetryResult::Unknown => {
                code = ExitCode::FAILURE;
                "does not exist"
            }
        };
        line(&format!("{} {text}", retried.id))?;
    }
    Ok(code)
}

async fn drop_one(outbox: &Outbox, id: DeliveryId) -> anyhow::Result<ExitCode> {
    let dropped = outbox.drop(id, Timestamp::now()).await?;
    let (text, code) = match dropped {
        Dropped::GivenUp => (
            "was given up; it can still be read and retried".to_owned(),
            ExitCode::SUCCESS,
        ),
        Dropped::Removed => ("is removed".to_owned(), ExitCode::SUCCESS),
        Dropped::Kept(state) => (format!("is {state} and was left alone"), ExitCode::FAILURE),
        Dropped::Unknown => ("does not exist".to_owned(), ExitCode::FAILURE),
    };
    if matches!(dropped, Dropped::GivenUp | Dropped::Removed) {
        tracing::warn!(delivery.id = %id, "the operator dropped delivery {id}: it {text}");
    }
    line(&format!("{id} {text}"))?;
    Ok(code)
}
