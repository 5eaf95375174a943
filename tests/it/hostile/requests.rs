//! Requests that are hardly HTTP: heads, framing and versions.

use super::{JSON, alert, exchange, lives, request, statuses};
use crate::app::App;

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
    let both = |body: &str, length: usize| {
        raw(&format!(
            "POST /alert HTTP/1.1\r\nHost: relay\r\n{JSON}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
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
            raw("POST /alert HTTP/1.1\r\nHost: r\r\nContent-Length: ten\r\n\r\n{}"),
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
            both(&format!("{size:x}\r\n{text}\r\n0\r\n\r\n"), size),
            &[202, 400],
        ),
        (
            // By its length the body goes on, by its chunks another request follows.
            "a request in the body of another",
            both("0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: relay\r\n\r\n", 60),
            &[400],
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
