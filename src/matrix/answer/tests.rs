//! Reading answers of homeservers and of what stands before them.

use ruma::api::EndpointError;
use ruma::api::error::Error;

use super::*;

/// A raw answer, read by the same code as in production, at 2026-11-22 12:00:00 UTC.
pub(in crate::matrix) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let mut response = http::Response::new(body.as_bytes());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = map.clone();
    let error = Error::from_http_response(response);
    Answer::read(
        status,
        &map,
        &error.body,
        SystemTime::UNIX_EPOCH + Duration::from_hours(498_708),
    )
}

fn wait(headers: &[(&'static str, &str)], body: &str) -> Option<Duration> {
    answer(429, headers, body).retry_after
}

#[test]
fn wait_is_read_from_the_header_before_the_body() {
    let body = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":4783}"#;
    assert_eq!(wait(&[], body), Some(Duration::from_millis(4783)));
    assert_eq!(wait(&[("retry-after", "7")], body), Some(Duration::from_secs(7)));
    assert_eq!(wait(&[("retry-after", "7")], "<html>"), Some(Duration::from_secs(7)));
    let in_a_minute = [("retry-after", "Sun, 22 Nov 2026 12:01:00 GMT")];
    assert_eq!(wait(&in_a_minute, body), Some(Duration::from_mins(1)));
    assert_eq!(
        wait(&[("retry-after", "soon")], body),
        Some(Duration::from_millis(4783))
    );
}

#[test]
fn wait_until_a_date_is_measured_by_the_clock_that_wrote_it() {
    let until = |date: &'static str| wait(&[("retry-after", "Sun, 22 Nov 2026 14:00:30 GMT"), ("date", date)], "");
    let half_a_minute = Some(Duration::from_secs(30));
    // Two hours ahead, a year behind, and in step with this machine.
    assert_eq!(until("Sun, 22 Nov 2026 14:00:00 GMT"), half_a_minute);
    let behind = [
        ("retry-after", "Sat, 22 Nov 2025 12:00:30 GMT"),
        ("date", "Sat, 22 Nov 2025 12:00:00 GMT"),
    ];
    assert_eq!(wait(&behind, ""), half_a_minute);
    for none in ["today", "12", ""] {
        assert_eq!(until(none), Some(Duration::from_secs(2 * 3600 + 30)), "{none}");
    }
}

#[test]
fn wait_is_never_negative_nor_absurd() {
    let body = |ms: &str| format!(r#"{{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":{ms}}}"#);
    assert_eq!(wait(&[], &body("-5")), Some(Duration::ZERO));
    assert_eq!(wait(&[("retry-after", "-5")], &body("9")), Some(Duration::ZERO));
    let past = [("retry-after", "Sun, 22 Nov 2026 11:00:00 GMT")];
    assert_eq!(wait(&past, &body("9")), Some(Duration::ZERO));
    assert_eq!(wait(&[], &body("1500.5")), Some(Duration::from_micros(1_500_500)));
    assert_eq!(wait(&[], &body("9e300")), None);
    assert_eq!(wait(&[], &body("\"soon\"")), None);
    assert_eq!(
        wait(&[("retry-after", "9999999999")], ""),
        Some(Duration::from_hours(24))
    );
}

#[test]
fn error_of_a_homeserver_that_leaves_fields_out_is_still_read() {
    // ruma wants `error` and, for this code, `admin_contact`; the specification's examples do not always have them.
    let bare = r#"{"errcode":"M_RESOURCE_LIMIT_EXCEEDED"}"#;
    assert_eq!(
        answer(403, &[], bare).errcode.as_deref(),
        Some("M_RESOURCE_LIMIT_EXCEEDED")
    );
    let bare = answer(403, &[], r#"{"errcode":"M_FORBIDDEN"}"#);
    assert_eq!((bare.errcode.as_deref(), bare.text.as_str()), (Some("M_FORBIDDEN"), ""));
}

#[test]
fn text_is_one_bounded_line_and_never_a_foreign_body() {
    let long = serde_json::json!({"errcode": "M_UNKNOWN", "error": "line\nbreak ".repeat(100)}).to_string();
    let text = answer(400, &[], &long).text;
    assert!(text.chars().count() <= 241 && !text.contains('\n'), "{text}");
    let secret = answer(502, &[("content-type", "text/html")], "<html>secret</html>");
    assert_eq!(secret.text, "a proxy in between answered with text/html");
    let moved = answer(302, &[("location", "https://login.example.org/path?token=secret")], "");
    assert_eq!(moved.text, "redirected to https://login.example.org");
}
