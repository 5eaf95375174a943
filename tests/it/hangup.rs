//! SIGHUP never ends the relay, and reads again what can be read again.

use std::fs;

use grafana_matrix_relay::standin::{Homeserver, NewRoom, RunningHomeserver};
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::app::firing;
use crate::support::relay::{Relay, Setup};

/// A relay whose secrets stand in files, without a routes file.
struct Stage {
    running: RunningHomeserver,
    room: String,
    folder: TempDir,
    relay: Relay,
}

impl Stage {
    async fn new() -> Self {
        let homeserver = Homeserver::new("example.org");
        let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
        let folder = tempfile::tempdir().unwrap();
        let token = homeserver.login("bot", "RELAY");
        let running = homeserver.start().await.unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let relay = Setup::bare()
            .env("MATRIX_HOME_SERVER_URL", &running.base_url)
            .env("MATRIX_ACCESS_TOKEN_FILE", &file("matrix", &token))
            .env("MATRIX_DEFAULT_ROOM", &room)
            .env("RELAY_TOKEN_FILE", &file("senders", "the-first-of-the-senders"))
            .env("RELAY_METRICS_TOKEN_FILE", &file("metrics", "the-first-of-prometheus"))
            .start()
            .await;
        Self {
            running,
            room,
            folder,
            relay,
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Hangs up, and returns the line that says what came of it.
    async fn hang_up(&mut self) -> Value {
        self.relay.hang_up();
        serde_json::from_str(&self.relay.says_next("SIGHUP").await).unwrap()
    }

    async fn status(&self, path: &str, token: &str) -> StatusCode {
        let client = crate::support::matrix::http_client();
        let url = format!("{}{path}", self.relay.base_url);
        let request = match path {
            "/metrics" => client.get(url),
            _ => client.post(url).json(&firing(token)),
        };
        request.bearer_auth(token).send().await.unwrap().status()
    }
}

#[tokio::test]
async fn without_a_routes_file_the_files_of_secrets_are_read_again() {
    let mut stage = Stage::new().await;
    assert_eq!(
        stage.status("/alert", "the-first-of-the-senders").await,
        StatusCode::ACCEPTED
    );
    stage.write("senders", "the-second-of-the-senders");
    stage.write("metrics", "the-second-of-prometheus");
    let line = stage.hang_up().await;
    assert_eq!(line["log.level"], "info", "{line}");
    let text = line["message"].as_str().unwrap();
    for part in ["routes", "templates", "senders", "metrics", "matrix"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("the-second"), "{text}");
    for (path, token, expected) in [
        ("/alert", "the-first-of-the-senders", StatusCode::UNAUTHORIZED),
        ("/alert", "the-second-of-the-senders", StatusCode::ACCEPTED),
        ("/metrics", "the-first-of-prometheus", StatusCode::UNAUTHORIZED),
        ("/metrics", "the-second-of-prometheus", StatusCode::OK),
    ] {
        assert_eq!(stage.status(path, token).await, expected, "{path} {token}");
    }
    assert!(stage.relay.terminate().success());
}

#[tokio::test]
async fn another_access_token_is_used_without_a_restart() {
    let mut stage = Stage::new().await;
    let homeserver = stage.running.homeserver.clone();
    let old = fs::read_to_string(stage.folder.path().join("matrix")).unwrap();
    homeserver.revoke(&old);
    assert_eq!(
        stage.status("/alert", "the-first-of-the-senders").await,
        StatusCode::ACCEPTED
    );
    stage.relay.says("nothing can be sent").await;
    stage.write("matrix", &homeserver.login("bot", "RELAY2"));
    let line = stage.hang_up().await;
    assert!(
        line["message"].as_str().unwrap().contains("another access token"),
        "{line}"
    );
    let mut changes = homeserver.changes();
    while homeserver.messages(&stage.room).is_empty() {
        changes.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing_and_is_named() {
    let mut stage = Stage::new().await;
    stage.write("senders", "");
    stage.write("matrix", "two words");
    let line = stage.hang_up().await;
    assert_eq!(line["log.level"], "error", "{line}");
    let text = line["message"].as_str().unwrap();
    assert!(
        text.contains("RELAY_TOKEN_FILE") && text.contains("MATRIX_ACCESS_TOKEN"),
        "{text}"
    );
    assert!(!text.contains("two words"), "{text}");
    assert_eq!(
        stage.status("/alert", "the-first-of-the-senders").await,
        StatusCode::ACCEPTED
    );
    for _ in 0..3 {
        stage.hang_up().await;
    }
    assert!(stage.relay.runs());
}

#[tokio::test]
async fn a_demo_is_not_ended_by_it_either() {
    let mut relay = Setup::bare().arg("demo").start().await;
    relay.hang_up();
    relay.says("SIGHUP").await;
    assert!(relay.runs());
}
