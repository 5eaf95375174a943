//! A real Alertmanager that shows a credential at a named route, whose messages live in a room of a real Synapse.

use serde_json::{Value, json};

use crate::support::alertmanager::Alertmanager;
use crate::support::relay::{Relay, Setup};
use crate::support::synapse::Synapse;

const PASSWORD: &str = "zq-right-password";
const TOKEN: &str = "zq-right-token";
const WRONG: [&str; 2] = ["zq-wrong-password", "zq-wrong-token"];

fn basic(password: &str) -> Value {
    json!({"basic_auth": {"username": "alertmanager", "password": password}})
}

fn bearer(token: &str) -> Value {
    json!({"authorization": {"type": "Bearer", "credentials": token}})
}

/// An alert as Prometheus sends it, firing or over.
fn alert(name: &str, over: bool) -> Value {
    let mut alert = json!({
        "labels": {"alertname": name, "severity": "warning"},
        "annotations": {"summary": format!("{name} needs you")},
        "startsAt": "2026-11-20T09:00:00Z",
    });
    if over {
        alert["endsAt"] = json!("2026-11-20T09:30:00Z");
    }
    alert
}

/// A relay with one route, `storage`, that takes a login or a token.
async fn relay(synapse: &Synapse, folder: &tempfile::TempDir) -> Relay {
    let file = folder.path().join("routes.toml");
    let text = format!(
        "[routes.storage]\nrooms = ['{}']\nmode = 'live'\n[routes.storage.credentials]\nbearer = '{TOKEN}'\n\
         basic = {{ user = 'alertmanager', password = '{PASSWORD}' }}\n",
        synapse.rooms.default.room_id
    );
    std::fs::write(&file, text).unwrap();
    Setup::new(synapse, "")
        .env("RELAY_ROUTES_FILE", &file.display().to_string())
        .env("RUST_LOG", "debug")
        .start()
        .await
}

#[tokio::test]
async fn alertmanager_with_a_login_or_a_token_reaches_its_route() {
    let synapse = Synapse::start().await;
    let folder = tempfile::tempdir().unwrap();
    let relay = relay(&synapse, &folder).await;
    let (person, room) = (&synapse.person, synapse.rooms.default.room_id.as_str());
    let webhook = format!("{}/alert/storage", relay.base_url);

    let mut events = 0;
    for (name, shown) in [("ByLogin", basic(PASSWORD)), ("ByToken", bearer(TOKEN))] {
        let alertmanager = Alertmanager::start_with(&webhook, shown).await;
        alertmanager.post(json!([alert(name, false)])).await;
        events += 1;
        let messages = person.wait_for_messages(room, events).await;
        assert!(
            messages[events - 1].body().contains(&format!("{name} needs you")),
            "{}",
            messages[events - 1].body()
        );
        alertmanager.post(json!([alert(name, true)])).await;
        // The root is edited, and its thread has a line.
        events += 2;
        person.wait_for_messages(room, events).await;
    }

    let shown = person.visible(room).await;
    assert_eq!(shown.len(), 2, "{shown:#?}");
    for (root, name) in shown.iter().zip(["ByLogin", "ByToken"]) {
        assert!(
            root.body().contains("RESOLVED") && root.body().contains(name),
            "{}",
            root.body()
        );
        assert_eq!((root.edits, root.thread.len()), (1, 1), "{root:#?}");
    }
    assert_no_secret(&relay);
}

#[tokio::test]
async fn alertmanager_with_a_wrong_credential_is_refused_and_its_secret_is_not_logged() {
    let synapse = Synapse::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut relay = relay(&synapse, &folder).await;
    let room = synapse.rooms.default.room_id.as_str();
    let webhook = format!("{}/alert/storage", relay.base_url);

    for (number, shown) in [basic(WRONG[0]), bearer(WRONG[1])].into_iter().enumerate() {
        let alertmanager = Alertmanager::start_with(&webhook, shown).await;
        alertmanager.post(json!([alert("Refused", false)])).await;
        while relay.log().matches("its credential is wrong").count() <= number {
            relay.says_next("its credential is wrong").await;
        }
    }
    // What is let in afterwards is the first that the room sees.
    let alertmanager = Alertmanager::start_with(&webhook, basic(PASSWORD)).await;
    alertmanager.post(json!([alert("LetIn", false)])).await;
    let messages = synapse.person.wait_for_messages(room, 1).await;
    assert!(
        messages.len() == 1 && messages[0].body().contains("LetIn"),
        "{messages:?}"
    );
    assert_no_secret(&relay);
}

fn assert_no_secret(relay: &Relay) {
    let log = relay.log();
    for secret in [PASSWORD, TOKEN].iter().chain(&WRONG) {
        let encoded = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("alertmanager:{secret}"),
        );
        assert!(!log.contains(secret) && !log.contains(&encoded), "{secret}\n{log}");
    }
}
