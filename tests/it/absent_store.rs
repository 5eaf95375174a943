//! An outbox that cannot be opened when the relay starts: what passes is waited for, and told meanwhile; what a person has to mend
//! ends the start.

use grafana_matrix_relay::config::{Flags, Settings};
use grafana_matrix_relay::outbox::{Outbox, OutboxError};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::app::{App, firing};
use crate::support::patience::until;
use crate::support::postgres;
use crate::support::relay::{Relay, Setup};

fn reason(report: &Value, name: &str) -> String {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap();
    check["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_postgresql_that_is_down_at_the_start_is_waited_for() {
    let mut server = postgres::Server::start();
    let url = server.database();
    server.stop();
    let app = App::with(|flags| flags.delivery.database_url = Some(url.into())).await;
    let (status, report) = app.get_json("/health/ready").await;
    assert_eq!(
        (status, &report["status"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"unavailable".into())
    );
    assert!(reason(&report, "outbox").contains("refused"), "{report}");
    assert_eq!(app.get("/health/live").await.status(), StatusCode::OK);
    let refused = app.post("/alert").json(&firing("Early")).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);

    server.start_again();
    until("the store is open", async || {
        app.get("/health/ready").await.status() == StatusCode::OK
    })
    .await;
    app.accept(&firing("Late")).await;
    app.room_says("Late").await;
    assert_eq!(app.texts().len(), 1, "what was refused was not accepted");
    app.relay.stop().await.unwrap();
}

async fn until_ready(relay: &Relay) {
    until("the relay is ready", async || {
        relay.get("/health/ready").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_is_waited_for_and_what_waits_on_it_is_sent_then() {
    let (running, room, setup) = Setup::with_room().await;
    running.refuse().await;
    let relay = setup.start().await;
    relay.accepts(&firing("Before")).await;
    assert!(relay.terminate().success());
    running.accept_again().await;

    // Not even the index of the log fits, without which nothing can be read.
    let relay = setup.clone().full_at(8).start().await;
    let ready = relay.get("/health/ready").await;
    assert_eq!((ready.status, &ready.body["status"]), (503, &"unavailable".into()));
    assert!(!reason(&ready.body, "outbox").is_empty(), "{}", ready.body);
    let refused = relay.request(Method::POST, "/alert", &firing("Refused")).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(running.homeserver.messages(&room).is_empty());

    relay.make_room();
    until_ready(&relay).await;
    relay.accepts(&firing("After")).await;
    let mut changes = running.homeserver.changes();
    let says = |name: &str| {
        let messages = running.homeserver.messages(&room);
        messages.iter().filter(|event| event.body().contains(name)).count()
    };
    while says("After") == 0 {
        changes.changed().await.unwrap();
    }
    assert_eq!((says("Before"), says("After"), says("Refused")), (1, 1, 0));
    assert!(relay.terminate().success());
}

async fn refused(change: impl FnOnce(&mut Flags)) -> OutboxError {
    let mut flags = Flags {
        home_server_url: Some("http://127.0.0.1:1".to_owned()),
        access_token: Some("token".into()),
        default_room: Some("!ops:example.org".to_owned()),
        ..Flags::default()
    };
    change(&mut flags);
    let settings = Settings::from_flags(&flags).unwrap();
    Outbox::open_or_wait(&settings.outbox).await.unwrap_err()
}

#[tokio::test]
async fn what_only_a_person_can_mend_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let no_directory = refused(|flags| flags.delivery.data_dir = Some(file.display().to_string())).await;
    assert!(
        matches!(no_directory, OutboxError::Directory { .. }),
        "{no_directory:?}"
    );
    assert!(no_directory.to_string().contains("RELAY_DATA_DIR"), "{no_directory}");

    let server = postgres::database().await;
    let no_database = refused(|flags| flags.delivery.database_url = Some(format!("{server}_none").into())).await;
    assert!(
        matches!(&no_database, OutboxError::Setting(why) if why.contains("does not exist")),
        "{no_database:?}"
    );
}
