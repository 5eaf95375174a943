//! What is in the folder, without the texts: one look.
//!
//! Guarantees: the same folder gives the same scan, in whatever order the system lists it. Whatever keeps a file or a
//! folder from being seen, but that it is not there, is part of the scan and hides it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use super::FRESH;
use crate::render::words;
use crate::watch::{Stamp, identity};

const MOST_FILES: usize = 200;
const DEEPEST: usize = 3;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Scan {
    /// The folder itself, without links.
    pub(super) root: PathBuf,
    /// Device and inode of the folder: a volume that is mounted or unmounted changes them.
    identity: Option<(u64, u64)>,
    pub(super) stamps: BTreeMap<String, Stamp>,
    /// What cannot be seen, with a slash at the end of a folder, and why; the empty path is all of it.
    pub(super) hidden: BTreeMap<String, String>,
}

impl Scan {
    /// What is there now, after it was as `before`.
    pub(super) fn of(dir: &Path, before: &Self) -> Self {
        let mut scan = Self::default();
        match fs::metadata(dir).and_then(|metadata| Ok((fs::canonicalize(dir)?, metadata))) {
            Ok((root, metadata)) => {
                scan.root = root;
                scan.identity = Some(identity(&metadata));
                scan.collect(dir, "", 0);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && before.identity.is_none() => {}
            Err(error) => scan.hide("", format!("cannot read the templates folder: {error}")),
        }
        let is_another = before.identity.is_some() && scan.identity.is_some() && scan.identity != before.identity;
        if is_another && scan.is_empty() && !before.is_empty() {
            // The place where a volume was mounted looks like this, and so does a folder that was made anew.
            scan.hide("", "the templates folder is another one now, and empty".to_owned());
        }
        if scan.is_lost() {
            // What it was is still what there is to compare with.
            scan.identity = before.identity;
            scan.stamps.clone_from(&before.stamps);
        }
        scan
    }

    /// Whether a file has changed that is the same file as before: its writer may not be done with it.
    pub(super) fn writes_over(&self, before: &Self) -> bool {
        self.stamps.iter().any(|(name, stamp)| {
            let old = before.stamps.get(name).filter(|old| *old != stamp);
            old.is_some_and(|old| old.is_same_file(stamp))
        })
    }

    /// Whether a file was changed just before `now` that was not put in the place of another: its writer may not be done
    /// with it. A time of the future is that of another machine's clock and says nothing.
    pub(super) fn may_grow(&self, before: &Self, now: SystemTime) -> bool {
        self.stamps.iter().any(|(name, stamp)| {
            let old = before.stamps.get(name);
            let is_fresh = |at| now.duration_since(at).is_ok_and(|age| age < FRESH);
            let is_put = old.is_some_and(|old| !old.is_same_file(stamp));
            old != Some(stamp) && !is_put && stamp.modified.is_some_and(is_fresh)
        })
    }

    /// Whether nothing of the folder can be seen.
    pub(super) fn is_lost(&self) -> bool {
        self.hidden.contains_key("")
    }

    fn is_empty(&self) -> bool {
        self.stamps.is_empty() && self.hidden.is_empty()
    }

    fn hide(&mut self, path: &str, why: String) {
        self.hidden.insert(path.to_owned(), why);
    }

    fn collect(&mut self, dir: &Path, prefix: &str, depth: usize) {
        let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            // It went away just now; the next look sees the rest.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let what = if prefix.is_empty() { "the templates" } else { "this" };
                return self.hide(prefix, format!("cannot read {what} folder: {error}"));
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            // A config map keeps its versions in hidden folders and links to the current one.
            if name.starts_with('.') {
                continue;
            }
            let path = format!("{prefix}{name}");
            match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_dir() && depth < DEEPEST => {
                    self.collect(&entry.path(), &format!("{path}/"), depth + 1);
                }
                Ok(metadata) if metadata.is_file() && is_read(&path) => self.file(&entry.path(), path, &metadata),
                Ok(_) => {}
                Err(error) => self.unseen(&entry.path(), path, &error),
            }
        }
    }

    fn file(&mut self, path: &Path, name: String, metadata: &fs::Metadata) {
        if self.stamps.len() >= MOST_FILES {
            self.hide(&name, format!("is not read: there are more than {MOST_FILES} files"));
            return;
        }
        match Stamp::of(path, metadata) {
            Ok(stamp) => drop(self.stamps.insert(name, stamp)),
            Err(error) => self.unseen(path, name, &error),
        }
    }

    /// An entry that cannot be followed. If there is nothing any more under its name, it was deleted just now.
    fn unseen(&mut self, path: &Path, name: String, error: &io::Error) {
        let is_gone = fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if is_gone {
            return;
        }
        let why = match error.kind() {
            io::ErrorKind::NotFound => "a link that leads nowhere".to_owned(),
            _ => format!("cannot read it: {error}"),
        };
        // Nobody can tell whether it would be a file or a folder.
        let path = if is_read(&name) { name } else { format!("{name}/") };
        self.hide(&path, why);
    }
}

/// Whether it is a template, a part of one, or the file of words.
fn is_read(path: &str) -> bool {
    path == words::FILE || Path::new(path).extension().is_some_and(|ending| ending == "j2")
}
