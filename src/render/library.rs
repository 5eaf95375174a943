//! The templates in use: those of the folder over those built in, each in its last version that works.
//!
//! Guarantees: every template in here compiles and has survived the trials. A changed folder is taken whole or not at all:
//! one broken file keeps everything as it was, and is named. Only where nothing of the folder is in use yet, as at the
//! start, are its broken files left out, since there is nothing to keep.

mod attempt;
mod edits;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::engine::{Engine, Sources};
use super::faults;
use super::folder::Files;
use super::problem::TemplateProblem;
use super::sandbox::Sandboxes;
use super::words::{self, Vocabulary};
use crate::message::TemplateName;

const EMBEDDED: &[(&str, &str)] = &[
    ("alert.md.j2", include_str!("../../templates/alert.md.j2")),
    ("compact.md.j2", include_str!("../../templates/compact.md.j2")),
    ("detailed.md.j2", include_str!("../../templates/detailed.md.j2")),
    ("digest.md.j2", include_str!("../../templates/digest.md.j2")),
    ("update.md.j2", include_str!("../../templates/update.md.j2")),
    ("webhook.md.j2", include_str!("../../templates/webhook.md.j2")),
    ("uptime-kuma.md.j2", include_str!("../../templates/uptime-kuma.md.j2")),
    ("gitea.md.j2", include_str!("../../templates/gitea.md.j2")),
    ("proxmox.md.j2", include_str!("../../templates/proxmox.md.j2")),
    ("healthchecks.md.j2", include_str!("../../templates/healthchecks.md.j2")),
    (
        "grafana-legacy.md.j2",
        include_str!("../../templates/grafana-legacy.md.j2"),
    ),
    (
        "alertmanager-json.md.j2",
        include_str!("../../templates/alertmanager-json.md.j2"),
    ),
    (
        "partials/header.md.j2",
        include_str!("../../templates/partials/header.md.j2"),
    ),
    (
        "partials/line.md.j2",
        include_str!("../../templates/partials/line.md.j2"),
    ),
    (
        "partials/state.md.j2",
        include_str!("../../templates/partials/state.md.j2"),
    ),
    (
        "partials/truncated.md.j2",
        include_str!("../../templates/partials/truncated.md.j2"),
    ),
];

/// What every variable, filter and function does, for authors of templates.
pub const GUIDE: &str = include_str!("../../templates/README.md");

/// Templates to begin with, for authors of templates.
pub const COOKBOOK: &str = include_str!("../../templates/COOKBOOK.md");

/// The built-in templates by file name, for export.
pub fn embedded() -> impl Iterator<Item = (&'static str, &'static str)> {
    EMBEDDED.iter().copied()
}

/// Every built-in file by name: the templates, their words, and what explains them.
pub fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    embedded().chain([(words::FILE, words::BUILT_IN)])
}

pub(super) struct Library {
    pub(super) engine: Engine,
    /// The words that templates speak in.
    pub(super) vocabulary: Vocabulary,
    /// What the folder's file of words held when it was last read.
    pub(super) own_words: Option<String>,
    pub(super) problems: Vec<TemplateProblem>,
    /// What the folder held when it was last read, whether it works or not.
    pub(super) on_disk: Sources,
    stand_ins: Problems,
    /// Whether some of it may only be out of use because the machine was busy, or had no process for a trial.
    pub(super) is_unsettled: bool,
    /// Whether the folder has ever been looked at.
    looked: bool,
}

/// What is wrong with which file.
type Problems = BTreeMap<String, TemplateProblem>;

impl Library {
    /// Only what is built in.
    pub(super) fn embedded() -> Self {
        let (engine, problems) = Engine::compile_here(built_in_sources());
        Self {
            engine,
            vocabulary: Vocabulary::built_in(),
            own_words: None,
            problems,
            on_disk: Sources::new(),
            stand_ins: Problems::new(),
            is_unsettled: false,
            looked: false,
        }
    }

    /// What the folder holds; in place of what does not work, what `before` holds.
    pub(super) fn load(files: &Files, before: &Self, sandboxes: &Sandboxes) -> Self {
        let mut problems = files.problems.clone();
        let (vocabulary, own_words) = if files.why_hidden(words::FILE).is_some() {
            (before.vocabulary.clone(), before.own_words.clone())
        } else {
            let (read, mut wrong) = match &files.words {
                Some(text) => Vocabulary::with(text),
                None => (Some(Vocabulary::built_in()), Vec::new()),
            };
            problems.append(&mut wrong);
            (read.unwrap_or_else(|| before.vocabulary.clone()), files.words.clone())
        };
        let is_hidden = |file: &&String| files.why_hidden(file).is_some();
        let kept = |sources: &Sources| -> Sources {
            let hidden = sources.iter().filter(|(file, _)| is_hidden(file));
            hidden.map(|(file, text)| (file.clone(), text.clone())).collect()
        };
        let mut on_disk = files.sources.clone();
        on_disk.extend(kept(&before.on_disk));
        let mut wanted = built_in_sources();
        wanted.extend(kept(&before.engine.sources));
        let unusable = edits::add(&mut wanted, &files.sources);
        sandboxes.trials.was_disturbed();
        let (engine, found) = before.take(wanted, unusable, &sandboxes.trials);
        problems.extend(found);
        let is_unsettled = sandboxes.trials.was_disturbed();
        let engine = engine.within(&sandboxes.in_use);
        sandboxes.in_use.take_over(&sandboxes.trials);
        let problems = with_all_faults(problems, &on_disk);
        let stand_ins = stand_ins(files, before, &engine, &problems);
        Self {
            engine,
            vocabulary,
            own_words,
            problems,
            on_disk,
            stand_ins,
            is_unsettled,
            looked: true,
        }
    }

