//! A database that is damaged, deleted or replaced: it is noticed, told with what to do, and costs no message that can be saved.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use grafana_matrix_relay::outbox::{Outbox, OutboxError, Settings};
use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;

use crate::app::{App, firing};
use crate::support::patience::eventually;
use crate::support::postgres;

fn database(app: &App) -> PathBuf {
    app.data.path().join("data/outbox.db")
}

fn by_hand(file: &Path, statements: &str) {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch(statements).unwrap();
}

/// The `outbox` check of the report, once it says what is wanted.
async fn until_outbox_is(app: &App, state: &str) -> (StatusCode, Value) {
    eventually("the outbox is in the state that is wanted", async || {
        let (status, report) = app.get_json("/health/ready").await;
        let checks = report["checks"].as_array().unwrap();
        let outbox = checks.iter().find(|check| check["name"] == "outbox").unwrap();
        (outbox["state"] == state).then(|| (status, outbox.clone()))
    })
    .await
}

async fn refuses(app: &App, name: &str) {
    let answer = app.post("/alert").json(&firing(name)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{name}");
}

async fn what_is_deleted_takes_nothing_new_and_sends_the_rest(delete: impl FnOnce(&App)) {
    let app = App::start().await;
    app.homeserver.refuse().await;
    app.accept(&firing("Before")).await;
    delete(&app);
    refuses(&app, "After").await;
    let (status, check) = until_outbox_is(&app, "unavailable").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        check["reason"].as_str().unwrap().contains("deleted or replaced"),
        "{check}"
    );
    app.homeserver.accept_again().await;
    app.room_says("Before").await;
    assert_eq!(app.texts().len(), 1);
}

