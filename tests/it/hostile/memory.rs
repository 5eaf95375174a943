//! What a body costs in memory: a bound for each of the shapes that are small on the wire and large once they are built.

use std::fmt::Write as _;
use std::fs;

use reqwest::Method;
use serde_json::json;

use crate::support::relay::Setup;

/// A quarter of what a body may have by default, and enough to reach every bound that is not the body's own.
const LARGEST: usize = 2 * 1024 * 1024;
/// The most that one body may cost, itself included, with what the allocator keeps back.
const BOUND: usize = 64 << 20;
/// How many rooms it goes to.
const ROOMS: usize = 10;

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
        body += &piece;
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
    let legacy = r#"{"ruleName":"x","state":"alerting","#;
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
            "tiny series",
            filled(&format!("{legacy}\"evalMatches\":["), same("{}"), "]}"),
        ),
        (
            "tiny series and a long text",
            filled(
                &format!("{legacy}\"message\":\"{long}\",\"evalMatches\":["),
                same("{}"),
                "]}",
            ),
        ),
        (
            "a long label",
            format!("{label}\"{}\"}}}}]}}", &"m".repeat(LARGEST - 100)),
        ),
    ]
}

#[tokio::test]
async fn no_shape_of_a_body_takes_much_more_memory_than_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    fs::write(&file, routes()).unwrap();
    for (name, body) in shapes() {
        // One of its own for each: memory that was freed is not always given back. Its homeserver is down, so that nothing
        // but acceptance is at work.
        let setup = Setup::bare()
            .env("MATRIX_HOME_SERVER_URL", "http://127.0.0.1:1")
            .env("MATRIX_ACCESS_TOKEN", "token")
            .env("RELAY_ROUTES_FILE", &file.display().to_string());
        let relay = setup.start().await;
        relay
            .accepts(&json!({"alerts": [{"status": "firing", "labels": {}}]}))
            .await;
        let size = body.len();
        let before = relay.forget_peak();
        let answer = relay.request_raw(Method::POST, "/alert", body).await;
        let cost = relay.peak().saturating_sub(before);
        assert!(answer.status == 202 || answer.status == 422, "{name}: {}", answer.body);
        assert!(cost < BOUND, "{name}: {size} bytes cost {} MiB", cost >> 20);
    }
}
