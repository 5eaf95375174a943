//! A relay that is asked to end: it takes nothing more, answers what it has begun to take, and leaves the rest to the next.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use grafana_matrix_relay::standin::{Fault, Homeserver, NewRoom, RunningHomeserver, Scope, When};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::app::firing;
use crate::night::names;
use crate::support::postgres;
use crate::support::relay::{Relay, Setup};

struct Stage {
    homeserver: RunningHomeserver,
    room: String,
    setup: Setup,
}

impl Stage {
    async fn new() -> Self {
        let homeserver = Homeserver::new("example.org");
        let token = homeserver.login("bot", "RELAY");
        let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
        let homeserver = homeserver.start().await.unwrap();
        let setup = Setup::bare()
            .env("MATRIX_HOME_SERVER_URL", &homeserver.base_url)
            .env("MATRIX_ACCESS_TOKEN", &token)
            .env("MATRIX_DEFAULT_ROOM", &room)
            .env("RELAY_DIGEST_THRESHOLD", "1000");
        Self {
            homeserver,
            room,
            setup,
        }
    }

    fn fault(&self, when: When, fault: Fault) {
        self.homeserver.homeserver.plan(Scope::Sends, when, fault);
    }

    async fn until(&self, enough: impl Fn(&Homeserver) -> bool) {
        let mut changes = self.homeserver.homeserver.changes();
        while !enough(&self.homeserver.homeserver) {
            changes.changed().await.unwrap();
        }
    }

    /// Waits until a send is under way.
    async fn until_sending(&self) {
        self.until(|server| server.sends_seen(&self.room) > 0).await;
    }

    /// The alerts that the room names once there are so many messages.
    async fn named(&self, messages: usize) -> Vec<String> {
        self.until(|server| server.messages(&self.room).len() >= messages).await;
        let messages = self.homeserver.homeserver.messages(&self.room);
        names(&messages.iter().map(|event| event.body().to_owned()).collect::<Vec<_>>())
    }
}

async fn accept(relay: &Relay, names: &[&str]) {
    for name in names {
        let answer = relay.request(Method::POST, "/alert", &firing(name)).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
}

#[tokio::test]
async fn what_is_being_sent_is_finished_and_nothing_is_taken_any_more() {
    let stage = Stage::new().await;
    stage.fault(When::Next(1), Fault::Latency(Duration::from_secs(2)));
    let mut relay = stage.setup.start().await;
    accept(&relay, &["Alert00001", "Alert00002"]).await;
    stage.until_sending().await;
    relay.ask_to_end();
    let address = relay.base_url.trim_start_matches("http://").to_owned();
    while TcpStream::connect(&address).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(relay.runs(), "it refuses connections before it ends");
    assert!(stage.homeserver.homeserver.messages(&stage.room).is_empty());
    assert!(relay.ended().await.success());
    // The first is finished; the second has not begun.
    assert_eq!(stage.named(1).await, ["Alert00001"]);

    let relay = stage.setup.start().await;
    accept(&relay, &["Alert00003"]).await;
    assert_eq!(stage.named(3).await, ["Alert00001", "Alert00002", "Alert00003"]);
}

#[tokio::test]
async fn what_hangs_is_left_to_the_next_start_when_the_grace_is_over() {
    let stage = Stage::new().await;
    stage.fault(When::Always, Fault::Hang);
    let relay = stage.setup.clone().env("RELAY_SHUTDOWN_GRACE", "1s").start().await;
    let alerts = ["Alert00001", "Alert00002", "Alert00003"];
    accept(&relay, &alerts).await;
    stage.until_sending().await;
    relay.ask_to_end();
    assert!(relay.ended().await.success());

    stage.homeserver.homeserver.heal_all();
    let _relay = stage.setup.start().await;
    assert_eq!(stage.named(3).await, alerts);
}

#[tokio::test]
async fn a_request_that_has_begun_is_still_answered_and_kept() {
    let stage = Stage::new().await;
    let mut relay = stage.setup.start().await;
    let body = firing("Alert00001").to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let mut caller = TcpStream::connect(relay.base_url.trim_start_matches("http://")).unwrap();
    let length = body.len();
    let head = format!(
        "POST /alert HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    caller.write_all(format!("{head}{first}").as_bytes()).unwrap();
    // The connection is accepted before the next one is, and that one is answered.
    assert_eq!(relay.get("/health/live").await.status, 200);
    relay.ask_to_end();
    relay.says("the relay accepts no more notifications").await;
    caller.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(relay.ended().await.success());

    let _relay = stage.setup.start().await;
    assert_eq!(stage.named(1).await, ["Alert00001"]);
}

/// Stands before a database, and forwards nothing while it is told so: what a network does that has died.
async fn stalling(database_url: &str) -> (String, watch::Sender<bool>) {
    let server = database_url.split_once('@').unwrap().1.split_once('/').unwrap().0;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = database_url.replace(server, &listener.local_addr().unwrap().to_string());
    let server = server.to_owned();
    let stalls = watch::Sender::new(false);
    let stalled = stalls.subscribe();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = tokio::net::TcpStream::connect(&server).await.unwrap();
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            tokio::spawn(forward(from_client, to_server, stalled.clone()));
            tokio::spawn(forward(from_server, to_client, stalled.clone()));
        }
    });
    (url, stalls)
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut stalled: watch::Receiver<bool>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if stalled.wait_for(|stalled| !stalled).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_database_that_hangs_does_not_keep_the_relay_from_its_end() {
    let mut stage = Stage::new().await;
    stage.fault(When::Always, Fault::Hang);
    let database = postgres::database().await;
    let (url, stalls) = stalling(&database).await;
    let through = stage.setup.clone().env("RELAY_DATABASE_URL", &url);
    let mut relay = through.env("RELAY_SHUTDOWN_GRACE", "1s").start().await;
    let alerts = ["Alert00001", "Alert00002"];
    accept(&relay, &alerts).await;
    stage.until_sending().await;
    stalls.send_replace(true);
    relay.ask_to_end();
    relay.says("but the outbox did not answer in time").await;
    assert!(relay.ended().await.success());

    stage.homeserver.homeserver.heal_all();
    // The claim could not be given back, and its lease is not waited for here.
    let expire = "UPDATE outbox_room SET lease_until = 0";
    let mut connection = postgres::connect(&database).await;
    sqlx::query(expire).execute(&mut connection).await.unwrap();
    stage.setup = stage.setup.env("RELAY_DATABASE_URL", &database);
    let _relay = stage.setup.start().await;
    assert_eq!(stage.named(2).await, alerts);
}
