//! The list of deliveries over HTTP: searched, opened, given up.

use grafana_matrix_relay::standin::{Fault, Scope, When};
use serde_json::{Value, json};

use crate::app::{App, firing};
use crate::support::patience::eventually;

async fn found(app: &App, query: &str) -> Vec<String> {
    let (status, page) = app.get_json(&format!("/workshop/deliveries?{query}")).await;
    assert_eq!(status, 200, "{page}");
    let rows = page["deliveries"].as_array().unwrap().iter();
    rows.map(|row| row["headline"].as_str().unwrap().to_owned()).collect()
}

fn names(rows: &[String], name: &str) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.contains(name))
}

#[tokio::test]
async fn rows_are_found_by_text_room_kind_and_time() {
    let app = App::start().await;
    for name in ["Alpha", "Beta", "Gamma"] {
        app.accept(&firing(name)).await;
    }
    let mut over = firing("Alpha");
    over["alerts"][0]["status"] = "resolved".into();
    over["alerts"][0]["endsAt"] = "2026-11-20T09:20:00Z".into();
    app.accept(&over).await;
    app.messages(4).await;
    app.settled().await;
    assert_eq!(found(&app, "").await.len(), 4);
    assert!(names(&found(&app, "text=bEtA").await, "Beta"));
    assert_eq!(found(&app, "text=nowhere").await, Vec::<String>::new());
    let lines = found(&app, "kind=line").await;
    assert!(lines.len() == 1 && names(&lines, "Alpha"), "{lines:?}");
    assert_eq!(found(&app, "kind=root").await.len(), 3);
    assert_eq!(found(&app, "room=!other:example.org").await.len(), 0);
    assert_eq!(found(&app, &format!("room={}", app.room)).await.len(), 4);
    assert_eq!(found(&app, "from=2000-01-01T00:00:00Z").await.len(), 4);
    assert_eq!(found(&app, "until=2000-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(found(&app, "from=9000-01-01T00:00:00Z").await.len(), 0);
    for (query, field) in [
        ("kind=x", "kind"),
        ("from=x", "from"),
        ("until=x", "until"),
        ("room=x", "room"),
    ] {
        let (status, problem) = app.get_json(&format!("/workshop/deliveries?{query}")).await;
        assert_eq!((status.as_u16(), &problem["field"]), (422, &json!(field)), "{problem}");
    }
    // Page by page, a search finds the same.
    let (mut before, mut all) = (String::new(), Vec::new());
    loop {
        let (_, page) = app
            .get_json(&format!("/workshop/deliveries?text=a&limit=1{before}"))
            .await;
        all.extend(
            page["deliveries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["id"].clone()),
        );
        match &page["next"] {
            Value::Null => break,
            next => before = format!("&before={next}"),
        }
    }
    assert_eq!(all.len(), 4, "{all:?}");
}

#[tokio::test]
async fn a_row_is_called_by_the_first_line_that_was_sent() {
    let app = App::with(|flags| {
        let folder = flags.messages.templates_dir.as_deref().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        let text = "Hello {{ severity }}, it is {{ word }}\n\n{{ name }}\n";
        std::fs::write(format!("{folder}/alert.md.j2"), text).unwrap();
    })
    .await;
    app.accept(&firing("Called")).await;
    app.messages(1).await;
    assert_eq!(found(&app, "").await, ["Hello critical, it is FIRING"]);
    // What it is about is searched all the same.
    assert_eq!(found(&app, "text=called").await.len(), 1);
}

#[tokio::test]
async fn delivery_opens_to_its_text_its_event_and_its_group() {
    let app = App::start().await;
    let id = app.accept(&firing("Opened")).await["deliveries"][0]["id"].clone();
    let mut over = firing("Opened");
    over["alerts"][0]["status"] = "resolved".into();
    over["alerts"][0]["endsAt"] = "2026-11-20T09:20:00Z".into();
    app.accept(&over).await;
    app.settled().await;
    let (status, details) = app.get_json(&format!("/workshop/deliveries/{id}")).await;
    assert_eq!(status, 200, "{details}");
    assert!(details["body"].as_str().unwrap().contains("FIRING"), "{details}");
    assert_eq!(details["row"]["state"], "delivered");
    assert_eq!(details["row"]["attempts"], 1);
    assert!(details["row"]["event_id"].as_str().unwrap().starts_with('$'));
    let group = details["group"].as_array().unwrap();
    assert_eq!((group.len(), &group[0]["kind"]), (1, &json!("line")), "{details}");
    let (_, line) = app.get_json(&format!("/workshop/deliveries/{}", group[0]["id"])).await;
    assert_eq!(line["refers_to"], details["row"]["event_id"]);
    // The room is called as its members call it.
    let name = eventually("the name is known", async || {
        let (_, page) = app.get_json("/workshop/deliveries").await;
        page["deliveries"][0]["room_name"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(name, "ops");
    for missing in ["999", "x", "edit-99"] {
        assert_eq!(app.get_json(&format!("/workshop/deliveries/{missing}")).await.0, 404);
    }
}

#[tokio::test]
async fn delivery_that_was_tried_again_says_what_each_attempt_failed_with() {
    let app = App::start().await;
    let homeserver = &app.homeserver.homeserver;
    homeserver.plan(Scope::Sends, When::Next(2), Fault::Refused(503, "M_UNKNOWN"));
    let id = app.accept(&firing("TriedAgain")).await["deliveries"][0]["id"].clone();
    app.room_says("TriedAgain").await;
    app.settled().await;
    let (_, details) = app.get_json(&format!("/workshop/deliveries/{id}")).await;
    assert_eq!(details["row"]["state"], "delivered", "{details}");
    let failures = details["failures"].as_array().unwrap();
    let attempts: Vec<u64> = failures.iter().map(|one| one["attempt"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 2], "{details}");
    for failure in failures {
        assert!(failure["error"].as_str().unwrap().contains("503"), "{details}");
        assert!(failure["at"].as_str().unwrap() <= details["finished_at"].as_str().unwrap());
    }
}

#[tokio::test]
async fn digest_names_its_members() {
    let app = App::with(|flags| {
        flags.delivery.digest_threshold = Some("2".to_owned());
        flags.delivery.digest_after = Some("0s".to_owned());
    })
    .await;
    let homeserver = &app.homeserver.homeserver;
    let fault = homeserver.plan(Scope::Sends, When::Always, Fault::Refused(503, "M_UNKNOWN"));
    for name in ["One", "Two", "Three", "Four", "Five"] {
        app.accept(&firing(name)).await;
    }
    app.homeserver.homeserver.heal(fault);
    let digest = eventually("a digest is sent", async || {
        let (_, page) = app.get_json("/workshop/deliveries").await;
        let mut rows = page["deliveries"].as_array()?.iter();
        rows.find(|row| row["members"].as_u64() > Some(1) && row["state"] == "delivered")
            .cloned()
    })
    .await;
    let (_, details) = app.get_json(&format!("/workshop/deliveries/{}", digest["id"])).await;
    let members = details["members"].as_array().unwrap();
    assert_eq!(Some(members.len() as u64), digest["members"].as_u64(), "{details}");
    assert!(
        members
            .iter()
            .all(|one| one["state"] == "combined" && one["combined_into"] == digest["id"])
    );
}

#[tokio::test]
async fn delivery_that_waits_is_given_up_and_sent_again() {
    let app = App::start().await;
    let fault = app
        .homeserver
        .homeserver
        .plan(Scope::Sends, When::Always, Fault::Refused(503, "M_UNKNOWN"));
    app.accept(&firing("First")).await;
    let id = app.accept(&firing("Second")).await["deliveries"][0]["id"].clone();
    let act = async |act: &str| {
        let answer = app
            .post(&format!("/workshop/deliveries/{id}/{act}"))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, given_up) = act("give-up").await;
    assert_eq!((status, &given_up["state"]), (200, &json!("dead")), "{given_up}");
    assert_eq!(act("give-up").await.0, 409);
    assert_eq!(act("retry").await.0, 200);
    let missing = app.post("/workshop/deliveries/999/give-up").send().await.unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(
        app.get("/workshop/deliveries/1/give-up").await.headers()["allow"],
        "POST"
    );
    app.homeserver.homeserver.heal(fault);
    app.room_says("Second").await;
}
