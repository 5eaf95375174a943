//! Methods, spellings of paths, and requests one after the other on a connection.

use super::{JSON, alert, exchange, lives, request, statuses};
use crate::app::App;

#[tokio::test]
async fn no_method_on_any_path_is_a_server_error_and_browsers_get_no_permission() {
    let app = App::start().await;
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "CONNECT",
    ];
    let paths = [
        "/",
        "*",
        "/alert",
        "/alert/x",
        "/alert/x/y",
        "/alert?template=compact",
        "/preview",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/workshop/",
        "/workshop/state",
        "/workshop/samples/firing",
        "/workshop/recorded/1",
        "/workshop/deliveries?state=x&before=-1",
        "/workshop/deliveries/99/retry",
        "/workshop/static/page.js",
        "/api/v1/unified?roomId=x",
        "/alerts",
        "/nothing",
    ];
    for method in methods {
        for path in paths {
            let origin = "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
            let answer = exchange(
                &app,
                &request(&format!("{method} {path}"), &format!("{JSON}{origin}"), b"{}"),
            )
            .await;
            // Once: a relay that died or hung up says nothing.
            assert!(
                matches!(statuses(&answer)[..], [status] if (200..500).contains(&status)),
                "{method} {path}: {answer}"
            );
            let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
            assert!(!head.contains("access-control-"), "{method} {path}: {head}");
        }
    }
    let options = exchange(&app, &request("OPTIONS /alert", "", b"")).await;
    assert!(
        options.starts_with("HTTP/1.1 405") && options.contains("allow: POST, PUT"),
        "{options}"
    );
    let head = exchange(&app, &request("HEAD /health/live", "", b"")).await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    lives(&app).await;
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_past_its_credential() {
    let app = App::with(|flags| {
        flags.http.relay_token = Some("t0k3n".into());
        flags.auth.page_auth = Some("me:password".into());
        flags.auth.metrics_token = Some("m3trics".into());
    })
    .await;
    let guarded = [
        "metrics",
        "workshop/state",
        "workshop/deliveries",
        "docs",
        "openapi.json",
        "alert",
        "preview",
    ];
    for path in guarded {
        let (first, rest) = path.split_at(1);
        let encoded = format!("%{:02x}{rest}", first.as_bytes()[0]);
        for spelled in [
            format!("/{path}"),
            format!("//{path}"),
            format!("/{path}/"),
            format!("/./{path}"),
            format!("/alert/../{path}"),
            format!("/health/live/../../{path}"),
            format!("/health/live/..%2f..%2f{path}"),
            format!("/{encoded}"),
            format!("/{path}%00"),
            format!("/{path}%2f"),
            format!("/{path};x=y"),
            format!("/{path}?x=y"),
            format!("/{path}#x"),
            format!("/\\{path}"),
            format!("/{}", path.to_uppercase()),
            format!("http://relay/{path}"),
            format!("http://relay//{path}"),
        ] {
            for method in ["GET", "POST", "PUT", "HEAD"] {
                let answer = exchange(&app, &request(&format!("{method} {spelled}"), JSON, &alert("{}"))).await;
                assert!(
                    matches!(statuses(&answer)[..], [status] if (400..500).contains(&status)),
                    "{method} {spelled}: {answer}"
                );
            }
        }
    }
    let stats = app.relay.outbox.stats(jiff::Timestamp::now()).await.unwrap();
    assert_eq!((stats.pending, stats.delivered), (0, 0));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let app = App::start().await;
    let open = |line: &str, body: &[u8]| {
        let text = String::from_utf8(request(line, JSON, body)).unwrap();
        text.replace("Connection: close\r\n", "")
    };
    let mut all = open("POST /alert", &alert("{\"alertname\":\"First\"}"));
    all.push_str(&open("POST /alert", b"no"));
    all.push_str(&open("GET /nothing", b""));
    all.push_str(&String::from_utf8(request("POST /alert", JSON, &alert("{\"alertname\":\"Last\"}"))).unwrap());
    // What follows the last one is not another request: the connection was to be closed.
    all.push_str(&open("POST /alert", &alert("{\"alertname\":\"Never\"}")));
    assert_eq!(statuses(&exchange(&app, all.as_bytes()).await), [202, 400, 404, 202]);
    let messages = app.messages(2).await;
    assert!(
        messages[0].contains("First") && messages[1].contains("Last"),
        "{messages:?}"
    );
    assert_eq!(messages.len(), 2);
}
