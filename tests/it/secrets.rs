//! What is secret stays so: it is looked for in the log, the metrics, the answers, the pages and `Debug`.

use std::fmt::Write as _;
use std::fs;

use grafana_matrix_relay::config::{Flags, Settings};
use reqwest::Method;
use serde_json::json;

use crate::support::matrix::http_client;
use crate::support::relay::Setup;

/// Every secret that can be configured, and what a stranger shows.
const SECRETS: [(&str, &str); 5] = [
    ("RELAY_TOKEN", "zq-relay-token"),
    ("RELAY_BASIC_AUTH", "grafana:zq-basic-password"),
    ("RELAY_PAGE_AUTH", "me:zq-page-password"),
    ("RELAY_PAGE_TOKEN", "zq-page-token"),
    ("RELAY_METRICS_TOKEN", "zq-metrics-token"),
];
/// All of them, and all that is only ever in requests, have this in them.
const MARK: &str = "zq-";

#[tokio::test]
async fn no_secret_and_no_body_is_seen_outside() {
    let mut setup = Setup::bare().arg("demo").env("RUST_LOG", "grafana_matrix_relay=trace");
    for (name, value) in SECRETS {
        setup = setup.env(name, value);
    }
    let mut relay = setup.start().await;
    let http = http_client();
    let url = |path: &str| format!("{}{path}", relay.base_url);
    let body = json!({"groupKey": "group", "alerts": [{"status": "firing", "labels": {"alertname": "Named", "l": "zq-label"},
        "annotations": {"summary": "zq-annotation", "password": "zq-annotated"}, "startsAt": "2026-11-20T09:14:10Z"}]});
    let mut seen = String::new();
    for (method, path, shown) in [
        (Method::POST, "/alert", "Bearer zq-wrong"),
        (Method::POST, "/alert?token=zq-query", ""),
        (
            Method::POST,
            "/alert/zq-route?secret=zq-query",
            "Basic enEtd3Jvbmc6enEtd3Jvbmc=",
        ),
        (Method::POST, "/alert", "zq-no-scheme"),
        (Method::POST, "/zq-path", "Bearer zq-relay-token"),
        (Method::GET, "/metrics", "Bearer zq-wrong"),
        (Method::GET, "/metrics", "Bearer zq-metrics-token"),
        (Method::GET, "/workshop/", "Bearer zq-page-token"),
        (Method::GET, "/docs", "Bearer zq-page-token"),
        (Method::GET, "/workshop/state", "Bearer zq-page-token"),
        (Method::GET, "/health/ready", ""),
    ] {
        let mut request = http.request(method, url(path)).header("authorization", shown);
        if path.contains("alert") {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let _ = write!(seen, "{:?}", answer.headers());
        seen += &answer.text().await.unwrap();
    }
    // Refused for what is in it.
    for bad in [
        json!({"alerts": "zq-wrong"}),
        json!({"alerts": [{"status": "zq-wrong", "labels": {}}]}),
    ] {
        let request = http.post(url("/alert")).bearer_auth("zq-relay-token").json(&bad);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 422);
        seen += &answer.text().await.unwrap();
    }
    let accepted = http.post(url("/alert")).bearer_auth("zq-relay-token").json(&body);
    assert_eq!(accepted.send().await.unwrap().status(), 202);
    let metrics = http.get(url("/metrics")).bearer_auth("zq-metrics-token");
    seen += &metrics.send().await.unwrap().text().await.unwrap();
    relay.says("notification accepted").await;
    let log = relay.log();
    assert!(
        log.contains("its credential is wrong") && log.contains("notification accepted"),
        "{log}"
    );
    for (place, text) in [("an answer", &seen), ("the log", &log)] {
        let found = text.lines().find(|line| line.contains(MARK));
        assert_eq!(found, None, "{place}");
    }
}

#[test]
fn debug_of_the_settings_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    fs::write(
        &file,
        "[routes.default]\nrooms = \"!r:x.org\"\n[routes.a]\nrooms = \"!r:x.org\"\n[routes.a.credentials]\n\
         bearer = \"zq-bearer\"\nbasic = { user = \"u\", password = \"zq-password\" }\nsignature.secrets = \"zq-key\"\n",
    )
    .unwrap();
    let mut flags = Flags {
        home_server_url: Some("https://matrix.example.org".to_owned()),
        access_token: Some("zq-access".into()),
        relay_token: Some("zq-relay".into()),
        routes_file: Some(file.display().to_string()),
        database_url: Some("postgres://u:zq-password@db/relay".into()),
        ..Flags::default()
    };
    flags.door.basic_auth = Some("u:zq-basic".into());
    flags.door.hmac_secret = Some("zq-hmac".into());
    flags.door.page_auth = Some("u:zq-page".into());
    flags.door.page_token = Some("zq-page".into());
    flags.door.metrics_token = Some("zq-metrics".into());
    let settings = Settings::from_flags(&flags).unwrap();
    for shown in [format!("{flags:?}"), format!("{settings:?}"), format!("{settings:#?}")] {
        assert!(!shown.contains(MARK), "{shown}");
    }
}
