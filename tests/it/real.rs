//! End to end: the relay's binary between real callers and a real Synapse, read back as another user.
//!
//! States what the promise means outside: what was answered 202 is in the room once and in order. The many ways in which a
//! homeserver can fail are tried against the stand-in, which can do what Synapse cannot be told to.

mod faults;
mod templates;

use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::alertmanager::Alertmanager;
use crate::support::chromium::Browser;
use crate::support::matrix::Event;
use crate::support::payload::{grafana_firing, grafana_resolved};
use crate::support::relay::{Relay, Setup};
use crate::support::synapse::Synapse;

#[tokio::test]
async fn a_grafana_notification_is_read_back_by_a_person_in_the_room() {
    let synapse = Synapse::start().await;
    let relay = Setup::new(&synapse, &synapse.rooms.default.alias).start().await;

    relay.accepts(&grafana_firing("ReplicationLag")).await;

    let messages = synapse
        .person
        .wait_for_messages(&synapse.rooms.default.room_id, 1)
        .await;
    let message = &messages[0];
    assert_eq!(message.sender, synapse.bot.id);
    assert_eq!(message.content["format"], json!("org.matrix.custom.html"));
    assert_eq!(message.content["m.mentions"], json!({}));
    for text in [message.body(), message.formatted_body()] {
        for part in ["ReplicationLag", "critical", "db-3 is 94 seconds behind its primary"] {
            assert!(text.contains(part), "`{part}` is missing in:\n{text}");
        }
    }
    assert!(
        message
            .formatted_body()
            .contains("<a href=\"https://wiki.example.net/runbooks/replication-lag\"")
    );
    assert!(
        !message.body().contains("<a "),
        "the plain text is plain:\n{}",
        message.body()
    );
}

#[tokio::test]
async fn a_draft_of_the_workshop_is_read_back_as_a_test() {
    let synapse = Synapse::start().await;
    let relay = Setup::new(&synapse, &synapse.rooms.default.alias).start().await;
    let draft = json!({"preview": {"sample": "firing", "source": "a draft about {{ name }}"}});
    let sent = relay.request(Method::POST, "/workshop/send", &draft).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    let room = &synapse.rooms.default.room_id;
    let text = synapse.person.wait_for_messages(room, 1).await[0].body().to_owned();
    assert!(
        text.starts_with("🧪 TEST") && text.contains("a draft about CheckoutSlow"),
        "{text}"
    );
}

#[tokio::test]
async fn a_body_of_any_shape_is_read_back_by_a_person_in_the_room() {
    let synapse = Synapse::start().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = folder.path().join("routes.toml");
    let room = &synapse.rooms.default.alias;
    std::fs::write(&routes, format!("[routes.hook]\nrooms = '{room}'\ninput = 'json'\n")).unwrap();
    let setup = Setup::new(&synapse, room).env("RELAY_ROUTES_FILE", &routes.display().to_string());
    let relay = setup.start().await;
    let body = r#"{"text":"hi"}"#;
    let output = Command::new("curl")
        .args(["-s", "-w", "%{http_code}", "-o", "/dev/null", "-d", body])
        .arg(format!("{}/alert/hook", relay.base_url))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "202");
    let messages = synapse
        .person
        .wait_for_messages(&synapse.rooms.default.room_id, 1)
        .await;
    assert_eq!((messages[0].body(), messages[0].formatted_body()), ("hi", "<p>hi</p>"));
}

#[tokio::test]
async fn the_log_never_holds_the_token_or_a_request_body() {
    let synapse = Synapse::start().await;
    let setup = Setup::new(&synapse, &synapse.rooms.default.alias).env("RUST_LOG", "debug");
    let relay = setup.start().await;
    relay.accepts(&grafana_firing("ReplicationLag")).await;
    synapse
        .person
        .wait_for_messages(&synapse.rooms.default.room_id, 1)
        .await;

    for secret in [synapse.bot.access_token.as_str(), "db-3 is 94 seconds behind"] {
        assert!(
            !relay.log().contains(secret),
            "`{secret}` is in the log:\n{}",
            relay.log()
        );
    }
}

