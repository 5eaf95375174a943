//! What stands between relay and homeserver: certificates that are refused, and proxies that answer in its place.

use std::net::SocketAddr;

use grafana_matrix_relay::standin::{Fault, Homeserver, NewRoom, RunningHomeserver, Scope, When};
use serde_json::Value;

use crate::app::{App, firing};
use crate::support::patience::eventually;
use crate::support::relay::{Relay, Setup};
use crate::support::tls;

/// A homeserver that is reached by TLS alone, and a room in it.
struct Stage {
    running: RunningHomeserver,
    front: SocketAddr,
    room: String,
    setup: Setup,
}

impl Stage {
    async fn new(certificate: &str) -> Self {
        let homeserver = Homeserver::new("example.org");
        let token = homeserver.login("bot", "RELAY");
        let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
        let running = homeserver.start().await.unwrap();
        let behind = running.base_url.strip_prefix("http://").unwrap().parse().unwrap();
        let front = tls::before(certificate, behind).await;
        let setup = Setup::bare()
            .env("MATRIX_HOME_SERVER_URL", &format!("https://{front}"))
            .env("MATRIX_ACCESS_TOKEN", &token)
            .env("MATRIX_DEFAULT_ROOM", &room);
        Self {
            running,
            front,
            room,
            setup,
        }
    }
}

/// Why the homeserver is not well, as `ready` says it.
pub(crate) async fn reason(relay: &Relay) -> String {
    let report: Value = relay.get("/health/ready").await.body;
    let check = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "homeserver");
    check.unwrap()["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_is_named_with_what_to_set() {
    let stage = Stage::new("server.pem").await;
    let mut relay = stage.setup.start().await;
    let line: Value = serde_json::from_str(&relay.says("certificate").await).unwrap();
    assert_eq!(line["log.level"], "error", "{line}");
    for text in [line["message"].as_str().unwrap().to_owned(), reason(&relay).await] {
        assert!(text.contains("certificate") && text.contains("SSL_CERT_FILE"), "{text}");
        assert!(!text.contains("MATRIX_HOME_SERVER_URL"), "{text}");
    }
    // It is accepted all the same.
    relay.accepts(&firing("Kept")).await;
}

#[tokio::test]
async fn a_certificate_that_signs_itself_is_named_with_what_to_set() {
    for certificate in ["self-signed.pem", "self-signed-ca.pem"] {
        let stage = Stage::new(certificate).await;
        let relay = stage.setup.start().await;
        let text = reason(&relay).await;
        assert!(
            text.contains("certificate") && text.contains("SSL_CERT_FILE"),
            "{certificate}: {text}"
        );
    }
}

#[tokio::test]
async fn an_expired_certificate_is_named() {
    let stage = Stage::new("expired.pem").await;
    let setup = stage
        .setup
        .env("SSL_CERT_FILE", &tls::file("ca.pem").display().to_string());
    let relay = setup.start().await;
    let text = reason(&relay).await;
    assert!(
        text.contains("certificate has expired") && text.contains("renew"),
        "{text}"
    );
}

#[tokio::test]
async fn a_ca_in_ssl_cert_file_is_trusted() {
    for (certificate, trusted) in [("server.pem", "ca.pem"), ("self-signed.pem", "self-signed.pem")] {
        let stage = Stage::new(certificate).await;
        let trusted = tls::file(trusted).display().to_string();
        let relay = stage.setup.env("SSL_CERT_FILE", &trusted).start().await;
        relay.accepts(&firing("Through")).await;
        let mut changes = stage.running.homeserver.changes();
        while stage.running.homeserver.messages(&stage.room).is_empty() {
            changes.changed().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_and_a_server_without_tls_are_told_apart() {
    let stage = Stage::new("other.pem").await;
    let setup = stage
        .setup
        .env("SSL_CERT_FILE", &tls::file("ca.pem").display().to_string());
    let relay = setup.start().await;
    let text = reason(&relay).await;
    assert!(text.contains("certificate is for another name"), "{text}");
    relay.terminate();

    let plain = stage.running.base_url.replace("http://", "https://");
    let relay = setup.env("MATRIX_HOME_SERVER_URL", &plain).start().await;
    let text = reason(&relay).await;
    assert!(
        text.contains("no TLS") && text.contains("http://"),
        "{text} ({})",
        stage.front
    );
}

#[tokio::test]
async fn a_file_of_cas_that_is_not_there_is_named() {
    let stage = Stage::new("server.pem").await;
    let Err(log) = stage.setup.env("SSL_CERT_FILE", "/nowhere/ca.pem").try_start().await else {
        panic!("it started");
    };
    assert!(log.contains("SSL_CERT_FILE"), "{log}");
}

#[tokio::test]
async fn a_page_of_a_proxy_is_named_and_condemns_neither_message_nor_room_nor_token() {
    let app = App::start().await;
    let homeserver = &app.homeserver.homeserver;
    for (number, status) in [(1, 401), (2, 403), (3, 407), (4, 413)] {
        let fault = homeserver.plan(Scope::Everything, When::Always, Fault::Page(status));
        app.accept(&firing(&format!("Alert{status}"))).await;
        // Until the report is made anew, it is about the page before.
        let reason = eventually("a proxy's page is the reason", async || {
            let (_, report) = app.get_json("/health/ready").await;
            let checks = report["checks"].as_array().unwrap();
            let deliveries = checks.iter().find(|check| check["name"] == "deliveries").unwrap();
            let reason = deliveries["reason"].as_str().unwrap_or_default().to_owned();
            (reason.contains("proxy") && reason.contains(&status.to_string())).then_some(reason)
        })
        .await;
        assert!(
            !reason.contains("token") && !reason.contains("too large") && !reason.contains("closed"),
            "{reason}"
        );
        homeserver.heal(fault);
        assert_eq!(app.messages(number).await.len(), number);
        let sent = homeserver.messages(&app.room).pop().unwrap();
        // As it was meant, not plain.
        assert!(sent.body().contains(&format!("Alert{status}")) && sent.content["formatted_body"].is_string());
    }
}

#[tokio::test]
async fn what_only_a_proxy_refuses_goes_out_plain_after_a_while() {
    let app = App::start().await;
    app.homeserver
        .homeserver
        .plan(Scope::Sends, When::Next(4), Fault::Page(413));
    app.accept(&firing("Small")).await;
    app.room_says("a proxy before the homeserver refused").await;
}
