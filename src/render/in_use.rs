//! What there is to know of the templates in use.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::{Renderer, TemplateProblem};
use crate::message::TemplateName;

impl Renderer {
    /// How often the templates have changed since the start.
    pub fn version(&self) -> u64 {
        self.inner.version.load(Ordering::Relaxed)
    }

    /// What is wrong with what this template is made of, and therefore not in use.
    pub fn problems_of(&self, template: &TemplateName) -> Vec<TemplateProblem> {
        self.inner.library.load().problems_of(&template.file_name())
    }

    /// Whether a file is this template or a part of it.
    pub fn is_part_of(&self, file: &str, template: &TemplateName) -> bool {
        self.inner.library.load().is_part_of(file, &template.file_name())
    }

    /// What is broken now, and therefore not in use, or not everywhere.
    pub fn problems(&self) -> Vec<TemplateProblem> {
        self.inner.library.load().problems.clone()
    }

    /// The templates that can be chosen.
    pub fn names(&self) -> Vec<TemplateName> {
        self.inner.library.load().names()
    }

    /// Whether this template can be chosen.
    pub fn knows(&self, template: &TemplateName) -> bool {
        self.inner
            .library
            .load()
            .engine
            .sources
            .contains_key(&template.file_name())
    }

    /// Whether this template, or a part that it uses, is for bodies of any shape.
    pub fn takes_payload(&self, template: &TemplateName) -> bool {
        self.inner.library.load().engine.calls(&template.file_name(), "payload")
    }

    /// Whether this template, or a part that it uses, can mention everybody in a room.
    pub fn can_mention_room(&self, template: &TemplateName) -> bool {
        self.inner
            .library
            .load()
            .engine
            .calls(&template.file_name(), "mention_room")
    }

    /// The text of a template or partial that is in use, by its path inside the folder.
    pub fn source(&self, file: &str) -> Option<String> {
        self.inner.library.load().engine.sources.get(file).cloned()
    }

    /// The paths of all templates and partials in use.
    pub fn files(&self) -> Vec<String> {
        self.inner.library.load().engine.sources.keys().cloned().collect()
    }

    /// What the operator's folder holds, as it was last read and whether it works or not; empty where all is built in.
    pub fn on_disk(&self) -> BTreeMap<String, String> {
        self.inner.library.load().on_disk.clone()
    }

    /// Whether a template may be run that is not built in, which may take seconds.
    pub fn may_take_long(&self) -> bool {
        !self.inner.library.load().is_built_in()
    }
}
