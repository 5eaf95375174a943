//! Opening: who may, and what is refused.

use grafana_matrix_relay::outbox::{Outbox, OutboxError};

use super::place::{KEEP, Place, accept, at, drain};
use crate::support::postgres;

#[tokio::test]
async fn second_relay_on_a_directory_is_refused_until_the_first_has_ended() {
    let place = Place::sqlite();
    let first = place.open().await;
    let second = Outbox::open(&place.settings()).await.unwrap_err();
    assert!(matches!(&second, OutboxError::InUse(_)), "{second}");
    assert!(
        second.to_string().contains(place.directory().to_str().unwrap()),
        "{second}"
    );
    place.reopen(first).await;
}

#[tokio::test]
async fn file_of_a_newer_relay_is_refused_and_left_alone() {
    let place = Place::sqlite();
    drop(place.open().await);
    let file = rusqlite::Connection::open(place.directory().join("outbox.db")).unwrap();
    file.pragma_update(None, "user_version", 999).unwrap();
    for refused in [
        Outbox::open(&place.settings()).await.unwrap_err(),
        Outbox::open_for_operator(&place.settings()).await.unwrap_err(),
    ] {
        assert!(
            matches!(refused, OutboxError::NewerSchema { found: 999, .. }),
            "{refused}"
        );
    }
    let version: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 999);
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private_to_their_owner() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::sqlite();
    let mut settings = place.settings();
    settings.data_dir = place.directory().join("made/by the relay");
    let outbox = Outbox::open(&settings).await.unwrap();
    accept(&outbox, "a", "1", at(0)).await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&settings.data_dir), 0o700);
    for entry in settings.data_dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(drain(&outbox, at(1)).await, ["1"]);
}

#[tokio::test]
async fn directory_that_cannot_be_made_is_refused_and_named() {
    let place = Place::sqlite();
    std::fs::write(place.directory().join("file"), "").unwrap();
    let mut settings = place.settings();
    settings.data_dir = place.directory().join("file/data");
    let refused = Outbox::open(&settings).await.unwrap_err();
    assert!(matches!(refused, OutboxError::Directory { .. }));
    assert!(refused.to_string().contains("file/data"), "{refused}");
}

#[tokio::test]
async fn database_of_a_newer_relay_is_refused_and_left_alone() {
    let place = Place::postgresql().await;
    drop(place.open().await);
    let mut raw = postgres::connect(place.database_url()).await;
    sqlx::query("INSERT INTO outbox_schema VALUES (999)")
        .execute(&mut raw)
        .await
        .unwrap();
    for refused in [
        Outbox::open(&place.settings()).await.unwrap_err(),
        Outbox::open_for_operator(&place.settings()).await.unwrap_err(),
    ] {
        assert!(
            matches!(refused, OutboxError::NewerSchema { found: 999, .. }),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn relays_that_start_together_migrate_once() {
    let place = Place::postgresql().await;
    let opened = futures_util::future::join_all((0..5).map(|_| place.open())).await;
    accept(&opened[0], "a", "1", at(0)).await;
    assert_eq!(drain(&opened[4], at(0)).await, ["1"]);
}

#[tokio::test]
async fn file_shrinks_again_after_a_storm() {
    let place = Place::sqlite();
    let outbox = place.open().await;
    let long = "x".repeat(100_000);
    for n in 0..120 {
        accept(&outbox, "a", &format!("{n} {long}"), at(0)).await;
    }
    drain(&outbox, at(1)).await;
    let size = || place.directory().join("outbox.db").metadata().unwrap().len();
    drop(outbox);
    let full = size();
    let outbox = place.open().await;
    assert_eq!(outbox.prune(at(1) + KEEP * 2).await.unwrap(), 120);
    accept(&outbox, "a", "what comes next", at(2)).await;
    drop(outbox);
    // Sixteen megabytes stay for what comes next.
    assert!(
        full > 30_000_000 && size() < 18_000_000,
        "{full} bytes became {}",
        size()
    );
    assert_eq!(drain(&place.open().await, at(3)).await, ["what comes next"]);
}
