//! Deliveries in words: a line for each in a list, and everything about one.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;

use crate::cli::print::line;
use crate::message::RoomAddress;
use crate::outbox::{Delivery, DeliveryId, DeliveryState, Filter, Outbox};

/// Which deliveries to list.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only in this state: pending, in-flight, delivered, dead or combined (another delivery is sent in its place).
    #[arg(long)]
    state: Option<DeliveryState>,
    /// Only in this room.
    #[arg(long)]
    room: Option<RoomAddress>,
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Only those older than this delivery: the next page.
    #[arg(long, value_name = "DELIVERY")]
    before: Option<DeliveryId>,
}

impl List {
    /// Whether owed edits belong to what is asked for: they wait or are in flight, and stand on the first page.
    fn has_edits(&self) -> bool {
        let waits = [None, Some(DeliveryState::Pending), Some(DeliveryState::InFlight)];
        self.before.is_none() && waits.contains(&self.state)
    }
}

/// Owed edits first, then deliveries, newest first.
pub(super) async fn list(outbox: &Outbox, list: List) -> anyhow::Result<ExitCode> {
    let mut left = list.limit;
    if list.has_edits() {
        for edit in outbox.edits(list.room.clone(), list.limit).await? {
            if list.state.is_none_or(|state| state == edit.delivery.state) {
                line(&summary(&edit.delivery, &of_root(edit.root)))?;
                left -= 1;
            }
        }
    }
    let filter = Filter {
        state: list.state,
        room: list.room,
        before: list.before,
        limit: left,
        ..Filter::default()
    };
    for delivery in outbox.list(filter).await? {
        line(&summary(&delivery, ""))?;
    }
    let stats = outbox.stats(Timestamp::now()).await?;
    line(&format!(
        "{} pending, {} in flight, {} dead, {} delivered, {} combined",
        stats.pending, stats.in_flight, stats.dead, stats.delivered, stats.combined
    ))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show(outbox: &Outbox, id: DeliveryId) -> anyhow::Result<ExitCode> {
    let edit = outbox.edit(id).await?;
    let (delivery, of) = match edit {
        Some(edit) => (Some(edit.delivery), of_root(edit.root)),
        None => (outbox.show(id).await?, String::new()),
    };
    let delivery =
        delivery.with_context(|| format!("delivery {id} does not exist; `outbox list` shows those that do"))?;
    line(&full(&delivery, of.trim_end_matches(": ")))?;
    Ok(ExitCode::SUCCESS)
}

fn of_root(root: Option<DeliveryId>) -> String {
    root.map_or_else(String::new, |root| format!("edit of delivery {root}: "))
}

fn summary(delivery: &Delivery, of: &str) -> String {
    let error = delivery
        .last_error
        .as_deref()
        .map_or_else(String::new, |error| format!("  [{error}]"));
    format!(
        "{:>8}  {:<9}  {:<8}  {}  {}  {of}{}{error}",
        delivery.id,
        delivery.state.to_string(),
        delivery.part.as_str(),
        delivery.accepted_at.strftime("%Y-%m-%d %H:%M:%S"),
        delivery.room,
        delivery.message.headline.replace('\n', " / ")
    )
}

fn full(delivery: &Delivery, of: &str) -> String {
    let relation = delivery.relation.as_ref();
    let refers_to = relation.map(|relation| relation.event_id().to_owned());
    let refers_to = [refers_to, (!of.is_empty()).then(|| format!("({of})"))];
    let refers_to: Vec<String> = refers_to.into_iter().flatten().collect();
    let combined_into = delivery.combined_into.map(|digest| format!("delivery {digest}"));
    let fields = [
        ("delivery", Some(delivery.id.to_string())),
        ("state", Some(delivery.state.to_string())),
        ("part", Some(delivery.part.as_str().to_owned())),
        ("refers to", Some(refers_to.join(" ")).filter(|text| !text.is_empty())),
        ("room", Some(delivery.room.to_string())),
        ("transaction", Some(delivery.txn_id.to_string())),
        ("accepted", Some(delivery.accepted_at.to_string())),
        ("attempts", Some(delivery.attempts.to_string())),
        ("last tried", delivery.last_attempt_at.map(|time| time.to_string())),
        ("event", delivery.event_id.clone()),
        ("last error", delivery.last_error.clone()),
        ("sent as", combined_into),
        ("msgtype", Some(format!("{:?}", delivery.message.msgtype))),
    ];
    let lines = fields.map(|(name, value)| format!("{name:<13}{}\n", value.as_deref().unwrap_or("-")));
    format!("{}\n{}", lines.concat(), delivery.message.body)
}
