//! The workshop over HTTP: previews, what there is to choose from, deliveries.

use std::fs;

use grafana_matrix_relay::samples;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::app::{App, firing};

async fn preview(app: &App, request: &Value) -> Value {
    let answer = app.post("/preview").json(request).send().await.unwrap();
    let status = answer.status();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

async fn refused(app: &App, request: &Value) -> (u16, Value) {
    let answer = app.post("/preview").json(request).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn preview_shows_exactly_what_would_be_sent() {
    let app = App::start().await;
    let answer = preview(&app, &json!({"payload": firing("Seen")})).await;
    app.accept(&firing("Seen")).await;
    app.messages(1).await;
    let sent = &app.homeserver.homeserver.messages(&app.room)[0];
    let shown = &answer["messages"][0];
    assert_eq!(shown["event"]["msgtype"], shown["msgtype"]);
    assert_eq!(shown["event"]["formatted_body"], shown["formatted_body"]);
    assert_eq!(shown["event"]["m.mentions"], json!({}));
    assert_eq!(shown["body"], sent.body());
    assert_eq!(answer["diagnostics"], json!([]));
    assert!(shown["bytes"].as_u64() <= answer["limit"].as_u64());
}

#[tokio::test]
async fn every_sample_can_be_chosen_by_name() {
    let app = App::start().await;
    let (_, state) = app.get_json("/workshop/state").await;
    assert_eq!(state["samples"].as_array().unwrap().len(), samples::all().len());
    for sample in state["samples"].as_array().unwrap() {
        let name = sample["name"].as_str().unwrap();
        let answer = preview(&app, &json!({"sample": name, "template": "compact"})).await;
        assert!(!answer["messages"].as_array().unwrap().is_empty(), "{name}");
        let (status, body) = app.get_json(&format!("/workshop/samples/{name}")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            body,
            serde_json::from_str::<Value>(&samples::find(name).unwrap().body).unwrap()
        );
    }
}

#[tokio::test]
async fn draft_is_rendered_and_its_errors_are_placed() {
    let app = App::start().await;
    let draft = |source: &str| json!({"sample": "firing", "source": source});
    let answer = preview(&app, &draft("Hello {{ alerts | length }}")).await;
    assert_eq!(answer["messages"][0]["body"], "Hello 1");

    let answer = preview(&app, &draft("one\n{{ statuss }}")).await;
    let error = &answer["diagnostics"][0];
    assert_eq!(
        (&error["file"], &error["line"]),
        (&json!("alert.md.j2"), &json!(2)),
        "{answer}"
    );
    assert_eq!(error["severity"], "error");
    assert!(
        answer["messages"][0]["body"].as_str().unwrap().contains("CheckoutSlow"),
        "{answer}"
    );

    let partial = json!({"sample": "firing", "source": "{% nonsense %}", "file": "partials/header.md.j2"});
    let answer = preview(&app, &partial).await;
    assert_eq!(answer["diagnostics"][0]["file"], "partials/header.md.j2", "{answer}");
}

#[tokio::test]
async fn new_template_can_be_drafted_before_its_file_exists() {
    let app = App::start().await;
    let request = json!({"sample": "firing", "template": "mine", "source": "Mine"});
    assert_eq!(preview(&app, &request).await["messages"][0]["body"], "Mine");
}

#[tokio::test]
async fn bad_preview_request_is_told_which_field_is_wrong() {
    let app = App::start().await;
    for (request, field) in [
        (json!({}), "sample"),
        (json!({"sample": "firing", "payload": {}}), "sample"),
        (json!({"sample": "no such"}), "sample"),
        (json!({"recorded": 7}), "recorded"),
        (json!({"sample": "firing", "template": "../etc"}), "template"),
        (json!({"sample": "firing", "template": "missing"}), "template"),
        (
            json!({"payload": {"alerts": [{"status": "firing"}]}}),
            "payload.alerts[0].labels",
        ),
        (json!({"payload": []}), "payload"),
        (json!({"sample": 3}), "sample"),
    ] {
        let (status, problem) = refused(&app, &request).await;
        assert_eq!(
            (status, &problem["field"]),
            (422, &json!(field)),
            "{request}: {problem}"
        );
    }
}

#[tokio::test]
async fn preview_sends_and_stores_nothing() {
    let app = App::start().await;
    preview(&app, &json!({"payload": firing("Unsent")})).await;
    let stats = app.relay.outbox.stats(jiff::Timestamp::now()).await.unwrap();
    assert_eq!((stats.pending, stats.in_flight, stats.delivered), (0, 0, 0));
    assert!(app.homeserver.homeserver.messages(&app.room).is_empty());
}

#[tokio::test]
async fn state_shows_files_as_they_are_on_disk() {
    let app = App::with(|flags| {
        let folder = std::path::PathBuf::from(flags.templates_dir.clone().unwrap());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("alert.md.j2"), "broken\n{% if %}").unwrap();
        fs::write(folder.join("mine.md.j2"), "Mine").unwrap();
    })
    .await;
    let (_, state) = app.get_json("/workshop/state").await;
    let file = |name: &str| {
        let templates = state["templates"].as_array().unwrap();
        templates
            .iter()
            .find(|template| template["file"] == name)
            .unwrap()
            .clone()
    };
    let broken = file("alert.md.j2");
    assert_eq!(broken["text"], "broken\n{% if %}");
    assert_eq!(
        (&broken["builtin"], &broken["problem"]["line"]),
        (&json!(false), &json!(2)),
        "{broken}"
    );
    assert_eq!(
        (&file("mine.md.j2")["name"], &file("mine.md.j2")["problem"]),
        (&json!("mine"), &Value::Null)
    );
    let partial = file("partials/header.md.j2");
    assert_eq!((&partial["name"], &partial["builtin"]), (&Value::Null, &json!(true)));
    assert_eq!(state["default_template"], "alert");

    let version = state["version"].clone();
    fs::write(app.data.path().join("templates/mine.md.j2"), "Mine, edited").unwrap();
    loop {
        let (_, state) = app.get_json("/workshop/state").await;
        if state["version"] != version {
            assert!(state.to_string().contains("Mine, edited"));
            break;
        }
    }
}

#[tokio::test]
async fn operations_need_the_credential_and_the_page_does_not() {
    let app = App::with(|flags| flags.relay_token = Some("s3cr3t".into())).await;
    for path in [
        "/workshop/state",
        "/workshop/recorded/1",
        "/workshop/samples/firing",
        "/workshop/deliveries",
    ] {
        assert_eq!(app.get(path).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/preview", "/workshop/deliveries/1/retry"] {
        let answer = app.post(path).json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/", "/workshop/"] {
        assert_eq!(app.get(path).await.status(), StatusCode::OK, "{path}");
    }
    let with = app
        .post("/preview")
        .bearer_auth("s3cr3t")
        .json(&json!({"sample": "firing"}));
    assert_eq!(with.send().await.unwrap().status(), StatusCode::OK);
}
