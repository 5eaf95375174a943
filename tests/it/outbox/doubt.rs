//! A commit in PostgreSQL whose answer is lost: whoever asked is told what really happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use grafana_matrix_relay::outbox::{Enqueued, Outbox, Recorded};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::place::{Place, accept, acceptance, at, claim_one, dead, delivered, drain, keyed};

/// What a proxy does with the next commit.
const PASS: u8 = 0;
/// Cuts the connection when the server has answered: the commit went through, and nobody heard.
const LOSE_ANSWER: u8 = 1;
/// Cuts the connection before the server has seen it.
const LOSE_COMMIT: u8 = 2;

/// Stands between a relay and its database.
async fn proxy(database_url: &str) -> (String, Arc<AtomicU8>) {
    let rest = database_url.split_once('@').map_or_else(
        || database_url.split_once("://").unwrap().1.to_owned(),
        |(_, rest)| rest.to_owned(),
    );
    let server = rest.split('/').next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mode = Arc::new(AtomicU8::new(PASS));
    let shared = Arc::clone(&mode);
    let url = database_url.replace(&server, &address);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(pass(client, server, Arc::clone(&shared)));
        }
    });
    (url, mode)
}

async fn pass(client: TcpStream, server: TcpStream, mode: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let deaf = Arc::new(AtomicBool::new(false));
    let is_deaf = Arc::clone(&deaf);
    let back = tokio::spawn(async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            if is_deaf.load(Ordering::SeqCst) || to_client.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
        let is_commit = bytes[..count].windows(7).any(|word| word == b"COMMIT\0");
        let lose = if is_commit {
            mode.swap(PASS, Ordering::SeqCst)
        } else {
            PASS
        };
        if lose == LOSE_COMMIT {
            break;
        }
        deaf.fetch_or(lose == LOSE_ANSWER, Ordering::SeqCst);
        if to_server.write_all(&bytes[..count]).await.is_err() {
            break;
        }
        if lose == LOSE_ANSWER {
            // It ends once the server has answered.
            back.await.unwrap();
            return;
        }
    }
    back.abort();
}

async fn stage() -> (Place, Outbox, Arc<AtomicU8>) {
    let place = Place::postgresql().await;
    let (url, mode) = proxy(place.database_url()).await;
    let outbox = Outbox::open(&place.through(url)).await.unwrap();
    (place, outbox, mode)
}

#[tokio::test]
async fn commit_whose_answer_is_lost_is_found_and_nothing_is_doubled() {
    let (place, outbox, mode) = stage().await;
    outbox.enqueue(acceptance("a", "0", at(0))).await.unwrap();
    for text in ["1", "2"] {
        mode.store(LOSE_ANSWER, Ordering::SeqCst);
        let enqueued = outbox.enqueue(acceptance("a", text, at(1))).await.unwrap();
        assert!(
            matches!(&enqueued, Enqueued::Accepted(receipts) if receipts.len() == 1),
            "{enqueued:?}"
        );
        assert_eq!(mode.load(Ordering::SeqCst), PASS, "no commit came by");
    }
    let first = outbox.enqueue(keyed("a", "3", "key", at(1))).await.unwrap();
    mode.store(LOSE_ANSWER, Ordering::SeqCst);
    let again = outbox.enqueue(keyed("a", "3", "key", at(2))).await.unwrap_or(first);
    assert_eq!(again.receipts().len(), 1);
    assert_eq!(drain(&place.open().await, at(3)).await, ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn end_whose_recording_was_not_answered_is_known_when_it_is_recorded_again() {
    let (_place, outbox, mode) = stage().await;
    for (second, end) in [(0, delivered()), (10, dead())] {
        let id = accept(&outbox, "a", "1", at(second)).await;
        claim_one(&outbox, at(second)).await;
        mode.store(LOSE_ANSWER, Ordering::SeqCst);
        outbox.record(id, end.clone(), at(second + 1)).await.unwrap_err();
        let again = outbox.record(id, end, at(second + 1)).await.unwrap();
        assert_eq!(again, Recorded::Done);
    }
}

#[tokio::test]
async fn commit_that_never_arrived_is_refused_and_can_be_sent_again() {
    let (place, outbox, mode) = stage().await;
    outbox.enqueue(acceptance("a", "0", at(0))).await.unwrap();
    mode.store(LOSE_COMMIT, Ordering::SeqCst);
    outbox.enqueue(acceptance("a", "1", at(1))).await.unwrap_err();
    outbox.enqueue(acceptance("a", "1", at(2))).await.unwrap();
    assert_eq!(drain(&place.open().await, at(3)).await, ["0", "1"]);
}
