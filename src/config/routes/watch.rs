//! Notices that the routes file, or a file with one of its secrets, is another one, by looking at them.
//!
//! Looking works where notifications do not: network mounts, Kubernetes' config maps whose files are links that are
//! swapped, editors that put a new file in the old one's place. A change is taken only if two looks in a row see the
//! same, so a file that is being written is left alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{RouteProblem, Routes, RoutesSource};

/// A file as it was before it was read, so that what changes meanwhile is seen by the next look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    path: PathBuf,
    stamp: Option<Stamp>,
}

/// What tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    /// Where links lead, since a swap of a link changes nothing else.
    target: PathBuf,
    inode: u64,
}

/// Looks at the files of a source.
#[derive(Debug)]
pub struct Watch {
    source: RoutesSource,
    taken: Vec<Seen>,
    settling: Option<Vec<Seen>>,
}

/// What one look saw.
#[derive(Debug)]
pub enum Watched {
    /// Nothing is new, or it is not finished.
    Unchanged,
    /// Something has changed, and this is what it says now.
    Changed(Result<Box<Routes>, Vec<RouteProblem>>),
}

impl Watch {
    /// Watches what `routes` were read from.
    pub fn new(source: RoutesSource, routes: &Routes) -> Self {
        Self {
            source,
            taken: routes.seen.clone(),
            settling: None,
        }
    }

    /// Whether there is anything to look at.
    pub fn has_file(&self) -> bool {
        self.source.file.is_some()
    }

    /// One step; see the module.
    pub fn look(&mut self) -> Watched {
        let now: Vec<Seen> = self.taken.iter().map(|seen| Seen::now(&seen.path)).collect();
        if now == self.taken {
            self.settling = None;
            return Watched::Unchanged;
        }
        if self.settling.as_ref() != Some(&now) {
            self.settling = Some(now);
            return Watched::Unchanged;
        }
        self.reload()
    }

    /// Reads from another source from now on.
    pub fn set_source(&mut self, source: RoutesSource) {
        self.source = source;
    }

    /// Reads everything now, changed or not.
    pub fn reload(&mut self) -> Watched {
        let (seen, loaded) = self.source.load_seen(&super::variable);
        self.taken = seen;
        self.settling = None;
        Watched::Changed(loaded.map(Box::new))
    }
}

impl Seen {
    pub(super) fn now(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            stamp: stamp(path),
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Some(Stamp {
        modified: metadata.modified().ok(),
        size: metadata.len(),
        target: fs::canonicalize(path).unwrap_or_default(),
        inode,
    })
}
