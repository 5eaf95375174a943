//! What comes slowly, without an end, or all at once.

use grafana_matrix_relay::config::Flags;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{JSON, alert, exchange, lives, request, statuses};
use crate::app::{App, firing};

fn impatient(flags: &mut Flags) {
    flags.auth.body_timeout = Some("300ms".to_owned());
    flags.auth.header_timeout = Some("300ms".to_owned());
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
    let app = App::with(|flags| flags.http.max_body_bytes = Some("100000".to_owned())).await;
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

/// A request that has begun: its head is here, and the relay has told it to go on with its body.
async fn begun(app: &App, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(app.relay.address).await.unwrap();
    let head = format!(
        "POST /alert HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nExpect: 100-continue\r\n{JSON}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert!(told.starts_with(b"HTTP/1.1 100"));
    stream
}

/// A request that was sent, and that may have to wait for its answer.
async fn sent(app: &App, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(app.relay.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Nothing has come back, though the relay had the time to answer others in between.
fn is_unanswered(stream: &TcpStream) -> bool {
    let read = stream.try_read(&mut [0]);
    matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn more_requests_than_connections_are_allowed_wait_for_their_turn() {
    let app = App::with(|flags| {
        flags.http.relay_token = Some("t0k3n".into());
        flags.auth.max_connections = Some("1".to_owned());
    })
    .await;
    let shown = format!("{JSON}Authorization: Bearer t0k3n\r\n");
    let mut slow = sent(
        &app,
        format!("POST /alert HTTP/1.1\r\nHost: relay\r\n{shown}Content-Length: 2\r\n\r\n").as_bytes(),
    )
    .await;
    for _ in 0..20 {
        lives(&app).await;
    }
    let waiting = sent(&app, &request("POST /alert", &shown, &alert("{}"))).await;
    for _ in 0..50 {
        lives(&app).await;
    }
    assert!(is_unanswered(&waiting));
    slow.write_all(b"{}").await.unwrap();
    assert_eq!(statuses(&answer(waiting).await), [202]);
}

#[tokio::test]
async fn idle_connections_lose_their_places() {
    let app = App::with(|flags| {
        impatient(flags);
        flags.auth.max_connections = Some("2".to_owned());
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        idle.push(TcpStream::connect(app.relay.address).await.unwrap());
    }
    let body = request("POST /alert", JSON, &alert("{}"));
    assert_eq!(statuses(&exchange(&app, &body).await), [202]);
}

#[tokio::test]
async fn bodies_in_flight_share_one_total() {
    let app = App::with(|flags| {
        flags.http.max_body_bytes = Some("100000".to_owned());
        flags.auth.max_bodies_bytes = Some("100000".to_owned());
    })
    .await;
    let slow = begun(&app, 100_000).await;
    let waiting = sent(&app, &request("POST /alert", JSON, &alert("{}"))).await;
    for _ in 0..50 {
        lives(&app).await;
    }
    assert!(is_unanswered(&waiting));
    drop(slow);
    assert_eq!(statuses(&answer(waiting).await), [202]);
}

#[tokio::test]
async fn a_body_that_is_only_announced_takes_no_place_from_others() {
    let app = App::start().await;
    let mut silent = Vec::new();
    // Together they announce more than all bodies may have.
    for _ in 0..16 {
        silent.push(begun(&app, 8 * 1024 * 1024).await);
    }
    app.accept(&firing("Loud")).await;
    assert!(silent.iter().all(is_unanswered));
}

#[tokio::test]
async fn bodies_that_have_come_in_part_do_not_wait_for_each_other() {
    let app = App::with(|flags| {
        flags.http.max_body_bytes = Some("400000".to_owned());
        flags.auth.max_bodies_bytes = Some("600000".to_owned());
    })
    .await;
    let body = alert(&format!("{{\"a\":\"{}\"}}", "x".repeat(390_000)));
    let halves = body.split_at(150_000);
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(begun(&app, body.len()).await);
    }
    for stream in &mut streams {
        stream.write_all(halves.0).await.unwrap();
    }
    let finished = streams.into_iter().map(async |mut stream| {
        stream.write_all(halves.1).await.unwrap();
        answer(stream).await
    });
    for answer in futures_util::future::join_all(finished).await {
        assert_eq!(statuses(&answer), [202]);
    }
}

#[tokio::test]
async fn what_finds_no_place_in_time_may_come_again() {
    let app = App::with(|flags| {
        flags.http.max_body_bytes = Some("1000".to_owned());
        flags.auth.max_bodies_bytes = Some("1000".to_owned());
        flags.auth.body_timeout = Some("1s".to_owned());
    })
    .await;
    let first = begun(&app, 1000).await;
    let head = format!("POST /alert HTTP/1.1\r\nHost: relay\r\n{JSON}Content-Length: 1000\r\n\r\n");
    let others = [sent(&app, head.as_bytes()).await, sent(&app, head.as_bytes()).await];
    assert_eq!(statuses(&answer(first).await), [408]);
    // One of the two takes the place that the first has lost, the other one is told to come again.
    let mut seen = Vec::new();
    for other in others {
        let answer = answer(other).await;
        let status = statuses(&answer);
        assert_eq!(status == [503], answer.contains("retry-after: 1"), "{answer}");
        seen.extend(status);
    }
    seen.sort_unstable();
    assert_eq!(seen, [408, 503]);
    app.accept(&firing("After")).await;
}

#[tokio::test]
async fn requests_at_once_are_bounded_and_probes_never_wait() {
    let app = App::with(|flags| flags.auth.max_requests = Some("1".to_owned())).await;
    let database = rusqlite::Connection::open(app.data.path().join("data/outbox.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    // It cannot be stored now.
    let stored = sent(&app, &request("POST /alert", JSON, &alert("{}"))).await;
    for _ in 0..50 {
        lives(&app).await;
    }
    let waiting = sent(&app, &request("GET /openapi.json", "", b"")).await;
    for _ in 0..50 {
        lives(&app).await;
    }
    assert!(is_unanswered(&stored) && is_unanswered(&waiting));
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(statuses(&answer(stored).await), [202]);
    assert_eq!(statuses(&answer(waiting).await), [200]);
}
