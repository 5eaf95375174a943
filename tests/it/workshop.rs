//! The workshop over HTTP: previews, what there is to choose from, deliveries.

mod changes;
mod deliveries;

use std::fs;

use grafana_matrix_relay::outbox::{DeliveryId, Ended};
use grafana_matrix_relay::samples;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::app::{App, firing};
use crate::support::patience::eventually;

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
    let samples = samples::all().len() + samples::webhooks().len();
    assert_eq!(state["samples"].as_array().unwrap().len(), samples);
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
    assert_eq!(answer["stands_in"], false);

    let answer = preview(&app, &draft("one\n{{ statuss }}")).await;
    // What is seen is not the draft, and says so; one that only would not be taken is.
    assert_eq!(answer["stands_in"], true);
    let untaken = preview(
        &app,
        &draft("{% if kind == 'test' %}{{ alerts[1].name }}{% endif %}draft"),
    )
    .await;
    assert_eq!(
        (&untaken["stands_in"], &untaken["messages"][0]["body"]),
        (&json!(false), &json!("draft"))
    );
    assert_ne!(untaken["diagnostics"], json!([]));
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
async fn files_edited_together_are_tried_together() {
    let app = App::start().await;
    let request = json!({
        "sample": "firing",
        "source": "{% include 'partials/mine.md.j2' %} {{ name }}",
        "sources": {"partials/mine.md.j2": "From a new partial", "compact.md.j2": "fine"},
    });
    let answer = preview(&app, &request).await;
    assert_eq!(
        answer["messages"][0]["body"], "From a new partial CheckoutSlow",
        "{answer}"
    );
    assert_eq!(answer["diagnostics"], json!([]), "{answer}");

    let request = json!({
        "sample": "firing", "template": "new", "sources": {"new.md.j2": "a", "partials/mine.md.j2": "b\n{% nonsense %}"},
    });
    let answer = preview(&app, &request).await;
    let error = &answer["diagnostics"][0];
    assert_eq!(
        (&error["file"], &error["line"]),
        (&json!("partials/mine.md.j2"), &json!(2)),
        "{answer}"
    );

    let many: serde_json::Map<String, Value> = (0..101).map(|n| (format!("{n}.md.j2"), json!("x"))).collect();
    let (status, problem) = refused(&app, &json!({"sample": "firing", "sources": many})).await;
    assert_eq!((status, &problem["field"]), (422, &json!("sources")));
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
async fn sequence_is_told_as_its_room_gets_it() {
    let app = App::start().await;
    let (_, state) = app.get_json("/workshop/state").await;
    let incident = &state["sequences"][0];
    assert_eq!(incident["name"], "incident");
    let answer = preview(&app, &json!({"sequence": incident["steps"]})).await;
    let events = answer["messages"].as_array().unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            let relation = &event["event"]["m.relates_to"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (
                event["place"]["step"].as_u64().unwrap(),
                text(&event["place"]["event_id"]),
                text(&relation["rel_type"]),
                text(&relation["event_id"]),
                text(&event["msgtype"]),
            )
        })
        .collect();
    let row = |step, id: &str, kind: &str, of: &str, msgtype: &str| {
        (step, id.to_owned(), kind.to_owned(), of.to_owned(), msgtype.to_owned())
    };
    assert_eq!(
        told,
        [
            row(1, "$1-1", "", "", "m.text"),
            row(2, "$2-1", "m.thread", "$1-1", "m.text"),
            row(2, "$2-2", "m.replace", "$1-1", "m.text"),
            row(3, "$3-1", "m.thread", "$1-1", "m.notice"),
            row(3, "$3-2", "m.replace", "$1-1", "m.text"),
            row(4, "$4-1", "m.thread", "$1-1", "m.notice"),
            row(4, "$4-2", "m.replace", "$1-1", "m.notice"),
        ]
    );
    assert_eq!(events[5]["event"]["m.relates_to"]["m.in_reply_to"]["event_id"], "$3-1");
    assert_eq!(answer["diagnostics"], json!([]));

    // The same bodies as really posted: the room gets the same events, in the same order.
    for (step, events_then) in incident["steps"].as_array().unwrap().iter().zip([1, 3, 5, 7]) {
        let body = samples::find(step.as_str().unwrap()).unwrap().body;
        app.accept(&serde_json::from_str(&body).unwrap()).await;
        app.messages(events_then).await;
    }
    let sent = app.homeserver.homeserver.messages(&app.room);
    for (event, sent) in events.iter().zip(sent) {
        assert_eq!(event["event"]["msgtype"], sent.content["msgtype"]);
        assert_eq!(
            event["event"]["m.relates_to"]["rel_type"],
            sent.content["m.relates_to"]["rel_type"]
        );
    }
}

