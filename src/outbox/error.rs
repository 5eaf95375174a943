//! What can go wrong with the outbox, named for what the reader can do about it.
//!
//! Guarantees: [`OutboxError::Unavailable`] means that the same call may well succeed later (disk full, database
//! gone) and that the caller should get 503, and so does [`OutboxError::Unknown`]; every other variant needs a person. No
//! text holds a password, and each tells its cause once, in itself.

use std::error::Error;
use std::path::PathBuf;

/// Why the outbox did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Try again later: the disk is full, the database is away or busy. What was asked may not have happened.
    #[error("the outbox is unavailable: {reason}")]
    Unavailable {
        /// For the operator's eyes.
        reason: String,
    },
    /// Stop the other relay, or give this one a data directory of its own.
    #[error("another relay is using the data directory `{}`; two relays can only share a PostgreSQL database", .0.display())]
    InUse(PathBuf),
    /// Run the newer relay again, or restore a backup: this one would not understand what is written there.
    #[error(
        "the outbox has schema version {found}, and this relay knows only up to {known}: start the newer relay that wrote it"
    )]
    NewerSchema {
        /// What the database says.
        found: i64,
        /// What this program was built with.
        known: i64,
    },
    /// Start this version's relay once: only it migrates, never a command beside a running relay.
    #[error("the outbox has schema version {found}, this program needs {known}: start the relay first, it migrates")]
    OlderSchema {
        /// What the database says.
        found: i64,
        /// What this program was built with.
        known: i64,
    },
    /// Make it one that this user may write, or name another.
    #[error("invalid data directory `{}` (RELAY_DATA_DIR): {reason}", .directory.display())]
    Directory {
        /// Which one.
        directory: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Check the data directory: a command does not create an outbox.
    #[error("there is no outbox at `{}`", .0.display())]
    Missing(PathBuf),
    /// Name another file, or mend what the system said.
    #[error("cannot write `{}`: {reason}", .file.display())]
    File {
        /// Which one.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The database's own programs do it.
    #[error(
        "the outbox is in PostgreSQL (RELAY_DATABASE_URL): back it up by `pg_dump` and restore it by `psql` or `pg_restore`, as other \
         databases"
    )]
    NotHere,
    /// Repair the database, or begin with another one: its content is not what this program or the database wrote.
    #[error("the outbox's database is damaged: {reason}")]
    Corrupt {
        /// What was found, and what to do about it.
        reason: String,
    },
    /// Restart the relay once nothing waits any more: what it writes goes to a file that nobody will find again.
    #[error(
        "the outbox's file `{}` was deleted or replaced while the relay runs, so nothing new is accepted; what was accepted before \
         is still sent. Restart the relay when nothing waits any more: what waits then is lost", .0.display()
    )]
    Deleted(PathBuf),
    /// Correct the setting.
    #[error("invalid database URL (RELAY_DATABASE_URL): {0}")]
    Setting(String),
    /// Look before trying again: the answer did not come in time, and what was asked may still be done.
    #[error("the outbox did not answer in time, so nobody knows whether this was done: {reason}")]
    Unknown {
        /// For the operator's eyes.
        reason: String,
    },
    /// Report it: a fault of this program or a damaged database.
    #[error("the outbox failed in an unexpected way: {0}")]
    Bug(Box<dyn Error + Send + Sync>),
}

impl OutboxError {
    pub(super) fn unavailable(reason: &(impl ToString + ?Sized)) -> Self {
        Self::Unavailable {
            reason: reason.to_string(),
        }
    }

    /// A row that no relay has written so.
    pub(super) fn damaged(reason: &str) -> Self {
        Self::bug(format!("it is damaged: {reason}"))
    }

    pub(super) fn bug(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Bug(error.into())
    }
}

/// A text that JSON of this program's own making refused; it cannot happen with the types that are stored.
impl From<serde_json::Error> for OutboxError {
    fn from(error: serde_json::Error) -> Self {
        Self::bug(error)
    }
}
