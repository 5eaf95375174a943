//! A refusal takes equally long wherever it is.

use std::time::Duration;

use super::super::credential::{SignatureScheme, SignatureSettings};
use super::super::signature::READ;
use super::*;

#[test]
fn a_refusal_reads_the_body_equally_often_wherever_it_is() {
    let signed = |keys: &[&str], header: &str, bearer: &[&str]| CredentialSettings {
        bearer: bearer.iter().map(|token| (*token).into()).collect(),
        basic: Vec::new(),
        signature: Some(SignatureSettings {
            scheme: SignatureScheme::Grafana,
            secrets: keys.iter().map(|key| (*key).into()).collect(),
            header: header.to_owned(),
            timestamp_header: Some("X-Time".to_owned()),
            tolerance: Duration::from_secs(45),
        }),
    };
    let routes = [
        ("two-keys", signed(&["a", "b"], "X-Signature", &[])),
        ("one-key", signed(&["c"], "X-Other", &[])),
        ("both", signed(&["d"], "X-Signature", &["token"])),
        (
            "token",
            CredentialSettings {
                bearer: vec!["other".into()],
                ..CredentialSettings::default()
            },
        ),
    ];
    let routes = routes.map(|(name, settings)| (name.parse().unwrap(), settings));
    let auth = Auth::new(AuthSettings::default(), &routes.into(), Compat::default()).unwrap();
    let mut reads = Vec::new();
    for route in ["two-keys", "one-key", "both", "token", "no-such-route"] {
        let digest = "0".repeat(64);
        for headers in [
            &[][..],
            &[("x-signature", "zz")],
            &[("x-signature", &digest)],
            &[("x-signature", &digest), ("x-time", "1")],
            &[("x-other", &digest), ("x-time", "1"), ("authorization", "Bearer wrong")],
            &[
                ("x-signature", &digest),
                ("x-time", "1"),
                ("authorization", "Bearer token"),
            ],
        ] {
            let mut request = Request::builder();
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.finish();
            READ.set(0);
            let header_auth = auth
                .enter(Resource::Route(route), &request, Timestamp::UNIX_EPOCH)
                .unwrap();
            let checked = auth.check_body(&header_auth, request.headers(), b"body", Timestamp::UNIX_EPOCH);
            assert!(checked.is_err());
            reads.push((READ.get(), route, headers.len()));
        }
    }
    assert!(reads.iter().all(|(read, ..)| *read == 2), "{reads:?}");
}
