//! Notices that the routes file, or a file with one of its secrets, is another one, by looking at them.

use std::fs;
use std::path::{Path, PathBuf};

use super::{RouteProblem, Routes, RoutesSource};
use crate::watch::{Look, Settling, Stamp};

/// A file as it was before it was read, so that what changes meanwhile is seen by the next look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    path: PathBuf,
    stamp: Option<Stamp>,
}

/// Looks at the files of a source.
#[derive(Debug)]
pub struct Watch {
    source: RoutesSource,
    files: Settling<Vec<Seen>>,
}

/// How many looks have to see the same.
const LOOKS: usize = 2;

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
            files: Settling::new(routes.seen.clone()),
        }
    }

    /// Whether there is anything to look at.
    pub fn has_file(&self) -> bool {
        self.source.file.is_some()
    }

    /// One step; see the module.
    pub fn look(&mut self) -> Watched {
        let now = self.files.taken().iter().map(|seen| Seen::now(&seen.path)).collect();
        match self.files.look(now, LOOKS) {
            Look::Unchanged | Look::Settling => Watched::Unchanged,
            Look::Changed => self.reload(),
        }
    }

    /// Reads from another source from now on.
    pub fn set_source(&mut self, source: RoutesSource) {
        self.source = source;
    }

    /// Reads everything now, changed or not.
    pub fn reload(&mut self) -> Watched {
        let (seen, loaded) = self.source.load_seen(&super::variable);
        self.files.take(seen);
        Watched::Changed(loaded.map(Box::new))
    }
}

impl Seen {
    pub(super) fn now(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            stamp: fs::metadata(path).and_then(|metadata| Stamp::of(path, &metadata)).ok(),
        }
    }
}
