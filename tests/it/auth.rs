//! Who is let in, seen from outside: tokens, logins, signatures, addresses, pages, and the addresses of other relays.

mod browser;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grafana_matrix_relay::config::Flags;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::app::{App, firing};
use crate::support::patience::until;

pub(crate) const SIGNATURE: &str = "X-Grafana-Alerting-Signature";
pub(crate) const TIME: &str = "X-Grafana-Alerting-Timestamp";

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// As Grafana signs: the time, if there is one, then the raw body.
pub(crate) fn signature(secret: &str, time: Option<i64>, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    if let Some(time) = time {
        mac.update(format!("{time}:").as_bytes());
    }
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

pub(crate) fn signed(request: RequestBuilder, secret: &str, time: i64, body: &Value) -> RequestBuilder {
    let body = body.to_string();
    request
        .header(SIGNATURE, signature(secret, Some(time), &body))
        .header(TIME, time.to_string())
        .header("content-type", "application/json")
        .body(body)
}

pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

pub(crate) fn with_signature(flags: &mut Flags) {
    flags.auth.hmac_secret = Some("s3cr3t".into());
    flags.auth.hmac_timestamp_header = Some(TIME.to_owned());
}

#[tokio::test]
async fn any_of_several_tokens_or_logins_lets_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    fs::write(&file, "old\n\n  new  \n").unwrap();
    let app = App::with(|flags| {
        flags.http.relay_token_file = Some(file.display().to_string());
        flags.auth.basic_auth = Some("grafana:pass:word".into());
    })
    .await;
    let post = || app.post("/alert").json(&firing("Let in"));
    for token in ["old", "new"] {
        assert_eq!(status(post().bearer_auth(token)).await, 202, "{token}");
    }
    assert_eq!(status(post().basic_auth("grafana", Some("pass:word"))).await, 202);
    for wrong in [
        post(),
        post().bearer_auth("ne"),
        post().bearer_auth("old\tnew"),
        post().bearer_auth(""),
        post().basic_auth("grafana", Some("pass")),
        post().basic_auth("old", Some("")),
        post().header("authorization", "Basic !"),
    ] {
        let refused = wrong.send().await.unwrap();
        assert_eq!(refused.status(), 401);
        let asked: Vec<_> = refused.headers().get_all("www-authenticate").iter().collect();
        assert_eq!(asked.len(), 2, "{asked:?}");
    }
}

#[tokio::test]
async fn a_signature_is_needed_beside_the_token_and_verified_before_anything_is_parsed() {
    let app = App::with(|flags| {
        with_signature(flags);
        flags.http.relay_token = Some("t0k3n".into());
        flags.http.max_body_bytes = Some("2000".to_owned());
    })
    .await;
    let post = || app.post("/alert").bearer_auth("t0k3n");
    let body = firing("Signed");
    assert_eq!(status(signed(post(), "s3cr3t", now(), &body)).await, 202);
    assert_eq!(status(signed(app.post("/alert"), "s3cr3t", now(), &body)).await, 401);
    assert_eq!(status(post().json(&body)).await, 401);
    assert_eq!(status(signed(post(), "another", now(), &body)).await, 401);
    // Neither content type nor JSON nor schema is told to who cannot sign.
    let unsigned = post().header("content-type", "text/plain").body("not json");
    assert_eq!(status(unsigned).await, 401);
    let time = now();
    let sign = |text: &'static str| {
        post()
            .header(SIGNATURE, signature("s3cr3t", Some(time), text))
            .header(TIME, time)
    };
    let (json, plain) = (sign("no"), sign("no").header("content-type", "text/plain"));
    assert_eq!(status(plain.body("no")).await, 415);
    assert_eq!(
        status(json.header("content-type", "application/json").body("no")).await,
        400
    );
    assert_eq!(status(post().body("x".repeat(2001))).await, 413);
}

