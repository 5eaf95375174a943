//! What somebody without a credential cannot take from others: connections, requests, bytes of bodies, lines of the log.
//!
//! Two addresses of loopback are two clients.

use grafana_matrix_relay::config::Flags;
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{JSON, alert, lives, statuses};
use crate::app::{App, firing};
use crate::auth::{now, signed, with_signature};
use crate::support::relay::Setup;

/// More than there are places, those for health checks included.
const MANY: usize = 40;

async fn connect(app: &App, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(app.relay.address).await.unwrap()
}

/// Connections of another client that begin like this and then say nothing. Those that the relay has no place for wait in the
/// kernel, as those of an attacker do.
async fn silent(app: &App, count: usize, begin: &str) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = connect(app, "127.0.0.2").await;
        // It may be closed by now.
        let _ = stream.write_all(begin.as_bytes()).await;
        streams.push(stream);
    }
    streams
}

/// The head of a body that is never sent, but for a byte.
fn unsent(headers: &str, length: usize) -> String {
    format!("POST /alert HTTP/1.1\r\nHost: relay\r\n{headers}{JSON}Content-Length: {length}\r\n\r\n{{")
}

async fn posts_signed(app: &App, name: &str) {
    let answer = signed(app.post("/alert"), "s3cr3t", now(), &firing(name))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 202);
}

fn four_connections(flags: &mut Flags) {
    flags.auth.max_connections = Some("4".to_owned());
}

/// A connection on which a request was answered, and that is open for the next one.
async fn used(app: &App) -> TcpStream {
    let mut stream = connect(app, "127.0.0.1").await;
    is_answered(&mut stream).await;
    stream
}

async fn is_answered(stream: &mut TcpStream) {
    let probe = "GET /health/live HTTP/1.1\r\nHost: relay\r\n\r\n";
    stream.write_all(probe.as_bytes()).await.unwrap();
    let mut read = [0; 1024];
    let length = stream.read(&mut read).await.unwrap();
    assert!(
        read[..length].starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&read[..length])
    );
}

#[tokio::test]
async fn connections_of_one_address_shut_nobody_out() {
    let half = "GET / HTTP/1.1\r\nHost: relay\r\n";
    for begin in ["", half, &unsent("", 8_000_000)] {
        let app = App::with(four_connections).await;
        let mut other = used(&app).await;
        let silent = silent(&app, MANY, begin).await;
        app.accept(&firing("Let in")).await;
        lives(&app).await;
        // That of an address that holds one is not taken for those of one that holds many.
        is_answered(&mut other).await;
        drop(silent);
        let metrics = app.get("/metrics").await.text().await.unwrap();
        let closed = metrics
            .lines()
            .find_map(|line| line.strip_prefix("grafana_matrix_relay_connections_closed_total "));
        assert!(closed.unwrap().parse::<u64>().unwrap() > 0, "{metrics}");
    }
}

#[tokio::test]
async fn the_clients_of_a_named_proxy_have_a_share_each() {
    let app = App::with(|flags| {
        four_connections(flags);
        with_signature(flags);
        flags.auth.trusted_proxies = Some("127.0.0.0/8".to_owned());
    })
    .await;
    // The proxy itself holds as many, but for clients that have one each.
    let mut others = Vec::new();
    for client in 0..4 {
        let mut stream = connect(&app, "127.0.0.2").await;
        let begin = unsent(&format!("X-Forwarded-For: 192.0.2.{client}\r\n"), 20);
        stream.write_all(begin.as_bytes()).await.unwrap();
        others.push(stream);
    }
    let _silent = silent(&app, MANY, &unsent("X-Forwarded-For: 203.0.113.9\r\n", 8_000_000)).await;
    posts_signed(&app, "Through a proxy").await;
    for mut other in others {
        other.write_all(&[b' '; 19]).await.unwrap();
        let mut answer = [0; 12];
        other.read_exact(&mut answer).await.unwrap();
        assert_eq!(statuses(&String::from_utf8_lossy(&answer)), [401]);
    }
}

