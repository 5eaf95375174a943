//! What the workshop changes: a template, where the operator allows it, and a room, by a test.

use std::fs;
use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::app::{App, firing};
use crate::support::patience::eventually;

async fn editable() -> App {
    App::with(|flags| flags.auth.workshop = Some("edit".to_owned())).await
}

fn templates(app: &App) -> PathBuf {
    app.data.path().join("templates")
}

async fn save(app: &App, request: &Value) -> (u16, Value) {
    let answer = app.put("/workshop/template").json(request).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn send(app: &App, request: &Value) -> (u16, Value) {
    let answer = app.post("/workshop/send").json(request).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What the state says of a file, once it says so much.
async fn state_of(app: &App, file: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually("the file is looked at", async || {
        let (_, state) = app.get_json("/workshop/state").await;
        let mut templates = state["templates"].as_array()?.iter();
        templates
            .find(|template| template["file"] == file && is_so(template))
            .cloned()
    })
    .await
}

#[tokio::test]
async fn template_is_saved_and_used_and_never_over_what_somebody_else_wrote() {
    let app = editable().await;
    let built_in = state_of(&app, "alert.md.j2", |_| true).await;
    assert_eq!(
        (&built_in["etag"], &built_in["builtin_text"]),
        (&Value::Null, &Value::Null)
    );
    let (status, saved) = save(&app, &json!({"file": "alert.md.j2", "text": "saved: {{ name }}"})).await;
    assert_eq!(status, 200, "{saved}");
    let on_disk = state_of(&app, "alert.md.j2", |one| one["text"] == "saved: {{ name }}").await;
    assert_eq!(on_disk["etag"], saved["etag"]);
    assert_eq!(on_disk["builtin_text"], built_in["text"]);
    app.accept(&firing("Used")).await;
    assert_eq!(app.messages(1).await, ["saved: Used"]);

    // Another editor was quicker.
    let file = templates(&app).join("alert.md.j2");
    fs::write(&file, "theirs").unwrap();
    for etag in [saved["etag"].clone(), Value::Null] {
        let (status, problem) = save(&app, &json!({"file": "alert.md.j2", "text": "mine", "etag": etag})).await;
        assert_eq!(status, 409, "{problem}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
    // Nothing is left beside the files.
    assert_eq!(fs::read_dir(templates(&app)).unwrap().count(), 1);
}

#[tokio::test]
async fn nothing_is_saved_outside_of_the_folder_or_where_it_is_not_allowed() {
    let app = editable().await;
    for (file, text) in [
        ("../alert.md.j2", "x".to_owned()),
        ("/tmp/alert.md.j2", "x".to_owned()),
        (".hidden.md.j2", "x".to_owned()),
        ("words.toml", "x".to_owned()),
        ("large.md.j2", "x".repeat(65 * 1024)),
    ] {
        let (status, problem) = save(&app, &json!({"file": file, "text": text})).await;
        assert_eq!(status, 422, "{file}: {problem}");
    }
    assert!(!templates(&app).exists(), "a refused file made a folder");

    // Unless the operator says so, nobody writes; and reading needs no more than before.
    let app = App::start().await;
    let (status, problem) = save(&app, &json!({"file": "alert.md.j2", "text": "x"})).await;
    assert_eq!(status, 403, "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().contains("RELAY_WORKSHOP=edit"),
        "{problem}"
    );
    let (_, state) = app.get_json("/workshop/state").await;
    assert_eq!(state["editable"], false);
    assert!(!templates(&app).exists());
}

#[tokio::test]
async fn changes_need_the_credential_and_come_from_no_other_site() {
    let app = App::with(|flags| {
        flags.auth.workshop = Some("edit".to_owned());
        flags.http.relay_token = Some("s3cr3t".into());
    })
    .await;
    let file = json!({"file": "alert.md.j2", "text": "x"});
    let test = json!({"preview": {"sample": "firing"}});
    let requests = || {
        [
            (app.put("/workshop/template"), &file),
            (app.post("/workshop/send"), &test),
        ]
    };
    for (request, body) in requests() {
        assert_eq!(
            request.json(body).send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
    }
    for (request, body) in requests() {
        let request = request.bearer_auth("s3cr3t").header("sec-fetch-site", "cross-site");
        assert_eq!(request.json(body).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    // A form of another site cannot send JSON.
    for (request, body) in requests() {
        let request = request.bearer_auth("s3cr3t").header("content-type", "text/plain");
        assert_eq!(
            request.body(body.to_string()).send().await.unwrap().status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
    }
    assert!(!templates(&app).exists() && app.texts().is_empty());
    for (request, body) in requests() {
        let answer = request.bearer_auth("s3cr3t").json(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn draft_is_sent_to_the_room_as_a_test_that_mentions_nobody() {
    let app = App::start().await;
    let draft = json!({"preview": {"payload": firing("Tried"), "source": "{{ mention_room() }}mine: {{ name }}"}});
    let (status, sent) = send(&app, &draft).await;
    assert_eq!((status, &sent["room"]), (200, &json!(app.room)), "{sent}");
    let text = app.messages(1).await.remove(0);
    assert!(
        text.starts_with("🧪 TEST from the workshop · template alert\n") && text.contains("mine: Tried"),
        "{text}"
    );
    let event = &app.homeserver.homeserver.messages(&app.room)[0];
    assert_eq!(event.content["m.mentions"], json!({}));
    let (_, page) = app.get_json("/workshop/deliveries").await;
    let row = &page["deliveries"][0];
    assert_eq!((&row["id"], &row["kind"]), (&sent["deliveries"][0], &json!("message")));

    // What does not work is not sent, and nothing of it changes a group.
    for (request, field) in [
        (
            json!({"preview": {"sample": "firing", "source": "{{ nmae }}"}}),
            "preview.source",
        ),
        (json!({"preview": {"sequence": ["firing"]}}), "preview.sequence"),
        (json!({"preview": {"sample": "firing"}, "route": "missing"}), "route"),
        (
            json!({"preview": {"sample": "firing"}, "room": "!other:example.org"}),
            "room",
        ),
        (json!({"preview": {"sample": "missing"}}), "sample"),
    ] {
        let (status, problem) = send(&app, &request).await;
        assert_eq!(
            (status, &problem["field"]),
            (422, &json!(field)),
            "{request}: {problem}"
        );
    }
    app.accept(&firing("Tried")).await;
    assert_eq!(app.messages(2).await.len(), 2);
}

#[tokio::test]
async fn routes_of_others_are_reached_only_where_the_workshop_asks_for_a_credential_too() {
    let routes = "[routes.default]\nrooms = '{room}'\n[routes.team]\nrooms = '{room}'\ncredentials.bearer = 'a-long-enough-secret'\n";
    let with = |page_token: Option<&'static str>| {
        App::with(move |flags| {
            let folder = PathBuf::from(flags.delivery.data_dir.clone().unwrap())
                .parent()
                .unwrap()
                .to_owned();
            let file = folder.join("routes.toml");
            let room = flags.default_room.take().unwrap();
            fs::write(&file, routes.replace("{room}", &room)).unwrap();
            flags.routes_file = Some(file.display().to_string());
            flags.auth.page_token = page_token.map(Into::into);
        })
    };
    let test = json!({"preview": {"sample": "firing"}, "route": "team"});
    let app = with(None).await;
    // The workshop is closed as long as it has nothing to ask for.
    let (status, problem) = send(&app, &test).await;
    assert_eq!(status, 403, "{problem}");
    assert_eq!(app.get("/workshop/state").await.status(), StatusCode::FORBIDDEN);
    assert!(app.texts().is_empty());
    let app = with(Some("a-token-for-people")).await;
    let answer = app.post("/workshop/send").bearer_auth("a-token-for-people").json(&test);
    assert_eq!(answer.send().await.unwrap().status(), StatusCode::OK);
    assert!(app.messages(1).await[0].starts_with("🧪 TEST"));
}

#[tokio::test]
async fn reference_says_what_a_template_can_use_and_what_a_notification_has() {
    let app = App::start().await;
    let (_, reference) = app.get_json("/workshop/reference").await;
    for (list, name) in [
        ("variables", "alert.summary"),
        ("filters", "bold"),
        ("functions", "say"),
        ("tests", "defined"),
    ] {
        let mut entries = reference[list].as_array().unwrap().iter();
        let entry = entries.find(|entry| entry["name"] == name);
        assert!(entry.is_some_and(|entry| entry["about"] != ""), "{list} has no {name}");
    }
    assert_eq!(reference["recipes"].as_array().unwrap().len(), 20);
    let values = app.post("/workshop/values").json(&json!({"payload": firing("Seen")}));
    let values: Value = values.send().await.unwrap().json().await.unwrap();
    let of = |path: &str| {
        let mut values = values["values"].as_array().unwrap().iter();
        values
            .find(|value| value["path"] == path)
            .map(|value| value["value"].clone())
    };
    assert_eq!(of("name"), Some(json!("Seen")));
    assert_eq!(of("alerts"), Some(json!("1 entry")));
    assert_eq!(of("alerts[0].labels.severity"), Some(json!("critical")));
    assert_eq!(of("alert.labels.severity"), Some(json!("critical")));
}
