//! What is secret stays so: it is looked for in the log, the metrics, the answers, the pages and `Debug`.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;

use grafana_matrix_relay::config::{Flags, Settings};
use grafana_matrix_relay::matrix::Transport;
use grafana_matrix_relay::standin::{Fault, Homeserver, NewRoom, Scope, When};
use reqwest::Method;
use serde_json::json;

use crate::app::firing;
use crate::auth::{SIGNATURE, TIME, signature};
use crate::support::matrix::http_client;
use crate::support::postgres;
use crate::support::relay::Setup;

/// The secrets of the demo, and what a stranger shows.
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
        seen.push_str(&answer.text().await.unwrap());
    }
    // Refused for what is in it.
    for bad in [
        json!({"alerts": "zq-wrong"}),
        json!({"alerts": [{"status": "zq-wrong", "labels": {}}]}),
    ] {
        let request = http.post(url("/alert")).bearer_auth("zq-relay-token").json(&bad);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 422);
        seen.push_str(&answer.text().await.unwrap());
    }
    let accepted = http.post(url("/alert")).bearer_auth("zq-relay-token").json(&body);
    assert_eq!(accepted.send().await.unwrap().status(), 202);
    let metrics = http.get(url("/metrics")).bearer_auth("zq-metrics-token");
    seen.push_str(&metrics.send().await.unwrap().text().await.unwrap());
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

#[tokio::test]
async fn no_kind_of_secret_is_seen_however_much_is_logged() {
    let homeserver = Homeserver::new("example.org");
    let access_token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
    let running = homeserver.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    let routes = format!(
        "[routes.default]\nrooms = '{room}'\n[routes.named]\nrooms = '{room}'\n[routes.named.credentials]\n\
         bearer = 'zq-route-token'\nbasic = {{ user = 'u', password = 'zq-route-password' }}\n\
         signature = {{ secrets = 'zq-route-key', timestamp_header = '{TIME}' }}\n"
    );
    fs::write(&file, &routes).unwrap();
    let database = postgres::database().await.replace("relay@", "relay:zq-database@");
    assert!(database.contains(MARK));
    let mut relay = Setup::bare()
        .env("ECS_LOGGING", "false")
        .env("RUST_LOG", "trace")
        .env("MATRIX_HOME_SERVER_URL", &running.base_url)
        .env("MATRIX_ACCESS_TOKEN", &access_token)
        .env("RELAY_ROUTES_FILE", &file.display().to_string())
        .env("RELAY_TOKEN", "zq-relay-token")
        .env("RELAY_HMAC_SECRET", "zq-relay-key")
        .env("RELAY_HMAC_TIMESTAMP_HEADER", TIME)
        .env("RELAY_DATABASE_URL", &database)
        .start()
        .await;
    let body = json!({"groupKey": "k\n2026-11-20T09:14:10.000000Z ERROR forged\u{1b}[2K\u{202e}", "title": "zq-title",
        "alerts": [{"status": "firing", "labels": {"alertname": "Named", "l": "zq-label"},
            "annotations": {"summary": "zq-annotation"}, "startsAt": "2026-11-20T09:14:10Z"}]})
    .to_string();
    let http = http_client();
    let mut seen = String::new();
    let time = jiff::Timestamp::now().as_second();
    for (path, token, key, status) in [
        ("/alert", "zq-relay-token", "zq-relay-key", 202),
        ("/alert/named", "zq-route-token", "zq-route-key", 202),
        ("/alert", "zq-relay-token", "zq-wrong-key", 401),
        ("/alert/named", "zq-wrong-token", "zq-route-key", 401),
        ("/alert?secret=zq-query", "zq-route-token", "zq-route-key", 401),
    ] {
        let answer = http
            .post(format!("{}{path}", relay.base_url))
            .bearer_auth(token)
            .header(SIGNATURE, signature(key, Some(time), &body))
            .header(TIME, time)
            .header("content-type", "application/json")
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{path} {token} {key}");
        let _ = write!(seen, "{:?}", answer.headers());
        seen.push_str(&answer.text().await.unwrap());
    }
    for path in ["/metrics", "/health/ready"] {
        seen.push_str(&relay.get(path).await.body.to_string());
    }
    relay.says(" delivered ").await;
    fs::write(&file, routes.replace("zq-route-token", "zq-another-token")).unwrap();
    relay.says("routes were read again").await;
    let log = relay.log();
    for secret in [MARK, &access_token] {
        for (place, text) in [("an answer", &seen), ("the log", &log)] {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{place}");
        }
    }
    // What is logged of a request stays in the line that logs it.
    assert!(
        log.contains(r"k\n2026-11-20T09:14:10.000000Z ERROR forged\u{1b}[2K\u{202e}"),
        "{log}"
    );
    assert!(!log.lines().any(|line| line.starts_with("2026-11-20T")), "{log}");
    assert!(!log.chars().any(|c| c == '\u{1b}' || c == '\u{202e}'), "{log}");
}