#[tokio::test]
async fn drafts_of_root_and_line_are_tried_together() {
    let app = App::start().await;
    let mut request = json!({
        "template": "update", "source": "line {{ change.count.starting }}/{{ change.count.ended }}",
        "sources": {"alert.md.j2": "root {{ count.firing }}"}, "sequence": ["firing", "resolved"],
    });
    let bodies = |answer: &Value| -> Vec<String> {
        let messages = answer["messages"].as_array().unwrap().iter();
        messages
            .map(|message| message["body"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(bodies(&preview(&app, &request).await), ["root 1", "line 0/1", "root 0"]);
    request["source"] = json!("ok\n{{ chnage }}");
    let answer = preview(&app, &request).await;
    let error = &answer["diagnostics"][0];
    assert_eq!((&error["file"], &error["line"]), (&json!("update.md.j2"), &json!(2)));
    assert_eq!(answer["diagnostics"].as_array().unwrap().len(), 1, "{answer}");
    // What is no template of lines takes the relay's own.
    assert!(bodies(&answer)[1].contains("CheckoutSlow"), "{answer}");

    let payloads = json!({"sequence": [firing("Mine"), firing("Mine")]});
    assert_eq!(preview(&app, &payloads).await["messages"].as_array().unwrap().len(), 1);
}

/// The events of a sequence: step, relation, and the first line.
fn told(answer: &Value) -> Vec<(u64, String, String)> {
    let messages = answer["messages"].as_array().unwrap().iter();
    let row = |event: &Value| {
        let relation = &event["event"]["m.relates_to"];
        let kind = match relation["rel_type"].as_str() {
            Some(kind) => kind.to_owned(),
            None => String::new(),
        };
        let line = event["body"].as_str().unwrap().lines().next().unwrap_or_default();
        (event["place"]["step"].as_u64().unwrap(), kind, line.to_owned())
    };
    messages.map(row).collect()
}

#[tokio::test]
async fn sequence_is_told_in_the_mode_that_is_chosen() {
    let app = App::start().await;
    for (mode, kinds) in [
        ("live", &["", "m.thread", "m.replace"][..]),
        ("thread", &["", "m.thread"]),
        ("new", &["", ""]),
    ] {
        let answer = preview(&app, &json!({"sequence": ["firing", "resolved"], "mode": mode})).await;
        let told: Vec<String> = told(&answer).into_iter().map(|(_, kind, _)| kind).collect();
        assert_eq!(told, kinds, "{mode}");
    }
    let (status, problem) = refused(&app, &json!({"sequence": ["firing"], "mode": "loud"})).await;
    assert_eq!((status, &problem["field"]), (422, &json!("mode")), "{problem}");
    let (_, problem) = refused(&app, &json!({"sequence": ["firing"], "mode": "reaction"})).await;
    assert!(
        problem["detail"].as_str().unwrap().contains("use `thread`"),
        "{problem}"
    );
}

#[tokio::test]
async fn sequence_of_several_groups_is_a_story_for_each() {
    let app = App::start().await;
    let mut over = firing("A");
    over["alerts"][0]["status"] = json!("resolved");
    over["alerts"][0]["endsAt"] = json!("2026-11-20T09:20:00Z");
    let ungrouped = json!({"alerts": [{"status": "firing", "labels": {"alertname": "Old"}}]});
    let sequence = json!([firing("A"), firing("B"), ungrouped.clone(), over, ungrouped]);
    let answer = preview(&app, &json!({"sequence": sequence})).await;
    let told = told(&answer);
    let row = |step, kind: &str, line: &str| (step, kind.to_owned(), line.to_owned());
    let after = "after 5 min";
    assert_eq!(told.len(), 6, "{told:#?}");
    assert_eq!(told[0], row(1, "", "🔥 FIRING · A · critical"));
    assert_eq!(told[1], row(2, "", "🔥 FIRING · B · critical"));
    assert_eq!(
        (told[2].0, told[5].0),
        (3, 5),
        "what has no group is a message each time"
    );
    assert!(
        told[4].1 == "m.replace" && told[4].2.contains('A') && told[4].2.contains(after),
        "{told:#?}"
    );
    assert!(told[3].1 == "m.thread" && told[3].2.contains('A'), "{told:#?}");
}

#[tokio::test]
async fn sequence_may_consist_of_what_was_received() {
    let app = App::start().await;
    let mut body = firing("Received");
    app.accept(&body).await;
    body["alerts"][0]["status"] = json!("resolved");
    body["alerts"][0]["endsAt"] = json!("2026-11-20T09:20:00Z");
    app.accept(&body).await;
    let mut ids = Vec::new();
    while ids.len() < 2 {
        let (_, state) = app.get_json("/workshop/state").await;
        ids = state["recorded"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].clone())
            .collect();
    }
    ids.reverse();
    let answer = preview(&app, &json!({"sequence": ids})).await;
    let kinds: Vec<String> = told(&answer).into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, ["", "m.thread", "m.replace"]);
    let (status, problem) = refused(&app, &json!({"sequence": [999]})).await;
    assert_eq!((status, &problem["field"]), (422, &json!("recorded")), "{problem}");
}

#[tokio::test]
async fn sequence_that_cannot_be_played_is_refused() {
    let app = App::start().await;
    for (sequence, field) in [
        (json!([]), "sequence"),
        (json!(vec!["firing"; 11]), "sequence"),
        (json!(["firing", "nonsense"]), "sequence"),
        (json!(["firing", {"alerts": 1}]), "sequence[1].alerts"),
    ] {
        let (status, problem) = refused(&app, &json!({"sequence": sequence})).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{problem}");
    }
    let both = json!({"sequence": ["firing"], "sample": "firing"});
    assert_eq!(refused(&app, &both).await.0, 422);
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
        let folder = std::path::PathBuf::from(flags.messages.templates_dir.clone().unwrap());
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
    assert_eq!(state["languages"], json!(["de", "en"]));

    let version = state["version"].clone();
    fs::write(app.data.path().join("templates/mine.md.j2"), "Mine, edited").unwrap();
    let edited = eventually("the edit is seen", async || {
        let (_, state) = app.get_json("/workshop/state").await;
        (state["version"] != version).then_some(state)
    })
    .await;
    assert!(edited.to_string().contains("Mine, edited"));
}

#[tokio::test]
async fn operations_need_the_credential_and_the_page_does_not() {
    let app = App::with(|flags| flags.http.relay_token = Some("s3cr3t".into())).await;
    for path in [
        "/workshop/state",
        "/workshop/recorded/1",
        "/workshop/samples/firing",
        "/workshop/reference",
        "/workshop/deliveries",
        "/workshop/deliveries/1",
    ] {
        assert_eq!(app.get(path).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in [
        "/preview",
        "/workshop/values",
        "/workshop/deliveries/1/retry",
        "/workshop/deliveries/1/give-up",
    ] {
        let answer = app.post(path).json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/", "/workshop/"] {
        assert_eq!(app.get(path).await.status(), StatusCode::OK, "{path}");
    }
    let foreign = app.post("/workshop/deliveries/1/retry").bearer_auth("s3cr3t");
    let foreign = foreign.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let with = app
        .post("/preview")
        .bearer_auth("s3cr3t")
        .json(&json!({"sample": "firing"}));
    assert_eq!(with.send().await.unwrap().status(), StatusCode::OK);
}

/// Asks until the workshop has kept what `is_done` waits for.
async fn recorded(app: &App, is_done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually("it is recorded", async || {
        let (_, state) = app.get_json("/workshop/state").await;
        state["recorded"]
            .as_array()
            .filter(|recorded| is_done(recorded))
            .cloned()
    })
    .await
}

#[tokio::test]
async fn notifications_are_kept_without_their_secrets() {
    let app = App::start().await;
    let mut body = firing("Kept");
    body["alerts"][0]["generatorURL"] = json!("https://ada:s3cr3t@grafana.example.org/view?token=s3cr3t&tab=1");
    body["alerts"][0]["annotations"] = json!({"api_key": "s3cr3t", "summary": "Bearer s3cr3t0123456789 was refused"});
    let posted = app
        .post("/alert")
        .bearer_auth("s3cr3t")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), StatusCode::ACCEPTED);

    let kept = recorded(&app, |kept| kept.len() == 1).await;
    assert_eq!(kept[0]["title"], "firing: Kept");
    let id = kept[0]["id"].as_i64().unwrap();
    let (_, shown) = app.get_json(&format!("/workshop/recorded/{id}")).await;
    assert_eq!(
        shown["alerts"][0]["generatorURL"],
        "https://***@grafana.example.org/view?token=***&tab=1"
    );
    assert!(!shown.to_string().contains("s3cr3t"), "{shown}");
    let answer = preview(&app, &json!({"recorded": id})).await;
    assert!(
        answer["messages"][0]["body"].as_str().unwrap().contains("Kept"),
        "{answer}"
    );
    assert_eq!(app.get("/workshop/recorded/999").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_the_last_notifications_are_kept_and_none_that_is_large_or_repeated() {
    let app = App::with(|flags| flags.messages.record_notifications = Some("2".to_owned())).await;
    let mut large = firing("Large");
    large["message"] = json!("x".repeat(300_000));
    for body in [firing("One"), firing("Two"), large, firing("Two"), firing("Three")] {
        app.accept(&body).await;
    }
    let kept = recorded(&app, |kept| {
        kept.first().is_some_and(|one| one["title"] == "firing: Three")
    })
    .await;
    let titles: Vec<_> = kept.iter().map(|one| one["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["firing: Three", "firing: Two"]);
}

#[tokio::test]
async fn caller_chooses_a_template() {
    let app = App::start().await;
    let answer = app
        .post("/alert?template=compact")
        .json(&firing("Chosen"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let chosen = preview(&app, &json!({"template": "compact", "payload": firing("Chosen")})).await;
    assert_eq!(
        app.messages(1).await[0],
        chosen["messages"][0]["body"].as_str().unwrap()
    );
    for name in ["..%2Falert", "alert.md.j2", ""] {
        let answer = app
            .post(&format!("/alert?template={name}"))
            .json(&firing("Refused"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert_eq!(answer.json::<Value>().await.unwrap()["field"], "template");
    }
    // The same notification through another template is another message.
    assert_eq!(app.accept(&firing("Chosen")).await["recognised"], false);
}

#[tokio::test]
async fn alert_for_a_template_that_is_not_there_or_broken_is_accepted_and_says_so() {
    let app = App::with(|flags| {
        let folder = std::path::PathBuf::from(flags.messages.templates_dir.clone().unwrap());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("broken.md.j2"), "one\n{% if %}").unwrap();
    })
    .await;
    for (count, (name, said)) in [
        ("missing", "(missing.md.j2: there is no such template)"),
        (
            "broken",
            "template broken has an error in line 2, so the built-in one was used: ",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let request = app.post(&format!("/alert?template={name}"));
        let answer = request.json(&firing(&format!("Kept{count}"))).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{name}");
        let message = app.messages(count + 1).await.remove(count);
        assert!(
            message.contains(&format!("Kept{count}")) && message.contains(said),
            "{message}"
        );
    }
}

#[tokio::test]
async fn dead_delivery_is_sent_again_and_no_other() {
    let app = App::start().await;
    app.homeserver.refuse().await;
    let id = app.accept(&firing("Dropped")).await["deliveries"][0]["id"]
        .as_i64()
        .unwrap();
    let now = jiff::Timestamp::now();
    // The worker may be trying just now; then it cannot be dropped yet.
    while !matches!(
        app.relay.outbox.give_up(DeliveryId(id), now).await.unwrap(),
        Ended::Done
    ) {}
    let (_, page) = app.get_json("/workshop/deliveries?state=dead").await;
    let row = &page["deliveries"][0];
    assert_eq!(
        (&row["id"], &row["state"], &row["room"]),
        (&json!(id), &json!("dead"), &json!(app.room))
    );
    assert!(row["headline"].as_str().unwrap().contains("Dropped"), "{row}");

    let retry = async |id: i64| {
        let answer = app
            .post(&format!("/workshop/deliveries/{id}/retry"))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, retried) = retry(id).await;
    assert_eq!((status, &retried["state"]), (200, &json!("pending")), "{retried}");
    assert_eq!(retry(id).await.0, 409);
    assert_eq!(retry(999).await.0, 404);
    app.homeserver.accept_again().await;
    assert!(app.messages(1).await[0].contains("Dropped"));
}

#[tokio::test]
async fn deliveries_come_in_pages() {
    let app = App::start().await;
    for name in ["One", "Two", "Three"] {
        app.accept(&firing(name)).await;
    }
    app.messages(3).await;
    let (_, first) = app.get_json("/workshop/deliveries?limit=2").await;
    let names = |page: &Value| page["deliveries"].as_array().unwrap().len();
    assert_eq!(names(&first), 2);
    let (_, second) = app
        .get_json(&format!("/workshop/deliveries?limit=2&before={}", first["next"]))
        .await;
    assert_eq!((names(&second), &second["next"]), (1, &Value::Null));
    for (query, field) in [("state=lost", "state"), ("limit=x", "limit"), ("before=x", "before")] {
        let (status, problem) = app.get_json(&format!("/workshop/deliveries?{query}")).await;
        assert_eq!((status.as_u16(), &problem["field"]), (422, &json!(field)), "{problem}");
    }
}

#[tokio::test]
async fn rendering_that_falls_back_is_counted() {
    let app = App::with(|flags| {
        let folder = std::path::PathBuf::from(flags.messages.templates_dir.clone().unwrap());
        fs::create_dir_all(&folder).unwrap();
        let trap = "{% if alerts[0].labels.alertname == \"Trap\" %}{{ nonsense }}{% endif %}fine";
        fs::write(folder.join("alert.md.j2"), trap).unwrap();
    })
    .await;
    app.accept(&firing("Trap")).await;
    app.accept(&firing("Harmless")).await;
    let messages = app.messages(2).await;
    assert!(
        messages[0].contains("Trap") && messages[0].contains("template alert has an error in line 1"),
        "{messages:?}"
    );
    assert_eq!(messages[1], "fine");
    let metrics = app.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("grafana_matrix_relay_template_errors_total 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn draft_without_end_is_an_error_and_keeps_nothing_waiting() {
    let app = App::start().await;
    let endless = "one\n{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}";
    let answer = preview(&app, &json!({"sample": "firing", "source": endless})).await;
    assert_eq!(answer["diagnostics"][0]["line"], 2, "{answer}");
    assert!(!answer["messages"].as_array().unwrap().is_empty());
    app.accept(&firing("Fine")).await;
}

#[tokio::test]
async fn draft_that_would_not_be_taken_is_an_error_and_the_saved_file_says_the_same() {
    let app = App::start().await;
    let errors = |answer: &Value| -> Vec<String> {
        let remarks = answer["diagnostics"].as_array().unwrap().iter();
        let errors = remarks.filter(|one| one["severity"] == "error");
        errors
            .map(|one| format!("{}: {}", one["line"], one["message"].as_str().unwrap()))
            .collect()
    };
    // It works for this sample, and not for a single alert.
    let source = "one\n{{ alerts[1].name }}";
    let draft = json!({"sample": "mixed", "source": source});
    let answer = preview(&app, &draft).await;
    assert!(
        answer["messages"][0]["body"].as_str().unwrap().starts_with("one\n"),
        "{answer}"
    );
    let said = errors(&answer);
    assert!(
        said.len() == 1
            && said[0].starts_with("2: the relay would go on with the version before: `alerts[1]` is not there"),
        "{said:?}"
    );
    // Of what does not work for the shown sample either, it is said once.
    let answer = preview(&app, &json!({"sample": "firing", "source": source})).await;
    assert_eq!(errors(&answer).len(), 1, "{answer}");
    for (source, said) in [(" ", "is empty"), (&*"x".repeat(65 * 1024), "larger than 64 KiB")] {
        let answer = preview(&app, &json!({"sample": "firing", "source": source})).await;
        assert!(errors(&answer)[0].ends_with(said), "{answer}");
    }

    let folder = app.data.path().join("templates");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("alert.md.j2"), source).unwrap();
    let refused = eventually("the file is looked at", async || {
        let (_, state) = app.get_json("/workshop/state").await;
        let mut templates = state["templates"].as_array()?.iter();
        let template = templates.find(|template| template["file"] == "alert.md.j2")?;
        (template["text"] == source).then(|| template["problem"].clone())
    })
    .await;
    // The text on disk as a draft: what is known of it stays.
    let answer = preview(&app, &draft).await;
    assert_eq!(answer["diagnostics"][0]["message"], refused["message"], "{answer}");
    assert_eq!(errors(&answer).len(), 1, "{answer}");
}

#[tokio::test]
async fn remarks_that_nobody_reads_are_counted() {
    let app = App::start().await;
    let source = "[a](b)\n\n".repeat(6_000);
    let answer = preview(&app, &json!({"sample": "firing", "source": source})).await;
    let remarks = answer["diagnostics"].as_array().unwrap();
    assert!(remarks.len() < 110, "{} remarks", remarks.len());
    let said = remarks.iter().filter_map(|one| one["message"].as_str());
    assert!(
        said.into_iter()
            .any(|message| message == "… and 5900 more remarks on its text"),
        "{answer}"
    );
}

#[tokio::test]
async fn preview_has_the_limits_of_a_notification() {
    let app = App::with(|flags| flags.http.max_body_bytes = Some("2000".to_owned())).await;
    let large = format!("{{\"source\": \"{}\"}}", "x".repeat(3000));
    for (content_type, body, status) in [
        ("application/json", large.as_str(), 413),
        ("text/plain", "{}", 415),
        ("application/json", "{", 400),
    ] {
        let request = app
            .post("/preview")
            .header("content-type", content_type)
            .body(body.to_owned());
        assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{body:.20}");
    }
    assert_eq!(app.get("/preview").await.headers()["allow"], "POST");
}
