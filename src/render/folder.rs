//! Watches the templates folder by looking at it.
//!
//! A change is taken only if two looks in a row see the same, and three where a file was written over; and of a file that is
//! new or was written over only once it has been at rest for [`FRESH`]. A writer that stalls for longer within a file cannot
//! be distinguished from one that is done.
//!
//! Guarantees: reads regular files in the folder with the ending `.j2` and `words.toml`, of bounded number and size, and nothing else.
//! Links are followed as long as they stay in the folder. What cannot be seen is never taken for deleted.

mod scan;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use self::scan::Scan;
use super::engine::Sources;
use super::problem::TemplateProblem;
use super::words;
use crate::watch::{self, Settling};

/// A larger file is not read. The deepest that fits into it also fits into the stack of a `sandbox`.
pub const LARGEST_FILE: usize = 64 * 1024;

/// A file that was changed this recently may be half written. Longer, and a saved one would not be in use within a second.
const FRESH: Duration = Duration::from_millis(700);

/// How often the files are read again at the start because they change meanwhile.
const TRIES: usize = 3;

/// What the folder holds: texts, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) sources: Sources,
    /// The words of messages.
    pub(super) words: Option<String>,
    pub(super) problems: Vec<TemplateProblem>,
    /// What cannot be seen now: the path of a file, that of a folder with a slash at the end, or `.` for all of it.
    hidden: Vec<TemplateProblem>,
}

impl Files {
    /// Why nothing is known of this file now, so that what was known of it still counts.
    pub(super) fn why_hidden(&self, file: &str) -> Option<&TemplateProblem> {
        self.hidden.iter().find(|problem| {
            let path = problem.file.as_str();
            path == "." || path == file || (path.ends_with('/') && file.starts_with(path))
        })
    }

    fn hide(&mut self, path: &str, why: String) {
        let path = if path.is_empty() { "." } else { path };
        let problem = TemplateProblem::new(path, why);
        self.hidden.push(problem.clone());
        self.problems.push(problem);
    }
}

/// What one look saw.
pub(super) enum Look {
    Unchanged,
    Settling,
    Changed(Files),
}

pub(super) struct Watch {
    dir: Option<PathBuf>,
    scans: Settling<Scan>,
}

impl Watch {
    pub(super) fn new(dir: Option<PathBuf>) -> Self {
        Self {
            dir,
            scans: Settling::new(Scan::default()),
        }
    }

    /// Reads whatever is there, for the start.
    pub(super) fn read_now(&mut self) -> Files {
        let Some(dir) = self.dir.clone() else {
            return Files::default();
        };
        let mut files = Files::default();
        for _ in 0..TRIES {
            // The state before reading counts: what is written meanwhile is a change for the next look.
            self.scans.take(Scan::of(&dir, self.scans.taken()));
            let taken = self.scans.taken();
            files = read(taken);
            if Scan::of(&dir, taken) == *taken {
                break;
            }
        }
        files
    }

    /// One step, at `now`; see the module.
    pub(super) fn look(&mut self, now: SystemTime) -> Look {
        let Some(dir) = self.dir.clone() else {
            return Look::Unchanged;
        };
        let taken = self.scans.taken();
        let seen = Scan::of(&dir, taken);
        let needed = match (seen.may_grow(taken, now), seen.writes_over(taken)) {
            (true, _) => usize::MAX,
            (false, true) => 3,
            (false, false) => 2,
        };
        match self.scans.look(seen.clone(), needed) {
            watch::Look::Unchanged => return Look::Unchanged,
            watch::Look::Settling => return Look::Settling,
            watch::Look::Changed => {}
        }
        let files = read(&seen);
        let after = Scan::of(&dir, self.scans.taken());
        if after != seen {
            let _ = self.scans.look(after, usize::MAX);
            return Look::Settling;
        }
        self.scans.take(seen);
        Look::Changed(files)
    }
}

/// Whether a file of the folder was changed so recently that it may be half written.
pub(super) fn is_being_written(dir: &Path, now: SystemTime) -> bool {
    let nothing = Scan::default();
    Scan::of(dir, &nothing).may_grow(&nothing, now)
}

pub(super) fn too_large() -> String {
    format!("larger than {} KiB", LARGEST_FILE / 1024)
}

fn read(scan: &Scan) -> Files {
    let mut files = Files::default();
    for (path, why) in &scan.hidden {
        files.hide(path, why.clone());
    }
    if scan.is_lost() {
        return files;
    }
    for (name, stamp) in &scan.stamps {
        if !stamp.target.starts_with(&scan.root) {
            files.hide(name, "a link that leads out of the templates folder".to_owned());
        } else if stamp.size > LARGEST_FILE as u64 {
            files.hide(name, too_large());
        } else {
            match fs::read_to_string(&stamp.target) {
                // It may have grown since it was looked at.
                Ok(text) if text.len() > LARGEST_FILE => files.hide(name, too_large()),
                Ok(text) if name == words::FILE => files.words = Some(text),
                Ok(text) => drop(files.sources.insert(name.clone(), text)),
                Err(error) => files.hide(name, format!("cannot read it: {error}")),
            }
        }
    }
    files
}
