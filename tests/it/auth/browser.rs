//! What the page of another site cannot make a browser do.

use reqwest::Method;
use serde_json::json;

use super::status;
use crate::app::{App, firing};

#[tokio::test]
async fn a_name_that_others_can_own_does_not_lead_a_browser_into_an_open_relay() {
    // In a container it listens on all addresses, and cannot know whom the port is published to.
    for host in ["127.0.0.1", "0.0.0.0"] {
        let app = App::with(|flags| flags.http.host = Some(host.to_owned())).await;
        keeps_browsers_out(&app).await;
    }
    // A credential is not shown by a page that does not know it, and a named proxy has a name for us.
    for is_guarded in [true, false] {
        let app = App::with(|flags| {
            if is_guarded {
                flags.http.relay_token = Some("t0k3n".into());
            } else {
                flags.auth.trusted_proxies = Some("127.0.0.1".to_owned());
            }
        })
        .await;
        let request = app.request(Method::GET, "/workshop/state").bearer_auth("t0k3n");
        assert_eq!(status(request.header("host", "relay.example.org")).await, 200);
    }
}

async fn keeps_browsers_out(app: &App) {
    let port = app.relay.address.port();
    let get = |path: &str, host: &str| app.request(Method::GET, path).header("host", format!("{host}:{port}"));
    let send = |origin: &str, host: &str| {
        let post = app.post("/alert").header("host", format!("{host}:{port}"));
        status(post.header("origin", origin).json(&firing("Sent")))
    };
    let pages = [
        "/",
        "/docs",
        "/openapi.json",
        "/workshop/static/page.js",
        "/workshop/state",
    ];
    for host in ["rebound.example", "127.0.0.1.rebound.example", "a.b"] {
        for path in pages {
            assert_eq!(status(get(path, host)).await, 403, "{host}{path}");
        }
        let metrics = get("/metrics", host).header("accept-language", "en");
        assert_eq!(status(metrics).await, 403, "{host}");
        assert_eq!(send(&format!("http://{host}:{port}"), host).await, 403, "{host}");
        // Prometheus, by a name in `/etc/hosts`.
        assert_eq!(status(get("/metrics", host)).await, 200, "{host}");
    }
    assert_eq!(send("null", "localhost").await, 403);
    for host in ["127.0.0.1", "[::1]", "localhost", "relay", "x.LocalHost"] {
        for path in pages.into_iter().chain(["/metrics"]) {
            let page = get(path, host).header("accept-language", "en");
            assert_eq!(status(page).await, 200, "{host}{path}");
        }
        assert_eq!(send(&format!("http://{host}:{port}"), host).await, 202, "{host}");
    }
    // Who is no browser says no origin, whatever name leads it here.
    for host in ["relay.example.org", "relay.monitoring.svc"] {
        let named = app.post("/alert").header("host", host).json(&firing("Named"));
        assert_eq!(status(named).await, 202);
    }
}

/// A browser that calls a relay in the network, in plain HTTP: it does not say of which site its page is.
#[tokio::test]
async fn a_page_of_another_address_does_not_lead_a_browser_into_a_relay_without_https() {
    for proxies in [None, Some("127.0.0.1")] {
        let app = App::with(|flags| {
            flags.http.relay_token = Some("t0k3n".into());
            flags.auth.trusted_proxies = proxies.map(str::to_owned);
        })
        .await;
        let from = |origin: &str, path: &str| {
            let post = app.post(path).header("host", "relay.lan:9042");
            post.bearer_auth("t0k3n").header("origin", origin)
        };
        let alert = |origin: &str| from(origin, "/alert").json(&firing("Sent"));
        let preview = |origin: &str| from(origin, "/preview").json(&json!({"sample": "firing"}));
        for other in [
            "http://evil.example",
            "http://relay.lan",
            "http://relay.lan:9043",
            "http://sub.relay.lan:9042",
            "http://relay.lan:9042.evil.example",
            "null",
            "",
        ] {
            assert_eq!(status(alert(other)).await, 403, "{other}");
            assert_eq!(status(preview(other)).await, 403, "{other}");
        }
        assert_eq!(status(alert("http://Relay.lan:9042")).await, 202);
        assert_eq!(status(preview("http://relay.lan:9042")).await, 200);
        // Where a browser says it, that holds: a proxy may have changed the name.
        let said = preview("https://alerts.example.org").header("sec-fetch-site", "same-origin");
        assert_eq!(status(said).await, 200);
        // A proxy says by which name it was called, if it is one.
        let proxied = preview("https://alerts.example.org").header("x-forwarded-host", "alerts.example.org:443");
        assert_eq!(status(proxied).await, if proxies.is_some() { 200 } else { 403 });
        assert_eq!(
            status(app.post("/alert").bearer_auth("t0k3n").json(&firing("No browser"))).await,
            202
        );
    }
}
