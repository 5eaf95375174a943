//! What the text of an alert never does on its way: become a template, or choose a room.

use std::time::Duration;

use grafana_matrix_relay::standin::NewRoom;
use serde_json::json;

use crate::app::{App, firing};
use crate::night::Night;

const SYNTAX: &str = "{{ 7*7 }}{% include 'alert.md.j2' %}{# x #}";

/// A group of alerts with template syntax in everything that is shown.
fn group(key: &str, count: usize) -> Vec<u8> {
    let alerts: Vec<_> = (0..count)
        .map(|number| {
            json!({"status": "firing", "labels": {"alertname": format!("{SYNTAX} {key}{number}"), "severity": "critical"},
                "annotations": {"summary": SYNTAX}, "fingerprint": format!("{key}{number}"),
                "startsAt": "2026-11-20T09:14:10Z"})
        })
        .collect();
    let body = json!({"version": "1", "groupKey": format!("{{}}:{key}"), "alerts": alerts});
    body.to_string().into_bytes()
}

#[tokio::test]
async fn template_syntax_in_an_alert_is_text_in_root_line_and_digest() {
    let mut night = Night::new().await;
    let room = night.open_room();
    night.accept_body(&room, &group("a", 1)).await;
    night.until_delivered(Duration::from_hours(1)).await;
    night.accept_body(&room, &group("a", 2)).await;
    night.until_delivered(Duration::from_hours(1)).await;
    let shown = night.homeserver.homeserver.visible(room.as_str());
    assert_eq!(
        (shown.len(), shown[0].edits, shown[0].thread.len()),
        (1, 1, 1),
        "{shown:#?}"
    );
    for (place, text) in [("root", shown[0].body()), ("line", shown[0].thread[0].body())] {
        assert!(text.contains(SYNTAX), "{place}: {text}");
    }
    for number in 0..15 {
        night.accept_body(&room, &group(&format!("g{number}"), 1)).await;
    }
    night.pass(Duration::from_mins(1));
    night.until_delivered(Duration::from_hours(1)).await;
    let shown = night.homeserver.homeserver.visible(room.as_str());
    let digest = shown[1].body();
    assert!(
        digest.contains("📬 Delayed messages") && digest.contains(SYNTAX),
        "{digest}"
    );
}

#[tokio::test]
async fn nothing_in_a_request_names_another_room() {
    let app = App::start().await;
    let homeserver = &app.homeserver.homeserver;
    let other = homeserver.create_room(&NewRoom::named("other").member("bot"));
    homeserver.point_alias("#other:example.org", &other);
    let mut sent = 0;
    for name in [other.as_str(), "#other:example.org", "other"] {
        let mut body = firing(&format!("Elsewhere{sent}"));
        for key in [
            "room",
            "rooms",
            "roomId",
            "room_id",
            "receiver",
            "route",
            "default_room",
        ] {
            body[key] = json!(name);
            for texts in ["groupLabels", "commonLabels", "commonAnnotations"] {
                body[texts][key] = json!(name);
            }
            for texts in ["labels", "annotations"] {
                body["alerts"][0][texts][key] = json!(name);
            }
            body["alerts"][0][key] = json!(name);
        }
        for query in ["room", "rooms", "roomId", "room_id", "route", "receiver"] {
            body["groupKey"] = json!(format!("{{}}:{sent}"));
            let path = format!("/alert?{query}={}", name.replace('#', "%23"));
            let request = app.post(&path).json(&body);
            assert_eq!(request.send().await.unwrap().status(), 202, "{query} {name}");
            sent += 1;
            app.messages(sent).await;
        }
        let path = name.replace('#', "%23");
        let answer = app.post(&format!("/alert/{path}")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    let elsewhere = homeserver.messages(&other);
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    assert_eq!(app.messages(sent).await.len(), sent);
}