#[tokio::test]
async fn the_address_of_a_webhook_is_seen_nowhere_however_much_is_logged() {
    let homeserver = Homeserver::new("example.org");
    let room = homeserver.create_room(&NewRoom::named("ops"));
    let running = homeserver.start().await.unwrap();
    let url = homeserver.add_webhook(&room);
    let secret = url.rsplit('/').next().unwrap();
    // It works, it fails with an explanation, it is not there, and nobody answers at its host.
    for (name, url, fault) in [
        ("Works", url.clone(), None),
        ("Fails", url.clone(), Some(Fault::Page(500))),
        ("Gone", format!("{url}-not"), None),
        ("Down", format!("http://127.0.0.1:1/webhook/{secret}"), None),
    ] {
        let mut relay = Setup::bare()
            .env("ECS_LOGGING", "false")
            .env("RUST_LOG", "trace")
            .env("MATRIX_HOOK_URL", &url)
            .start()
            .await;
        if let Some(fault) = fault {
            running
                .homeserver
                .plan(Scope::SendsTo(room.clone()), When::Always, fault);
        }
        relay.accepts(&firing(name)).await;
        let said = match name {
            "Works" => " delivered ",
            "Gone" => "there is no webhook",
            _ => "not delivered yet",
        };
        relay.says(said).await;
        running.homeserver.heal_all();
        let mut seen = String::new();
        for path in ["/metrics", "/health/ready", "/workshop/state", "/workshop/deliveries"] {
            seen.push_str(&relay.get(path).await.body.to_string());
        }
        for (place, text) in [("an answer", seen), ("the log", relay.log())] {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{name}: {place}");
        }
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
        routes_file: Some(file.display().to_string()),
        ..Flags::default()
    };
    flags.http.relay_token = Some("zq-relay".into());
    flags.delivery.database_url = Some("postgres://u:zq-password@db/relay".into());
    flags.auth.basic_auth = Some("u:zq-basic".into());
    flags.auth.hmac_secret = Some("zq-hmac".into());
    flags.auth.page_auth = Some("u:zq-page".into());
    flags.auth.page_token = Some("zq-page".into());
    flags.auth.metrics_token = Some("zq-metrics".into());
    flags.silence.heartbeat_url = Some("https://hc-ping.com/zq-heartbeat".into());
    let settings = Settings::from_flags(&flags).unwrap();
    let by_hook = Flags {
        hook_url: Some("https://hooks.example.org/webhook/zq-hook".into()),
        ..Flags::default()
    };
    let hook = Settings::from_flags(&by_hook).unwrap();
    // Of what is made of them, too: a panic may print any of it.
    let transports = [&settings, &hook].map(|settings| Transport::new(&settings.matrix).unwrap());
    for shown in [
        format!("{flags:?}{by_hook:?}"),
        format!("{settings:?}{hook:?}"),
        format!("{settings:#?}{hook:#?}"),
        format!("{transports:?}{transports:#?}"),
        format!("{:?}", settings.routes_source),
    ] {
        assert!(!shown.contains(MARK), "{shown}");
    }
}

