//! The demo's second room, which takes no messages: one delivery waits for it, and one was given up.
//!
//! Guarantees: nothing of it gets into the room of the demo, and only notifications at the route of its own lead there.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::json;

use crate::config::Settings;
use crate::message::{RoomAddress, RouteName};
use crate::outbox::{DeliveryId, Ended, Outbox};
use crate::route::Table;

const ROUTE: &str = "refusing";
/// While the relay tries a delivery, it cannot be given up.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Adds the route to that room.
pub(super) fn add_route(settings: &mut Settings, room: &RoomAddress) -> anyhow::Result<()> {
    let mut routes = settings.routes.table.routes().clone();
    let mut rule = routes.get(&RouteName::default()).context("no default route")?.clone();
    for destination in &mut rule.destinations {
        destination.room = room.clone();
    }
    let name: RouteName = ROUTE.parse()?;
    let credentials = settings.routes_source.credentials.clone();
    settings.routes.credentials.insert(name.clone(), credentials);
    routes.insert(name, rule);
    settings.routes.table = Table::new(routes);
    Ok(())
}

/// Posts two notifications there, and gives up the first.
pub(super) async fn fill(address: SocketAddr, outbox: Outbox) -> anyhow::Result<()> {
    tracing::info!("a second room takes no messages, on purpose: see Deliveries in the workshop");
    let mut first = None;
    for (name, summary) in [
        (
            "GivenUp",
            "Given up, because its room takes no messages. Send it again: it waits then",
        ),
        (
            "Waits",
            "Waits for a room that takes no messages. Give it up, or leave it",
        ),
    ] {
        let body = json!({"groupKey": name, "alerts": [{
            "status": "firing", "labels": {"alertname": name, "severity": "warning"}, "annotations": {"summary": summary},
            "startsAt": Timestamp::now().to_string()
        }]});
        let answer = super::post(address, &format!("/alert/{ROUTE}"), &body).await?;
        first = first.or(answer["deliveries"][0]["id"].as_i64());
    }
    let id = DeliveryId(first.context("the relay owes no message")?);
    for _ in 0..TRIES {
        if outbox.give_up(id, Timestamp::now()).await? == Ended::Done {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!(delivery.id = %id, "the relay still tries the delivery that the demo wanted to give up");
    Ok(())
}
