//! Bodies that no sender means: what is in them, and how they are spelt.

use std::fmt::Write as _;

use super::{JSON, alert, exchange, lives, request, statuses};
use crate::app::App;

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
        ("a lone surrogate", labels(r"\ud800"), &[422]),
        ("surrogates the wrong way round", labels(r"\udc00\ud800"), &[422]),
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
        ("2^53 + 1", valued("9007199254740993"), &[202]),
        ("2^64", valued("18446744073709551616"), &[202]),
        ("1e308", valued("1e308"), &[202]),
        ("1e400", valued("1e400"), &[202]),
        ("a thousand digits", valued(&"9".repeat(1000)), &[202]),
        ("minus zero", valued("-0"), &[202]),
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
