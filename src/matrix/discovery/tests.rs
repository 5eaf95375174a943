//! Reading the homeserver's address, and the lookup against a few canned answers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers one request after the other with these, and returns its origin.
async fn origin(answers: Vec<(u16, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let here = origin.clone();
    tokio::spawn(async move {
        for (status, text) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            assert!(
                !String::from_utf8_lossy(&request[..length])
                    .to_lowercase()
                    .contains("authorization")
            );
            let text = text.replace("HERE", &here);
            let (location, body) = match status {
                302 => (format!("Location: {text}\r\n"), String::new()),
                _ => (String::new(), text),
            };
            let head = format!(
                "HTTP/1.1 {status} X\r\n{location}Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + body.as_str()).as_bytes()).await.unwrap();
        }
    });
    origin
}

async fn found(answers: Vec<(u16, &str)>) -> (String, Result<String, Failure>) {
    let answers = answers
        .into_iter()
        .map(|(status, body)| (status, body.to_owned()))
        .collect();
    let origin = origin(answers).await;
    let http_client = HttpClient::new(Duration::from_secs(30), over_https(), true).unwrap();
    let found = look_up_at(&http_client, &origin).await;
    (origin, found)
}

const VERSIONS: (u16, &str) = (200, r#"{"versions":["v1.11"]}"#);

#[test]
fn base_url_loses_its_last_slash_and_keeps_its_path() {
    let base = |text| Address::parse(text).unwrap();
    assert_eq!(
        base("https://matrix.example.org/"),
        Address::Base("https://matrix.example.org".into())
    );
    assert_eq!(
        base("http://localhost:8008"),
        Address::Base("http://localhost:8008".into())
    );
    assert_eq!(
        base("https://example.org/matrix/"),
        Address::Base("https://example.org/matrix".into())
    );
}

#[test]
fn server_name_is_asked_at_its_host() {
    assert_eq!(
        Address::parse(" example.org ").ok(),
        Some(Address::Name("example.org".into()))
    );
}

#[test]
fn address_that_cannot_work_is_refused_with_the_reason() {
    let table = [
        ("", "neither a URL nor a server name"),
        ("example.org/matrix", "neither a URL nor a server name"),
        ("ftp://example.org", "https://"),
        ("synapse:8008", "http://synapse:8008 or https://synapse:8008"),
        ("example.org:8448", "or example.org for a server that is looked up"),
        ("https://bot:secret@example.org", "password"),
        ("https://example.org/_matrix/client/v3", "before `/_matrix`"),
        ("https://example.org?x=1", "before `/_matrix`"),
    ];
    for (text, reason) in table {
        let error = Address::parse(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn loopback_is_recognised() {
    let loopback = |text| Address::parse(text).unwrap().is_loopback();
    assert!(loopback("http://127.0.0.1:8008") && loopback("http://[::1]:8008") && loopback("http://localhost"));
    assert!(!loopback("https://example.org") && !loopback("http://10.0.0.1"));
}

#[tokio::test]
async fn well_known_leads_to_the_base_url() {
    let (origin, found) = found(vec![(200, r#"{"m.homeserver":{"base_url":"HERE/hs/"}}"#), VERSIONS]).await;
    assert_eq!(found, Ok(format!("{origin}/hs")));
}

#[tokio::test]
async fn without_well_known_the_name_itself_is_the_homeserver() {
    let (origin, found) = found(vec![(404, "nothing here"), VERSIONS]).await;
    assert_eq!(found, Ok(origin));
}

#[tokio::test]
async fn well_known_that_cannot_be_read_or_used_is_a_failure_and_not_ignored() {
    let broken = found(vec![(200, "<html>")]).await.1.unwrap_err();
    assert_eq!(broken.verdict, Verdict::Transient);
    let useless = found(vec![(200, r#"{"m.homeserver":{"base_url":"matrix"}}"#)])
        .await
        .1
        .unwrap_err();
    assert_eq!(useless.verdict, Verdict::Token(TokenTrouble::WrongAddress));
    let down = found(vec![(503, "starting")]).await.1.unwrap_err();
    assert_eq!(down.verdict, Verdict::Transient);
}

#[tokio::test]
async fn base_url_that_is_no_homeserver_is_a_failure() {
    let known = r#"{"m.homeserver":{"base_url":"HERE"}}"#;
    let wrong = found(vec![(200, known), (404, r#"{"errcode":"M_UNRECOGNIZED","error":"?"}"#)])
        .await
        .1;
    assert_eq!(wrong.unwrap_err().verdict, Verdict::Token(TokenTrouble::WrongAddress));
}

#[tokio::test]
async fn well_known_does_not_lead_to_plain_http() {
    let redirected = found(vec![(302, "HERE/elsewhere"), VERSIONS, VERSIONS])
        .await
        .1
        .unwrap_err();
    assert_eq!(redirected.verdict, Verdict::Token(TokenTrouble::WrongAddress));
    assert!(redirected.detail.contains("plain HTTP"), "{redirected:?}");
    let named = |base: &str| named_base("https://example.org", base);
    assert_eq!(
        named("https://matrix.example.org/"),
        Ok("https://matrix.example.org".to_owned())
    );
    for plain in ["http://matrix.example.org", "HTTP://127.0.0.1:8008", "http://localhost"] {
        assert!(named(plain).unwrap_err().contains("plain HTTP"), "{plain}");
    }
}
