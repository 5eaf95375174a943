//! The other ways to tell a group's story, and what an outage leaves of it, at a real Synapse.

use grafana_matrix_relay::standin::Shown;
use reqwest::Method;
use serde_json::Value;

use super::{FIRST, OVER, SECOND, alert, group};
use crate::support::matrix::User;
use crate::support::payload::grafana_firing;
use crate::support::relay::{Relay, Setup};
use crate::support::synapse::Synapse;

/// Waits until so many messages of the room, as it is seen, say this.
async fn seen(person: &User, room: &str, what: &str, count: usize) -> Vec<Shown> {
    let says = |body: &str| body.contains(what);
    let soon = crate::support::matrix::SOON;
    let enough = |messages: &[crate::support::matrix::Event]| {
        messages.iter().filter(|message| says(message.body())).count() >= count
    };
    person.wait_until(room, what, soon, enough).await;
    person.visible(room).await
}

async fn post(relay: &Relay, path: &str, body: &Value) {
    assert_eq!(relay.request(Method::POST, path, body).await.status, 202);
}

#[tokio::test]
async fn a_thread_is_what_clients_know() {
    let synapse = Synapse::start().await;
    let (person, room) = (&synapse.person, synapse.rooms.default.room_id.as_str());
    let folder = tempfile::tempdir().unwrap();
    let routes = folder.path().join("routes.toml");
    std::fs::write(
        &routes,
        format!("[routes.thread]\nrooms = ['{room}']\nmode = 'thread'\n"),
    )
    .unwrap();
    let setup = Setup::new(&synapse, room).env("RELAY_ROUTES_FILE", &routes.display().to_string());
    let relay = setup.start().await;
    let path = "/alert/thread";
    let begun = group(&[alert("one", FIRST, None)]);
    let joined = group(&[alert("one", FIRST, None), alert("two", SECOND, None)]);
    let over = group(&[alert("one", FIRST, Some(OVER)), alert("two", SECOND, Some(OVER))]);
    post(&relay, path, &begun).await;
    seen(person, room, "one", 1).await;
    post(&relay, path, &joined).await;
    seen(person, room, "two", 1).await;
    post(&relay, path, &over).await;
    let shown = seen(person, room, "two", 2).await;
    let sent = person.messages(room).await;
    assert!(
        sent.iter()
            .all(|event| event.content["m.relates_to"]["rel_type"] != "m.replace")
    );
    assert_eq!((shown.len(), shown[0].thread.len()), (1, 2), "{shown:#?}");
    assert!(shown[0].thread[0].is_loud() && !shown[0].thread[1].is_loud());
}

#[tokio::test]
async fn an_outage_ends_with_one_edit_one_line_and_one_digest() {
    let mut synapse = Synapse::start().await;
    let room = synapse.rooms.default.room_id.clone();
    let relay = Setup::new(&synapse, &room)
        .env("RELAY_DIGEST_THRESHOLD", "3")
        // However short the outage is on this machine.
        .env("RELAY_DIGEST_AFTER", "0s")
        .start()
        .await;
    relay.accepts(&group(&[alert("pg-1", FIRST, None)])).await;
    synapse.person.wait_for_messages(&room, 1).await;

    synapse.stop().await;
    relay
        .accepts(&group(&[alert("pg-1", FIRST, None), alert("pg-2", SECOND, None)]))
        .await;
    relay
        .accepts(&group(&[alert("pg-1", FIRST, None), alert("pg-2", SECOND, Some(OVER))]))
        .await;
    relay
        .accepts(&group(&[
            alert("pg-1", FIRST, Some(OVER)),
            alert("pg-2", SECOND, Some(OVER)),
        ]))
        .await;
    let others: Vec<String> = (0..8).map(|n| format!("Other{n}")).collect();
    for name in &others {
        relay.accepts(&grafana_firing(name)).await;
    }
    synapse.start_again().await;

    let person = &synapse.person;
    seen(person, &room, "Other7", 1).await;
    // The digest goes first.
    let shown = seen(person, &room, "2 resolved", 1).await;
    assert!(shown[0].body().contains("2 resolved"), "{shown:#?}");
    // One edit was under way when it began; what came after it is one more at most.
    assert!((1..=2).contains(&shown[0].edits), "{shown:#?}");
    // Everything is in the room once, and most of it in a digest: what was under way goes by itself.
    for name in &others {
        let times = shown.iter().filter(|one| one.body().contains(name)).count();
        assert_eq!(times, 1, "{name}: {shown:#?}");
    }
    let digests = shown.iter().filter(|one| one.body().starts_with("📬"));
    assert_eq!(digests.count(), 1, "{shown:#?}");
    let sends = person.messages(&room).await.len();
    assert!(sends <= 7, "{sends} messages: {shown:#?}");
}
