//! Whether the relay is well, and who is told why it is not.

use std::process::Command;

use grafana_matrix_relay::config::Flags;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::app::{App, firing};

const BROKEN: &str = "broken.md.j2";

/// A relay with a template that cannot be used, the name of whose file is a reason that not everybody is told.
async fn app(change: impl FnOnce(&mut Flags)) -> App {
    App::with(|flags| {
        let folder = flags.messages.templates_dir.as_deref().unwrap();
        std::fs::create_dir(folder).unwrap();
        std::fs::write(format!("{folder}/{BROKEN}"), "{% if %}").unwrap();
        change(flags);
    })
    .await
}

async fn report(request: RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let report: Value = answer.json().await.unwrap();
    let names = [
        "outbox",
        "homeserver",
        "templates",
        "routes",
        "deliveries",
        "encryption",
        "senders",
        "silence",
    ];
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(checks.iter().map(|check| &check["name"]).collect::<Vec<_>>(), names);
    assert_eq!(report["status"], "degraded", "{report}");
    assert_eq!(checks[2]["state"], "degraded", "{report}");
    report
}

fn tells_why(report: &Value) -> bool {
    let why = report.to_string().contains(BROKEN);
    assert_eq!(report.get("detail").is_none(), why, "{report}");
    why
}

#[tokio::test]
async fn reasons_are_for_everybody_where_nothing_is_guarded() {
    let app = app(|_| {}).await;
    assert!(tells_why(&report(app.request(Method::GET, "/health/ready")).await));
}

#[tokio::test]
async fn reasons_are_for_those_who_may_see_the_pages_or_the_metrics() {
    let app = app(|flags| {
        flags.http.relay_token = Some("senders".into());
        flags.auth.page_auth = Some("me:password".into());
        flags.auth.metrics_token = Some("prometheus".into());
    })
    .await;
    let ask = || app.request(Method::GET, "/health/ready");
    assert!(tells_why(&report(ask().bearer_auth("prometheus")).await));
    assert!(tells_why(&report(ask().basic_auth("me", Some("password"))).await));
    assert!(!tells_why(&report(ask()).await));
    // A sender's token is a wrong one here, and counts as one.
    assert!(!tells_why(&report(ask().bearer_auth("senders")).await));
    let metrics = app.request(Method::GET, "/metrics").bearer_auth("prometheus");
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("grafana_matrix_relay_failed_credentials_total{reason=\"wrong\"}"),
        "{metrics}"
    );
    assert!(tells_why(&report(ask().bearer_auth("prometheus")).await));
}

#[tokio::test]
async fn a_page_that_lets_its_name_lead_here_is_told_no_reasons() {
    let app = app(|_| {}).await;
    let rebound = app
        .request(Method::GET, "/health/ready")
        .header("host", "evil.example.org");
    assert!(!tells_why(&report(rebound).await));
}

#[tokio::test]
async fn the_senders_token_tells_why_where_it_opens_the_pages() {
    let app = app(|flags| flags.http.relay_token = Some("senders".into())).await;
    let ask = || app.request(Method::GET, "/health/ready");
    assert!(!tells_why(&report(ask()).await));
    assert!(tells_why(&report(ask().bearer_auth("senders")).await));
}

#[tokio::test]
async fn the_health_command_tells_all_with_the_flags_of_the_relay() {
    for secrets in [
        &[][..],
        &[("RELAY_TOKEN", "senders")],
        &[("RELAY_TOKEN", "senders"), ("RELAY_PAGE_AUTH", "me:password")],
        &[("RELAY_BASIC_AUTH", "grafana:password")],
        &[("RELAY_METRICS_TOKEN", "prometheus")],
    ] {
        let app = app(|flags| {
            for (name, value) in secrets {
                let secret = Some((*value).into());
                match *name {
                    "RELAY_TOKEN" => flags.http.relay_token = secret,
                    "RELAY_PAGE_AUTH" => flags.auth.page_auth = secret,
                    "RELAY_BASIC_AUTH" => flags.auth.basic_auth = secret,
                    _ => flags.auth.metrics_token = secret,
                }
            }
        })
        .await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
        command
            .args(["health", "--ready", "--port", &app.relay.address.port().to_string()])
            .env_clear()
            .envs(secrets.iter().copied())
            .env("MATRIX_DEFAULT_ROOM", &app.room)
            .current_dir(app.data.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{secrets:?}: {text}");
        assert!(tells_why(&serde_json::from_str(&text).unwrap()), "{secrets:?}");
    }
}

#[tokio::test]
async fn alerts_that_are_lost_for_want_of_a_credential_are_named() {
    let app = App::with(|flags| flags.http.relay_token = Some("senders-token-long-enough".into())).await;
    let senders = async || {
        let ask = app
            .request(Method::GET, "/health/ready")
            .bearer_auth("senders-token-long-enough");
        let report: Value = ask.send().await.unwrap().json().await.unwrap();
        report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["name"] == "senders")
            .unwrap()
            .clone()
    };
    // A page that nobody has logged in to yet is no alert.
    assert_eq!(app.get("/workshop/state").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(senders().await["state"], "ready");
    for (path, token, reason) in [
        ("/alert", None, "missing"),
        ("/alert/nowhere", Some("wrong"), "wrong"),
        ("/alert", Some("wrong"), "wrong"),
    ] {
        let mut post = app.post(path).json(&firing("Lost"));
        if let Some(token) = token {
            post = post.bearer_auth(token);
        }
        assert_eq!(post.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let check = senders().await;
        assert_eq!(check["state"], "degraded", "{check}");
        let why = check["reason"].as_str().unwrap();
        assert!(why.contains(reason) && why.contains("127.0.0.1"), "{why}");
    }
}

#[tokio::test]
async fn many_probes_are_little_work_for_the_store() {
    let app = App::start().await;
    let probes = || {
        let database = rusqlite::Connection::open(app.data.path().join("data/outbox.db")).unwrap();
        database
            .query_row("SELECT count FROM outbox_probe", [], |row| row.get::<_, u32>(0))
            .unwrap()
    };
    let before = probes();
    let paths = ["/health/ready", "/metrics"].into_iter().cycle().take(200);
    futures_util::future::join_all(paths.map(|path| app.get(path))).await;
    // One, or a few where they took seconds.
    assert!((1..20).contains(&(probes() - before)));
}

#[tokio::test]
async fn languages_without_words_and_words_that_a_language_lacks_are_named() {
    let app = App::with(|flags| {
        let folder = flags.messages.templates_dir.as_deref().unwrap();
        std::fs::create_dir(folder).unwrap();
        std::fs::write(format!("{folder}/words.toml"), "[fr]\nfiring = \"ALERTE\"\n").unwrap();
        let routes = format!("{folder}/routes.toml");
        let text = "[routes.default]\nrooms = '#a:example.org'\nlanguage = 'dee'\n";
        std::fs::write(&routes, text).unwrap();
        flags.routes_file = Some(routes);
        flags.messages.language = Some("fr".to_owned());
    })
    .await;
    let (_, report) = app.get_json("/health/ready").await;
    for (at, name, reason) in [
        (2, "templates", "words.toml [fr] lacks"),
        (3, "routes", "routes.toml:3: there are no words of the language `dee`"),
    ] {
        let check = &report["checks"][at];
        assert_eq!((&check["name"], &check["state"]), (&name.into(), &"degraded".into()));
        assert!(check["reason"].as_str().unwrap().contains(reason), "{check}");
    }
}
