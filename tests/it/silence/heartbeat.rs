//! The monitor outside that waits for a call each minute.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use grafana_matrix_relay::silence::{Beat, Heartbeat, HeartbeatSettings};
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::{Request, Server, endpoint};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::app::App;
use crate::support::patience::until;
use crate::support::relay::Setup;

/// Stands in for healthchecks.io.
#[derive(Clone, Default)]
struct Monitor {
    calls: Arc<Mutex<Vec<String>>>,
    status: Arc<AtomicU16>,
}

impl Monitor {
    /// Answers with 200, and says where.
    async fn start(&self) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!(
            "http://{}/ping/zq-secret?token=zq-token",
            listener.local_addr().unwrap()
        );
        let monitor = self.clone();
        monitor.status.store(200, Ordering::SeqCst);
        let answer = endpoint::make(move |request: Request| {
            let monitor = monitor.clone();
            async move {
                let call = format!("{} {}", request.method(), request.uri());
                monitor.calls.lock().unwrap().push(call);
                Ok::<_, poem::Error>(StatusCode::from_u16(monitor.status.load(Ordering::SeqCst)).unwrap())
            }
        });
        let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap());
        tokio::spawn(server.run(answer));
        url
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_beat_is_sent_while_the_relay_is_well_and_its_failure_is_over_with_the_next_success() {
    let monitor = Monitor::default();
    let url = monitor.start().await.into();
    let mut heartbeat = Heartbeat::new(&HeartbeatSettings { url }).unwrap();
    assert_eq!(heartbeat.beat(true).await, Beat::Sent);
    assert_eq!(heartbeat.beat(false).await, Beat::Withheld);
    assert_eq!(monitor.calls(), ["GET /ping/zq-secret?token=zq-token"]);
    for status in [302, 404, 500] {
        monitor.status.store(status, Ordering::SeqCst);
        assert_eq!(heartbeat.beat(true).await, Beat::Failed, "{status}");
    }
    monitor.status.store(204, Ordering::SeqCst);
    assert_eq!(heartbeat.beat(true).await, Beat::Sent);
}

#[tokio::test]
async fn a_relay_whose_homeserver_is_gone_sends_no_beat() {
    let monitor = Monitor::default();
    let url = monitor.start().await;
    let app = App::with(|flags| flags.silence.heartbeat_url = Some(url.clone().into())).await;
    until("the first beat, at once", async || monitor.calls().len() == 1).await;
    app.homeserver.refuse().await;
    let silent = App::with(|flags| {
        flags.silence.heartbeat_url = Some(url.into());
        flags.home_server_url = Some(app.homeserver.base_url.clone());
    })
    .await;
    let withheld = "grafana_matrix_relay_heartbeats_total{outcome=\"withheld\"} 0";
    until("the first beat of the other is withheld", async || {
        let metrics = silent.get("/metrics").await.text().await.unwrap();
        !metrics.contains(withheld)
    })
    .await;
    assert_eq!(monitor.calls().len(), 1);
}

#[tokio::test]
async fn another_address_in_its_file_is_called_on_sighup_and_one_that_is_none_changes_nothing() {
    let (first, second) = (Monitor::default(), Monitor::default());
    let (old, new) = (first.start().await, second.start().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heartbeat_url");
    std::fs::write(&file, old).unwrap();
    let mut relay = Setup::bare()
        .arg("demo")
        .env("RELAY_HEARTBEAT_URL_FILE", file.to_str().unwrap())
        .start()
        .await;
    until("the first beat, at once", async || first.calls().len() == 1).await;
    for (text, is_taken) in [("zq-no-address", false), (new.as_str(), true)] {
        std::fs::write(&file, text).unwrap();
        relay.hang_up();
        let line: Value = serde_json::from_str(&relay.says_next("SIGHUP").await).unwrap();
        let said = line["message"].as_str().unwrap();
        assert_eq!(line["log.level"], if is_taken { "info" } else { "error" }, "{line}");
        assert_eq!(said.contains("another address"), is_taken, "{said}");
        assert!(said.contains("heartbeat") && !said.contains("zq-"), "{said}");
    }
    until("a beat at the new address, at once", async || second.calls().len() == 1).await;
    assert_eq!(first.calls().len(), 1);
}

#[tokio::test]
async fn a_monitor_that_is_gone_is_said_once_without_its_secret_and_stops_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut relay = Setup::bare()
        .arg("demo")
        .env("RELAY_HEARTBEAT_URL", &format!("http://{address}/zq-secret"))
        .start()
        .await;
    let line = relay.says("RELAY_HEARTBEAT_URL").await;
    assert!(
        line.contains(&address.to_string()) && !line.contains("zq-") && line.contains("warn"),
        "{line}"
    );
    let failed = "grafana_matrix_relay_heartbeats_total{outcome=\"failed\"} 1";
    let metrics = relay.get("/metrics").await.ok();
    assert!(metrics.as_str().unwrap().contains(failed), "{metrics}");
    assert_eq!(relay.get("/health/ready").await.status, 200);
    let wrong = Setup::bare().arg("demo").env("RELAY_HEARTBEAT_URL", "zq-no-address");
    let log = wrong.try_start().await.err().unwrap();
    assert!(
        log.contains("invalid --heartbeat-url (RELAY_HEARTBEAT_URL): ") && !log.contains("zq-"),
        "{log}"
    );
}
