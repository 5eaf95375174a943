//! Notices that the routes file, or a file with one of its secrets, is another one, by looking at them.
//!
//! Looking works where notifications do not: network mounts, Kubernetes' config maps whose files are links that are
//! swapped, editors that put a new file in the old one's place. A change is taken only if two looks in a row see the
//! same, so a file that is being written is left alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{RouteProblem, Routes, RoutesSource};

/// What tells one version of a file from another; `None` for one that is not there.
type Stamp = Option<(Option<SystemTime>, u64, PathBuf, u64)>;

/// Looks at the files of a source.
pub struct Watch {
    source: RoutesSource,
    files: Vec<PathBuf>,
    taken: Vec<Stamp>,
    settling: Option<Vec<Stamp>>,
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
    /// Watches what `routes` were just read from.
    pub fn new(source: RoutesSource, routes: &Routes) -> Self {
        let mut watch = Self {
            source,
            files: Vec::new(),
            taken: Vec::new(),
            settling: None,
        };
        watch.take(routes.secret_files());
        watch
    }

    /// Whether there is anything to look at.
    pub fn has_file(&self) -> bool {
        self.source.file.is_some()
    }

    /// One step; see the module.
    pub fn look(&mut self) -> Watched {
        let stamps = stamps(&self.files);
        if stamps == self.taken {
            self.settling = None;
            return Watched::Unchanged;
        }
        if self.settling.as_ref() != Some(&stamps) {
            self.settling = Some(stamps);
            return Watched::Unchanged;
        }
        self.reload()
    }

    /// Reads everything now, changed or not.
    pub fn reload(&mut self) -> Watched {
        // The stamps are those from before reading: what changes meanwhile is seen by the next look.
        let before = stamps(&self.files);
        let loaded = self.source.load();
        self.settling = None;
        match &loaded {
            Ok(routes) if routes.secret_files() != self.secret_files() => self.take(routes.secret_files()),
            Ok(_) | Err(_) => self.taken = before,
        }
        Watched::Changed(loaded.map(Box::new))
    }

    fn secret_files(&self) -> &[PathBuf] {
        self.files.get(usize::from(self.has_file())..).unwrap_or_default()
    }

    fn take(&mut self, secret_files: &[PathBuf]) {
        self.files = self.source.file.iter().chain(secret_files).cloned().collect();
        self.taken = stamps(&self.files);
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files.iter().map(|file| stamp(file)).collect()
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    let target = fs::canonicalize(path).unwrap_or_default();
    Some((metadata.modified().ok(), metadata.len(), target, inode))
}
