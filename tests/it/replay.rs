//! What a relay has taken, it knows and delivers after a restart, and on the other database.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::{App, firing};
use crate::auth::{SIGNATURE, TIME, now, signature, signed, with_signature};
use crate::support::matrix::http_client;
use crate::support::postgres;
use crate::support::relay::{Relay, Setup};

async fn post_signed(relay: &Relay, time: i64, body: &Value) -> Value {
    let text = body.to_string();
    let request = http_client()
        .post(format!("{}/alert", relay.base_url))
        .header(SIGNATURE, signature("s3cr3t", Some(time), &text))
        .header(TIME, time)
        .header("content-type", "application/json");
    let answer = request.body(text).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_signed_request_that_is_replayed_after_a_restart_is_recognised() {
    let (running, room, setup) = Setup::with_room().await;
    let setup = setup
        .env("RELAY_HMAC_SECRET", "s3cr3t")
        .env("RELAY_HMAC_TIMESTAMP_HEADER", TIME)
        // The restarts must not outlast the age that a request may have.
        .env("RELAY_REPEAT_WINDOW", "20m")
        .env("RELAY_HMAC_TOLERANCE", "10m");
    let time = Timestamp::now().as_second();
    // An alert without a time has nothing that tells a repeat apart, so only its signature does.
    let timeless = json!({"alerts": [{"status": "firing", "labels": {"alertname": "Timeless"}}]});

    let relay = setup.start().await;
    assert_eq!(post_signed(&relay, time, &timeless).await["recognised"], false);
    relay.kill();
    let relay = setup.start().await;
    assert_eq!(post_signed(&relay, time, &timeless).await["recognised"], true);
    assert!(relay.terminate().success());
    let relay = setup.start().await;
    assert_eq!(post_signed(&relay, time, &timeless).await["recognised"], true);
    assert_eq!(post_signed(&relay, time, &firing("Last")).await["recognised"], false);

    let mut changes = running.homeserver.changes();
    while running.homeserver.messages(&room).len() < 2 {
        changes.changed().await.unwrap();
    }
    let messages = running.homeserver.messages(&room);
    assert!(
        messages.len() == 2 && messages[1].body().contains("Last"),
        "{messages:?}"
    );
}

#[tokio::test]
async fn nul_in_a_notification_is_taken_and_delivered_on_postgresql() {
    let database = postgres::database().await;
    let app = App::with(|flags| flags.delivery.database_url = Some(database.into())).await;
    let mut body = firing("Null\0Name");
    body["groupKey"] = json!("{}:\0");
    body["alerts"][0]["labels"]["inst\0ance"] = json!("a\0b");
    body["alerts"][0]["annotations"] = json!({"summary": "before\0after"});
    body["alerts"][0]["fingerprint"] = json!("f\0");
    app.accept(&body).await;
    app.room_says("Null").await;
    // What is known of its group is stored and read again, too: the second is an edit and a line.
    body["alerts"][0]["status"] = json!("resolved");
    body["alerts"][0]["endsAt"] = json!("2026-11-20T09:44:10Z");
    app.accept(&body).await;
    app.accept(&firing("Last")).await;
    let mut changes = app.homeserver.homeserver.changes();
    let shown = loop {
        let shown = app.homeserver.homeserver.visible(&app.room);
        // What only shows a state goes after what is news.
        if shown.len() == 2 && shown[0].edits > 0 {
            break shown;
        }
        changes.changed().await.unwrap();
    };
    let text = shown[0].body();
    assert!(
        text.contains("RESOLVED") && text.contains("Null") && text.contains("Name") && !text.contains('\0'),
        "{text:?}"
    );
}

#[tokio::test]
async fn a_request_that_is_replayed_after_another_of_its_group_is_recognised_and_shown_once() {
    for on_postgresql in [false, true] {
        for (mode, shown) in [("live", [1, 1]), ("new", [2, 0])] {
            let database = if on_postgresql {
                Some(postgres::database().await)
            } else {
                None
            };
            let app = App::with(|flags| {
                with_signature(flags);
                flags.messages.message_mode = Some(mode.to_owned());
                flags.delivery.database_url = database.map(Into::into);
            })
            .await;
            let fires = firing(mode);
            let mut over = fires.clone();
            over["alerts"][0]["status"] = json!("resolved");
            over["alerts"][0]["endsAt"] = json!("2026-11-20T09:20:00Z");
            let time = now();
            let mut answers = Vec::new();
            for (body, time) in [(&fires, time - 1), (&over, time), (&fires, time - 1), (&over, time)] {
                let answer = signed(app.post("/alert"), "s3cr3t", time, body).send().await.unwrap();
                let answer: Value = answer.json().await.unwrap();
                answers.push(answer["recognised"].clone());
                // A root that nobody has seen would take up what follows.
                app.room_says(mode).await;
            }
            assert_eq!(answers, [false, false, true, true], "{mode}");
            signed(app.post("/alert"), "s3cr3t", time, &firing("Last"))
                .send()
                .await
                .unwrap();
            app.room_says("Last").await;
            let visible = app.homeserver.homeserver.visible(&app.room);
            let lines: usize = visible.iter().map(|shown| shown.thread.len()).sum();
            assert_eq!([visible.len() - 1, lines], shown, "{mode}: {visible:#?}");
            app.relay.stop().await.unwrap();
        }
    }
}