#[tokio::test]
async fn the_demo_shows_its_alerts_in_a_browser_without_any_configuration() {
    let relay = Setup::bare().arg("demo").start().await;
    let browser = Browser::start(1000, 1400).await;

    browser.open(&relay.base_url).await;
    // The incident that it plays: a root that is edited, its lines, and a new root when the group fires again.
    browser.wait_for_text("Thread · 3 lines").await;
    browser.wait_for_text("edited 3 times").await;
    browser
        .wait_until("document.querySelectorAll('#timeline > .message').length === 2")
        .await;
    let text = browser.wait_for_text("RESOLVED").await;
    assert!(text.contains("FIRING"), "{text}");
    // Both roots have called somebody when they began; what the second one says is still as it began.
    browser
        .wait_until("document.querySelectorAll('#timeline > .message.mentions').length === 2")
        .await;
    browser
        .wait_until(
            "document.querySelector('#timeline > .message:last-child a.pill')?.textContent === '@oncall:example.org'",
        )
        .await;
    browser
        .wait_until("document.querySelectorAll('.lines .message.mentions').length === 0")
        .await;
    assert_eq!(browser.console().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test]
async fn put_and_post_are_the_same_and_firing_comes_before_resolved() {
    let synapse = Synapse::start().await;
    let relay = Setup::new(&synapse, &synapse.rooms.default.alias).start().await;

    let put = relay
        .request(Method::PUT, "/alert", &grafana_firing("ReplicationLag"))
        .await;
    assert_eq!(put.status, 202, "{}", put.body);
    relay.accepts(&grafana_resolved("ReplicationLag")).await;

    let messages = synapse
        .person
        .wait_for_messages(&synapse.rooms.default.room_id, 2)
        .await;
    let said: Vec<_> = messages.iter().map(|message| message.body().to_lowercase()).collect();
    assert!(said[0].contains("firing"), "{}", said[0]);
    assert!(said[1].contains("resolved"), "{}", said[1]);
}

#[tokio::test]
async fn a_room_id_is_an_address_with_and_without_a_domain() {
    let synapse = Synapse::start().await;
    for room in [&synapse.rooms.default.room_id, &synapse.rooms.second.room_id] {
        let relay = Setup::new(&synapse, room).start().await;
        relay.accepts(&grafana_firing("ReplicationLag")).await;
        synapse.person.wait_for_messages(room, 1).await;
    }
}

#[tokio::test]
async fn a_room_that_the_bot_is_only_invited_to_is_joined() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.invited.room_id;
    assert!(!synapse.bot.joined_rooms().await.contains(room));

    let relay = Setup::new(&synapse, room).start().await;
    relay.accepts(&grafana_firing("ReplicationLag")).await;

    synapse.person.wait_for_messages(room, 1).await;
    assert!(synapse.bot.joined_rooms().await.contains(room));
}

#[tokio::test]
async fn an_invitation_to_a_relay_that_runs_is_accepted_without_an_alert() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.second.room_id;
    let to_bot = async |what| {
        let who = json!({"user_id": synapse.bot.id});
        synapse.person.post(&["rooms", room, what], who).await.ok()
    };
    to_bot("kick").await;
    let mut relay = Setup::new(&synapse, room).start().await;
    relay.says("and it joins by itself").await;
    to_bot("invite").await;
    relay.says("is ready").await;
    assert!(synapse.bot.joined_rooms().await.contains(room));
}

#[tokio::test]
async fn alertmanagers_own_notification_arrives() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id;
    let relay = Setup::new(&synapse, room).start().await;
    let alertmanager = Alertmanager::start(&format!("{}/alert", relay.base_url)).await;
    let mut alert = json!({
        "labels": {"alertname": "InstanceDown", "severity": "warning", "instance": "web-9:9100"},
        "annotations": {"summary": "web-9 does not answer"},
    });

    alertmanager.post(json!([alert])).await;
    let messages = synapse.person.wait_for_messages(room, 1).await;
    assert!(
        messages[0].body().contains("web-9 does not answer"),
        "{}",
        messages[0].body()
    );

    alert["endsAt"] = json!("2026-01-01T00:00:00Z");
    alert["startsAt"] = json!("2025-12-31T23:00:00Z");
    alertmanager.post(json!([alert])).await;
    let messages = synapse.person.wait_for_messages(room, 2).await;
    assert!(
        messages[1].body().to_lowercase().contains("resolved"),
        "{}",
        messages[1].body()
    );
}

