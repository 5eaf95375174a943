//! What the lines of the log have in common: one ID joins those of an acceptance and of what came of it.

use grafana_matrix_relay::standin::{Fault, Scope, When};
use serde_json::Value;

use crate::app::firing;
use crate::support::matrix::http_client;
use crate::support::relay::Setup;

/// The log of a relay that refuses one request and accepts another, whose first attempt fails.
async fn log(ecs: &str) -> String {
    let (running, _room, setup) = Setup::with_room().await;
    let mut relay = setup
        .env("ECS_LOGGING", ecs)
        .env("RELAY_TOKEN", "a-token-that-is-long-enough")
        .start()
        .await;
    running.homeserver.plan(Scope::Sends, When::Next(1), Fault::BadGateway);
    for (token, status) in [("wrong", 401), ("a-token-that-is-long-enough", 202)] {
        let request = http_client()
            .post(format!("{}/alert", relay.base_url))
            .bearer_auth(token);
        let answer = request.json(&firing("Joined")).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    relay.says("the room takes messages again").await;
    let delivered = if ecs == "true" { "\"delivered\"" } else { " delivered " };
    relay.says(delivered).await;
    relay.log()
}

#[tokio::test]
async fn every_line_of_a_request_and_of_a_delivery_names_it() {
    let log = log("true").await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |text: &str| -> &Value {
        let mut found = lines
            .iter()
            .filter(|line| line["message"].as_str().is_some_and(|said| said.contains(text)));
        found.next().unwrap_or_else(|| panic!("no line says {text}"))
    };
    let (refused, accepted) = (said("was refused"), said("notification accepted"));
    let request = |line: &Value| line["http"]["request"]["id"].as_str().map(str::to_owned);
    assert!(request(refused).is_some_and(|id| id.len() == 16), "{refused}");
    assert!(
        request(accepted).is_some() && request(accepted) != request(refused),
        "{accepted}"
    );

    let id = accepted["delivery"]["id"].as_str().unwrap();
    for text in ["not delivered yet", "the room takes messages again", "delivered"] {
        let line = lines
            .iter()
            .rfind(|line| line["message"].as_str().is_some_and(|said| said.starts_with(text)));
        let line = line.unwrap_or_else(|| panic!("no line says {text}"));
        assert_eq!(line["delivery"]["id"], id, "{line}");
        assert!(
            !line["delivery"]["attempt"].is_null() && request(line).is_none(),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_line_for_people_ends_with_its_request_or_delivery() {
    let log = log("false").await;
    let line = |text: &str| log.lines().find(|line| line.contains(text)).unwrap();
    let accepted = line(" notification accepted");
    let (_, request) = accepted.split_once(" http.request.id=").unwrap();
    assert!(
        request.len() == 16 && !line(" was refused").contains(request),
        "{accepted}"
    );
    let (_, id) = accepted.split_once(" delivery.id=").unwrap();
    let id = id.split(' ').next().unwrap();
    let again = line(" the room takes messages again");
    assert!(
        again.ends_with(&format!(" delivery.id={id} delivery.attempt=2")),
        "{again}"
    );
    // A line that says so itself does not say it twice.
    let delivered = log.lines().find(|line| line.contains(" delivered ")).unwrap();
    assert_eq!(delivered.matches("delivery.id=").count(), 1, "{delivered}");
}
