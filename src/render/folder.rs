//! Watches the templates folder by looking at it.
//!
//! Looking works where notifications do not: network mounts, Kubernetes' config maps whose files are links that are swapped, editors
//! that put a new file in the old one's place. A change is taken only if two looks in a row see the same, so a file that
//! is being written is left alone.
//!
//! Guarantees: reads regular files in the folder with the ending `.j2`, of bounded number and size, and nothing else.
//! Links are followed as long as they stay in the folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use super::engine::Sources;
use super::problem::TemplateProblem;

const MOST_FILES: usize = 200;
const LARGEST_FILE: u64 = 256 * 1024;
const DEEPEST: usize = 3;

/// What the folder holds: texts, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) sources: Sources,
    pub(super) problems: Vec<TemplateProblem>,
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

type Stamps = BTreeMap<String, Stamp>;

/// What one look saw.
pub(super) enum Look {
    Unchanged,
    Settling,
    Changed(Files),
}

pub(super) struct Watch {
    dir: Option<PathBuf>,
    taken: Stamps,
    settling: Option<Stamps>,
}

impl Watch {
    pub(super) fn new(dir: Option<PathBuf>) -> Self {
        Self {
            dir,
            taken: Stamps::new(),
            settling: None,
        }
    }

    /// Reads whatever is there, for the start.
    pub(super) fn read_now(&mut self) -> Files {
        let Some(dir) = self.dir.clone() else {
            return Files::default();
        };
        let (files, stamps) = read(&dir);
        self.taken = stamps;
        files
    }

    /// One step; see the module.
    pub(super) fn look(&mut self) -> Look {
        let Some(dir) = self.dir.clone() else {
            return Look::Unchanged;
        };
        let stamps = stamps(&dir);
        if stamps == self.taken {
            self.settling = None;
            return Look::Unchanged;
        }
        if self.settling.as_ref() != Some(&stamps) {
            self.settling = Some(stamps);
            return Look::Settling;
        }
        let (files, read_stamps) = read(&dir);
        if read_stamps != stamps {
            self.settling = Some(read_stamps);
            return Look::Settling;
        }
        self.taken = stamps;
        self.settling = None;
        Look::Changed(files)
    }
}

/// Reads the folder; the stamps are those from after reading.
fn read(dir: &Path) -> (Files, Stamps) {
    let mut files = Files::default();
    let root = fs::canonicalize(dir).unwrap_or_default();
    for (name, stamp) in stamps(dir) {
        let problem = |message: String| TemplateProblem::new(name.clone(), message);
        if !stamp.target.starts_with(&root) {
            files
                .problems
                .push(problem("a link that leads out of the templates folder".to_owned()));
            continue;
        }
        if stamp.size > LARGEST_FILE {
            files
                .problems
                .push(problem(format!("larger than {} KiB", LARGEST_FILE / 1024)));
            continue;
        }
        match fs::read_to_string(&stamp.target) {
            Ok(text) => drop(files.sources.insert(name, text)),
            Err(error) => files.problems.push(problem(format!("cannot be read: {error}"))),
        }
    }
    if let Err(error) = fs::read_dir(dir)
        && error.kind() != io::ErrorKind::NotFound
    {
        files.problems.push(TemplateProblem::new(
            ".",
            format!("the templates folder cannot be read: {error}"),
        ));
    }
    let after = stamps(dir);
    (files, after)
}

fn stamps(dir: &Path) -> Stamps {
    let mut found = Stamps::new();
    collect(dir, "", 0, &mut found);
    found
}

fn collect(dir: &Path, prefix: &str, depth: usize, found: &mut Stamps) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // A config map keeps its versions in hidden folders and links to the current one.
        if name.starts_with('.') || found.len() >= MOST_FILES {
            continue;
        }
        let path = entry.path();
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() && depth < DEEPEST {
            collect(&path, &format!("{prefix}{name}/"), depth + 1, found);
        } else if metadata.is_file() && is_template(&name) {
            found.insert(format!("{prefix}{name}"), stamp(&path, &metadata));
        }
    }
}

fn stamp(path: &Path, metadata: &fs::Metadata) -> Stamp {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Stamp {
        modified: metadata.modified().ok(),
        size: metadata.len(),
        target: fs::canonicalize(path).unwrap_or_default(),
        inode,
    }
}

fn is_template(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "j2")
}
