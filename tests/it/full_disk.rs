//! A disk that is full under the running relay: callers are told, nothing that was accepted is lost, and when there is room
//! again everything goes on by itself.

use reqwest::Method;
use serde_json::{Value, json};

use crate::night::names;
use crate::support::patience::eventually;
use crate::support::relay::{Relay, Setup};

/// A notification of a few kilobytes.
fn body(number: u32) -> Value {
    let name = format!("Alert{number:05}");
    let alert = json!({"status": "firing", "labels": {"alertname": name, "severity": "critical"},
        "annotations": {"summary": "x".repeat(4_000)}, "startsAt": "2026-11-20T09:14:10Z"});
    json!({"version": "1", "groupKey": format!("{{}}:{name}"), "alerts": [alert]})
}

/// Asks until the relay answers so; the answer is believed for a while.
async fn until_ready_is(relay: &Relay, status: u16) -> Value {
    eventually("it is as ready as it should be", async || {
        let ready = relay.get("/health/ready").await;
        (ready.status == status).then_some(ready.body)
    })
    .await
}

#[tokio::test]
async fn full_disk_is_told_and_costs_nothing_that_was_accepted() {
    let (running, room, setup) = Setup::with_room().await;
    let setup = setup.env("RELAY_DIGEST_THRESHOLD", "100000").full_at(1024);
    let relay = setup.start().await;

    let (mut number, mut accepted) = (0, Vec::new());
    let mut post = async |number: u32| {
        let answer = relay.request(Method::POST, "/alert", &body(number)).await;
        if answer.status == 202 {
            accepted.push(format!("Alert{number:05}"));
        }
        (answer.status, answer.body)
    };
    // Until a few in a row are refused, some of them while the relay works on what it has taken.
    let mut refused = 0;
    while refused < 5 {
        let (status, problem) = post(number).await;
        assert!(matches!(status, 202 | 503), "{status}: {problem}");
        if status == 503 {
            refused += 1;
            assert_eq!(problem["status"], 503, "{problem}");
        }
        number += 1;
        assert!(number < 2_000, "the disk does not fill");
    }
    let report = until_ready_is(&relay, 503).await;
    assert_eq!(report["status"], "unavailable", "{report}");
    // It is alive, and says why it takes nothing.
    assert_eq!(relay.get("/health/live").await.status, 200);

    relay.make_room();
    until_ready_is(&relay, 200).await;
    for _ in 0..3 {
        assert_eq!(post(number).await.0, 202);
        number += 1;
    }
    let mut changes = running.homeserver.changes();
    let shown = loop {
        let messages = running.homeserver.messages(&room);
        let bodies: Vec<String> = messages.iter().map(|event| event.body().to_owned()).collect();
        let shown = names(&bodies);
        if shown.len() >= accepted.len() {
            break shown;
        }
        changes.changed().await.unwrap();
    };
    assert_eq!(
        shown, accepted,
        "accepted is in the room, once and in order, and nothing else is"
    );
    assert!(relay.terminate().success());
}
