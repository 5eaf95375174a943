//! One large thing beside many small ones, for every field of every format: what is made of a body grows with the size of the
//! body, never with one part of it times another.
//!
//! Judged by what is allocated, which is the same on every machine and the greater part of all work here.

use std::collections::BTreeMap;

use allocation_counter::{AllocationInfo, measure};
use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::message::{Mode, TemplateName};
use grafana_matrix_relay::pipeline::dry_run::run;
use grafana_matrix_relay::render::{Isolation, Renderer, Settings};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const LARGE: usize = 64 * 1024;
const MANY: usize = 500;

/// A text of the large size that is dear wherever something is escaped, split or built into an address.
fn large() -> String {
    format!("https://e.org/{}", "a,*\"".repeat(LARGE / 4))
}

const TEXTS: &[&str] = &[
    "/receiver",
    "/externalURL",
    "/groupKey",
    "/title",
    "/state",
    "/message",
    "/appVersion",
    "/notification_reason",
    "/groupLabels/a",
    "/commonLabels/a",
    "/commonAnnotations/Error",
    "/routeLabels/a",
    "/alerts/0/labels/a",
    "/alerts/0/labels/alertname",
    "/alerts/0/labels/severity",
    "/alerts/0/labels/grafana_folder",
    "/alerts/0/annotations/a",
    "/alerts/0/annotations/summary",
    "/alerts/0/annotations/description",
    "/alerts/0/annotations/runbook_url",
    "/alerts/0/annotations/Error",
    "/alerts/0/annotations/grafana_state_reason",
    "/alerts/0/startsAt",
    "/alerts/0/endsAt",
    "/alerts/0/generatorURL",
    "/alerts/0/fingerprint",
    "/alerts/0/silenceURL",
    "/alerts/0/dashboardURL",
    "/alerts/0/panelURL",
    "/alerts/0/imageURL",
    "/alerts/0/ruleUID",
    "/alerts/0/valueString",
];

/// Where there can be many, and what one of them is.
type Many = (&'static str, fn(usize) -> (String, Value));

const MANIES: &[Many] = &[
    ("/alerts", |at| {
        (String::new(), alert(&json!({"alertname": "A", "a": at.to_string()})))
    }),
    ("/alerts", |_| (String::new(), alert(&json!({"alertname": "A"})))),
    ("/alerts", |at| {
        let name = at.to_string();
        (
            String::new(),
            alert(&json!({"alertname": name, "severity": name, "grafana_folder": name})),
        )
    }),
    ("/alerts/0/labels", |at| (format!("label{at}"), "x".into())),
    ("/alerts/0/annotations", |at| (format!("annotation{at}"), "x".into())),
    ("/alerts/0/values", |at| (format!("value{at}"), at.into())),
    ("/groupLabels", |at| (format!("label{at}"), "x".into())),
    ("/commonLabels", |at| (format!("label{at}"), "x".into())),
    ("/commonAnnotations", |at| (format!("annotation{at}"), "x".into())),
];

fn alert(labels: &Value) -> Value {
    json!({
        "status": "firing", "labels": labels, "annotations": {"summary": "s"}, "startsAt": "2026-11-20T08:00:00Z",
        "generatorURL": "https://e.org/rule", "values": {"A": 1},
    })
}

/// A body that has each field, of a format.
fn body(version: &str) -> Value {
    json!({
        "version": version, "receiver": "r", "status": "firing", "externalURL": "https://e.org", "groupKey": "{}:{a}",
        "groupLabels": {"alertname": "A"}, "commonLabels": {"alertname": "A"}, "commonAnnotations": {"summary": "s"},
        "routeLabels": {}, "alerts": [alert(&json!({"alertname": "A", "severity": "high", "team": "t"}))],
    })
}

/// Puts a value where a pointer says, whether something is there or not.
fn put(body: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
}

fn put_many(body: &mut Value, (pointer, one): &Many) {
    let place = body.pointer_mut(pointer).unwrap();
    for (name, value) in (0..MANY).map(one) {
        if let Some(items) = place.as_array_mut() {
            items.push(value);
        } else {
            place[name] = value;
        }
    }
}

/// What is done with a body.
#[derive(Clone, Copy)]
enum View {
    /// It is shown by this template.
    Template(&'static str),
    /// It is compared, and told with an end that follows, as the workshop shows it.
    Story,
}

const VIEWS: [View; 4] = [
    View::Template("alert"),
    View::Template("compact"),
    View::Template("detailed"),
    View::Story,
];

/// The same when it is over.
fn end(body: &Value) -> String {
    let mut over = body.clone();
    put(&mut over, "/status", "resolved".into());
    for alert in over["alerts"].as_array_mut().unwrap() {
        alert["status"] = "resolved".into();
    }
    over.to_string()
}

/// Parses a body and does that with it.
fn cost(renderer: &Renderer, body: &Value, view: View) -> AllocationInfo {
    let text = body.to_string();
    let now: Timestamp = "2026-11-20T08:30:00Z".parse().unwrap();
    measure(|| {
        let read = |text: &str| parse::notification(text.as_bytes()).unwrap();
        match view {
            View::Template(template) => {
                let rendered = renderer.render(&template.parse().unwrap(), &read(&text), now);
                assert_eq!(rendered.problem, None);
            }
            View::Story => {
                let steps = [
                    (read(&text), now),
                    (read(&end(body)), now + SignedDuration::from_mins(5)),
                ];
                let told = run(renderer, &[], &TemplateName::default(), Mode::Live, &steps);
                assert!(!told.events.is_empty());
            }
        }
    })
}

fn tried(version: &str, shift: usize) {
    let renderer = Renderer::open(&Settings {
        templates_dir: None,
        time_zone: TimeZone::UTC,
        language: None,
        isolation: Isolation::None,
    });
    let cost = |text: Option<&str>, many: Option<&Many>, view: View| {
        let mut body = body(version);
        if let Some(many) = many {
            put_many(&mut body, many);
        }
        if let Some(text) = text {
            put(&mut body, text, large().into());
        }
        cost(&renderer, &body, view)
    };
    let mut of_manies = BTreeMap::new();
    for (at, text) in TEXTS.iter().enumerate() {
        // Beside many alerts in two views, which are the other two in the next format; and beside many of another kind.
        let (one, two) = ((at + shift) % VIEWS.len(), (at + shift + 2) % VIEWS.len());
        let other = 1 + at % (MANIES.len() - 1);
        for (view, beside) in [(one, 0), (two, 0), (two, other)] {
            let alone = cost(Some(text), None, VIEWS[view]).bytes_total;
            let many = of_manies
                .entry((view, beside))
                .or_insert_with(|| cost(None, Some(&MANIES[beside]), VIEWS[view]).bytes_total);
            let both = cost(Some(text), Some(&MANIES[beside]), VIEWS[view]);
            let name = format!("{text} beside many of {} ({beside}), view {view}", MANIES[beside].0);
            assert!(
                both.bytes_total <= 2 * (alone + *many),
                "{name}: {} KiB are allocated; {} KiB for it alone and {} KiB for the many",
                both.bytes_total >> 10,
                alone >> 10,
                *many >> 10
            );
            assert!(
                both.bytes_max < 64 << 20,
                "{name}: {} MiB are held at once",
                both.bytes_max >> 20
            );
        }
    }
}

#[test]
fn one_large_text_beside_many_small_things_costs_no_more_than_both_in_grafanas_format() {
    tried("1", 0);
}

#[test]
fn one_large_text_beside_many_small_things_costs_no_more_than_both_in_alertmanagers_format() {
    tried("4", 1);
}
