//! The outbox in one SQLite file: nothing to set up, for one relay.
//!
//! Guarantees: one thread writes, and what is asked while it commits shares its next fsync; readers never wait for it.
//! No request waits for a disk that hangs, and what a storm took of the disk is given back when its rows are pruned.
//! The directory is locked, so a claim that is found at the start belongs to a process that is dead. Several relays
//! cannot share it: that is what PostgreSQL is for.

pub(super) mod backup;
mod files;
mod identity;
mod session;
mod soundness;
mod store;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use self::identity::Identity;
use self::session::SqliteSession;
use self::writer::Writer;
use super::columns::millis_of;
use super::store::{Keep, within};
use super::{OutboxError, Settings};

const VOID_CLAIMS: &str = "UPDATE outbox_room SET owner = NULL, lease_until = 0 WHERE owner IS NOT NULL";
const PROBE: &str = "UPDATE outbox_probe SET count = count + 1";

/// How long an acceptance, a probe or a look may take before the disk counts as gone; one that hangs says nothing.
const PATIENCE: Duration = Duration::from_secs(10);
const LATE: &str = "the disk did not answer in time";

/// The store.
pub(super) struct Sqlite {
    /// For what each acceptance asks: it waits for no long read, nor for another one where there are threads for both.
    lookups: [Mutex<Connection>; 2],
    reader: Arc<Mutex<Connection>>,
    /// Closed last: a writer that is alone moves the log into the file then.
    writer: Writer,
    directory: PathBuf,
    files: Arc<Identity>,
    keep: Keep,
}

/// The one that claims: the directory has no other.
const OWNER: &str = "relay";

impl Sqlite {
    /// For the relay: takes the directory, migrates, voids the claims of an earlier process.
    pub(super) fn open(settings: &Settings) -> Result<Self, OutboxError> {
        let lock = files::take_directory(&settings.data_dir)?;
        let mut connection = files::open_writer(&settings.data_dir)?;
        files::migrate(&mut connection)?;
        connection.execute(VOID_CLAIMS, [])?;
        Self::start(connection, lock, settings)
    }

    /// For a command, beside a relay that may be running.
    pub(super) fn open_for_operator(settings: &Settings) -> Result<Self, OutboxError> {
        let file = settings.data_dir.join(files::FILE);
        if !file.exists() {
            return Err(OutboxError::Missing(file));
        }
        let connection = files::open_writer(&settings.data_dir)?;
        files::check_version(&connection)?;
        Self::start(connection, (), settings)
    }

    fn start(connection: Connection, guard: impl Send + 'static, settings: &Settings) -> Result<Self, OutboxError> {
        Ok(Self {
            lookups: [
                Mutex::new(files::open_lookup(&settings.data_dir)?),
                Mutex::new(files::open_lookup(&settings.data_dir)?),
            ],
            reader: Arc::new(Mutex::new(files::open_reader(&settings.data_dir)?)),
            writer: Writer::start(connection, guard, still)?,
            files: Arc::new(Identity::of(&settings.data_dir)),
            directory: settings.data_dir.clone(),
            keep: Keep::of(settings),
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteSession<'_>) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let reader = Arc::clone(&self.reader);
        let read = move || {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut SqliteSession(&reader))
        };
        let read = async { tokio::task::spawn_blocking(read).await.map_err(OutboxError::bug)? };
        within(PATIENCE, OutboxError::unavailable(LATE), read).await
    }
}

/// While the disk hung nothing could be accepted or come again: the time of recognition stood still.
fn still(connection: &Connection, hung: Duration) -> Result<(), OutboxError> {
    const LATER: &str = "UPDATE outbox_repeat SET accepted_at = accepted_at + ?1";
    connection.prepare_cached(LATER)?.execute([millis_of(hung)])?;
    Ok(())
}

#[cfg(test)]
mod tests;