#[tokio::test]
async fn a_replayed_request_is_recognised_and_an_old_one_refused() {
    let app = App::with(with_signature).await;
    // An alert without a time has nothing that tells a repeat apart, so only its signature does.
    let timeless = json!({"alerts": [{"status": "firing", "labels": {"alertname": "Timeless"}}]});
    let mut first = now();
    for body in [firing("Once"), timeless] {
        // A second of its own, so that the two are not confused.
        first -= 1;
        for (path, recognised) in [("/alert", false), ("/alert", true), ("/alert?template=compact", true)] {
            let answer = signed(app.post(path), "s3cr3t", first, &body).send().await.unwrap();
            assert_eq!(answer.status(), 202);
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(answer["recognised"], recognised, "{path} {body}");
        }
    }
    for age in [46, 3600, -46] {
        let answer = signed(app.post("/alert"), "s3cr3t", now() - age, &firing("Old"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{age}");
        assert!(answer.text().await.unwrap().contains("from the relay's clock"));
    }
    // Another second signs another request, even of the same content; it is the same notification all the same.
    let again = signed(app.post("/alert"), "s3cr3t", now() - 5, &firing("Once"))
        .send()
        .await
        .unwrap();
    assert_eq!(again.json::<Value>().await.unwrap()["recognised"], true);
    app.accept_signed(&firing("Last")).await;
    let messages = app.messages(3).await;
    assert!(messages[2].contains("Last"), "{messages:?}");
}

impl App {
    async fn accept_signed(&self, body: &Value) {
        assert_eq!(status(signed(self.post("/alert"), "s3cr3t", now(), body)).await, 202);
    }
}

/// A relay with this routes file; `ROOM` stands for its room.
async fn routed(text: &str, change: impl FnOnce(&mut Flags)) -> App {
    App::with(|flags| {
        let data = Path::new(flags.delivery.data_dir.as_deref().unwrap())
            .parent()
            .unwrap()
            .to_owned();
        let file = data.join("routes.toml");
        fs::write(&file, text.replace("ROOM", flags.default_room.as_deref().unwrap())).unwrap();
        flags.routes_file = Some(file.display().to_string());
        flags.default_room = None;
        change(flags);
    })
    .await
}

const TWO_ROUTES: &str = r#"
[routes.a]
rooms = "ROOM"
credentials.bearer = "token-a"
[routes.b]
rooms = "ROOM"
credentials.bearer = "token-b"
"#;

/// All that tells one answer from another.
async fn told(answer: Response) -> (u16, Vec<(String, String)>, String) {
    let status = answer.status().as_u16();
    let mut headers: Vec<_> = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| name != "date")
        .collect();
    headers.sort();
    (status, headers, answer.text().await.unwrap())
}

#[tokio::test]
async fn a_route_asks_for_its_own_credential_and_one_that_does_not_exist_looks_the_same() {
    let body_first =
        format!("{TWO_ROUTES}\n[routes.c]\nrooms = \"ROOM\"\ncredentials.signature.secrets = \"s3cr3t\"\n");
    for file in [TWO_ROUTES, &body_first] {
        let app = routed(file, |_| {}).await;
        let post = |route: &str| app.post(&format!("/alert/{route}")).json(&firing("Routed"));
        assert_eq!(status(post("a").bearer_auth("token-a")).await, 202);
        assert_eq!(status(post("b").bearer_auth("token-b")).await, 202);
        for shown in ["Bearer token-a", "Bearer x", "Basic eA==", "Basic !", "Digest x", ""] {
            let show = |request: RequestBuilder| match shown {
                "" => request,
                _ => request.header("authorization", shown),
            };
            let known = told(show(post("b")).send().await.unwrap()).await;
            assert_eq!(known.0, 401, "{shown}");
            for other in ["nothing", "default", "c", "A", "..%2Fa", &"x".repeat(300)] {
                let unknown = told(show(post(other)).send().await.unwrap()).await;
                assert_eq!(known, unknown, "{other} {shown}");
            }
            assert_eq!(status(show(app.post("/alert")).json(&firing("No default"))).await, 401);
        }
    }
}

#[tokio::test]
async fn credentials_of_a_route_are_replaced_while_it_runs() {
    let app = routed(TWO_ROUTES, |_| {}).await;
    let post = |token: &str| app.post("/alert/a").bearer_auth(token).json(&firing("Rotated"));
    assert_eq!(status(post("token-a")).await, 202);
    let file = app.data.path().join("routes.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"token-a\"", "[\"token-new\", \"token-c\"]")).unwrap();
    until("the new token is taken", async || {
        status(post("token-new")).await == 202
    })
    .await;
    assert_eq!(status(post("token-c")).await, 202);
    assert_eq!(status(post("token-a")).await, 401);
}

