//! What callers see: the whole relay over HTTP.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;

use grafana_matrix_relay::outbox::{DeliveryId, Ended};
use grafana_matrix_relay::standin::{Fault, NewRoom, Scope, When};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::app::{App, firing};
use crate::night::names;
use crate::support::patience::{eventually, until};
use crate::support::postgres;

async fn problem(answer: Response) -> (u16, Value) {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert!(
        body["detail"]
            .as_str()
            .is_some_and(|detail| (10..600).contains(&detail.len())),
        "{body}"
    );
    (status, body)
}

#[tokio::test]
async fn what_sends_nothing_says_why() {
    let app = App::start().await;
    let mut body = firing("Told");
    body["notification_reason"] = "first_notification".into();
    let first = app.accept(&body).await;
    assert_eq!(
        (first["recognised"].as_bool(), first.get("note")),
        (Some(false), None),
        "{first}"
    );
    let again = app.accept(&body).await;
    let note = again["note"].as_str().unwrap();
    assert!(
        again["recognised"] == true && note.contains("accepted a moment ago"),
        "{again}"
    );
    // The same once more, for another reason.
    body["notification_reason"] = "repeat_interval".into();
    app.messages(1).await;
    let unseen = app.accept(&body).await;
    assert_eq!(
        (&unseen["recognised"], &unseen["deliveries"]),
        (&false.into(), &json!([])),
        "{unseen}"
    );
    assert!(
        unseen["note"].as_str().unwrap().contains("the rooms already show"),
        "{unseen}"
    );
    let repeated = app.accept(&body).await;
    assert!(
        repeated["recognised"] == true && repeated["note"] != again["note"],
        "{repeated}"
    );
}

