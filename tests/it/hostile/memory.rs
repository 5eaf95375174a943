//! What bodies cost in memory: a bound for each of the shapes that are small on the wire and large once they are built, for
//! many of them at once, and for those whose senders do not wait. And what pages cost that nobody reads to their end.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::JSON;
use crate::support::relay::{Relay, Setup};

/// A quarter of what a body may have by default, and enough to reach every bound that is not the body's own.
const LARGEST: usize = 2 * 1024 * 1024;
/// The most that one body may cost, itself included, with what the allocator keeps back; `SECURITY.md` says 100 MB.
const BOUND: usize = 80 << 20;
/// The most that all of them may cost together: two that are worked on, those that wait, and what is kept back of both.
const TOGETHER: usize = 256 << 20;
/// How many rooms it goes to.
const ROOMS: usize = 10;
/// How many are sent at once, and how many by senders that hang up.
const AT_ONCE: usize = 10;
const HANG_UPS: usize = 80;

/// Everything goes to all of the rooms; what has the label `part`, to all of them in parts.
fn routes() -> String {
    let rooms: Vec<String> = (0..ROOMS)
        .map(|number| format!("\"!room{number}:example.org\""))
        .collect();
    let mut routes = format!("[routes.default]\nrooms = [{}]\n", rooms.join(","));
    for room in rooms {
        let rule = "[[routes.default.rules]]\ncontinue = true\nmatchers = ['part!=\"\"']\n";
        let _ = writeln!(routes, "{rule}rooms = [{room}]");
    }
    routes
}

/// As many pieces as fit into the largest body, with commas between them.
fn filled(head: &str, piece: impl Fn(usize) -> String, tail: &str) -> String {
    let mut body = head.to_owned();
    for number in 0.. {
        let piece = piece(number);
        if body.len() + piece.len() + 1 + tail.len() > LARGEST {
            break;
        }
        body.push_str(&piece);
        body.push(',');
    }
    body.pop();
    body + tail
}