#[tokio::test]
async fn who_shows_the_right_credential_is_let_in_whatever_others_showed() {
    let app = App::with(|flags| flags.http.relay_token = Some("t0k3n".into())).await;
    let post = |token: &str| app.post("/alert").bearer_auth(token).json(&firing("Guessed"));
    for _ in 0..100 {
        assert_eq!(status(post("guess")).await, 401);
    }
    assert_eq!(status(post("t0k3n")).await, 202);
}

#[tokio::test]
async fn pages_can_ask_for_a_login_and_metrics_for_a_token() {
    let app = App::with(|flags| {
        flags.http.relay_token = Some("senders".into());
        flags.auth.page_auth = Some("me:password".into());
        flags.auth.page_token = Some("people".into());
        flags.auth.metrics_token = Some("prometheus".into());
    })
    .await;
    let client = crate::support::matrix::http_client();
    let get = |path: &str| client.get(app.url(path));
    for path in [
        "/",
        "/docs",
        "/openapi.json",
        "/workshop/state",
        "/workshop/static/page.js",
    ] {
        let refused = get(path).send().await.unwrap();
        assert_eq!(refused.status(), 401, "{path}");
        let asked = refused.headers().get_all("www-authenticate");
        assert!(
            asked
                .iter()
                .any(|one| one.to_str().unwrap().starts_with("Basic realm=")),
            "{path}"
        );
        assert_eq!(
            status(get(path).basic_auth("me", Some("password"))).await,
            200,
            "{path}"
        );
        assert_eq!(status(get(path).bearer_auth("people")).await, 200, "{path}");
        assert_eq!(status(get(path).bearer_auth("senders")).await, 401, "{path}");
    }
    assert_eq!(status(get("/metrics")).await, 401);
    assert_eq!(status(get("/metrics").bearer_auth("prometheus")).await, 200);
    assert_eq!(status(get("/metrics").bearer_auth("senders")).await, 401);
    assert_eq!(status(get("/health/ready")).await, 200);
    // A link of another site leads to the page; a script of another site reaches nothing with the browser's login.
    let foreign = |path: &str, site: &str| {
        get(path)
            .basic_auth("me", Some("password"))
            .header("sec-fetch-site", site)
    };
    assert_eq!(status(foreign("/docs", "cross-site")).await, 200);
    for site in ["cross-site", "same-site"] {
        assert_eq!(status(foreign("/workshop/state", site)).await, 403);
    }
    let preview = app
        .post("/preview")
        .header("sec-fetch-site", "same-site")
        .bearer_auth("people");
    assert_eq!(status(preview.json(&json!({"sample": "firing"}))).await, 403);
}

#[tokio::test]
async fn pages_stay_closed_where_only_senders_have_a_credential() {
    let app = routed(TWO_ROUTES, |_| {}).await;
    assert_eq!(app.get("/workshop/state").await.status(), 403);
    let app = App::with(with_signature).await;
    assert_eq!(app.get("/workshop/deliveries").await.status(), 403);
}

#[tokio::test]
async fn what_is_switched_off_is_not_there() {
    let app = App::with(|flags| {
        let off = || Some("off".to_owned());
        (flags.auth.workshop, flags.auth.metrics) = (off(), off());
    })
    .await;
    for path in [
        "/",
        "/workshop/",
        "/workshop/state",
        "/workshop/static/page.js",
        "/metrics",
    ] {
        assert_eq!(app.get(path).await.status(), 404, "{path}");
    }
    assert_eq!(status(app.post("/preview").json(&json!({}))).await, 404);
    let (_, document) = app.get_json("/openapi.json").await;
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    let is_served = |path: &str| path.starts_with("/alert") || path.starts_with("/health/");
    assert!(paths.iter().all(|path| is_served(path)), "{paths:?}");
    let app = App::with(|flags| flags.auth.docs = Some("off".to_owned())).await;
    for path in ["/docs", "/openapi.json"] {
        assert_eq!(app.get(path).await.status(), 404, "{path}");
    }
    app.accept(&firing("Still taken")).await;
}

