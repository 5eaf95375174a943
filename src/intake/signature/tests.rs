//! Signatures as Grafana and Standard Webhooks make them.

use poem::http::HeaderValue;
use secrecy::SecretString;

use super::*;

/// The vector of the contract: the six characters of the escape are literal.
const BODY: &[u8] = br#"{"receiver":"matrix-ops","status":"firing","alerts":[],"message":"a\u0026b"}"#;
const BODY_ONLY: &str = "88d461e57005ee5cd9467fa8fdafeed6184dccb0f2ff9ef5de125e3432449b48";
const WITH_TIME: &str = "78c83be00aef44b6418d6e8740d63ee0ae946b3f96010d885be55c5e972977b5";
const TIME: i64 = 1_795_166_081;

fn keys(timestamp_header: Option<&str>) -> SignatureKeys {
    let settings = SignatureSettings {
        scheme: SignatureScheme::Grafana,
        secrets: ["old", "s3cr3t"].map(SecretString::from).to_vec(),
        header: "X-Grafana-Alerting-Signature".to_owned(),
        timestamp_header: timestamp_header.map(str::to_owned),
        tolerance: Duration::from_secs(45),
    };
    SignatureKeys::new(&settings).unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn grafanas_vectors_are_verified_over_the_raw_bytes() {
    let signed = headers(&[("x-grafana-alerting-signature", BODY_ONLY)]);
    assert_eq!(keys(None).verify(&signed, BODY, at(0)), Ok(None));
    let escaped = br#"{"receiver":"matrix-ops","status":"firing","alerts":[],"message":"a&b"}"#;
    assert_eq!(keys(None).verify(&signed, escaped, at(0)), Err(Unsigned::Wrong));

    let timed = headers(&[
        ("x-grafana-alerting-signature", WITH_TIME),
        ("x-grafana-alerting-timestamp", "1795166081"),
    ]);
    let keys = keys(Some("X-Grafana-Alerting-Timestamp"));
    for now in [TIME - 44, TIME, TIME + 44] {
        assert!(matches!(keys.verify(&timed, BODY, at(now)), Ok(Some(_))), "{now}");
    }
    assert_eq!(keys.verify(&timed, BODY, at(TIME + 45)), Err(Unsigned::Stale(45)));
    assert_eq!(keys.verify(&timed, BODY, at(TIME - 45)), Err(Unsigned::Stale(-45)));
    assert_eq!(keys.verify(&signed, BODY, at(TIME)), Err(Unsigned::Missing));
}

#[test]
fn another_time_another_body_or_two_signatures_are_refused() {
    let keys = keys(Some("X-Grafana-Alerting-Timestamp"));
    let with = |time: &str| {
        headers(&[
            ("x-grafana-alerting-signature", WITH_TIME),
            ("x-grafana-alerting-timestamp", time),
        ])
    };
    for time in [
        "1795166082",
        "+1795166081",
        " 1795166081x",
        "99999999999999999999",
        "-1",
    ] {
        assert_eq!(keys.verify(&with(time), BODY, at(TIME)), Err(Unsigned::Wrong), "{time}");
    }
    assert_eq!(keys.verify(&with("1795166081"), b"{}", at(TIME)), Err(Unsigned::Wrong));
    let mut twice = with("1795166081");
    twice.append("x-grafana-alerting-signature", HeaderValue::from_static(WITH_TIME));
    assert_eq!(keys.verify(&twice, BODY, at(TIME)), Err(Unsigned::Malformed));
    for text in ["", "zz", "sha256=00", BODY_ONLY] {
        let shown = headers(&[
            ("x-grafana-alerting-signature", text),
            ("x-grafana-alerting-timestamp", "1795166081"),
        ]);
        assert!(keys.verify(&shown, BODY, at(TIME)).is_err(), "{text}");
    }
}

#[test]
fn the_same_signature_in_capitals_is_the_same_request() {
    let keys = keys(Some("X-Grafana-Alerting-Timestamp"));
    let with = |signature: &str| {
        headers(&[
            ("x-grafana-alerting-signature", signature),
            ("x-grafana-alerting-timestamp", "1795166081"),
        ])
    };
    let first = keys.verify(&with(WITH_TIME), BODY, at(TIME)).unwrap();
    assert_eq!(
        first,
        keys.verify(&with(&WITH_TIME.to_uppercase()), BODY, at(TIME + 1))
            .unwrap()
    );
    assert_eq!(format!("{keys:?}"), "SignatureKeys(2)");
}

fn of_scheme(scheme: &str, secret: &str) -> SignatureKeys {
    let (scheme, header, time) = SignatureScheme::named(scheme).unwrap();
    let settings = SignatureSettings {
        scheme,
        secrets: vec![SecretString::from(secret)],
        header: header.to_owned(),
        timestamp_header: time.map(str::to_owned),
        tolerance: Duration::from_secs(45),
    };
    settings.check(Duration::from_secs(90)).unwrap();
    SignatureKeys::new(&settings).unwrap()
}

#[test]
fn githubs_own_vector_is_verified_and_so_is_giteas_form() {
    let (secret, body) = ("It's a Secret to Everybody", b"Hello, World!");
    let digits = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let github = of_scheme("github", secret);
    let named = |name: &'static str, text: &str| headers(&[(name, text)]);
    let right = named("x-hub-signature-256", &format!("sha256={digits}"));
    assert_eq!(github.verify(&right, body, at(0)), Ok(None));
    assert_eq!(github.verify(&right, b"Hello, World?", at(0)), Err(Unsigned::Wrong));
    let bare = named("x-hub-signature-256", digits);
    assert_eq!(github.verify(&bare, body, at(0)), Err(Unsigned::Malformed));
    let gitea = named("x-gitea-signature", digits);
    assert_eq!(of_scheme("gitea", secret).verify(&gitea, body, at(0)), Ok(None));
    assert_eq!(github.verify(&gitea, body, at(0)), Err(Unsigned::Missing));
}

#[test]
fn standard_webhooks_are_verified_and_known_by_their_id() {
    // The vector of their specification.
    let keys = of_scheme("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let body = br#"{"test": 2432232314}"#;
    let (id, time) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330);
    let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let sent = |id: &str, time: i64, signature: &str| {
        headers(&[
            ("webhook-id", id),
            ("webhook-timestamp", &time.to_string()),
            ("webhook-signature", signature),
        ])
    };
    let signed = keys.verify(&sent(id, time, right), body, at(time + 5)).unwrap();
    assert!(signed.is_some());
    let several = format!("v1a,x v1,AAAA {right}");
    assert_eq!(keys.verify(&sent(id, time, &several), body, at(time)), Ok(signed));
    for (headers, expected) in [
        (sent("msg_other", time, right), Unsigned::Wrong),
        (sent(id, time + 1, right), Unsigned::Wrong),
        (sent(id, time, "v1a,x"), Unsigned::Malformed),
        (headers(&[("webhook-signature", right)]), Unsigned::Missing),
    ] {
        assert_eq!(keys.verify(&headers, body, at(time)), Err(expected));
    }
    assert_eq!(
        keys.verify(&sent(id, time, right), body, at(time + 60)),
        Err(Unsigned::Stale(60))
    );
}
