//! Masked means masked: no secret that is named, or has a known form, is in what is kept, shown or logged.

mod table;

use std::fmt::Write as _;

use grafana_matrix_relay::mask;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use self::table::{NAMES, SHAPES, TEXTS, UNTOUCHED};
use crate::support::patience::eventually;
use crate::support::relay::Setup;

/// Stands in the table for a secret.
const SECRET: &str = "Zq9SECRET7x";

fn texts() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().chain(SHAPES).copied()
}

fn filled(text: &str, secret: &str) -> String {
    text.replace("{S}", secret)
}

#[test]
fn every_way_to_write_a_secret_is_known() {
    let told: Vec<String> = texts()
        .map(|text| (text, mask::text(&filled(text, SECRET))))
        .filter(|(_, masked)| masked.contains("Zq9") || masked.contains("T7x"))
        .map(|(text, masked)| format!("{text:?} became {masked:?}"))
        .collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn what_is_no_secret_stays_as_it_is() {
    let changed: Vec<String> = UNTOUCHED
        .iter()
        .map(|text| (text, mask::text(text)))
        .filter(|(text, masked)| *text != masked)
        .map(|(text, masked)| format!("{text:?} became {masked:?}"))
        .collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

#[test]
fn of_a_text_the_secret_alone_is_masked() {
    for (text, expected) in [
        (
            "https://ada:s3cr3t@grafana.example.org/a?b=c",
            "https://***@grafana.example.org/a?b=c",
        ),
        (
            "see https://e.org/x?token=abc&tab=1 now",
            "see https://e.org/x?token=***&tab=1 now",
        ),
        (
            "https://e.org/?X-Amz-Signature=ff&X-Amz-Date=1",
            "https://e.org/?X-Amz-Signature=***&X-Amz-Date=1",
        ),
        (
            "https://e.org/?matcher=api_key%3Dabc&x=1",
            "https://e.org/?matcher=api_key%3D***&x=1",
        ),
        ("{}:{token=\"a b\", job=\"node\"}", "{}:{token=\"***\", job=\"node\"}"),
        (
            "Authorization: Bearer abc123 failed",
            "Authorization: Bearer *** failed",
        ),
        (
            "Authorization: Basic YWRhOnMzY3IzdA== failed",
            "Authorization: Basic *** failed",
        ),
        (
            "basic monitoring of Basic c2VydmVycw==",
            "basic monitoring of Basic c2VydmVycw==",
        ),
        (
            "login ada, password: s3cr3t, in vain",
            "login ada, password: ***, in vain",
        ),
        ("api_token: \"a b\" next: step", "api_token: \"***\" next: step"),
        (
            "sent {\"password\": \"s3cr3t\", \"a\": 1}",
            "sent {\"password\": \"***\", \"a\": 1}",
        ),
        (
            r#"{"api_key":"SECRETKEY1","a":"b"} and {"auth" : "x"}"#,
            r#"{"api_key":"***","a":"b"} and {"auth" : "***"}"#,
        ),
        (r#"{"token":"a\"b","c":1}"#, r#"{"token":"***","c":1}"#),
        ("passwd='hunter3 x' next", "passwd='***' next"),
        ("password = 'hunter3', key = 3", "password = '***', key = 3"),
        ("{'pwd': 'hunter3'}", "{'pwd': '***'}"),
        ("client_secret : \"x\"", "client_secret : \"***\""),
        ("at 10:\"x\", it's key: 'x'", "at 10:\"x\", it's key: 'x'"),
        (
            "the key: restart it, then the auth: fails",
            "the key: restart it, then the auth: fails",
        ),
        ("Authorization: Bearer of news", "Authorization: Bearer *** news"),
        ("the bearer of bad news", "the bearer of bad news"),
        ("https://e.org/user@host?sig=", "https://e.org/user@host?sig="),
        ("a == b, key", "a == b, key"),
        ("97.9 % of token%20x=1", "97.9 % of token%20x=1"),
        ("bearer a1 Bearer b2, token=c", "bearer *** Bearer ***, token=***"),
        ("", ""),
    ] {
        assert_eq!(mask::text(text), expected);
        assert_eq!(mask::text(expected), expected, "masked twice");
    }
}

#[test]
fn whatever_a_telling_name_holds_is_masked_as_a_whole() {
    let mut value = json!({
        "groupKey": "{}", "labels": {"api_token": "abc", "instance": "db-3"}, "values": {"A": 1.5},
        "list": ["x", {"Password": "p", "empty_secret": "", "has_password": true, "token": null}],
        "passwords": ["p", {"of": "p"}], "secret": {"nested": {"deep": "p"}}, "pin": 1234, "sessionId": 17.5,
        "env": [{"name": "DB_PASSWORD", "value": "p"}, {"name": "DB_HOST", "value": "db-3"}],
        "ghp_abcdefgh12": 1, "ghp_abcdefgh13": 2,
    });
    mask::body(&mut value);
    let expected = json!({
        "groupKey": "{}", "labels": {"api_token": "***", "instance": "db-3"}, "values": {"A": 1.5},
        "list": ["x", {"Password": "***", "empty_secret": "", "has_password": true, "token": null}],
        "passwords": "***", "secret": "***", "pin": "***", "sessionId": "***",
        "env": [{"name": "DB_PASSWORD", "value": "***"}, {"name": "DB_HOST", "value": "db-3"}],
        "*** 1": 1, "*** 2": 2,
    });
    assert_eq!(value, expected);
}

#[test]
fn every_telling_name_is_known_and_no_other() {
    for name in NAMES {
        let mut value = json!({*name: "p", "a": [{*name: ["p"]}]});
        mask::body(&mut value);
        assert_eq!(value, json!({*name: "***", "a": [{*name: "***"}]}), "{name}");
    }
    for name in [
        "groupKey",
        "monkey",
        "keyspace",
        "author",
        "passed",
        "code",
        "pinned",
        "primary_key",
        "compass",
        "design",
    ] {
        let mut value = json!({name: "p"});
        mask::body(&mut value);
        assert_eq!(value, json!({name: "p"}), "{name}");
    }
}

/// Each would take hours if the time grew with the square of the size, and the test runner would end it.
#[test]
fn a_large_text_takes_no_longer_than_many_small_ones() {
    let many = |pieces: &[&str], size: usize| {
        for piece in pieces {
            let text = piece.repeat(size / piece.len());
            assert!(mask::text(&text).len() <= 3 * text.len(), "{piece}");
        }
    };
    many(
        &[
            "a:",
            "a=",
            "://",
            "a://b@",
            "://[",
            "key:",
            "password:",
            "password=",
            "password=***",
            "\\",
            "\"",
            "'",
            "@",
            "?code=",
            "\"password\":[",
            "\"password\": \"",
            "%3D",
            "=>",
            "a:a@",
            "a.b:1/",
            "[",
            "{",
            "*",
        ],
        400_000,
    );
    // What the regular expressions stop at: they are linear by themselves, and slow in a build for tests.
    many(
        &[
            "bearer ",
            "-p ",
            "--token «",
            "token is ",
            "/webhook/",
            "eyJaaaaa.",
            "-----BEGIN A-----",
        ],
        10_000,
    );
}

/// Random, and with what ends a value in other places in its middle.
fn secret() -> impl Strategy<Value = (String, String, String)> {
    let part = "[a-z][0-9][A-Z][a-zA-Z0-9]{6,12}";
    (part, "[,;)/?(:!.~+]{0,2}", part)
        .prop_map(|(first, between, last)| (format!("{first}{between}{last}"), first, last))
}

/// Puts a text somewhere into a body; what comes out is a notification still.
fn placed(place: usize, name: &str, text: &str) -> Value {
    let mut body = json!({"version": "1", "groupKey": "{}:{}", "receiver": "r", "status": "firing", "title": "t", "message": "m",
        "externalURL": "https://grafana.example.org/", "commonLabels": {}, "groupLabels": {}, "commonAnnotations": {},
        "alerts": [{"status": "firing", "labels": {"alertname": "Named"}, "annotations": {},
            "generatorURL": "", "valueString": "", "values": {}, "startsAt": "2026-11-20T09:14:10Z"}]});
    let paths = [
        "/groupKey",
        "/receiver",
        "/title",
        "/message",
        "/externalURL",
        "/alerts/0/labels/alertname",
        "/alerts/0/labels/x",
        "/alerts/0/annotations/x",
        "/alerts/0/annotations/summary",
        "/alerts/0/generatorURL",
        "/alerts/0/valueString",
        "/alerts/0/silenceURL",
        "/alerts/0/panelURL",
        "/alerts/0/imageURL",
        "/commonLabels/x",
        "/groupLabels/x",
        "/commonAnnotations/x",
        "/more",
    ];
    let (parent, field) = paths[place % paths.len()].rsplit_once('/').unwrap();
    let target = body.pointer_mut(parent).unwrap();
    match place % 5 {
        // Under a name that tells it, whatever the text is; or as a name.
        0 => target[name] = json!({"of": [text, {"a": text}]}),
        1 => drop(target.as_object_mut().unwrap().insert(text.to_owned(), Value::Null)),
        _ => target[field] = text.into(),
    }
    body
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_put_into_any_place_of_a_body_is_left(
        (secret, first, last) in secret(),
        (place, name, form) in (0_usize..90, 0..NAMES.len(), 0..TEXTS.len() + SHAPES.len()),
        around in "[a-z ,.(){}\n\"]{0,12}",
    ) {
        let written = match SHAPES.get(form) {
            Some(shape) => filled(shape, &format!("{first}{last}")),
            None => filled(TEXTS[form - SHAPES.len()], &secret),
        };
        let text = format!("{around} {written} {around}");
        let mut body = placed(place, NAMES[name], &text);
        mask::body(&mut body);
        let kept = body.to_string();
        prop_assert!(!kept.contains(&first) && !kept.contains(&last), "{text:?} became {kept}");
        // It is a notification still, so that templates can be tried on it.
        prop_assert!(grafana_matrix_relay::alert::parse::notification(kept.as_bytes()).is_ok(), "{kept}");
    }
}

/// All texts and names in one notification, group key and custom fields included.
fn notification() -> Value {
    let label = |text: &str| json!({"alertname": "Masked", "x": filled(text, SECRET)});
    let mut alerts: Vec<Value> = texts()
        .map(
            |text| json!({"status": "firing", "labels": label(text), "annotations": {"summary": filled(text, SECRET)}}),
        )
        .collect();
    let named: Map<String, Value> = NAMES.iter().map(|name| ((*name).to_owned(), SECRET.into())).collect();
    alerts.push(json!({"status": "firing", "labels": named, "annotations": named}));
    json!({"status": "firing", "groupKey": format!("{{}}:{{token=\"{SECRET}\", x=\"ghp_{SECRET}\"}}"), "title": format!("password={SECRET}"),
        "alerts": alerts, "passwordList": [SECRET], "password": {"nested": SECRET}, "secret": 12_345_678})
}

#[tokio::test]
async fn nothing_of_a_notification_that_is_kept_shown_or_logged_tells_a_secret() {
    for ecs in ["true", "false"] {
        let (_running, _room, setup) = Setup::with_room().await;
        let mut relay = setup
            .env("ECS_LOGGING", ecs)
            .env("RUST_LOG", "grafana_matrix_relay=trace")
            .start()
            .await;
        relay.accepts(&notification()).await;
        let single = json!({"status": "firing", "groupKey": "b", "alerts": [{"status": "firing",
            "labels": {"alertname": format!("password={SECRET}"), "token": SECRET}, "annotations": {"summary": format!("ghp_{SECRET}")}}]});
        relay.accepts(&single).await;
        let state = eventually("both are recorded", async || {
            let state = relay.get("/workshop/state").await.body;
            (state["recorded"].as_array()?.len() == 2).then_some(state)
        })
        .await;
        relay.says("notification accepted").await;
        let mut shown = state["recorded"].to_string();
        for one in state["recorded"].as_array().unwrap() {
            let body = relay.get(&format!("/workshop/recorded/{}", one["id"])).await.body;
            assert!(body["alerts"][0]["labels"]["alertname"].is_string(), "{body}");
            let _ = write!(shown, "{body}");
        }
        for path in ["/workshop/deliveries", "/health/ready", "/metrics"] {
            let _ = write!(shown, "{}", relay.get(path).await.body);
        }
        assert!(!shown.contains("12345678"), "a number under a telling name");
        for (place, text) in [("an answer", &shown), ("the log", &relay.log())] {
            let at = text.find("SECRET7x");
            let around = at.map(|at| {
                text[..at]
                    .chars()
                    .rev()
                    .take(60)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect::<String>()
            });
            assert_eq!(around, None, "{place}");
        }
    }
}
