//! Bodies of any shape through the front door: `input = "json"`.

use std::fs;

use grafana_matrix_relay::samples;
use grafana_matrix_relay::standin::Event;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::App;
use crate::support::patience::eventually;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// A relay whose route `hook` takes bodies of any shape, with these lines in its table, to the one room.
struct Place {
    app: App,
    _folder: TempDir,
}

impl Place {
    async fn with(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("routes.toml");
        let app = App::with(|flags| {
            let room = flags.default_room.clone().unwrap();
            fs::write(
                &file,
                format!("[routes.hook]\nrooms = '{room}'\ninput = 'json'\n{lines}"),
            )
            .unwrap();
            flags.routes_file = Some(file.display().to_string());
        })
        .await;
        Self { app, _folder: folder }
    }

    async fn post(&self, declared: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self.app.post("/alert/hook").header("Content-Type", declared).body(body);
        request.send().await.unwrap()
    }

    async fn accepts(&self, body: &Value) {
        let answer = self.post(JSON, body.to_string()).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{:?}", answer.text().await);
    }

    fn events(&self) -> Vec<Event> {
        self.app.homeserver.homeserver.messages(&self.app.room)
    }
}

/// The body of a sample as its program sends it.
fn sent(sample: &str) -> Value {
    let body: Value = serde_json::from_str(&samples::find(sample).unwrap().body).unwrap();
    body["payload"].clone()
}

