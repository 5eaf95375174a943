//! Tells that files have changed, by looking at them, and that their writer seems to be done.
//!
//! Looking works where notifications do not: network mounts, Kubernetes' config maps whose files are links that are swapped,
//! editors that put a new file in the old one's place.
//!
//! Guarantees: a change counts only once looks in a row have seen the same, so a file that is being written is left alone.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) modified: Option<SystemTime>,
    pub(crate) size: u64,
    /// Where links lead, since a swap of a link changes nothing else.
    pub(crate) target: PathBuf,
    inode: u64,
}

impl Stamp {
    /// Of the file at `path`, or at the end of the links there, whose metadata this is.
    pub(crate) fn of(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        Ok(Self {
            modified: metadata.modified().ok(),
            size: metadata.len(),
            target: fs::canonicalize(path)?,
            inode: identity(metadata).1,
        })
    }

    /// Whether both are one file, that was perhaps written over.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.inode, &self.target) == (other.inode, &other.target)
    }
}

/// Device and inode.
#[cfg(unix)]
pub(crate) fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
pub(crate) fn identity(_metadata: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// What one look saw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// What was taken last.
    Unchanged,
    /// Something else, which may not be finished.
    Settling,
    /// Something else that came to rest.
    Changed,
}

/// Files as they were when they were taken, and what has been seen since.
#[derive(Debug)]
pub(crate) struct Settling<S> {
    taken: S,
    /// What was seen last, and by how many looks in a row.
    seen: Option<(S, usize)>,
}

impl<S: PartialEq> Settling<S> {
    pub(crate) fn new(taken: S) -> Self {
        Self { taken, seen: None }
    }

    pub(crate) fn taken(&self) -> &S {
        &self.taken
    }

    /// These are read, and count from now on.
    pub(crate) fn take(&mut self, now: S) {
        self.taken = now;
        self.seen = None;
    }

    /// One look, of which it takes so many that see the same.
    pub(crate) fn look(&mut self, now: S, needed: usize) -> Look {
        if now == self.taken {
            self.seen = None;
            return Look::Unchanged;
        }
        let looks = match self.seen.take() {
            Some((before, looks)) if before == now => looks + 1,
            _ => 1,
        };
        self.seen = Some((now, looks));
        if looks < needed { Look::Settling } else { Look::Changed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_looks_in_a_row_agree() {
        let mut files = Settling::new("old");
        assert_eq!(files.look("old", 2), Look::Unchanged);
        assert_eq!(files.look("half", 2), Look::Settling);
        assert_eq!(files.look("whole", 2), Look::Settling);
        assert_eq!(files.look("whole", 2), Look::Changed);
        assert_eq!(files.look("old", 2), Look::Unchanged);
        assert_eq!(files.look("whole", 2), Look::Settling);
        files.take("whole");
        assert_eq!(files.look("whole", 2), Look::Unchanged);
    }
}
