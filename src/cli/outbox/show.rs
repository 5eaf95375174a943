//! Deliveries in words: a line for each in a list, and everything about one.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::print::line;
use crate::message::RoomAddress;
use crate::outbox::{Delivery, DeliveryId, DeliveryState, Failure, Filter, Outbox};
use crate::startup::room_names::{Known, shown};

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
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl List {
    /// Whether owed edits belong to what is asked for: they wait or are in flight, and stand on the first page.
    fn has_edits(&self) -> bool {
        let waits = [None, Some(DeliveryState::Pending), Some(DeliveryState::InFlight)];
        self.before.is_none() && waits.contains(&self.state)
    }
}

/// Owed edits first, then deliveries, newest first.
pub(super) async fn list(outbox: &Outbox, known: &Known, list: List) -> anyhow::Result<ExitCode> {
    let (mut left, mut listed) = (list.limit, Vec::new());
    if list.has_edits() {
        for edit in outbox.edits(list.room.clone(), list.limit).await? {
            if list.state.is_none_or(|state| state == edit.delivery.state) {
                listed.push((edit.delivery, edit.root));
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
    listed.extend(outbox.list(filter).await?.into_iter().map(|delivery| (delivery, None)));
    let stats = outbox.stats(Timestamp::now()).await?;
    if list.json {
        let deliveries: Vec<_> = listed
            .iter()
            .map(|(delivery, root)| json(delivery, *root, known))
            .collect();
        let count = json!({
            "pending": stats.pending, "in-flight": stats.in_flight, "dead": stats.dead, "delivered": stats.delivered,
            "combined": stats.combined,
        });
        let report = json!({"deliveries": deliveries, "count": count});
        line(&serde_json::to_string_pretty(&report)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (delivery, root) in &listed {
        line(&summary(delivery, &of_root(*root), known))?;
    }
    line(&format!(
        "{} pending, {} in flight, {} dead, {} delivered, {} combined",
        stats.pending, stats.in_flight, stats.dead, stats.delivered, stats.combined
    ))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show(outbox: &Outbox, known: &Known, id: DeliveryId, as_json: bool) -> anyhow::Result<ExitCode> {
    let (delivery, root) = match outbox.edit(id).await? {
        Some(edit) => (Some(edit.delivery), edit.root),
        None => (outbox.show(id).await?, None),
    };
    let delivery =
        delivery.with_context(|| format!("delivery {id} does not exist; `outbox list` shows those that do"))?;
    if as_json {
        let mut report = json(&delivery, root, known);
        report["failures"] = delivery.failures.iter().map(failure_json).collect();
        report["body"] = delivery.message.body.as_str().into();
        report["formatted_body"] = delivery.message.formatted_body.as_str().into();
        line(&serde_json::to_string_pretty(&report)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    line(&full(&delivery, of_root(root).trim_end_matches(": "), known))?;
    Ok(ExitCode::SUCCESS)
}

fn of_root(root: Option<DeliveryId>) -> String {
    root.map_or_else(String::new, |root| format!("edit of delivery {root}: "))
}

fn json(delivery: &Delivery, root: Option<DeliveryId>, known: &Known) -> Value {
    let names = known.get(delivery.room.as_str());
    json!({
        "delivery": delivery.id.to_string(),
        "state": delivery.state.to_string(),
        "part": delivery.part.as_str(),
        "room": delivery.room.as_str(),
        "room_id": names.map(|names| &names.id),
        "room_alias": names.and_then(|names| names.alias.as_ref()),
        "room_name": names.and_then(|names| names.name.as_ref()),
        "headline": delivery.message.headline,
        "transaction": delivery.txn_id.to_string(),
        "accepted": delivery.accepted_at.to_string(),
        "attempts": delivery.attempts,
        "last_attempt": delivery.last_attempt_at.map(|time| time.to_string()),
        "event": delivery.event_id,
        "refers_to": delivery.relation.as_ref().map(|relation| relation.event_id().to_owned()),
        "edit_of": root.map(|root| root.to_string()),
        "last_error": delivery.last_error,
        "sent_as": delivery.combined_into.map(|digest| digest.to_string()),
    })
}

fn summary(delivery: &Delivery, of: &str, known: &Known) -> String {
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
        shown(known, &delivery.room),
        delivery.message.headline.replace('\n', " / ")
    )
}

fn full(delivery: &Delivery, of: &str, known: &Known) -> String {
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
        ("room", Some(shown(known, &delivery.room))),
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
    format!("{}{}\n{}", lines.concat(), failures(delivery), delivery.message.body)
}

fn failure_json(failure: &Failure) -> Value {
    json!({"attempt": failure.attempt, "at": failure.at.to_string(), "error": failure.error})
}

/// The last error stands above; the others are told where there were several attempts.
fn failures(delivery: &Delivery) -> String {
    if delivery.attempts < 2 {
        return String::new();
    }
    let lines = delivery
        .failures
        .iter()
        .map(|failure| format!("attempt {:<5}{}  {}\n", failure.attempt, failure.at, failure.error));
    lines.collect()
}