#[tokio::test]
async fn whatever_a_command_line_sends_is_in_the_room() {
    let place = Place::with("").await;
    let bodies: [(&str, &str); 6] = [
        // What `curl -d` declares.
        (FORM, r#"{"text": "hi"}"#),
        (FORM, "backup done"),
        (FORM, "text=100%25+done"),
        ("text/plain", "plain\nlines\n"),
        (JSON, r#"{"title": "Import", "message": "41 refused"}"#),
        (JSON, r#"{"event": "deploy", "ok": true}"#),
    ];
    for (declared, body) in bodies {
        let answer = place.post(declared, body).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{body}");
    }
    let texts = place.app.messages(bodies.len()).await;
    let expected = [
        "hi",
        "backup done",
        "100% done",
        "plain\nlines",
        "Import\n41 refused",
        "deploy\n• ok: true",
    ];
    assert_eq!(texts, expected);
    // Each body is a message, the same one too.
    place.post(FORM, r#"{"text": "hi"}"#).await;
    place.app.messages(bodies.len() + 1).await;
    // Other routes take what they did.
    let alerts = place
        .app
        .post("/alert")
        .header("Content-Type", FORM)
        .body("a=b")
        .send()
        .await;
    assert_eq!(alerts.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn what_is_no_body_is_refused_with_a_reason() {
    let place = Place::with("[routes.hook.credentials]\nbearer = 'a-secret-of-this-route'\n").await;
    let denied = place.post(JSON, "{}").await;
    assert_eq!(denied.status(), StatusCode::UNAUTHORIZED);
    for (declared, body, status) in [
        (JSON, "", 400),
        (JSON, "{", 400),
        (JSON, "[1]", 422),
        (JSON, "\"text\"", 422),
        ("text/plain", " \n", 400),
        ("multipart/form-data; boundary=x", "--x--", 415),
    ] {
        let request = place.app.post("/alert/hook").header("Content-Type", declared);
        let answer = request
            .bearer_auth("a-secret-of-this-route")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{declared} {body}");
        assert!(answer.json::<Value>().await.unwrap()["detail"].is_string());
    }
    let packed = place.app.post("/alert/hook").header("Content-Encoding", "gzip");
    let packed = packed
        .bearer_auth("a-secret-of-this-route")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(packed.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(place.events().len(), 0);
}

const UPTIME_KUMA: &str = r#"
template = "uptime-kuma"
group = "payload.monitor.id"
title = "payload.monitor.name"
severity = "'critical'"
state = "'firing' if payload.heartbeat.status == 0 else 'resolved' if payload.heartbeat.status == 1"

[[routes.hook.mentions]]
severity = ["critical"]
users = ["@alice:example.org"]
"#;

#[tokio::test]
async fn a_body_with_a_state_is_a_live_message_with_a_thread_and_mentions() {
    let place = Place::with(UPTIME_KUMA).await;
    place.accepts(&sent("uptime-kuma")).await;
    place.app.room_says("FIRING").await;
    // It is told again, and that is no news.
    place.accepts(&sent("uptime-kuma")).await;
    place.accepts(&sent("uptime-kuma-up")).await;
    place.app.settled().await;
    let events = place.events();
    let root = &events[0];
    assert!(
        root.body().starts_with("🔥 FIRING · Shop\ntimeout of 48000ms exceeded"),
        "{}",
        root.body()
    );
    assert!(root.content["m.mentions"]["user_ids"] == json!(["@alice:example.org"]));
    let relation = |event: &Event| {
        event.content["m.relates_to"]["rel_type"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let edits: Vec<_> = events.iter().filter(|event| relation(event) == "m.replace").collect();
    let lines: Vec<_> = events.iter().filter(|event| relation(event) == "m.thread").collect();
    let last = &edits.last().unwrap().content["m.new_content"]["body"];
    assert!(
        last.as_str().unwrap().starts_with("✅ RESOLVED · Shop\n200 - OK"),
        "{last}"
    );
    assert_eq!(lines.len(), 1, "{events:#?}");
    assert_eq!(lines[0].body(), "✅ RESOLVED · Shop");
    // It begins again, which wakes people again.
    place.accepts(&sent("uptime-kuma")).await;
    place.app.settled().await;
    let again = place.events().pop().unwrap();
    assert_eq!(again.content["m.mentions"]["user_ids"], json!(["@alice:example.org"]));
    assert_eq!(relation(&again), "");
    // The button Test says nothing of a state.
    place.accepts(&sent("uptime-kuma-test")).await;
    place.app.room_says("My notification Testing").await;
}

#[tokio::test]
async fn rules_choose_by_the_fields_of_a_body_and_a_failing_expression_costs_nothing() {
    let place = Place::with("title = 'payload.name | round'\nstate = 'payload.name'\n").await;
    place.accepts(&json!({"name": "shop", "text": "still here"})).await;
    let texts = place.app.messages(1).await;
    assert_eq!(texts, ["shop\nstill here"]);
}

#[tokio::test]
async fn bodies_are_kept_for_the_workshop_with_what_the_route_says() {
    let place = Place::with(UPTIME_KUMA).await;
    place.accepts(&sent("uptime-kuma")).await;
    let kept = eventually("it is kept", async || {
        let (_, state) = place.app.get_json("/workshop/state").await;
        let kept = state["recorded"][0].clone();
        kept.is_object().then_some(kept)
    })
    .await;
    assert_eq!(kept["title"], "firing: Shop");
    for material in [
        json!({"recorded": kept["id"]}),
        json!({"sample": "uptime-kuma"}),
        json!({"payload": sent("uptime-kuma")}),
    ] {
        let mut request = material.clone();
        request["template"] = json!("uptime-kuma");
        let answer: Value = place
            .app
            .post("/preview")
            .json(&request)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let body = answer["messages"][0]["body"].as_str().unwrap_or_default();
        assert!(body.contains("timeout of 48000ms exceeded"), "{material} {answer}");
        assert_eq!(answer["diagnostics"], json!([]), "{material}");
    }
}

#[tokio::test]
async fn signatures_of_github_and_standard_webhooks_let_in_and_nothing_else_does() {
    let scheme = |scheme: &str, secret: &str| {
        format!("[routes.hook.credentials.signature]\nscheme = '{scheme}'\nsecrets = '{secret}'\n")
    };
    let place = Place::with(&scheme("github", "Its a Secret to Everybody")).await;
    let wrong = place
        .app
        .post("/alert/hook")
        .header("X-Hub-Signature-256", "sha256=00")
        .body("{}")
        .send()
        .await;
    assert_eq!(wrong.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(place.post(JSON, "{}").await.status(), StatusCode::UNAUTHORIZED);
    let right = "sha256=73217f79f7d93702cbd25c281505155467419b41351e266b3b5eb066971c2a08";
    let body = r#"{"text": "signed"}"#;
    let signed = place
        .app
        .post("/alert/hook")
        .header("X-Hub-Signature-256", right)
        .body(body)
        .send()
        .await;
    assert_eq!(signed.unwrap().status(), StatusCode::ACCEPTED);
    place.app.room_says("signed").await;
}

/// So many pieces as one text.
fn joined(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn hostile_bodies_cost_no_more_than_their_size() {
    let place = Place::with("").await;
    let deep = format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120));
    let wide = format!("{{{}\"z\": 1}}", joined(100_000, |n| format!("\"k{n}\": [],")));
    let list = format!("{{\"a\": [{}0]}}", "0,".repeat(1_000_000));
    let long = json!({"text": "\"<é".repeat(500_000)}).to_string();
    let fields = joined(200_000, |n| format!("k{n}=v&"));
    let bodies = [(JSON, deep), (JSON, wide), (JSON, list), (JSON, long), (FORM, fields)];
    let count = bodies.len();
    for (declared, body) in bodies {
        let beginning = body[..20].to_owned();
        let answer = place.post(declared, body).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{beginning}");
    }
    let endless = "{\"a\":".repeat(100_000);
    assert_eq!(place.post(JSON, endless).await.status(), StatusCode::BAD_REQUEST);
    let hostile = sent("hostile-body");
    place.accepts(&hostile).await;
    let texts = place.app.messages(count + 1).await;
    assert!(texts.iter().all(|text| text.len() < 60_000));
    let last = place.events().pop().unwrap();
    assert_eq!(last.content["m.mentions"], json!({}));
    let html = last.content["formatted_body"].as_str().unwrap();
    assert!(
        !html.contains("<script") && !html.contains("<img") && !html.contains("javascript:alert(1)\""),
        "{html}"
    );
}

#[tokio::test]
async fn what_is_wrong_in_the_routes_file_is_said_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    let text = "[routes.hook]\nrooms = '#a:example.org'\ninput = 'json'\ntitle = 'paylod.name'\nstate = '1 +'\n\
        [routes.other]\nrooms = '#a:example.org'\ninput = 'xml'\n\
        [routes.third]\nrooms = '#a:example.org'\ngroup = 'payload.id'\n\
        [routes.third.credentials.signature]\nscheme = 'hub'\nsecrets = 'x'\n";
    fs::write(&file, text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
        .args(["check", "--routes-file", "routes.toml"])
        .env_clear()
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in [
        "routes.toml:4: error: invalid `title`: unknown name `paylod`; did you mean `payload`?",
        "routes.toml:5: error: invalid `state`: ",
        "routes.toml:8: error: invalid input `xml` (expected `alerts` or `json`)",
        "routes.toml:11: error: `group` has no meaning for a route that takes alerts",
        "routes.toml:13: error: invalid scheme `hub`",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}
