//! Whether the file is what SQLite wrote, and rebuilding it where only its indexes are not.
//!
//! Guarantees: a look is bounded in time, keeps nobody from writing and changes nothing. Before the file is rebuilt it is copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::files;
use crate::outbox::OutboxError;

/// How long a look may take; what it has not seen by then counts as sound.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first finds pages that cannot be read, and costs least; the second, rows that an index has lost.
const CHECKS: [&str; 2] = ["PRAGMA quick_check(1)", "PRAGMA integrity_check(1)"];

const FORGET_INDEXES: &str = "
    PRAGMA writable_schema = on;
    DELETE FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL;
    PRAGMA writable_schema = reset;";

/// Damage, with what to do.
pub(super) fn corrupt(found: &impl ToString) -> OutboxError {
    let found = found.to_string();
    let reason = format!(
        "{}. Check the disk. Then stop the relay, keep a copy of the data directory, and rebuild the file by \
         `sqlite3 {file} .recover | sqlite3 new.db` and put new.db in its place; or move {file} and {file}-wal away to begin with an \
         empty outbox, which loses what waits",
        found.lines().last().unwrap_or_default(),
        file = files::FILE
    );
    OutboxError::Corrupt { reason }
}

/// Looks at the whole file.
pub(super) async fn inspect(directory: PathBuf) -> Result<(), OutboxError> {
    let open = tokio::task::spawn_blocking(move || files::open_reader(&directory));
    let connection = open.await.map_err(OutboxError::bug)??;
    let interrupt = connection.get_interrupt_handle();
    let mut check = tokio::task::spawn_blocking(move || check(&connection));
    let checked = if let Ok(checked) = tokio::time::timeout(PATIENCE, &mut check).await {
        checked
    } else {
        interrupt.interrupt();
        check.await
    };
    checked.map_err(OutboxError::bug)?
}

pub(super) fn check(connection: &Connection) -> Result<(), OutboxError> {
    for check in CHECKS {
        match connection.query_row(check, [], |row| row.get::<_, String>(0)) {
            Ok(answer) if answer == "ok" => {}
            Ok(found) => return Err(corrupt(&found)),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Makes all indexes anew from their tables, writes the file anew, and leaves a copy of what it was. The old indexes are forgotten and
/// not emptied, because nobody knows what is in the pages that they are said to be in.
pub(super) fn rebuild(directory: &Path) -> Result<(), OutboxError> {
    for name in [files::FILE.to_owned(), format!("{}-wal", files::FILE)] {
        let (file, copy) = (directory.join(&name), directory.join(format!("damaged-{name}")));
        let copied = if file.exists() {
            fs::copy(file, copy).map(drop)
        } else {
            Ok(())
        };
        copied.map_err(|error| OutboxError::unavailable(&error))?;
    }
    let mut connection = files::open_writer(directory)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let made: Vec<String> = transaction
        .prepare("SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    transaction.execute_batch(FORGET_INDEXES)?;
    for index in made {
        transaction.execute_batch(&index)?;
    }
    // Those that belong to a table's own definition.
    transaction.execute_batch("REINDEX")?;
    transaction.commit()?;
    Ok(connection.execute_batch("VACUUM")?)
}
