//! Any bytes on any endpoint: no panic, no server error, bounded memory and time. Over bare sockets, because no HTTP client
//! would send most of this.

use std::fmt::Write as _;

use grafana_matrix_relay::config::Flags;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{App, firing};

const JSON: &str = "Content-Type: application/json\r\n";

/// Sends these bytes and returns what came back until the relay closed the connection.
async fn exchange(app: &App, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.relay.address).await.unwrap();
    // It may have answered and closed before all was sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.lines().filter_map(|line| line.split("HTTP/1.1 ").nth(1));
    lines.map(|line| line[..3].parse().unwrap()).collect()
}

/// A whole request whose connection ends with its answer.
fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn alert(labels: &str) -> Vec<u8> {
    format!(r#"{{"alerts":[{{"status":"firing","labels":{labels}}}]}}"#).into_bytes()
}

async fn lives(app: &App) {
    assert_eq!(app.get("/health/live").await.status(), 200);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn bodies_that_nobody_should_send_are_answered_in_words() {
    let app = App::start().await;
    let nested = |piece: &str, count: usize| piece.repeat(count).into_bytes();
    let labels = |text: &str| alert(&format!("{{\"alertname\":\"{text}\"}}"));
    let many = format!(
        "{{\"alerts\":[{}]}}",
        (0..5000)
            .map(|number| format!(r#"{{"status":"firing","labels":{{"alertname":"A{number}"}}}}"#))
            .collect::<Vec<_>>()
            .join(",")
    );
    let dated = |time: &str| {
        let text = r#"{"alerts":[{"status":"resolved","labels":{},"startsAt":"TIME","endsAt":"TIME"}]}"#;
        text.replace("TIME", time).into_bytes()
    };
    let valued = |value: &str| {
        let text = r#"{"truncatedAlerts":VALUE,"orgId":VALUE,"alerts":[{"status":"firing","labels":{"n":VALUE},"values":{"A":VALUE}}]}"#;
        text.replace("VALUE", value).into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("deep arrays", nested("[", 1_000_000), &[400, 422]),
        ("deep objects", nested("{\"a\":", 200_000), &[400, 422]),
        ("deep labels", alert(&"{\"a\":".repeat(200_000)), &[400, 422]),
        (
            "deep but ignored",
            format!("{{\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500)).into_bytes(),
            &[400, 422],
        ),
        ("8 MiB of one label", labels(&"x".repeat(8 * 1024 * 1024 - 100)), &[202]),
        ("8 MiB of quotes", labels(&"\\\"".repeat(4 * 1024 * 1024 - 100)), &[202]),
        ("more than 8 MiB", labels(&"x".repeat(8 * 1024 * 1024)), &[413]),
        (
            "100,000 labels",
            alert(&format!(
                "{{{}\"z\":1}}",
                (0..100_000).fold(String::new(), |mut all, number| {
                    let _ = write!(all, "\"l{number}\":\"v\",");
                    all
                })
            )),
            &[202],
        ),
        ("5,000 alerts", many.into_bytes(), &[202]),
        (
            "a field twice",
            br#"{"alerts":[],"alerts":[{"status":"firing","labels":{}}]}"#.to_vec(),
            &[400, 422],
        ),
        ("a label twice", alert(r#"{"a":"1","a":"2"}"#), &[202]),
        ("a lone surrogate", labels(r"\ud800"), &[400]),
        ("surrogates the wrong way round", labels(r"\udc00\ud800"), &[400]),
        ("an escaped NUL", labels(r"a\u0000b"), &[202]),
        ("a bare NUL", labels("a\0b"), &[400]),
        (
            "control characters and directions",
            labels(r"\u001b[31m\u202e\u2066\u0085\ufeff"),
            &[202],
        ),
        (
            "invalid UTF-8",
            [
                &b"{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\""[..],
                b"\xff\xc0\xaf",
                b"\"}}]}",
            ]
            .concat(),
            &[400],
        ),
        ("UTF-16", [0xff, 0xfe, b'{', 0, b'}', 0].to_vec(), &[400]),
        (
            "a byte order mark",
            [&b"\xef\xbb\xbf"[..], &labels("a")].concat(),
            &[400],
        ),
        ("a second document", [labels("a"), labels("b")].concat(), &[400]),
        ("no body", Vec::new(), &[400]),
        ("a null", b"null".to_vec(), &[422]),
        (
            "names with everything in them",
            alert(r#"{"":"","__proto__":"x","{{ 7*7 }}":"{% include 'x' %}","a.b\u0000":"c"}"#),
            &[202],
        ),
        ("2^53 + 1", valued("9007199254740993"), &[202, 422]),
        ("2^64", valued("18446744073709551616"), &[202, 422]),
        ("1e308", valued("1e308"), &[202, 422]),
        ("1e400", valued("1e400"), &[400, 422]),
        ("a thousand digits", valued(&"9".repeat(1000)), &[400, 422]),
        ("minus zero", valued("-0"), &[202, 422]),
        ("NaN", valued("NaN"), &[400]),
        ("year 9999", dated("9999-12-31T23:59:59.999999999Z"), &[202]),
        ("year 99999", dated("99999-01-01T00:00:00Z"), &[202]),
        ("year minus 1", dated("-0001-01-01T00:00:00Z"), &[202]),
        ("a leap second", dated("2016-12-31T23:59:60Z"), &[202]),
        ("month 13", dated("2026-13-40T25:61:61Z"), &[202]),
        ("an offset beyond the day", dated("2026-01-01T00:00:00+99:99"), &[202]),
        ("a time of a megabyte", dated(&"2".repeat(1_000_000)), &[202]),
    ];
    let mut accepted = 0;
    for (name, body, allowed) in cases {
        let answer = exchange(&app, &request("POST /alert", JSON, &body)).await;
        let statuses = statuses(&answer);
        assert!(
            statuses.len() == 1 && allowed.contains(&statuses[0]),
            "{name}: {statuses:?} {}",
            &answer[answer.len().saturating_sub(300)..]
        );
        if statuses[0] == 202 {
            accepted += 1;
        } else {
            assert!(answer.contains("application/problem+json"), "{name}: {answer}");
        }
        lives(&app).await;
    }
    let stats = app.relay.outbox.stats(jiff::Timestamp::now()).await.unwrap();
    assert!(
        stats.pending + stats.in_flight + stats.delivered >= accepted && stats.dead == 0,
        "{stats:?}"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn requests_that_are_hardly_http_are_refused_or_cut_off() {
    let app = App::start().await;
    let body = alert("{}");
    let with = |headers: &str| request("POST /alert", &format!("{JSON}{headers}"), &body);
    let raw = |text: &str| text.as_bytes().to_vec();
    let chunked = |body: &str| {
        raw(&format!(
            "POST /alert HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n{body}"
        ))
    };
    let text = String::from_utf8(body.clone()).unwrap();
    let (size, extension) = (text.len(), format!(";x={}", "y".repeat(100_000)));
    let headers = |count: usize| (0..count).fold(String::new(), |all, number| format!("{all}X-{number}: y\r\n"));
    let twice = format!("Content-Length: {}\r\n", body.len() + 1);
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("gzip", with("Content-Encoding: gzip\r\n"), &[415]),
        ("br over identity", with("Content-Encoding: identity, br\r\n"), &[415]),
        ("identity", with("Content-Encoding: identity\r\n"), &[202]),
        ("no content type", request("POST /alert", "", &body), &[202]),
        (
            "an empty content type",
            request("POST /alert", "Content-Type: \r\n", &body),
            &[415],
        ),
        (
            "a content type of bytes",
            request("POST /alert", "Content-Type: \u{e9}\r\n", &body),
            &[415],
        ),
        (
            "a form",
            request(
                "POST /alert",
                "Content-Type: multipart/form-data; boundary=x\r\n",
                &body,
            ),
            &[415],
        ),
        ("chunks", chunked(&format!("{size:x}\r\n{text}\r\n0\r\n\r\n")), &[202]),
        (
            "chunks with a trailer",
            chunked(&format!("{size:x}\r\n{text}\r\n0\r\nX: y\r\n\r\n")),
            &[202, 400],
        ),
        ("a chunk of no size", chunked("zz\r\n"), &[400]),
        ("a chunk of any size", chunked("fffffffffffffffff\r\n"), &[400]),
        (
            "a chunk with a long extension",
            chunked(&format!("{size:x}{extension}\r\n{text}\r\n0\r\n\r\n")),
            &[400, 202],
        ),
        ("two lengths", with(&twice), &[400]),
        (
            "a length that is none",
            request("POST /alert", "", b"").into_iter().collect::<Vec<_>>(),
            &[400],
        ),
        (
            "a negative length",
            raw("POST /alert HTTP/1.1\r\nHost: r\r\nContent-Length: -1\r\n\r\n"),
            &[400],
        ),
        (
            "an endless length",
            raw("POST /alert HTTP/1.1\r\nHost: r\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            &[400, 413],
        ),
        (
            "a length beyond the limit",
            raw("POST /alert HTTP/1.1\r\nHost: r\r\nConnection: close\r\nContent-Length: 9999999999\r\n\r\n"),
            &[413],
        ),
        (
            "length and chunks",
            chunked(&format!("{size:x}\r\n{text}\r\n0\r\n\r\n"))
                .into_iter()
                .collect(),
            &[202],
        ),
        ("an unknown coding", with("Transfer-Encoding: gzip\r\n"), &[400, 415]),
        ("101 headers", with(&headers(101)), &[431]),
        (
            "a header of 40 KB",
            with(&format!("X: {}\r\n", "y".repeat(40_000))),
            &[431],
        ),
        (
            "many headers of 40 KB",
            with(&format!("X: {}\r\n", "y".repeat(500)).repeat(80)),
            &[431],
        ),
        (
            "a path of 40 KB",
            request(&format!("GET /{}", "a".repeat(40_000)), "", b""),
            &[414, 431],
        ),
        (
            "a query of 20 KB",
            request(&format!("POST /alert?template={}", "a".repeat(20_000)), JSON, &body),
            &[422],
        ),
        (
            "a template elsewhere",
            request("POST /alert?template=../../etc/passwd", JSON, &body),
            &[422],
        ),
        (
            "a template of NUL",
            request("POST /alert?template=a%00b", JSON, &body),
            &[422],
        ),
        (
            "a query that is no UTF-8",
            request("POST /alert?template=%ff%fe", JSON, &body),
            &[400, 422],
        ),
        ("bytes as a header", with("X: \u{1}\u{2}\r\n"), &[400]),
        ("a folded header", with("X: a\r\n b\r\n"), &[400, 202]),
        ("a space in a header's name", with("X Y: a\r\n"), &[400]),
        ("two hosts", with("Host: other\r\n"), &[202, 400]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400]),
        ("HTTP/2", raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), &[]),
        ("HTTP/9.9", raw("GET / HTTP/9.9\r\n\r\n"), &[400, 505]),
        ("no request line", raw("\r\n\r\nnothing\r\n\r\n"), &[400]),
        ("an expectation", with("Expect: 100-continue\r\n"), &[202]),
        (
            "an upgrade",
            request("GET /health/live", "Connection: upgrade\r\nUpgrade: websocket\r\n", b""),
            &[200],
        ),
    ];
    for (name, bytes, allowed) in cases {
        let answer = exchange(&app, &bytes).await;
        let statuses: Vec<_> = statuses(&answer).into_iter().filter(|status| *status != 100).collect();
        let one = statuses.len() == 1 && allowed.contains(&statuses[0]);
        // What is no HTTP/1 at all may be cut off without a word.
        assert!(
            one || (statuses.is_empty() && allowed.is_empty()),
            "{name}: {statuses:?} {answer}"
        );
        lives(&app).await;
    }
}

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
            for status in statuses(&answer) {
                assert!((200..500).contains(&status), "{method} {path}: {status}");
            }
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
        flags.relay_token = Some("t0k3n".into());
        flags.door.page_auth = Some("me:password".into());
        flags.door.metrics_token = Some("m3trics".into());
        flags.door.max_failed_attempts = Some("0".to_owned());
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
                for status in statuses(&answer) {
                    assert!((400..500).contains(&status), "{method} {spelled}: {answer}");
                }
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
    all += &open("POST /alert", b"no");
    all += &open("GET /nothing", b"");
    all += &String::from_utf8(request("POST /alert", JSON, &alert("{\"alertname\":\"Last\"}"))).unwrap();
    // What follows the last one is not another request: the connection was to be closed.
    all += &open("POST /alert", &alert("{\"alertname\":\"Never\"}"));
    assert_eq!(statuses(&exchange(&app, all.as_bytes()).await), [202, 400, 404, 202]);
    let messages = app.messages(2).await;
    assert!(
        messages[0].contains("First") && messages[1].contains("Last"),
        "{messages:?}"
    );
    assert_eq!(messages.len(), 2);
}

fn impatient(flags: &mut Flags) {
    flags.door.body_timeout = Some("300ms".to_owned());
    flags.door.header_timeout = Some("300ms".to_owned());
}

#[tokio::test]
async fn whatever_does_not_arrive_is_not_waited_for() {
    let app = App::with(impatient).await;
    let head = format!("POST /alert HTTP/1.1\r\nHost: relay\r\n{JSON}");
    for (name, bytes, expected) in [
        ("half a request line", "POST /al".to_owned(), &[][..]),
        ("half of the headers", head.clone(), &[]),
        ("nothing at all", String::new(), &[]),
        ("no body", format!("{head}Content-Length: 10\r\n\r\n"), &[408]),
        ("half a body", format!("{head}Content-Length: 10\r\n\r\n{{"), &[408]),
        (
            "half a chunk",
            format!("{head}Transfer-Encoding: chunked\r\n\r\nff\r\n{{"),
            &[408],
        ),
    ] {
        // It returns because the relay closes the connection; the test runner bounds the wait.
        let answer = exchange(&app, bytes.as_bytes()).await;
        assert_eq!(statuses(&answer), expected, "{name}: {answer}");
    }
    lives(&app).await;
}

#[tokio::test]
async fn a_body_without_an_end_is_refused_at_the_limit() {
    let app = App::with(|flags| flags.max_body_bytes = Some("100000".to_owned())).await;
    let mut stream = TcpStream::connect(app.relay.address).await.unwrap();
    let head = format!("POST /alert HTTP/1.1\r\nHost: relay\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("3e8\r\n{}\r\n", " ".repeat(1000));
    // Until the relay takes no more of it.
    while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    lives(&app).await;

    let mut whole = head.into_bytes();
    whole.extend(chunk.repeat(101).into_bytes());
    assert_eq!(statuses(&exchange(&app, &whole).await), [413]);
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let app = App::with(|flags| {
        impatient(flags);
        flags.door.max_connections = Some("2".to_owned());
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(app.relay.address).await.unwrap());
    }
    // They say nothing, lose their places after a while, and this one comes through.
    assert_eq!(
        statuses(&exchange(&app, &request("POST /alert", JSON, &alert("{}"))).await),
        [202]
    );
}

#[tokio::test]
async fn bodies_in_flight_share_one_total_and_one_that_waits_too_long_may_come_again() {
    let app = App::with(|flags| {
        flags.max_body_bytes = Some("100000".to_owned());
        flags.door.max_bodies_bytes = Some("100000".to_owned());
        flags.door.body_timeout = Some("1s".to_owned());
    })
    .await;
    let mut slow = TcpStream::connect(app.relay.address).await.unwrap();
    let head =
        format!("POST /alert HTTP/1.1\r\nHost: relay\r\nExpect: 100-continue\r\n{JSON}Content-Length: 100000\r\n\r\n");
    slow.write_all(head.as_bytes()).await.unwrap();
    // It is told to go on once it has its place.
    let mut told = [0; 25];
    slow.read_exact(&mut told).await.unwrap();
    assert!(told.starts_with(b"HTTP/1.1 100"));
    let waiting = exchange(&app, &request("POST /alert", JSON, &alert("{}"))).await;
    assert!([vec![202], vec![503]].contains(&statuses(&waiting)), "{waiting}");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert_eq!(statuses(&answer), [408]);
    app.accept(&firing("After")).await;
}

#[tokio::test]
async fn requests_at_once_are_bounded_and_probes_never_wait() {
    let app = App::with(|flags| {
        flags.door.max_requests = Some("1".to_owned());
        flags.door.body_timeout = Some("1s".to_owned());
    })
    .await;
    let mut slow = TcpStream::connect(app.relay.address).await.unwrap();
    let head =
        format!("POST /alert HTTP/1.1\r\nHost: relay\r\nExpect: 100-continue\r\n{JSON}Content-Length: 10\r\n\r\n");
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    slow.read_exact(&mut told).await.unwrap();
    lives(&app).await;
    let waiting = exchange(&app, &request("GET /docs", "", b"")).await;
    let refused = statuses(&waiting) == [503];
    assert!(refused || statuses(&waiting) == [200]);
    assert!(!refused || waiting.contains("retry-after: 1"), "{waiting}");
    app.accept(&firing("After")).await;
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_scanners_look_for() {
    let app = App::with(|flags| flags.relay_token = Some("t0k3n".into())).await;
    for (line, status) in [
        ("GET /", 200),
        ("GET /docs", 200),
        ("GET /openapi.json", 200),
        ("GET /metrics", 200),
        ("GET /health/ready", 200),
        ("GET /workshop/static/page.js", 200),
        ("GET /workshop/state", 401),
        ("GET /nothing", 404),
        ("GET /alert", 405),
        ("POST /alert", 401),
    ] {
        let answer = exchange(&app, &request(line, "", b"")).await;
        assert_eq!(statuses(&answer), [status], "{line}");
        let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
        for header in [
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'none'",
            "cross-origin-resource-policy: same-origin",
            "cache-control: no-",
        ] {
            assert!(head.contains(header), "{line}: {header}\n{head}");
        }
        for absent in ["access-control-", "server:", "x-powered-by"] {
            assert!(!head.contains(absent), "{line}: {absent}\n{head}");
        }
    }
}
