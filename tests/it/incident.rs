//! One alert group from its first alert to its next episode, at a real Synapse, as a person's client shows it.

mod modes;
mod pushes;

use grafana_matrix_relay::standin::Shown;
use serde_json::{Value, json};

use crate::support::relay::Setup;
use crate::support::synapse::Synapse;

const FIRST: &str = "2026-11-20T09:00:00Z";
const SECOND: &str = "2026-11-20T09:05:00Z";
const OVER: &str = "2026-11-20T09:20:00Z";
const AGAIN: &str = "2026-11-20T10:00:00Z";

/// An alert of the group, firing since then, or until then.
fn alert(host: &str, starts_at: &str, ends_at: Option<&str>) -> Value {
    json!({
        "status": if ends_at.is_some() { "resolved" } else { "firing" },
        "labels": {"alertname": "DiskFilling", "host": host, "severity": "critical"},
        "annotations": {"summary": format!("the disk of {host} fills up")},
        "startsAt": starts_at, "endsAt": ends_at.unwrap_or("0001-01-01T00:00:00Z"), "fingerprint": host,
    })
}

fn group(alerts: &[Value]) -> Value {
    let firing = alerts.iter().any(|alert| alert["status"] == "firing");
    json!({
        "version": "1", "groupKey": "{}:{alertname=\"DiskFilling\"}", "status": if firing { "firing" } else { "resolved" },
        "groupLabels": {"alertname": "DiskFilling"}, "alerts": alerts,
    })
}

fn loud(lines: &[Shown]) -> Vec<bool> {
    lines.iter().map(Shown::is_loud).collect()
}

#[tokio::test]
async fn an_incident_is_one_message_with_a_thread_and_its_return_is_another() {
    let synapse = Synapse::start().await;
    let room = synapse.rooms.default.room_id.as_str();
    let relay = Setup::new(&synapse, room).start().await;
    let (person, fires) = (&synapse.person, |host, since| alert(host, since, None));

    relay.accepts(&group(&[fires("pg-1", FIRST)])).await;
    let root = person.wait_for_messages(room, 1).await[0].id.clone();
    relay
        .accepts(&group(&[fires("pg-1", FIRST), fires("pg-2", SECOND)]))
        .await;
    person.wait_for_messages(room, 3).await;
    relay
        .accepts(&group(&[fires("pg-1", FIRST), alert("pg-2", SECOND, Some(OVER))]))
        .await;
    person.wait_for_messages(room, 5).await;
    let over = [alert("pg-1", FIRST, Some(OVER)), alert("pg-2", SECOND, Some(OVER))];
    relay.accepts(&group(&over)).await;
    person.wait_for_messages(room, 7).await;
    // What fires before the relay knows that the end is shown goes on in the same message.
    relay.has_delivered(7).await;
    relay.accepts(&group(&[fires("pg-1", AGAIN)])).await;
    // Each change was an edit and a line, and no more than that was sent.
    assert_eq!(person.wait_for_messages(room, 8).await.len(), 8);

    assert_eq!(person.relations(room, &root, "m.replace").await.len(), 3);
    let lines = person.relations(room, &root, "m.thread").await;
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[2].content["m.relates_to"]["m.in_reply_to"]["event_id"],
        json!(lines[1].id)
    );

    let shown = person.visible(room).await;
    assert_eq!(shown.len(), 2, "{shown:#?}");
    assert!(shown[0].body().contains("2 resolved"), "{}", shown[0].body());
    assert!(
        shown[1].body().contains("FIRING") && shown[1].is_loud(),
        "{}",
        shown[1].body()
    );
    let thread = &shown[0].thread;
    assert!(
        thread[0].body().contains("pg-2") && thread[0].body().contains("FIRING"),
        "{thread:#?}"
    );
    assert!(
        thread[1].body().contains("RESOLVED") && thread[2].body().contains("RESOLVED"),
        "{thread:#?}"
    );
    // What begins to fire notifies, what is over does not.
    assert_eq!(loud(thread), [true, false, false]);
}

#[tokio::test]
async fn a_root_that_was_deleted_is_followed_by_a_new_one() {
    let synapse = Synapse::start().await;
    let room = synapse.rooms.default.room_id.as_str();
    let relay = Setup::new(&synapse, room).start().await;
    let (person, fires) = (&synapse.person, |host, since| alert(host, since, None));

    relay.accepts(&group(&[fires("pg-1", FIRST)])).await;
    let root = person.wait_for_messages(room, 1).await[0].id.clone();
    person.redact(room, &root).await;
    relay
        .accepts(&group(&[fires("pg-1", FIRST), fires("pg-2", SECOND)]))
        .await;

    let says = |host: &str| {
        let host = host.to_owned();
        move |messages: &[crate::support::matrix::Event]| messages.iter().any(|message| message.body().contains(&host))
    };
    let soon = crate::support::matrix::SOON;
    person.wait_until(room, "new root", soon, says("pg-2")).await;
    relay
        .accepts(&group(&[
            fires("pg-1", FIRST),
            fires("pg-2", SECOND),
            fires("pg-3", SECOND),
        ]))
        .await;
    person.wait_until(room, "third alert", soon, says("pg-3")).await;
    relay
        .accepts(&group(&[
            alert("pg-1", FIRST, Some(OVER)),
            alert("pg-2", SECOND, Some(OVER)),
            alert("pg-3", SECOND, Some(OVER)),
        ]))
        .await;
    person
        .wait_until(room, "end", soon, |messages| {
            messages
                .iter()
                .filter(|message| message.body().to_lowercase().contains("resolved"))
                .count()
                >= 2
        })
        .await;

    let shown = person.visible(room).await;
    assert!(shown.iter().all(|message| message.event_id != root));
    let roots: Vec<_> = shown.iter().filter(|message| message.edits > 0).collect();
    assert_eq!(roots.len(), 1, "{shown:#?}");
    assert!(roots[0].body().contains("3 resolved"), "{}", roots[0].body());
}