#[tokio::test]
async fn nothing_enters_an_encrypted_room_in_plain_text() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.encrypted.room_id;
    match Setup::new(&synapse, room).try_start().await {
        Ok(mut relay) => {
            relay
                .request(Method::POST, "/alert", &grafana_firing("ReplicationLag"))
                .await;
            relay.says("encrypted").await;
        }
        Err(log) => assert!(log.to_lowercase().contains("encrypted"), "the refusal says why:\n{log}"),
    }
    assert_eq!(synapse.person.messages(room).await, []);
}

#[tokio::test]
async fn what_was_accepted_while_the_homeserver_was_away_arrives_once_and_in_order() {
    let mut synapse = Synapse::start().await;
    let room = synapse.rooms.default.room_id.clone();
    let relay = Setup::new(&synapse, &room).start().await;
    let names = names("Outage", 5);

    accept_all(&relay, &names[..1]).await;
    synapse.person.wait_for_messages(&room, 1).await;
    synapse.stop().await;
    accept_all(&relay, &names[1..]).await;
    synapse.start_again().await;

    let messages = wait_for_names(&synapse, &room, &names, Duration::from_secs(90)).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn what_a_killed_relay_had_accepted_is_sent_once_and_in_order_by_the_next_one() {
    let mut synapse = Synapse::start().await;
    let room = synapse.rooms.default.room_id.clone();
    let setup = Setup::new(&synapse, &room);
    let relay = setup.start().await;
    let names = names("Crash", 5);

    accept_all(&relay, &names[..1]).await;
    synapse.person.wait_for_messages(&room, 1).await;
    synapse.stop().await;
    accept_all(&relay, &names[1..]).await;
    relay.kill();
    synapse.start_again().await;
    let _relay = setup.start().await;

    let messages = wait_for_names(&synapse, &room, &names, Duration::from_secs(90)).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn a_frozen_homeserver_delays_messages_and_doubles_none() {
    let mut synapse = Synapse::start().await;
    let room = synapse.rooms.default.room_id.clone();
    let relay = Setup::new(&synapse, &room).start().await;
    let names = names("Frozen", 3);

    synapse.pause().await;
    accept_all(&relay, &names).await;
    synapse.resume().await;

    let messages = wait_for_names(&synapse, &room, &names, Duration::from_secs(90)).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn a_burst_of_a_hundred_against_the_default_limits_arrives_completely() {
    let synapse = Synapse::start_with_default_limits().await;
    let room = &synapse.rooms.default.room_id;
    let relay = Setup::new(&synapse, room).start().await;
    let names = names("Burst", 100);

    accept_all(&relay, &names).await;

    // Without digests, 90 of them would take seven and a half minutes.
    let messages = wait_for_names(&synapse, room, &names, Duration::from_mins(4)).await;
    assert_once_and_in_order(&messages, &names);
}

#[tokio::test]
async fn a_relay_that_is_asked_to_end_does_so_in_peace() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id;
    let relay = Setup::new(&synapse, room).start().await;
    relay.accepts(&grafana_firing("ReplicationLag")).await;

    let status = relay.terminate();

    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_mixed_group_is_split_over_two_rooms_by_its_labels() {
    let synapse = Synapse::start().await;
    let (all, web) = (&synapse.rooms.default, &synapse.rooms.second);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    let text = format!(
        "[routes.default]\nrooms = ['{}']\n[[routes.default.rules]]\nmatchers = ['team=~\"web|shop\"']\n\
         rooms = ['{}']\nmentions = {{ room = true }}\n",
        all.alias, web.room_id
    );
    std::fs::write(&file, &text).unwrap();
    let mut relay = Setup::new(&synapse, "")
        .env("RELAY_ROUTES_FILE", &file.display().to_string())
        .start()
        .await;
    // The bot is an ordinary member of its rooms.
    let warning = relay.says("lacks the power").await;
    assert!(warning.contains(&web.room_id), "{warning}");

    let mut mixed = grafana_firing("ReplicationLag");
    let mut other = grafana_firing("SlowPage")["alerts"][0].clone();
    other["labels"]["team"] = json!("web");
    mixed["alerts"].as_array_mut().unwrap().push(other);
    mixed["groupLabels"] = json!({"grafana_folder": "Databases"});
    relay.accepts(&mixed).await;

    for (room, here, elsewhere) in [(all, "ReplicationLag", "SlowPage"), (web, "SlowPage", "ReplicationLag")] {
        let messages = synapse.person.wait_for_messages(&room.room_id, 1).await;
        let text = messages[0].body();
        assert!(text.contains(here) && !text.contains(elsewhere), "{text}");
    }

    // The rule goes, and with a hangup the routes are read again: what is accepted from then on goes to one room.
    let (kept, _) = text.split_once("[[").unwrap();
    std::fs::write(&file, kept).unwrap();
    relay.hang_up();
    relay.says("routes were read again").await;
    let mut later = grafana_firing("Later");
    later["alerts"][0]["labels"]["team"] = json!("web");
    relay.accepts(&later).await;
    let arrived = |messages: &[Event]| messages.iter().any(|message| message.body().contains("Later"));
    let room = &all.room_id;
    synapse
        .person
        .wait_until(room, "the later alert", Duration::from_mins(1), arrived)
        .await;
    let elsewhere = synapse.person.messages(&web.room_id).await;
    assert_eq!(elsewhere.len(), 1, "{elsewhere:?}");
}

/// Alert names none of which is the beginning of another.
fn names(what: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{what}{number:03}")).collect()
}

/// Posts one firing notification for each name, one after the other.
async fn accept_all(relay: &Relay, names: &[String]) {
    for name in names {
        relay.accepts(&grafana_firing(name)).await;
    }
}

/// Waits until each name stands in some message.
async fn wait_for_names(synapse: &Synapse, room: &str, names: &[String], patience: Duration) -> Vec<Event> {
    let complete = |messages: &[Event]| {
        names
            .iter()
            .all(|name| messages.iter().any(|message| message.body().contains(name.as_str())))
    };
    synapse
        .person
        .wait_until(room, "message for each alert", patience, complete)
        .await
}

/// Each name is in exactly one message, its own or a digest, and the messages come in the order of the names.
fn assert_once_and_in_order(messages: &[Event], names: &[String]) {
    let mut places = Vec::new();
    for name in names {
        let holders = messages
            .iter()
            .enumerate()
            .filter(|(_, message)| message.body().contains(name.as_str()));
        let found: Vec<usize> = holders.map(|(place, _)| place).collect();
        assert_eq!(found.len(), 1, "{name} is in messages {found:?}, not in one");
        places.extend(found);
    }
    assert!(places.is_sorted(), "out of order: {places:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn send_test_puts_a_sample_into_the_room() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
    command
        .args(["send-test", "--sample", "datasource-error", "--template", "compact"])
        .env_clear()
        .env("MATRIX_HOME_SERVER_URL", &synapse.base_url)
        .env("MATRIX_ACCESS_TOKEN", &synapse.bot.access_token)
        .env("MATRIX_DEFAULT_ROOM", &room.alias)
        .current_dir(folder.path());
    let said = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    assert!(
        said.status.success() && out.contains("sent `⚠️ CANNOT EVALUATE · CheckoutErrors"),
        "{out}{err}"
    );
    let messages = synapse.person.wait_for_messages(&room.room_id, 1).await;
    assert!(
        messages[0].body().contains("connection refused"),
        "{}",
        messages[0].body()
    );
    assert!(
        messages[0]
            .formatted_body()
            .contains("<strong>CANNOT EVALUATE</strong>")
    );
    assert!(!err.contains(&synapse.bot.access_token) && !out.contains(&synapse.bot.access_token));
}
