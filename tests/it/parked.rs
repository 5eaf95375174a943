//! A room that takes no messages for now, over a restart: why is told at once, and where it is well again it is not made to wait.

use std::time::Duration;

use grafana_matrix_relay::outbox::RoomWait;
use grafana_matrix_relay::standin::{Fault, Scope, When};
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::Value;

use crate::app::{App, firing};
use crate::support::patience::eventually;
use crate::support::postgres;

/// What `ready` says of the deliveries; not before it says anything.
async fn deliveries(app: &App) -> Value {
    eventually("a delivery is said to wait", async || {
        let (status, report) = app.get_json("/health/ready").await;
        assert_eq!(status, StatusCode::OK, "{report}");
        let checks = report["checks"].as_array().unwrap();
        let deliveries = checks.iter().find(|check| check["name"] == "deliveries").unwrap();
        let is_degraded = deliveries["state"] == "degraded";
        assert!(!is_degraded || report["status"] == "degraded", "{report}");
        is_degraded.then(|| deliveries.clone())
    })
    .await
}

async fn a_restart_knows_why_a_room_waits_and_wakes_it_when_it_is_well(database_url: Option<String>) {
    let app = App::with(|flags| flags.delivery.database_url = database_url.map(Into::into)).await;
    let closed = app
        .homeserver
        .homeserver
        .plan(Scope::Room(app.room.clone()), When::Always, Fault::Forbidden);
    app.accept(&firing("Parked")).await;
    let before = deliveries(&app).await;
    assert!(before["reason"].as_str().unwrap().contains("M_FORBIDDEN"), "{before}");

    // A wait that nobody sees the end of: only somebody who looks at the room can end it.
    let room = app.room.parse().unwrap();
    let outbox = app.relay.outbox.clone();
    let reason = outbox.stats(Timestamp::now()).await.unwrap().rooms.remove(0).trouble;
    let app = app
        .restart(async |_| {
            let now = Timestamp::now();
            let wait = RoomWait {
                until: now + Duration::from_hours(24),
                reason: reason.unwrap(),
            };
            outbox.set_room_due(&room, Some(wait), now).await.unwrap();
            drop(outbox);
        })
        .await;
    let after = deliveries(&app).await;
    assert!(after["reason"].as_str().unwrap().contains("M_FORBIDDEN"), "{after}");

    let app = app.restart(async |homeserver| homeserver.heal(closed)).await;
    app.room_says("Parked").await;
}

#[tokio::test]
async fn a_restart_knows_why_a_room_waits_and_wakes_it_when_it_is_well_on_sqlite() {
    a_restart_knows_why_a_room_waits_and_wakes_it_when_it_is_well(None).await;
}

#[tokio::test]
async fn a_restart_knows_why_a_room_waits_and_wakes_it_when_it_is_well_on_postgresql() {
    let url = postgres::database().await;
    a_restart_knows_why_a_room_waits_and_wakes_it_when_it_is_well(Some(url)).await;
}