#[tokio::test]
async fn a_folder_that_is_deleted_takes_nothing_new_and_sends_what_it_took() {
    what_is_deleted_takes_nothing_new_and_sends_the_rest(|app| {
        fs::remove_dir_all(app.data.path().join("data")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_replaced_takes_nothing_new_and_sends_what_it_took() {
    what_is_deleted_takes_nothing_new_and_sends_the_rest(|app| {
        let copy = app.data.path().join("copy.db");
        fs::copy(database(app), &copy).unwrap();
        fs::rename(copy, database(app)).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_log_that_is_deleted_takes_nothing_new_and_sends_what_it_took() {
    what_is_deleted_takes_nothing_new_and_sends_the_rest(|app| {
        fs::remove_file(app.data.path().join("data/outbox.db-wal")).unwrap();
    })
    .await;
}

/// The queue's index is told to hold other rows, made anew, and told to hold those that wait: then it has lost them.
const LOSE_QUEUE: &str = "
    PRAGMA writable_schema = on;
    UPDATE sqlite_schema SET sql = replace(sql, '''waiting''', '''nothing''') WHERE type = 'index' AND name LIKE '%_queue';
    PRAGMA writable_schema = reset;
    REINDEX;
    PRAGMA writable_schema = on;
    UPDATE sqlite_schema SET sql = replace(sql, '''nothing''', '''waiting''') WHERE type = 'index' AND name LIKE '%_queue';
    PRAGMA writable_schema = reset;";

#[tokio::test]
async fn messages_that_an_index_has_lost_are_found_at_the_start_and_sent() {
    let app = App::start().await;
    app.homeserver.refuse().await;
    for name in ["Lost1", "Lost2"] {
        app.accept(&firing(name)).await;
    }
    let file = database(&app);
    let app = app.restart(async |_| by_hand(&file, LOSE_QUEUE)).await;
    app.homeserver.accept_again().await;
    app.room_says("Lost2").await;
    let (status, check) = until_outbox_is(&app, "degraded").await;
    assert_eq!(status, StatusCode::OK);
    assert!(check["reason"].as_str().unwrap().contains("rebuilt"), "{check}");
    assert!(app.data.path().join("data/damaged-outbox.db").exists());
    app.accept(&firing("Next")).await;
    app.room_says("Next").await;
}

/// The queue's index is said to be where a table is: whoever asks it gets an error.
const MISPLACE_QUEUE: &str = "
    PRAGMA writable_schema = on;
    UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name LIKE '%probe')
        WHERE type = 'index' AND name LIKE '%_queue';
    PRAGMA schema_version = 4711;";

#[tokio::test]
async fn an_index_that_breaks_in_use_is_rebuilt_and_what_waits_is_sent() {
    let app = App::start().await;
    app.homeserver.refuse().await;
    app.accept(&firing("Waits")).await;
    by_hand(&database(&app), MISPLACE_QUEUE);
    let (_, check) = until_outbox_is(&app, "degraded").await;
    assert!(check["reason"].as_str().unwrap().contains("rebuilt"), "{check}");
    app.homeserver.accept_again().await;
    app.room_says("Waits").await;
    app.accept(&firing("Next")).await;
    app.room_says("Next").await;
}

/// Writes zeros over a page.
fn wipe(file: &Path, table: &str) {
    let connection = rusqlite::Connection::open(file).unwrap();
    let checkpoint = "PRAGMA wal_checkpoint(truncate)";
    connection.query_row(checkpoint, [], |_| Ok(())).unwrap();
    let root = format!("SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name LIKE '%{table}'");
    let page: u64 = connection.query_row(&root, [], |row| row.get(0)).unwrap();
    let size: u64 = connection
        .pragma_query_value(None, "page_size", |row| row.get(0))
        .unwrap();
    drop(connection);
    let mut file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start((page - 1) * size)).unwrap();
    file.write_all(&vec![0; usize::try_from(size).unwrap()]).unwrap();
}

#[tokio::test]
async fn what_cannot_be_rebuilt_takes_nothing_new_and_says_what_to_do() {
    let app = App::start().await;
    app.accept(&firing("Before")).await;
    app.room_says("Before").await;
    let file = database(&app);
    let app = app.restart(async |_| wipe(&file, "recording")).await;
    let (status, check) = until_outbox_is(&app, "unavailable").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let reason = check["reason"].as_str().unwrap();
    assert!(reason.contains("damaged") && reason.contains(".recover"), "{check}");
    refuses(&app, "After").await;
}

#[tokio::test]
async fn a_file_that_is_no_database_ends_the_start_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("outbox.db"), "no database ".repeat(1_000)).unwrap();
    let settings = Settings {
        data_dir: folder.path().to_owned(),
        database_url: None,
        repeat_window: Duration::from_secs(90),
        keep_delivered: Duration::from_secs(1),
        keep_groups: Duration::from_secs(1),
    };
    let error = Outbox::open_or_wait(&settings).await.unwrap_err();
    assert!(
        matches!(&error, OutboxError::Corrupt { reason } if reason.contains(".recover")),
        "{error:?}"
    );
}

/// What is inserted is kept out of these indexes, until it is let in again: then they have lost what came meanwhile.
fn let_in(is_let_in: bool) -> String {
    format!(
        "UPDATE pg_index SET indisready = {is_let_in}, indisvalid = {is_let_in}
            WHERE indexrelid IN ('outbox_news_queue'::regclass, 'outbox_group_owed'::regclass)"
    )
}

#[tokio::test]
async fn messages_that_an_index_of_postgresql_has_lost_are_found_at_the_start_and_sent() {
    let url = postgres::database().await;
    let app = App::with(|flags| flags.delivery.database_url = Some(url.clone().into())).await;
    let mut connection = postgres::connect(&url).await;
    let mut by_hand = async |statement: &str| {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    };
    app.homeserver.refuse().await;
    by_hand(&let_in(false)).await;
    for name in ["Lost1", "Lost2"] {
        app.accept(&firing(name)).await;
    }
    by_hand(&let_in(true)).await;
    // As with a large table, whose rows are looked for by an index.
    by_hand("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$")
        .await;
    let app = app.restart(async |_| {}).await;
    app.homeserver.accept_again().await;
    app.room_says("Lost2").await;
    let (status, check) = until_outbox_is(&app, "degraded").await;
    assert_eq!(status, StatusCode::OK);
    let reason = check["reason"].as_str().unwrap();
    assert!(
        reason.contains("rebuilt") && reason.contains("outbox_news_queue"),
        "{check}"
    );
    app.accept(&firing("Next")).await;
    app.room_says("Next").await;
}

#[tokio::test]
async fn tables_that_are_gone_from_postgresql_take_nothing_new_and_say_what_to_do() {
    let url = postgres::database().await;
    let app = App::with(|flags| flags.delivery.database_url = Some(url.clone().into())).await;
    app.accept(&firing("Before")).await;
    app.room_says("Before").await;
    let mut connection = postgres::connect(&url).await;
    let drop = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
    sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
    refuses(&app, "After").await;
    let (status, check) = until_outbox_is(&app, "unavailable").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let reason = check["reason"].as_str().unwrap();
    assert!(
        reason.contains("damaged") && reason.contains("RELAY_DATABASE_URL"),
        "{check}"
    );
}
