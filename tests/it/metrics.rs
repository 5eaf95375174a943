//! What Prometheus reads, and what it costs where nobody does.

use std::collections::{BTreeMap, BTreeSet};

use grafana_matrix_relay::standin::{Fault, Scope, When};
use reqwest::Method;
use serde_json::Value;

use crate::app::firing;
use crate::layering::sources;
use crate::support::patience::eventually;
use crate::support::relay::{Relay, Setup};

/// The samples by name and labels.
async fn read(relay: &Relay) -> BTreeMap<String, f64> {
    let text = relay.get("/metrics").await.ok();
    let lines = text.as_str().unwrap().lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Reads until these are there with these values.
async fn until(relay: &Relay, wanted: &[(&str, f64)]) -> BTreeMap<String, f64> {
    eventually(&format!("{wanted:?}"), async || {
        let samples = read(relay).await;
        let is_there = wanted.iter().all(|(name, value)| samples.get(*name) == Some(value));
        is_there.then_some(samples)
    })
    .await
}

/// The names of metrics that the code counts, sets or observes.
fn named_in_code() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, _, text) in sources() {
        for macro_name in ["counter!(", "gauge!(", "histogram!(", "observe("] {
            let calls = text
                .match_indices(macro_name)
                .map(|(at, _)| text[at + macro_name.len()..].trim_start());
            let quoted = calls.filter_map(|call| call.strip_prefix('"')?.split('"').next());
            names.extend(
                quoted
                    .filter(|name| name.starts_with("grafana_matrix_relay_"))
                    .map(str::to_owned),
            );
        }
    }
    assert!(names.len() > 12, "{names:?}");
    names
}

#[tokio::test]
async fn what_rules_watch_is_there_from_the_start_and_says_what_it_is() {
    let (running, room, setup) = Setup::with_room().await;
    let relay = setup.start().await;
    let text = relay.get("/metrics").await.ok();
    let before = read(&relay).await;
    let described = |text: &Value, name: &str| {
        let text = text.as_str().unwrap();
        text.contains(&format!("# HELP {name} ")) && text.contains(&format!("# TYPE {name} "))
    };
    for name in &named_in_code() {
        assert!(
            described(&text, name),
            "{name} is not there from the start, or has no HELP"
        );
        if STATES.contains(&name.as_str()) {
            continue;
        }
        let mut series = before
            .iter()
            .filter(|(series, _)| series.split('{').next() == Some(name));
        assert!(
            series.all(|(_, value)| *value == 0.0),
            "{name} does not begin at 0: {before:#?}"
        );
    }
    assert_eq!(
        before.get(&format!("grafana_matrix_relay_deliveries_waiting{{room=\"{room}\"}}")),
        Some(&0.0)
    );

    // Whatever happens later happens to a series that was there.
    running
        .homeserver
        .plan(Scope::Sends, When::Next(2), Fault::Refused(400, "M_BAD_JSON"));
    for body in [firing("Dead"), firing("Delivered"), serde_json::json!({"alerts": 1})] {
        relay.request(Method::POST, "/alert", &body).await;
    }
    assert_eq!(before.get(&accepted("default")), Some(&0.0));
    let after = until(
        &relay,
        &[
            ("grafana_matrix_relay_deliveries_dead_total", 1.0),
            ("grafana_matrix_relay_deliveries_delivered_total", 1.0),
        ],
    )
    .await;
    let new: Vec<_> = (after.keys())
        .filter(|name| !name.contains("_http_request_duration_seconds") && !before.contains_key(*name))
        .collect();
    assert!(new.is_empty(), "{new:?}");
    let text = relay.get("/metrics").await.ok();
    for name in named_in_code() {
        assert!(described(&text, &name), "{name} has no HELP");
    }
}

/// What is not 0 where all is well.
const STATES: [&str; 6] = [
    "grafana_matrix_relay_build_info",
    "grafana_matrix_relay_data_dir_free_bytes",
    "grafana_matrix_relay_homeserver_reachable",
    "grafana_matrix_relay_outbox_writable",
    "grafana_matrix_relay_routes_last_reload_success_timestamp_seconds",
    "grafana_matrix_relay_routes_last_reload_successful",
];

