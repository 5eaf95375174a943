//! A copy of the outbox beside a relay that runs, and putting it back.
//!
//! Guarantees: a copy holds the state of one moment, can be opened, and is readable by its owner alone; a file that exists is never
//! overwritten. What is put back was looked at first; the outbox that it replaces is kept beside it; the change is one renaming, so
//! that a crash leaves one of both.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{files, soundness};
use crate::outbox::OutboxError;

/// Writes a copy.
pub(in crate::outbox) fn backup(directory: &Path, to: &Path) -> Result<(), OutboxError> {
    let file = directory.join(files::FILE);
    if !file.exists() {
        return Err(OutboxError::Missing(file));
    }
    let connection = files::open_reader(directory)?;
    files::check_version(&connection)?;
    // SQLite writes into a file that is empty, with the mode that it has.
    private(to)?;
    let written = write_into(&connection, to);
    if written.is_err() {
        // Half a copy is none.
        let _ = fs::remove_file(to);
    }
    written
}

fn write_into(connection: &Connection, to: &Path) -> Result<(), OutboxError> {
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
    let failed = |error: io::Error| refused(to, &error);
    File::open(to).and_then(|file| file.sync_all()).map_err(failed)?;
    inspect(to)
}

/// Puts a copy in the place of the outbox, for a relay that does not run. Returns where the outbox is that was there before.
pub(in crate::outbox) fn restore(directory: &Path, from: &Path) -> Result<Option<PathBuf>, OutboxError> {
    if !from.is_file() {
        return Err(OutboxError::Missing(from.to_owned()));
    }
    inspect(from)?;
    let file = directory.join(files::FILE);
    let has_content = fs::metadata(&file).is_ok_and(|file| file.len() > 0);
    let _lock = files::take_directory(directory)?;
    let before = if has_content { Some(keep(directory)?) } else { None };
    let next = directory.join("outbox.restored");
    let failed = |error: io::Error| refused(&next, &error);
    let _ = fs::remove_file(&next);
    private(&next)?;
    fs::copy(from, &next).map_err(failed)?;
    private_mode(&next)?;
    File::open(&next).and_then(|file| file.sync_all()).map_err(failed)?;
    without_log(directory)?;
    fs::rename(&next, &file).map_err(failed)?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)?;
    Ok(before)
}

/// Copies the outbox that is there, with what is in its log.
fn keep(directory: &Path) -> Result<PathBuf, OutboxError> {
    let mut names = (1..).map(|number| directory.join(format!("outbox-before-{number}.db")));
    let kept = names.find(|name| !name.exists()).unwrap_or_default();
    private(&kept)?;
    let copied = files::open_reader(directory).and_then(|connection| write_into(&connection, &kept));
    if copied.is_err() {
        // What cannot be read is copied as it is.
        fs::copy(directory.join(files::FILE), &kept).map_err(|error| refused(&kept, &error))?;
        private_mode(&kept)?;
    }
    Ok(kept)
}

/// Moves the log into the file, so that nothing of it is lost if this ends here, and takes it away: it is not that of the next file.
fn without_log(directory: &Path) -> Result<(), OutboxError> {
    // A damaged file has been kept as it is; there is nothing else to save.
    if let Ok(connection) = files::open_writer(directory) {
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    for ending in ["-wal", "-shm"] {
        let log = directory.join(format!("{}{ending}", files::FILE));
        match fs::remove_file(&log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(&log, &error)),
            _ => {}
        }
    }
    Ok(())
}

/// Whether it is an outbox that this program knows, and sound.
fn inspect(file: &Path) -> Result<(), OutboxError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    files::check_version(&connection)?;
    soundness::check(&connection)
}

/// Makes an empty file that only its owner can read.
fn private(path: &Path) -> Result<(), OutboxError> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| refused(path, &error))?;
    Ok(())
}

/// A copy takes over the mode of what was copied.
fn private_mode(path: &Path) -> Result<(), OutboxError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|error| refused(path, &error))?;
    }
    Ok(())
}

fn refused(path: &Path, error: &io::Error) -> OutboxError {
    OutboxError::File {
        file: path.to_owned(),
        reason: error.to_string(),
    }
}
