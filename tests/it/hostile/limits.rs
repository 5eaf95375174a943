//! What comes slowly, without an end, or all at once.

use grafana_matrix_relay::config::Flags;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{JSON, alert, exchange, lives, request, statuses};
use crate::app::{App, firing};

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