    /// Whether nothing of it is the operator's.
    pub(super) fn is_built_in(&self) -> bool {
        self.engine.sources.keys().all(|file| self.engine.is_built_in(file))
    }

    /// Templates that can be chosen: those not in a subfolder.
    pub(super) fn names(&self) -> Vec<TemplateName> {
        self.engine.sources.keys().filter_map(|file| entry_name(file)).collect()
    }

    /// Everything that is wrong with this template or its parts, in use or not.
    pub(super) fn problems_of(&self, file: &str) -> Vec<TemplateProblem> {
        let mut parts = reached(&self.engine.sources, file);
        parts.extend(reached(&self.on_disk, file));
        let concerns = |problem: &&TemplateProblem| {
            let path = problem.file.as_str();
            let hides = |part: &&str| path == "." || (path.ends_with('/') && part.starts_with(path));
            parts.contains(path) || parts.iter().any(hides)
        };
        self.problems.iter().filter(concerns).cloned().collect()
    }

    /// Whether a file is this template or a part of it, as it is used or as it is saved.
    pub(super) fn is_part_of(&self, part: &str, file: &str) -> bool {
        [&self.engine.sources, &self.on_disk]
            .iter()
            .any(|sources| reached(sources, file).contains(part))
    }

    /// What is wrong with this template or its parts, if something built in stands in for one of them.
    pub(super) fn stood_in_for(&self, file: &str) -> Option<&TemplateProblem> {
        if self.stand_ins.is_empty() {
            return None;
        }
        let reached = reached(&self.engine.sources, file);
        reached.into_iter().find_map(|part| self.stand_ins.get(part))
    }
}

/// What is wrong with files that are not used as they are, in whichever line.
fn with_all_faults(mut problems: Vec<TemplateProblem>, on_disk: &Sources) -> Vec<TemplateProblem> {
    let files: BTreeSet<String> = problems.iter().map(|problem| problem.file.clone()).collect();
    for (file, source) in on_disk.iter().filter(|(file, _)| files.contains(*file)) {
        let faults = faults::of_names(file, source);
        // They say the same, or what was meant.
        problems.retain(|known| {
            let is_said = faults.iter().any(|fault| fault.line == known.line);
            known.file != *file || known.is_partial() || !is_said
        });
        let is_partial = |fault: &TemplateProblem| {
            let mut known = problems.iter().filter(|known| known.file == fault.file);
            known.any(|known| known.line == fault.line)
        };
        let new: Vec<_> = faults.into_iter().filter(|fault| !is_partial(fault)).collect();
        problems.extend(new);
    }
    problems
}

fn built_in_sources() -> Sources {
    embedded()
        .map(|(file, source)| (file.to_owned(), source.to_owned()))
        .collect()
}

/// What is built in and stands in for a file that the operator has and that is not in use and never was; with what is
/// wrong with that file. Its author would wonder why the words do not appear.
fn stand_ins(files: &Files, before: &Library, engine: &Engine, problems: &[TemplateProblem]) -> Problems {
    let mut found = Problems::new();
    for (file, source) in embedded() {
        if engine.sources.get(file).is_none_or(|used| used != source) {
            continue;
        }
        let problem = if files.sources.contains_key(file) {
            problems.iter().find(|problem| problem.file == file)
        } else {
            // Nobody knows whether there is such a file; if one was not there before, it hardly is now.
            let was_seen = before.looked && !before.stand_ins.contains_key(file);
            files.why_hidden(file).filter(|_| !was_seen)
        };
        found.extend(problem.map(|problem| (file.to_owned(), problem.clone())));
    }
    found
}

/// The files that a template is made of, as far as it names them.
pub(super) fn reached<'s>(sources: &'s Sources, file: &'s str) -> BTreeSet<&'s str> {
    let mut reached = BTreeSet::from([file]);
    let mut waiting = vec![file];
    while let Some(source) = waiting.pop().and_then(|file| sources.get(file)) {
        for part in sources.keys() {
            let is_named = ['"', '\'']
                .iter()
                .any(|quote| source.contains(&format!("{quote}{part}{quote}")));
            if is_named && reached.insert(part) {
                waiting.push(part);
            }
        }
    }
    reached
}

fn entry_name(file: &str) -> Option<TemplateName> {
    TemplateName::from_str(file.strip_suffix(".md.j2")?).ok()
}

/// A file beside the templates that looks like one and could never be used.
fn is_misnamed(file: &str) -> bool {
    !file.contains('/') && file.ends_with(".md.j2") && entry_name(file).is_none()
}