fn accepted(route: &str) -> String {
    format!("grafana_matrix_relay_notifications_total{{route=\"{route}\",outcome=\"accepted\"}}")
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let (running, room, setup) = Setup::with_room().await;
    let relay = setup.start().await;
    let post = async |name| relay.request(Method::POST, "/alert", &firing(name)).await.ok();

    post("Delivered").await;
    until(&relay, &[("grafana_matrix_relay_deliveries_delivered_total", 1.0)]).await;
    let refused = Fault::Refused(400, "M_BAD_JSON");
    running.homeserver.plan(Scope::Sends, When::Next(2), refused);
    post("Dead").await;
    until(&relay, &[("grafana_matrix_relay_deliveries_dead_total", 1.0)]).await;
    running.homeserver.plan(Scope::Sends, When::Always, Fault::Forbidden);
    post("Waiting").await;

    let waiting = format!("grafana_matrix_relay_deliveries_waiting{{room=\"{room}\"}}");
    let blocked = format!("grafana_matrix_relay_room_blocked{{room=\"{room}\"}}");
    // The figures of the outbox may be a second old.
    let last = [
        ("grafana_matrix_relay_attempts_total{verdict=\"room\"}", 1.0),
        ("grafana_matrix_relay_deliveries_dead", 1.0),
        (waiting.as_str(), 1.0),
    ];
    let samples = until(&relay, &last).await;
    for (name, value) in [
        (accepted("default").as_str(), 3.0),
        ("grafana_matrix_relay_outbox_writable", 1.0),
        ("grafana_matrix_relay_homeserver_reachable", 1.0),
        ("grafana_matrix_relay_routes_last_reload_successful", 1.0),
        (blocked.as_str(), 1.0),
        (
            "grafana_matrix_relay_http_request_duration_seconds_count{path=\"/alert\",status=\"202\"}",
            3.0,
        ),
        ("grafana_matrix_relay_attempts_total{verdict=\"delivered\"}", 1.0),
        ("grafana_matrix_relay_attempts_total{verdict=\"message\"}", 2.0),
        ("grafana_matrix_relay_deliveries_delivered_total", 1.0),
        ("grafana_matrix_relay_deliveries_dead_total", 1.0),
        ("grafana_matrix_relay_acceptance_to_delivery_seconds_count", 1.0),
        (
            "grafana_matrix_relay_acceptance_to_delivery_seconds_bucket{le=\"+Inf\"}",
            1.0,
        ),
        ("grafana_matrix_relay_start_to_delivery_seconds_count", 1.0),
        (
            "grafana_matrix_relay_start_to_delivery_seconds_bucket{le=\"0.01\"}",
            0.0,
        ),
        ("grafana_matrix_relay_render_seconds_count", 3.0),
        ("grafana_matrix_relay_render_seconds_bucket{le=\"+Inf\"}", 3.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} in {samples:#?}");
    }
    for name in [
        "grafana_matrix_relay_oldest_waiting_seconds",
        "grafana_matrix_relay_last_delivery_timestamp_seconds",
        "grafana_matrix_relay_data_dir_free_bytes",
        "grafana_matrix_relay_routes_last_reload_success_timestamp_seconds",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
    ] {
        assert!(samples[name] > 0.0, "{name} in {samples:#?}");
    }
    assert!(
        samples
            .keys()
            .any(|name| name.starts_with("grafana_matrix_relay_build_info{version="))
    );
}

#[tokio::test]
async fn samples_are_summed_up_again_and_again_where_nobody_reads_them() {
    // That this frees them is shown beside the code.
    let (_running, _room, setup) = Setup::with_room().await;
    let setup = setup
        .env("RELAY_METRICS", "off")
        .env("RUST_LOG", "grafana_matrix_relay=trace");
    let mut relay = setup.start().await;
    for _ in 0..2 {
        relay.says_next("the samples of the metrics are summed up").await;
    }
}