fn shapes() -> Vec<(&'static str, String)> {
    let label = r#"{"alerts":[{"status":"firing","labels":{"a":"#;
    let labels = r#"{"alerts":[{"status":"firing","labels":"#;
    let after = r#"{"alerts":[{"status":"firing","labels":{}}],"#;
    let values = r#"{"alerts":[{"status":"firing","labels":{},"values":"#;
    let long = "m".repeat(LARGEST / 2);
    let same = |piece: &'static str| move |_: usize| piece.to_owned();
    let numbered = |number: usize| format!("\"{number:x}\":1");
    let tiny = same(r#"{"status":"firing","labels":{}}"#);
    let many = (0..100).fold(String::new(), |all, number| format!("{all}\"{number}\":\"\","));
    let with_many = |number: usize| format!(r#"{{"status":"firing","labels":{{{many}"part":"{number}"}}}}"#);
    let of_part = same(r#"{"status":"firing","labels":{"part":"1"}}"#);
    let whole = r#"{"alerts":[{"status":"firing","labels":{}},"#;
    vec![
        ("an array in a label", filled(&format!("{label}["), same("1"), "]}}]}")),
        (
            "objects in a label",
            filled(&format!("{label}["), same(r#"{"":[]}"#), "]}}]}"),
        ),
        ("an array for labels", filled(&format!("{labels}["), same("1"), "]}]}")),
        (
            "an array for a text",
            filled(&format!("{after}\"title\":["), same("1"), "]}"),
        ),
        (
            "an array for nothing",
            filled(&format!("{after}\"x\":["), same("1"), "]}"),
        ),
        ("an array for values", filled(&format!("{values}["), same("1"), "]}]}")),
        ("many labels", filled(&format!("{labels}{{"), numbered, "}}]}")),
        ("many values", filled(&format!("{values}{{"), numbered, "}}]}")),
        ("tiny alerts", filled("{\"alerts\":[", tiny, "]}")),
        ("tiny alerts in parts", filled(whole, of_part, "]}")),
        ("alerts of many labels", filled("{\"alerts\":[", with_many, "]}")),
        ("alerts of many labels in parts", filled(whole, with_many, "]}")),
        (
            "a long address beside tiny alerts",
            filled(
                &format!("{{\"version\":\"4\",\"externalURL\":\"http://e.org/{long}\",\"alerts\":["),
                same(r#"{"status":"firing","labels":{}}"#),
                "]}",
            ),
        ),
        (
            "alerts with long addresses",
            filled(
                "{\"version\":\"4\",\"alerts\":[",
                |number| {
                    let url = format!("http://e.org/{}", "a".repeat(4_000));
                    format!(r#"{{"status":"firing","labels":{{"a":"{number}"}},"generatorURL":"{url}"}}"#)
                },
                "]}",
            ),
        ),
        (
            "a long label",
            format!("{label}\"{}\"}}}}]}}", &"m".repeat(LARGEST - 100)),
        ),
    ]
}

fn costliest() -> String {
    let mut shapes = shapes().into_iter();
    let found = shapes.find(|(name, _)| *name == "alerts of many labels in parts");
    found.unwrap().1
}

/// A relay before these routes; its homeserver is down, so that nothing but acceptance is at work.
async fn relay() -> (Relay, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    fs::write(&file, routes()).unwrap();
    let setup = Setup::bare()
        .env("MATRIX_HOME_SERVER_URL", "http://127.0.0.1:1")
        .env("MATRIX_ACCESS_TOKEN", "token")
        .env("RELAY_ROUTES_FILE", &file.display().to_string())
        .env("RELAY_BODY_TIMEOUT", "5m");
    let relay = setup.start().await;
    relay
        .accepts(&json!({"alerts": [{"status": "firing", "labels": {}}]}))
        .await;
    (relay, folder)
}

#[tokio::test]
async fn no_shape_of_a_body_takes_much_more_memory_than_its_size() {
    for (name, body) in shapes() {
        // One of its own for each: memory that was freed is not always given back.
        let (relay, _folder) = relay().await;
        let size = body.len();
        let before = relay.forget_peak();
        let answer = relay.request_raw(Method::POST, "/alert", body).await;
        let cost = relay.peak().saturating_sub(before);
        assert!(answer.status == 202 || answer.status == 422, "{name}: {}", answer.body);
        assert!(cost < BOUND, "{name}: {size} bytes cost {} MiB", cost >> 20);
    }
}

#[tokio::test]
async fn bodies_in_flight_together_take_not_much_more_memory_than_two() {
    let (relay, _folder) = relay().await;
    let body = costliest();
    let before = relay.forget_peak();
    let posts = (0..AT_ONCE).map(|_| relay.request_raw(Method::POST, "/alert", body.clone()));
    let answers = futures_util::future::join_all(posts).await;
    let cost = relay.peak().saturating_sub(before);
    assert!(answers.iter().all(|answer| answer.status == 202));
    assert!(cost < TOGETHER, "{AT_ONCE} at once cost {} MiB", cost >> 20);
}

#[tokio::test]
async fn who_hangs_up_makes_no_room_for_the_next_body() {
    let (relay, _folder) = relay().await;
    let address = relay.base_url.strip_prefix("http://").unwrap();
    let body = costliest();
    // The relay notices that nobody is there while it waits for another request.
    let head = format!(
        "POST /alert HTTP/1.1\r\nHost: relay\r\n{JSON}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let bytes = [head, body.clone()].concat();
    let before = relay.forget_peak();
    let mut open = VecDeque::new();
    for _ in 0..HANG_UPS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        open.push_back(stream);
        // Two stay while the relay answers others, so that it has begun with the one that goes.
        for _ in 0..20 {
            relay.get("/health/live").await;
        }
        if open.len() > 2 {
            open.pop_front();
        }
    }
    drop(open);
    // What the others have begun comes to its end before this one has its turn.
    let last = relay.request_raw(Method::POST, "/alert", body).await;
    assert_eq!(last.status, 202, "{}", last.body);
    let cost = relay.peak().saturating_sub(before);
    assert!(cost < TOGETHER, "{HANG_UPS} that hung up cost {} MiB", cost >> 20);
}

/// How many ask for a page and read no more of it than that it comes. A copy each would be 300 MB and more.
const READERS: usize = 200;
const PAGES: usize = 40 << 20;

#[tokio::test]
async fn a_page_that_many_do_not_read_to_its_end_is_there_once() {
    let (relay, _folder) = relay().await;
    let address = relay.base_url.strip_prefix("http://").unwrap();
    let before = relay.forget_peak();
    for page in ["/docs", "/openapi.json", "/workshop/static/editor.js"] {
        let mut open = Vec::new();
        for _ in 0..READERS {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {page} HTTP/1.1\r\nHost: relay\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'H', "{page}");
            open.push(stream);
        }
        let cost = relay.peak().saturating_sub(before);
        assert!(cost < PAGES, "{page}: {READERS} readers cost {} MiB", cost >> 20);
    }
}
