//! What `check` found: lines for people as they come, or one JSON document at the end.

use std::io;

use serde_json::{Value, json};

use crate::cli::print::line;
use crate::render;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl From<render::Level> for Level {
    fn from(level: render::Level) -> Self {
        match level {
            render::Level::Error => Self::Error,
            render::Level::Warning => Self::Warning,
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Template,
    Settings,
    Environment,
    Routes,
    Outbox,
    Homeserver,
}

impl Part {
    fn word(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Settings => "settings",
            Self::Environment => "environment",
            Self::Routes => "routes",
            Self::Outbox => "outbox",
            Self::Homeserver => "homeserver",
        }
    }
}

/// A file and a line of it.
pub(super) type Place<'a> = Option<(&'a str, Option<usize>)>;

/// All findings.
#[derive(Debug, Default)]
pub(super) struct Report {
    as_json: bool,
    findings: Vec<Value>,
    routes: Vec<String>,
    errors: usize,
    warnings: usize,
}

impl Report {
    pub(super) fn new(as_json: bool) -> Self {
        Self {
            as_json,
            ..Self::default()
        }
    }

    /// Takes up a finding that stands in no file; `text` reads alone.
    pub(super) fn say(&mut self, part: Part, level: Level, text: &str) -> io::Result<()> {
        self.note(part, level, text, None)
    }

    /// Takes up a finding.
    pub(super) fn note(&mut self, part: Part, level: Level, text: &str, place: Place<'_>) -> io::Result<()> {
        match level {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
            Level::Info => {}
        }
        if !self.as_json {
            return line(text);
        }
        self.findings.push(json!({
            "about": part.word(),
            "level": level.word(),
            "message": text,
            "file": place.map(|(file, _)| file),
            "line": place.and_then(|(_, line)| line),
        }));
        Ok(())
    }

    /// Takes up the routing table.
    pub(super) fn routes(&mut self, table: Vec<String>) -> io::Result<()> {
        if self.as_json {
            self.routes = table;
            return Ok(());
        }
        table.iter().try_for_each(|text| line(text))
    }

    pub(super) fn end(&self, templates: usize, tried: usize) -> io::Result<()> {
        let (errors, warnings) = (self.errors, self.warnings);
        if !self.as_json {
            return line(&format!(
                "{templates} templates, {tried} notifications tried; errors: {errors}, warnings: {warnings}"
            ));
        }
        let report = json!({
            "findings": self.findings, "routes": self.routes, "templates": templates, "notifications": tried, "errors": errors,
            "warnings": warnings,
        });
        line(&format!("{report:#}"))
    }

    pub(super) fn fails(&self, is_strict: bool) -> bool {
        self.errors > 0 || (is_strict && self.warnings > 0)
    }
}
