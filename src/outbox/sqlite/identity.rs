//! Which files the outbox is in, and whether others were put in their place.
//!
//! Guarantees: a file that was deleted, or whose folder was, is noticed before anything new is accepted into it: writing to it
//! works for as long as it is open, and nobody finds it again.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::FILE;
use crate::outbox::OutboxError;

/// The files as they were when they were opened.
pub(super) struct Identity(Vec<(PathBuf, Id)>);

type Id = (u64, u64);

impl Identity {
    /// Of the files that are there now. What is committed is in the log before it is in the database itself.
    pub(super) fn of(directory: &Path) -> Self {
        let log = format!("{FILE}-wal");
        let paths = [FILE, &log].map(|name| directory.join(name));
        Self(
            paths
                .into_iter()
                .filter_map(|path| Some((id(&path)?, path)))
                .map(|(id, path)| (path, id))
                .collect(),
        )
    }

    /// Whether they are still there. It costs a look at the folder and reads nothing.
    pub(super) fn check(&self) -> Result<(), OutboxError> {
        match self.0.iter().find(|(path, known)| id(path) != Some(*known)) {
            None => Ok(()),
            Some((path, _)) => Err(OutboxError::Deleted(path.clone())),
        }
    }
}

#[cfg(unix)]
fn id(path: &Path) -> Option<Id> {
    use std::os::unix::fs::MetadataExt as _;
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn id(path: &Path) -> Option<Id> {
    fs::metadata(path).ok().map(|_| (0, 0))
}
