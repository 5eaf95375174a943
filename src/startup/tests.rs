//! What the relay does when a part of it fails.

use std::future::pending;

use super::*;

#[tokio::test]
async fn a_relay_of_which_a_part_has_failed_does_not_go_on_accepting() {
    let panics = || tokio::spawn(async { panic!("a fault of ours") });
    let error = relay(panics(), vec![]).await.run_until(pending()).await.unwrap_err();
    assert_eq!(error.to_string(), "the worker failed");
    let keepers = vec![tokio::spawn(async {}), tokio::spawn(pending()), panics()];
    let error = relay(tokio::spawn(pending()), keepers)
        .await
        .run_until(pending())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "a reloader failed");
}

#[tokio::test]
async fn a_worker_that_hangs_does_not_keep_the_relay_from_its_end() {
    let hangs = tokio::spawn(pending());
    let has_ended = hangs.abort_handle();
    let mut relay = relay(hangs, vec![]).await;
    relay.grace = Duration::ZERO;
    relay.stop().await.unwrap();
    while !has_ended.is_finished() {
        tokio::task::yield_now().await;
    }
}

async fn relay(worker: JoinHandle<()>, keepers: Vec<JoinHandle<()>>) -> Relay {
    let folder = tempfile::tempdir().unwrap();
    Relay {
        address: ([127, 0, 0, 1], 1).into(),
        outbox: Outbox::open(&outbox::Settings::in_folder(folder.path())).await.unwrap(),
        grace: Duration::from_secs(1),
        stop_accepting: CancellationToken::new(),
        stop_working: CancellationToken::new(),
        server: tokio::spawn(pending()),
        worker,
        keepers,
    }
}