#[tokio::test]
async fn put_and_post_reach_the_room() {
    let app = App::start().await;
    let posted = app.accept(&firing("Posted")).await;
    assert_eq!(posted["recognised"], false);
    assert_eq!(posted["deliveries"][0]["room"], app.room.as_str());
    assert_eq!(
        app.put("/alert").json(&firing("Put")).send().await.unwrap().status(),
        StatusCode::ACCEPTED
    );
    let messages = app.messages(2).await;
    assert!(
        messages[0].contains("Posted") && messages[1].contains("Put"),
        "{messages:?}"
    );
    app.relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_202_means_that_the_row_is_in_the_outbox() {
    let app = App::start().await;
    app.homeserver.refuse().await;
    let id = app.accept(&firing("Kept")).await["deliveries"][0]["id"]
        .as_i64()
        .unwrap();
    let row = app.relay.outbox.show(DeliveryId(id)).await.unwrap().unwrap();
    assert!(row.message.body.contains("Kept"));
    app.homeserver.accept_again().await;
    app.messages(1).await;
}

#[tokio::test]
async fn grafanas_and_alertmanagers_format_are_taken() {
    let app = App::start().await;
    let alertmanager = json!({"version": "4", "groupKey": "g", "receiver": "m", "status": "firing", "alerts": [
        {"status": "firing", "labels": {"alertname": "FromAlertmanager"}, "startsAt": "2026-11-20T09:14:10.113Z",
         "endsAt": "0001-01-01T00:00:00Z"}]});
    app.accept(&alertmanager).await;
    app.accept(&firing("FromGrafana")).await;
    let messages = app.messages(2).await;
    assert!(
        messages[0].contains("FromAlertmanager") && messages[1].contains("FromGrafana"),
        "{messages:?}"
    );
}

#[tokio::test]
async fn bad_input_is_refused_with_a_reason_and_changes_nothing() {
    let app = App::with(|flags| flags.http.max_body_bytes = Some("2000".to_owned())).await;
    let json = "application/json";
    let large = format!("{{\"alerts\": \"{}\"}}", "x".repeat(3000));
    for (content_type, body, status, field) in [
        (json, "", 400, None),
        (json, "not json", 400, None),
        (json, "{\"alerts\": [", 400, None),
        ("application/x-www-form-urlencoded", "{}", 415, None),
        ("text/plain", "{}", 415, None),
        (json, "{}", 422, Some("alerts")),
        (json, "{\"text\": \"a custom payload\"}", 422, Some("alerts")),
        (
            json,
            "{\"alerts\": [{\"status\": \"firing\"}]}",
            422,
            Some("alerts[0].labels"),
        ),
        (json, "[]", 422, Some("the body")),
        (json, large.as_str(), 413, None),
    ] {
        let request = app
            .post("/alert")
            .header("content-type", content_type)
            .body(body.to_owned());
        let (answered, problem) = problem(request.send().await.unwrap()).await;
        assert_eq!(
            (answered, problem["field"].as_str()),
            (status, field),
            "{body:.40}: {problem}"
        );
    }
    let stats = app.relay.outbox.stats(jiff::Timestamp::now()).await.unwrap();
    assert_eq!((stats.pending, stats.delivered), (0, 0));
    app.accept(&firing("Fine")).await;
    assert_eq!(app.messages(1).await.len(), 1);
}

#[tokio::test]
async fn a_chunked_body_has_the_same_limit() {
    let app = App::with(|flags| flags.http.max_body_bytes = Some("2000".to_owned())).await;
    let pieces = (0..100).map(|_| Ok::<_, std::io::Error>(vec![b' '; 100]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = app
        .post("/alert")
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(problem(answer).await.0, 413);
}

#[tokio::test]
async fn refusals_come_in_a_fixed_order() {
    let app = App::with(|flags| {
        flags.http.relay_token = Some("s3cr3t".into());
        flags.http.max_body_bytes = Some("100".to_owned());
    })
    .await;
    let request = |token: &str| {
        app.post("/alert")
            .bearer_auth(token)
            .header("content-type", "text/plain")
    };
    assert_eq!(
        problem(request("wrong").body("x".repeat(101)).send().await.unwrap())
            .await
            .0,
        413
    );
    assert_eq!(
        problem(request("wrong").body("not json").send().await.unwrap()).await.0,
        401
    );
    assert_eq!(
        problem(request("s3cr3t").body("not json").send().await.unwrap())
            .await
            .0,
        415
    );
    let refused = app.post("/alert").json(&json!({})).send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    assert_eq!(problem(refused).await.0, 401);
    let right = app.post("/alert").bearer_auth("s3cr3t").json(&json!({}));
    assert_eq!(problem(right.send().await.unwrap()).await.0, 422);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_the_same_form() {
    let app = App::start().await;
    assert_eq!(problem(app.get("/nothing/here").await).await.0, 404);
    let wrong_method = app.get("/alert").await;
    assert_eq!(wrong_method.headers()["allow"], "POST, PUT");
    assert_eq!(problem(wrong_method).await.0, 405);
    assert_eq!(problem(app.post("/health/live").send().await.unwrap()).await.0, 405);
}

#[tokio::test]
async fn a_homeserver_that_is_down_degrades_but_never_refuses() {
    let app = App::start().await;
    let (status, report) = app.get_json("/health/ready").await;
    assert_eq!(
        (status, &report["status"]),
        (StatusCode::OK, &json!("ready")),
        "{report}"
    );

    let other = App::start().await;
    other.homeserver.refuse().await;
    other.accept(&firing("Kept")).await;
    let (status, report) = other.get_json("/health/ready").await;
    assert_eq!(
        (status, &report["status"]),
        (StatusCode::OK, &json!("degraded")),
        "{report}"
    );
    assert!(report.to_string().contains("cannot connect"), "{report}");
    assert_eq!(other.get_json("/health/live").await.0, StatusCode::OK);
}

#[tokio::test]
async fn trouble_with_a_room_is_named_as_long_as_anything_waits_for_it() {
    let app = App::start().await;
    let server = &app.homeserver.homeserver;
    server.plan(Scope::Sends, When::Always, Fault::Forbidden);
    let accepted = app.accept(&firing("Forbidden")).await;
    let named = async || app.get_json("/health/ready").await.1.to_string().contains(&app.room);
    until("the room is named", named).await;
    let id = DeliveryId(accepted["deliveries"][0]["id"].as_i64().unwrap());
    let now = jiff::Timestamp::now();
    // While it is in flight it is left alone.
    until("it is given up", async || {
        app.relay.outbox.give_up(id, now).await.unwrap() == Ended::Done
    })
    .await;
    until("the room is named no more", async || !named().await).await;
    assert_eq!(app.relay.outbox.delete(id).await.unwrap(), Ended::Done);
    until("it is ready", async || {
        app.get_json("/health/ready").await.1["status"] == "ready"
    })
    .await;
}

#[tokio::test]
async fn a_store_that_takes_nothing_is_the_only_5xx_and_ready_says_so() {
    let app = App::start().await;
    // Another program holds the database: the same to the relay as a disk that is full.
    let database = find_database(&app.data.path().join("data"));
    let lock = rusqlite::Connection::open(database).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = app.post("/alert").json(&firing("Refused")).send().await.unwrap();
    assert_eq!(problem(answer).await.0, 503);
    let (status, report) = app.get_json("/health/ready").await;
    assert_eq!(
        (status, &report["status"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")),
        "{report}"
    );
    lock.execute_batch("ROLLBACK").unwrap();
    app.accept(&firing("Taken")).await;
    assert!(app.messages(1).await[0].contains("Taken"));
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_503_that_ready_explains_until_it_is_back() {
    let mut database = postgres::Server::start();
    let app = App::with(|flags| flags.delivery.database_url = Some(database.database().into())).await;
    app.accept(&firing("Before")).await;
    assert_eq!(app.messages(1).await.len(), 1);

    database.stop();
    let answer = app.post("/alert").json(&firing("Refused")).send().await.unwrap();
    let (status, refusal) = problem(answer).await;
    assert_eq!(status, 503, "{refusal}");
    // An answer of the store may be a second old.
    let report = eventually("it is not ready", async || {
        let (status, report) = app.get_json("/health/ready").await;
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(report)
    })
    .await;
    assert_eq!(report["status"], "unavailable", "{report}");
    assert_eq!(report["checks"][0]["state"], "unavailable", "{report}");
    assert!(
        report["checks"][0]["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty())
    );
    assert_eq!(app.get_json("/health/live").await.0, StatusCode::OK);
    app.get("/metrics").await.error_for_status().unwrap();

    database.start_again();
    until("it accepts again", async || {
        app.post("/alert").json(&firing("After")).send().await.unwrap().status() == StatusCode::ACCEPTED
    })
    .await;
    assert!(app.messages(2).await[1].contains("After"));
    until("it is ready again", async || {
        app.get_json("/health/ready").await.0 == StatusCode::OK
    })
    .await;
}

fn find_database(folder: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "db"))
        .unwrap()
}

#[tokio::test]
async fn under_load_a_homeserver_that_refuses_fails_and_hangs_costs_nothing() {
    /// How many notifications come while the homeserver is in each state.
    const LOAD: usize = 40;
    let app = App::with(|flags| flags.matrix_timeout = Some("300ms".to_owned())).await;
    let server = &app.homeserver.homeserver;
    let mut accepted = Vec::new();
    for state in 0..4 {
        server.heal_all();
        match state {
            0 => app.homeserver.refuse().await,
            1 => {
                server.plan(Scope::Everything, When::Always, Fault::BadGateway);
                app.homeserver.accept_again().await;
            }
            2 => drop(server.plan(Scope::Everything, When::Always, Fault::Hang)),
            _ => {
                let lost = When::Chance {
                    probability: 0.3,
                    seed: 5,
                };
                server.plan(Scope::Sends, lost, Fault::DropReply);
            }
        }
        for _ in 0..LOAD {
            let name = format!("Alert{:05}", accepted.len());
            app.accept(&firing(&name)).await;
            accepted.push(name);
        }
        let report = async || app.get_json("/health/ready").await.1["status"] == "degraded";
        if state < 3 {
            until("it is told that messages wait", report).await;
        }
    }
    server.heal_all();
    let mut changes = server.changes();
    let mut named = Vec::new();
    while named.len() < accepted.len() {
        changes.changed().await.unwrap();
        named = names(&app.texts());
    }
    assert_eq!(named, accepted);
}

#[tokio::test]
async fn rooms_that_hang_take_no_place_from_one_that_answers() {
    const HANGING: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    let routes = (0..HANGING).map(|n| format!("[routes.hanging{n}]\nrooms = ['#hanging{n}:example.org']\n"));
    std::fs::write(&file, routes.collect::<String>()).unwrap();
    let app = App::with(|flags| {
        flags.routes_file = Some(file.display().to_string());
        // Longer than this test may take.
        flags.matrix_timeout = Some("1h".to_owned());
    })
    .await;
    let server = &app.homeserver.homeserver;
    let mut rooms = Vec::new();
    for n in 0..HANGING {
        let alias = format!("hanging{n}");
        let room = server.create_room(&NewRoom::named(&alias).alias(&alias).member("bot"));
        server.plan(Scope::SendsTo(room.clone()), When::Always, Fault::Hang);
        rooms.push(room);
        let body = firing("Hanging");
        let answer = app
            .post(&format!("/alert/hanging{n}"))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
    let mut changes = server.changes();
    while rooms.iter().filter(|room| server.sends_seen(room) > 0).count() < 32 {
        changes.changed().await.unwrap();
    }
    app.accept(&firing("Answered")).await;
    assert!(app.messages(1).await[0].contains("Answered"));
}

#[tokio::test]
async fn swagger_ui_works_without_the_internet_and_offers_the_samples() {
    let app = App::start().await;
    let page = app.get("/docs").await;
    assert!(
        page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    let page = page.text().await.unwrap();
    let loads = ["src=\"http", "href=\"http", "@import"];
    assert!(page.starts_with("<!doctype html>") || page.trim_start().starts_with("<!doctype html>"));
    assert!(loads.iter().all(|load| !page.contains(load)));
    assert!(page.contains("asks for no credential"));
    let (_, document) = app.get_json("/openapi.json").await;
    let examples = &document["paths"]["/alert"]["post"]["requestBody"]["content"]["application/json"]["examples"];
    assert!(examples.as_object().unwrap().len() >= 6, "{examples}");
    for (name, example) in examples.as_object().unwrap() {
        let answer = app.post("/alert").json(&example["value"]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{name}");
    }
}

#[tokio::test]
async fn answers_carry_the_headers_that_keep_browsers_safe() {
    let app = App::start().await;
    let headers = app.get("/health/live").await.headers().clone();
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["x-frame-options"], "DENY");
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_broken_request_line_hurts_nobody() {
    let app = App::start().await;
    for bytes in [
        &b"\x16\x03\x01\x00\xff"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"PUT /alert HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        TcpStream::connect(app.relay.address).unwrap().write_all(bytes).unwrap();
    }
    app.accept(&firing("Fine")).await;
}
