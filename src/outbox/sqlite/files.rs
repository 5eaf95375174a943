//! Opens the outbox's files: private to their owner, locked against a second relay, migrated, and durable.
//!
//! Guarantees: a commit has reached the disk when it returns (`synchronous=FULL`); a database that a newer relay
//! wrote is left as it is.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::outbox::OutboxError;

/// The tables, and the number of this form of them. Nothing was released with another one.
const SCHEMA: &str = include_str!("schema.sql");
const VERSION: i64 = 1;

/// How long a statement waits for another process, such as an operator's command.
const BUSY: Duration = Duration::from_secs(5);

/// After how many pages of log (16 MB) they are copied into the file: four times SQLite's default, because each copying
/// waits for the disk twice, and a page that changed often in between is copied once.
const CHECKPOINT_PAGES: i64 = 4_000;

/// The write-ahead log is cut back to this many bytes after a burst.
const LOG_LIMIT: i64 = 32 * 1024 * 1024;

/// How much of the file the writer keeps in memory, in KiB: what is looked up by a hash lies anywhere in it.
const CACHE_KIB: i64 = 8_192;

/// Pages of a table and an index, from the root to the leaf, for some groups.
const LOOKUP_PAGES: i64 = 64;

/// Free pages of the file (16 MB) that stay for what comes next.
const FREE_PAGES: i64 = 4_096;

/// How many more than that are given back in one step, so that acceptance never waits long behind it.
const GIVEN_BACK: i64 = 1_024;

pub(super) const FILE: &str = "outbox.db";

/// Makes the directory, and takes it for this process alone for as long as the file is held.
pub(super) fn take_directory(directory: &Path) -> Result<File, OutboxError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        options.mode(0o600);
    }
    let failed = |error: io::Error| refused(directory, &error);
    let is_new = !directory.exists();
    builder.create(directory).map_err(failed)?;
    if is_new {
        let path = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        tracing::info!(
            "made the data directory {}: keep it, accepted notifications wait there",
            path.display()
        );
    }
    // SQLite gives its other files the mode of the first.
    options.open(directory.join(FILE)).map_err(failed)?;
    let lock = options.open(directory.join("outbox.lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OutboxError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A disk that is full, or too many open files, pass; a directory that is none, or may not be written, does not.
fn refused(directory: &Path, error: &io::Error) -> OutboxError {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::AlreadyExists
        | ErrorKind::InvalidFilename
        | ErrorKind::InvalidInput
        | ErrorKind::Unsupported => OutboxError::Directory {
            directory: directory.to_owned(),
            reason: error.to_string(),
        },
        _ => OutboxError::unavailable(&format!("`{}`: {error}", directory.display())),
    }
}

/// The connection that writes.
pub(super) fn open_writer(directory: &Path) -> Result<Connection, OutboxError> {
    let connection = Connection::open_with_flags(directory.join(FILE), flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.busy_timeout(BUSY)?;
    // Only a file that is still empty takes this up: then free pages can be given back to the disk.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // What a piece of work may have to undo is kept in memory; a file for it would be written at each acceptance.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(128);
    keep_plans(&connection)?;
    Ok(connection)
}

/// A statement that was prepared stays so: otherwise those that compare with a parameter are prepared anew at each run, in case
/// another plan suits its value.
fn keep_plans(connection: &Connection) -> Result<(), OutboxError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Gives a step's worth of free pages back to the disk; whether there are more. The file is cut with the next checkpoint.
pub(super) fn give_back(connection: &Connection) -> Result<bool, OutboxError> {
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let step = (free - FREE_PAGES).min(GIVEN_BACK);
    let vacuums: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if step <= 0 || vacuums != 2 {
        return Ok(false);
    }
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({step})"))?;
    let mut pages = vacuum.query([])?;
    // A page is given back with each row that is read.
    while pages.next()?.is_some() {}
    Ok(step == GIVEN_BACK)
}

/// The connection that only reads, and never waits for the writer.
pub(super) fn open_reader(directory: &Path) -> Result<Connection, OutboxError> {
    let connection = Connection::open_with_flags(directory.join(FILE), flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(16);
    keep_plans(&connection)?;
    Ok(connection)
}

/// The same for a few rows by their keys. What it has read is out of date with the next commit, so it keeps little.
pub(super) fn open_lookup(directory: &Path) -> Result<Connection, OutboxError> {
    let connection = open_reader(directory)?;
    connection.pragma_update(None, "cache_size", LOOKUP_PAGES)?;
    Ok(connection)
}

/// Each connection has one thread at a time, so SQLite need not lock it.
fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Makes the tables in a file that is new.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OutboxError> {
    if version(connection)? > 0 {
        return check_version(connection);
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Refuses any schema but the present one.
pub(super) fn check_version(connection: &Connection) -> Result<(), OutboxError> {
    let known = VERSION;
    match version(connection)? {
        found if found > known => Err(OutboxError::NewerSchema { found, known }),
        found if found < known => Err(OutboxError::OlderSchema { found, known }),
        _ => Ok(()),
    }
}

fn version(connection: &Connection) -> Result<i64, OutboxError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They come from a file that a build may miss without failing.
    #[test]
    fn sqlite_is_compiled_as_this_project_asks() {
        let connection = Connection::open_in_memory().unwrap();
        let mut options = connection
            .prepare("SELECT compile_options FROM pragma_compile_options")
            .unwrap();
        let options: Vec<String> = options
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(
            options.iter().any(|option| option == "DEFAULT_MEMSTATUS=0"),
            "{options:?}"
        );
        assert!(
            options.iter().all(|option| option != "ENABLE_MEMORY_MANAGEMENT"),
            "{options:?}"
        );
    }
}
