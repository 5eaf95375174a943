//! The test stack itself: that the real servers are what the other tests take them for.
//!
//! A test of the relay that fails here too is no fault of the relay's.

use reqwest::Method;
use serde_json::json;

use crate::support::alertmanager::Alertmanager;
use crate::support::chromium::Browser;
use crate::support::synapse::Synapse;

fn text(body: &str) -> serde_json::Value {
    json!({"msgtype": "m.text", "body": body, "m.mentions": {}})
}

#[tokio::test]
async fn the_person_reads_what_the_bot_sends_with_its_relations() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id;
    let sent = synapse
        .bot
        .send_event(room, "m.room.message", "t1", text("one"))
        .await
        .ok();
    let event_id = sent["event_id"].as_str().unwrap();
    let reaction = json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": "👀"}});
    synapse.person.send_event(room, "m.reaction", "t2", reaction).await.ok();

    let messages = synapse.person.wait_for_messages(room, 1).await;

    assert_eq!(messages[0].body(), "one");
    assert_eq!(messages[0].sender, synapse.bot.id);
    assert_eq!(synapse.person.event(room, event_id).await, messages[0]);
    let relations = synapse.person.relations(room, event_id, "m.annotation").await;
    assert_eq!(relations.len(), 1);
}

#[tokio::test]
async fn rooms_are_of_the_kinds_their_names_promise() {
    let synapse = Synapse::start().await;
    let (bot, rooms) = (&synapse.bot, &synapse.rooms);
    assert!(!rooms.default.room_id.contains(':'), "{}", rooms.default.room_id);
    assert!(
        rooms.second.room_id.ends_with(":relay.test"),
        "{}",
        rooms.second.room_id
    );

    let resolved = bot.get(&["directory", "room", &rooms.default.alias], &[]).await.ok();
    assert_eq!(resolved["room_id"], json!(rooms.default.room_id));
    for forbidden in [&rooms.invited, &rooms.readonly] {
        let answer = bot
            .send_event(&forbidden.room_id, "m.room.message", "t", text("no"))
            .await;
        assert_eq!(answer.body["errcode"], json!("M_FORBIDDEN"));
    }
    let state = ["rooms", &rooms.encrypted.room_id, "state", "m.room.encryption"];
    assert_eq!(bot.get(&state, &[]).await.status, 200);
}

#[tokio::test]
async fn a_transaction_id_is_one_event_across_a_restart_of_the_homeserver() {
    let mut synapse = Synapse::start().await;
    let room = synapse.rooms.second.room_id.clone();
    let first = synapse
        .bot
        .send_event(&room, "m.room.message", "same", text("once"))
        .await
        .ok();
    synapse.stop().await;
    synapse.start_again().await;

    let second = synapse
        .bot
        .send_event(&room, "m.room.message", "same", text("once"))
        .await
        .ok();

    assert_eq!(first["event_id"], second["event_id"]);
    assert_eq!(synapse.person.messages(&room).await.len(), 1);
}

#[tokio::test]
async fn default_limits_let_ten_messages_pass_and_refuse_the_eleventh() {
    let synapse = Synapse::start_with_default_limits().await;
    let room = &synapse.rooms.default.room_id;
    for number in 1..=10 {
        let txn_id = format!("t{number}");
        synapse
            .bot
            .send_event(room, "m.room.message", &txn_id, text(&txn_id))
            .await
            .ok();
    }
    let eleventh = synapse.bot.send_event(room, "m.room.message", "t11", text("t11")).await;
    assert_eq!(
        (eleventh.status, &eleventh.body["errcode"]),
        (429, &json!("M_LIMIT_EXCEEDED"))
    );
}

#[tokio::test]
async fn a_transaction_id_is_one_event_for_a_new_token_of_the_same_device() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id;
    let first = synapse
        .bot
        .send_event(room, "m.room.message", "same", text("once"))
        .await
        .ok();

    let bot = synapse.bot.log_in_again().await;
    let second = bot.send_event(room, "m.room.message", "same", text("once")).await.ok();

    assert_eq!(first["event_id"], second["event_id"]);
    assert_ne!(bot.access_token, synapse.bot.access_token);
}

#[tokio::test]
async fn the_administrator_can_lift_the_limit_of_the_bot_alone() {
    let synapse = Synapse::start_with_default_limits().await;
    let room = &synapse.rooms.default.room_id;
    let path = [
        "_synapse",
        "admin",
        "v1",
        "users",
        &synapse.bot.id,
        "override_ratelimit",
    ];
    let no_limit = json!({"messages_per_second": 0, "burst_count": 0});
    synapse.admin.call(Method::POST, &path, &[], Some(&no_limit)).await.ok();

    for number in 1..=12 {
        let txn_id = format!("t{number}");
        synapse
            .bot
            .send_event(room, "m.room.message", &txn_id, text(&txn_id))
            .await
            .ok();
    }
}

#[tokio::test]
async fn alertmanager_takes_alerts() {
    let alertmanager = Alertmanager::start("http://127.0.0.1:9/alert").await;
    alertmanager
        .post(json!([{"labels": {"alertname": "Nobody listens"}}]))
        .await;
}

#[tokio::test]
async fn chromium_shows_a_page_and_its_picture() {
    let browser = Browser::start(400, 300).await;
    let script = "setTimeout(() => document.body.append('resolved'), 50)";
    browser
        .open(&format!(
            "data:text/html;charset=utf-8,<h1>🔥 firing</h1><script>{script}</script>"
        ))
        .await;
    let text = browser.wait_for_text("resolved").await;
    assert!(text.starts_with("🔥 firing"), "{text}");
    assert!(browser.screenshot().await.starts_with(b"\x89PNG"));
    browser.quit().await;
}