const COMPAT: &str = r#"
[routes.default]
rooms = "ROOM"
credentials.bearer = "default-token"
[routes.storage]
rooms = "ROOM"
credentials.basic = { user = "alertmanager", password = "storage-password" }
[compat]
matrix-alertmanager = "storage"
[compat.grafana-matrix-forwarder]
"!grafana:example.org" = "default"
[compat.matrix-alertmanager-receiver]
"!storage:example.org" = "storage"
ops = "default"
"#;

#[tokio::test]
async fn the_addresses_of_other_relays_lead_to_routes_under_their_credentials() {
    let app = routed(COMPAT, |_| {}).await;
    let (default, storage) = ("Bearer default-token", "Basic YWxlcnRtYW5hZ2VyOnN0b3JhZ2UtcGFzc3dvcmQ=");
    assert_eq!(
        storage,
        format!("Basic {}", STANDARD.encode("alertmanager:storage-password"))
    );
    let forwarder = |path: &str| format!("{path}?roomId=%21grafana%3Aexample.org");
    let ways = [
        (forwarder("/api/v0/forward"), default, storage),
        (forwarder("/api/v1/unified"), default, storage),
        (forwarder("/api/v1/standard"), default, storage),
        ("/alerts".to_owned(), storage, default),
        ("/alerts/!storage:example.org".to_owned(), storage, default),
        ("/alerts/%21storage%3Aexample.org".to_owned(), storage, default),
        ("/alert/%21storage%3aexample.org".to_owned(), storage, default),
        ("/alerts/ops".to_owned(), default, storage),
        ("/alert/ops".to_owned(), default, storage),
        ("/alert/!storage:example.org".to_owned(), storage, default),
    ];
    for (number, (path, right, wrong)) in ways.iter().enumerate() {
        let body = firing(&format!("Moved{number}"));
        let post = |shown: &str| app.post(path).header("authorization", shown).json(&body);
        assert_eq!(status(post(wrong)).await, 401, "{path}");
        assert_eq!(status(post(right)).await, 202, "{path}");
    }
    assert_eq!(app.messages(ways.len()).await.len(), ways.len());
    let unlisted = [
        "/api/v1/unified",
        "/api/v1/unified?roomId=",
        "/api/v1/unified?roomId=!other:example.org",
        "/api/v1/unified?roomId=default",
        "/api/v1/unified?roomId=%21grafana%3Aexample.org&roomId=%21grafana%3Aexample.org",
        "/alerts/default",
        "/alert/!grafana:example.org",
    ];
    for path in unlisted {
        let post = app
            .post(path)
            .header("authorization", default)
            .json(&firing("Unlisted"));
        assert_eq!(status(post).await, 401, "{path}");
    }
    // Only what posts; each address says so by itself.
    for (path, ..) in ways.iter().filter(|(path, ..)| !path.starts_with("/alert/")) {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let request = app.request(method.clone(), path).bearer_auth("default-token");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert_eq!(answer.headers()["allow"], "POST", "{method} {path}");
        }
    }
    // A secret in the URL is none.
    let secret = app
        .post("/alerts?secret=storage-password&token=default-token")
        .json(&firing("In the URL"));
    assert_eq!(status(secret).await, 401);
}

#[tokio::test]
async fn no_address_of_another_relay_is_there_unless_it_is_enabled() {
    let app = App::start().await;
    for path in [
        "/api/v0/forward?roomId=x",
        "/api/v1/unified",
        "/api/v1/standard",
        "/alerts",
        "/alerts/x",
        "/alert/x",
    ] {
        assert_eq!(status(app.post(path).json(&firing("Elsewhere"))).await, 404, "{path}");
    }
    for path in ["/api/v0/forward", "/api/v1/unified?roomId=x", "/alerts", "/alerts/x"] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS] {
            let answer = app.request(method.clone(), path).send().await.unwrap();
            assert_eq!(answer.status(), 404, "{method} {path}");
            assert!(!answer.headers().contains_key("allow"), "{method} {path}");
        }
    }
}
