//! Rules and dashboard: Prometheus reads them, and what they ask for is what the relay serves.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use grafana_matrix_relay::standin::{Homeserver, NewRoom};
use serde_json::{Value, json};

use super::{packaging, run, said};
use crate::render::{folder, render};
use crate::support::patience::eventually;
use crate::support::relay::Setup;

/// What the `/metrics` of a relay say that has just started, and expects a sign of life.
async fn metrics() -> String {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
    let running = homeserver.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let routes = folder.path().join("routes.toml");
    let text = format!("[routes.watchdog]\nrooms = '{room}'\nexpect_every = '5m'\n");
    fs::write(&routes, text).unwrap();
    let relay = Setup::of(&running, &token, &room)
        .env("RELAY_ROUTES_FILE", routes.to_str().unwrap())
        .start()
        .await;
    eventually("the first look at the signs of life", async || {
        let metrics = relay.get("/metrics").await.ok().as_str().unwrap().to_owned();
        metrics.contains("watchdog_silent{").then_some(metrics)
    })
    .await
}

/// The metrics that these expressions name.
fn named(expressions: &str) -> BTreeSet<&str> {
    let words = expressions.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("grafana_matrix_relay_") || word.starts_with("process_"))
        .collect()
}

fn rules() -> Vec<Value> {
    let text = fs::read_to_string(packaging("monitoring/rules.yml")).unwrap();
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() > 10, "{rules:#?}");
    rules
}

/// The expressions of the dashboard, with a value for each of its variables.
fn asked_by_dashboard() -> Vec<String> {
    let text = fs::read_to_string(packaging("monitoring/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let asked: Vec<String> = targets
        .map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "5m"))
        .collect();
    assert!(asked.len() > 20, "{asked:#?}");
    asked
}

#[test]
fn each_rule_fires_when_it_should() {
    let (rules, tests) = (
        packaging("monitoring/rules.yml"),
        packaging("monitoring/rules.test.yml"),
    );
    run("promtool", &["check", "rules", rules.to_str().unwrap()]);
    run("promtool", &["test", "rules", tests.to_str().unwrap()]);
    let tests = fs::read_to_string(tests).unwrap();
    for rule in self::rules() {
        let alert = rule["alert"].as_str().unwrap();
        assert!(
            tests.contains(&format!("alertname: {alert}\n")),
            "{alert} is not tested"
        );
    }
}

#[tokio::test]
async fn each_metric_that_is_asked_for_is_there_from_the_start() {
    let metrics = metrics().await;
    let there: BTreeSet<&str> = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let rules = rules();
    let by_rules = rules.iter().map(|rule| rule["expr"].as_str().unwrap().to_owned());
    for expression in by_rules.chain(asked_by_dashboard()) {
        let asked = named(&expression);
        let is_of_prometheus = expression.starts_with("up{");
        assert!(is_of_prometheus || !asked.is_empty(), "{expression}");
        let missing: Vec<_> = asked.iter().filter(|name| !there.contains(*name)).collect();
        assert!(missing.is_empty(), "{missing:?} of {expression} in {there:#?}");
    }
}

#[test]
fn prometheus_understands_the_dashboard() {
    let asked = asked_by_dashboard();
    let record = |(at, expression)| json!({"record": format!("panel:{at}"), "expr": expression});
    let rules: Vec<Value> = asked.iter().enumerate().map(record).collect();
    // JSON is YAML.
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yml");
    fs::write(&file, rules.to_string()).unwrap();
    run("promtool", &["check", "rules", file.to_str().unwrap()]);
}

#[tokio::test]
async fn prometheus_finds_no_fault_with_the_metrics() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool does not start: {error}. `make setup` installs it."));
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(metrics().await.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = said(&output);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// What Alertmanager posts for an alert that `rules.test.yml` expects, its runbook at an address.
fn posted(alert: &str, expected: &Value) -> String {
    let mut labels = expected["exp_labels"].clone();
    labels["alertname"] = alert.into();
    let mut annotations = expected["exp_annotations"].clone();
    let page = annotations["runbook_url"].as_str().unwrap().to_owned();
    annotations["runbook_url"] = format!("https://docs.example.org/{page}").into();
    let alert = json!({
        "status": "firing", "labels": labels, "annotations": annotations, "startsAt": "2026-11-20T09:02:00Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus.example.org:9090/graph", "fingerprint": "c0ffee",
    });
    let notification = json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "matrix",
        "groupLabels": {"alertname": alert["labels"]["alertname"]}, "commonLabels": alert["labels"],
        "commonAnnotations": alert["annotations"], "externalURL": "http://alertmanager.example.org:9093", "alerts": [alert],
    });
    notification.to_string()
}

#[test]
fn the_alerts_about_the_relay_read_well_in_a_room() {
    let tests = fs::read_to_string(packaging("monitoring/rules.test.yml")).unwrap();
    let tests: Value = serde_saphyr::from_str(&tests).unwrap();
    let (_dir, renderer) = folder(&[]);
    let mut read = 0;
    for test in tests["tests"].as_array().unwrap() {
        for eval in test["alert_rule_test"].as_array().unwrap() {
            let name = eval["alertname"].as_str().unwrap();
            for expected in eval["exp_alerts"].as_array().unwrap() {
                let seen = render(&renderer, "alert", &posted(name, expected));
                assert_eq!(seen.problem, None);
                let body = &seen.messages[0].body;
                let annotations = &expected["exp_annotations"];
                for text in [&annotations["summary"], &annotations["description"]] {
                    let text = text.as_str().unwrap();
                    assert_eq!(body.matches(text).count(), 1, "{text} in\n{body}");
                }
                let first = body.lines().next().unwrap();
                assert!(first.contains(name), "{body}");
                assert!(
                    body.contains(&format!("https://docs.example.org/docs/src/runbook/{name}.md")),
                    "{body}"
                );
                // What a lock screen shows, and a few lines more.
                assert!(body.lines().count() <= 8 && !body.contains("{{"), "{body}");
                read += 1;
            }
        }
    }
    assert!(read > 10, "{read}");
}

#[test]
fn each_rule_has_a_page_in_the_runbook() {
    for rule in rules() {
        let page = rule["annotations"]["runbook_url"].as_str().unwrap();
        let text = fs::read_to_string(packaging("..").join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        let alert = rule["alert"].as_str().unwrap();
        assert!(text.starts_with(&format!("# {alert}\n")), "{page}");
    }
}