/// A program with the rights of its user alone, which root's are not.
#[cfg(target_os = "linux")]
fn without_rights(program: &str) -> std::process::Command {
    use std::os::unix::fs::MetadataExt as _;

    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return std::process::Command::new(program);
    }
    let mut command = std::process::Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--", program]);
    command
}

#[cfg(target_os = "linux")]
#[test]
fn another_program_of_the_same_user_does_not_read_the_environment_of_the_relay() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let reads = |id: u32| {
        let file = format!("/proc/{id}/environ");
        let read = without_rights("cat").arg(file).stderr(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&read.stdout).contains("zq-relay-token")
    };
    let start = |program: &str, arguments: &[&str]| {
        let mut command = without_rights(program);
        command.args(arguments).env("RELAY_TOKEN", "zq-relay-token");
        command
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut other = start("sh", &["-c", "echo started >&2; read -r line"]);
    let mut relay = start(env!("CARGO_BIN_EXE_grafana-matrix-relay"), &["demo", "--port", "0"]);
    for (process, is_read) in [(&mut other, true), (&mut relay, false)] {
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let started = lines.next().unwrap().unwrap();
        assert_eq!(reads(process.id()), is_read, "{started}");
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_a_secret_is_no_part_of_it() {
    let homeserver = Homeserver::new("example.org");
    let access_token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
    let running = homeserver.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("\u{feff}{text}\r\n")).unwrap();
        path.display().to_string()
    };
    let (access, token) = (file("access", &access_token), file("token", "a-token-of-the-relay"));
    file("route", "a-token-of-a-route");
    let routes = folder.path().join("routes.toml");
    let text = format!(
        "[routes.default]\nrooms = '{room}'\n[routes.named]\nrooms = '{room}'\n[routes.named.credentials]\nbearer = {{ file = 'route' }}\n"
    );
    fs::write(&routes, text).unwrap();
    let mut relay = Setup::bare()
        .env("ECS_LOGGING", "false")
        .env("MATRIX_HOME_SERVER_URL", &running.base_url)
        .env("MATRIX_ACCESS_TOKEN_FILE", &access)
        .env("RELAY_TOKEN_FILE", &token)
        .env("RELAY_ROUTES_FILE", &routes.display().to_string())
        .start()
        .await;
    for (path, token) in [
        ("/alert", "a-token-of-the-relay"),
        ("/alert/named", "a-token-of-a-route"),
    ] {
        let request = http_client()
            .post(format!("{}{path}", relay.base_url))
            .bearer_auth(token);
        let answer = request.json(&firing("Marked")).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{path}");
    }
    relay.says(" delivered ").await;
}

#[tokio::test]
async fn an_odd_byte_that_a_client_writes_hides_it_from_nobody() {
    let relay = Setup::bare()
        .arg("demo")
        .env("RELAY_TOKEN", "a-token-that-is-long-enough")
        .env("RELAY_TRUSTED_PROXIES", "127.0.0.0/8");
    let mut relay = relay.start().await;
    for (header, client) in [
        (&b"X-Forwarded-For: \xff\xfe, 198.51.100.1"[..], "198.51.100.1"),
        (
            b"X-Forwarded-For: 203.0.113.7\xff,198.51.100.2, 127.0.0.9",
            "198.51.100.2",
        ),
        (b"Forwarded: for=\xff, for=198.51.100.3;proto=https", "198.51.100.3"),
    ] {
        let address = relay.base_url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let start = b"POST /alert HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\nContent-Length: 2\r\nConnection: close\r\n";
        stream.write_all(&[&start[..], header, b"\r\n\r\n{}"].concat()).unwrap();
        relay.says(client).await;
    }
}