#[tokio::test]
async fn bodies_that_are_not_signed_yet_hold_no_request() {
    let app = App::with(|flags| {
        with_signature(flags);
        flags.auth.max_requests = Some("1".to_owned());
    })
    .await;
    let _silent = silent(&app, MANY, &unsent("", 1000)).await;
    posts_signed(&app, "Signed").await;
    assert_eq!(app.get("/docs").await.status(), 200);
}

#[tokio::test]
async fn bodies_that_have_proven_nothing_keep_no_bytes_from_others() {
    let app = App::with(|flags| {
        with_signature(flags);
        flags.http.max_body_bytes = Some("100000".to_owned());
        flags.auth.max_bodies_bytes = Some("200000".to_owned());
    })
    .await;
    let begin = format!("{}{}", unsent("", 100_000), " ".repeat(90_000));
    let _silent = silent(&app, 10, &begin).await;
    posts_signed(&app, "Signed").await;
}

#[tokio::test]
async fn a_few_connections_are_kept_for_health_checks() {
    let app = App::with(|flags| {
        flags.http.relay_token = Some("t0k3n".into());
        flags.auth.max_connections = Some("1".to_owned());
    })
    .await;
    // They have shown their credential, so they are ended for nobody.
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&app, "127.0.0.2").await;
        let body = alert("{}");
        stream
            .write_all(unsent("Authorization: Bearer t0k3n\r\n", body.len()).as_bytes())
            .await
            .unwrap();
        slow.push((stream, body));
    }
    let ready = app.request(Method::GET, "/health/ready").header("connection", "close");
    assert_eq!(ready.send().await.unwrap().status(), 200);
    for _ in 0..50 {
        lives(&app).await;
    }
    for (mut stream, body) in slow {
        stream.write_all(&body[1..]).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(statuses(&String::from_utf8_lossy(&answer)), [202]);
    }
}

#[tokio::test]
async fn refusals_are_counted_and_a_few_of_them_logged() {
    let setup = Setup::bare().arg("demo").env("RELAY_TOKEN", "a-token-of-the-senders");
    let mut relay = setup.env("RELAY_PAGE_TOKEN", "a-token-of-the-people").start().await;
    let client = crate::support::matrix::http_client();
    for number in 0..100 {
        let post = client
            .post(format!("{}/alert", relay.base_url))
            .json(&firing("Refused"));
        // Who only says that it is another one is not.
        let post = post.header("x-forwarded-for", format!("192.0.2.{number}"));
        let post = if number % 4 == 0 {
            post.bearer_auth("guess")
        } else {
            post
        };
        assert_eq!(post.send().await.unwrap().status(), 401);
    }
    let metrics = relay.get("/metrics").await.ok();
    for (reason, count) in [("wrong", 25), ("missing", 75)] {
        let counter = format!("grafana_matrix_relay_failed_credentials_total{{reason=\"{reason}\"}} {count}");
        assert!(metrics.as_str().unwrap().contains(&counter), "{metrics}");
    }
    relay.says("all its clients count as one address").await;
    relay.ask_to_end();
    let said = relay.says("were not logged").await;
    let (said, log) = (serde_json::from_str::<serde_json::Value>(&said).unwrap(), relay.log());
    assert_eq!(said["log.level"], "warn", "{said}");
    // A minute may have passed meanwhile.
    let lines = |reason: &str| log.matches(&format!("its credential is {reason}")).count();
    for reason in ["wrong", "missing"] {
        assert!((10..=20).contains(&lines(reason)), "{reason}: {log}");
    }
    let left_out = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let left_out = left_out.filter_map(|line| line["labels"]["log_left_out"].as_str()?.parse::<u64>().ok());
    let left_out: u64 = left_out.sum();
    assert_eq!(left_out, 100 - lines("wrong") as u64 - lines("missing") as u64, "{log}");
}
