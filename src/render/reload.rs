//! Taking in a changed set of templates: whole, or not at all.

use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use super::TemplateProblem;
use super::library::Library;
use super::{Renderer, folder};

/// What one look at the templates folder led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// Nothing has changed since the last look.
    Unchanged,
    /// Something has just changed, or is still being written; the next look will take it if it has come to rest.
    Settling,
    /// The files were read again. What is broken is listed here, and its last working version stays in use.
    Reloaded {
        /// Empty if all is well.
        problems: Vec<TemplateProblem>,
    },
}

/// The folder, and when what it holds is tried again although it is the same.
pub(super) struct Watched {
    pub(super) folder: folder::Watch,
    pub(super) again: Option<SystemTime>,
    pub(super) pause: Duration,
}

/// How long what was refused for reasons that may pass is left alone at first, and at most: a template without end takes
/// some seconds each time.
pub(super) const PAUSES: RangeInclusive<Duration> = Duration::from_secs(90)..=Duration::from_hours(1);

impl Watched {
    /// Notes whether the library that was loaded at `now` is to be tried again.
    pub(super) fn loaded(&mut self, library: &Library, now: SystemTime) {
        self.again = library.is_unsettled.then(|| now + self.pause);
        self.pause = (self.pause * 2).min(*PAUSES.end());
    }
}

impl Renderer {
    /// Looks at the folder once, at `now`, and takes in what has changed and come to rest; to be called a few times a
    /// second.
    pub fn reload(&self, now: SystemTime) -> ReloadOutcome {
        self.inner.sandboxes.tidy();
        let mut watch = self.inner.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let files = match watch.folder.look(now) {
            folder::Look::Unchanged if watch.again.is_some_and(|again| again <= now) => watch.folder.read_now(),
            folder::Look::Unchanged => return ReloadOutcome::Unchanged,
            folder::Look::Settling => return ReloadOutcome::Settling,
            folder::Look::Changed(files) => {
                watch.pause = *PAUSES.start();
                files
            }
        };
        let was_due = watch.again.take().is_some();
        self.take(&mut watch, &files, now, was_due)
    }

    /// Reads the whole folder now, whether or not it seems to have changed, and says what is broken in it.
    pub fn reread(&self, now: SystemTime) -> Vec<TemplateProblem> {
        let mut watch = self.inner.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let files = watch.folder.read_now();
        watch.again = None;
        self.take(&mut watch, &files, now, true);
        self.problems()
    }

    /// Takes in what was read; where that `may_be_known`, only if it is something new.
    fn take(&self, watch: &mut Watched, files: &folder::Files, now: SystemTime, may_be_known: bool) -> ReloadOutcome {
        let before = self.inner.library.load();
        let library = Library::load(files, &before, &self.inner.sandboxes);
        watch.loaded(&library, now);
        let problems = library.problems.clone();
        let is_same = library.on_disk == before.on_disk && library.own_words == before.own_words;
        if may_be_known && is_same && problems == before.problems {
            return ReloadOutcome::Unchanged;
        }
        self.inner.library.store(Arc::new(library));
        self.inner.version.fetch_add(1, Ordering::Relaxed);
        ReloadOutcome::Reloaded { problems }
    }
}
