//! Any bytes on any endpoint: no panic, no server error, bounded memory and time. Over bare sockets, because no HTTP client
//! would send most of this.

mod bodies;
mod limits;
mod many;
mod memory;
mod paths;
mod requests;
mod shares;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::App;

const JSON: &str = "Content-Type: application/json\r\n";

/// Sends these bytes and returns what came back until the relay closed the connection.
async fn exchange(app: &App, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.relay.address).await.unwrap();
    // It may have answered and closed before all was sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.lines().filter_map(|line| line.split("HTTP/1.1 ").nth(1));
    lines.map(|line| line[..3].parse().unwrap()).collect()
}

/// A whole request whose connection ends with its answer.
fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn alert(labels: &str) -> Vec<u8> {
    format!(r#"{{"alerts":[{{"status":"firing","labels":{labels}}}]}}"#).into_bytes()
}

async fn lives(app: &App) {
    assert_eq!(app.get("/health/live").await.status(), 200);
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_scanners_look_for() {
    let app = App::with(|flags| flags.http.relay_token = Some("t0k3n".into())).await;
    for (line, status) in [
        ("GET /", 200),
        ("GET /docs", 200),
        ("GET /openapi.json", 200),
        ("GET /metrics", 200),
        ("GET /health/ready", 200),
        ("GET /workshop/static/page.js", 200),
        ("GET /workshop/state", 401),
        ("GET /nothing", 404),
        ("GET /alert", 405),
        ("POST /alert", 401),
    ] {
        let answer = exchange(&app, &request(line, "", b"")).await;
        assert_eq!(statuses(&answer), [status], "{line}");
        let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
        for header in [
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'",
            "cross-origin-resource-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
            "permissions-policy: accelerometer=(), camera=()",
            "cache-control: no-",
        ] {
            assert!(head.contains(header), "{line}: {header}\n{head}");
        }
        for absent in ["access-control-", "server:", "x-powered-by"] {
            assert!(!head.contains(absent), "{line}: {absent}\n{head}");
        }
    }
}
