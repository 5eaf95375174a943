//! The routes file: named routes with their rooms, rules, policies and credentials.
//!
//! Guarantees: a file is taken as a whole or not at all; every problem of it is reported at once, with its line, and an
//! unknown key with the nearest known one. What a flag or variable says of the default route beats the file. A secret
//! may stand elsewhere (`${VARIABLE}`, `{ file = "…" }`) and never appears in a problem.
//!
//! Deliberately not known here: whether a template exists ([`Routes::unknown_templates`] asks the templates) or whether the bot is in
//! a room.

mod compat;
mod credentials;
mod expected;
mod inherited;
mod input;
mod mentions;
mod problem;
mod route;
mod rules;
mod source;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::inherited::Named;
pub use self::problem::RouteProblem;
use self::source::{Section, Source};
use self::watch::Seen;
pub use self::watch::{Watch, Watched};
use super::environment::unquoted;
use crate::intake::{Compat, CredentialSettings};
use crate::message::{Language, Mode, RoomAddress, RouteName, TemplateName};
use crate::render::{Level, Renderer};
use crate::route::{Input, Table};

/// Larger files are no routes.
const LARGEST: u64 = 1024 * 1024;

/// Where the routes come from.
#[derive(Debug, Clone)]
pub struct RoutesSource {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// What flags and variables say; it beats what the file says of the default route.
    pub room: Option<RoomAddress>,
    /// The template of flags and variables; other routes use it where they name none.
    pub template: Option<TemplateName>,
    /// The mode of flags and variables; other routes use it where they name none.
    pub mode: Option<Mode>,
    /// The reminders of flags and variables; the same.
    pub reminders: Option<bool>,
    /// The credentials of flags and variables; other routes ask for them where they have none of their own.
    pub credentials: CredentialSettings,
    /// How long a repeat is recognised, which bounds how old a signature may be.
    pub repeat_window: Duration,
}

/// The routes as they shall be used.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// Where notifications go.
    pub table: Table,
    /// What callers of each route have to show; every route is in it.
    pub credentials: BTreeMap<RouteName, CredentialSettings>,
    /// The addresses of other relays that are served, and where they lead.
    pub compat: Compat,
    /// What is usable, but hardly meant.
    pub warnings: Vec<RouteProblem>,
    /// The files that all this was read from.
    seen: Vec<Seen>,
    named: Named,
    /// How routes read bodies of any shape, until they are part of the table.
    inputs: BTreeMap<RouteName, Input>,
    /// The variables of the environment that the file reads.
    pub variables: Vec<String>,
}

impl Default for RoutesSource {
    fn default() -> Self {
        Self {
            mode: None,
            reminders: None,
            file: None,
            room: None,
            template: None,
            credentials: CredentialSettings::default(),
            repeat_window: Duration::from_secs(90),
        }
    }
}

impl RoutesSource {
    /// Reads everything anew; on problems, all of them.
    pub fn load(&self) -> Result<Routes, Vec<RouteProblem>> {
        self.load_seen(&variable).1
    }

    /// The same with what was read, whether or not it can be used.
    fn load_seen(&self, variable: Variable<'_>) -> (Vec<Seen>, Result<Routes, Vec<RouteProblem>>) {
        let Some(path) = &self.file else {
            let mut routes = self.without_file();
            self.name_template(&mut routes);
            return (Vec::new(), Ok(routes));
        };
        let seen = Seen::now(path);
        match read(path) {
            Ok(text) => self.parse_seen(path, &text, variable, seen),
            Err(problem) => (vec![seen], Err(vec![problem])),
        }
    }

    /// The routes that a text describes; `path` is for the problems and for files beside it.
    pub fn parse(&self, path: &Path, text: &str, variable: Variable<'_>) -> Result<Routes, Vec<RouteProblem>> {
        self.parse_seen(path, text, variable, Seen::now(path)).1
    }

    fn parse_seen(
        &self,
        path: &Path,
        text: &str,
        variable: Variable<'_>,
        seen: Seen,
    ) -> (Vec<Seen>, Result<Routes, Vec<RouteProblem>>) {
        let source = Source::new(path, text, variable);
        let mut routes = Routes {
            seen: vec![seen],
            ..Routes::default()
        };
        if let Some(document) = source.document() {
            self.fill(&mut routes, &Section::new(&source, document.get_ref(), document.span()));
        }
        self.name_template(&mut routes);
        routes.variables = source.used();
        let (errors, warnings) = source.into_problems();
        routes.warnings = warnings;
        let seen = routes.seen.clone();
        (seen, if errors.is_empty() { Ok(routes) } else { Err(errors) })
    }

    fn fill(&self, routes: &mut Routes, document: &Section<'_>) {
        document.only(&["routes", "compat"]);
        let named = document.section("routes");
        let mut rules = BTreeMap::new();
        for (name, section) in named.iter().flat_map(Section::sections) {
            let Some(name) = section.parsed::<RouteName>(name, section.span()) else {
                continue;
            };
            let (rule, credentials) = self.route(&name, &section, routes);
            rules.insert(name.clone(), rule);
            routes.credentials.insert(name, credentials);
        }
        let default = RouteName::default();
        if rules.is_empty() && self.room.is_none() {
            document.error("missing route (expected a table such as `[routes.default]`)");
        } else if let (None, Some(room)) = (rules.get(&default), &self.room) {
            rules.insert(default.clone(), self.to_room(room));
            routes.credentials.insert(default, self.credentials.clone());
        }
        if let Some(section) = document.section("compat") {
            routes.compat = compat::read(&section, &|route| rules.contains_key(route));
        }
        routes.table = Table::new(rules).with_inputs(std::mem::take(&mut routes.inputs));
        expected::must_agree(document, &routes.table);
    }
}

impl Routes {
    /// The templates that are named and do not exist, each with its line. They stop nothing: the built-in template
    /// steps in until they are there.
    pub fn unknown_templates(&self, known: &[TemplateName]) -> Vec<RouteProblem> {
        let unknown = self.named.templates.iter().filter(|(name, _)| !known.contains(name));
        unknown
            .map(|(name, place)| {
                let names = known.iter().map(TemplateName::as_str);
                let message = match crate::render::nearest(name.as_str(), &mut names.clone()) {
                    Some(near) => format!("unknown template `{name}`; did you mean `{near}`?"),
                    None => format!(
                        "unknown template `{name}` (expected one of {})",
                        names.collect::<Vec<_>>().join(", ")
                    ),
                };
                RouteProblem {
                    message,
                    ..place.clone()
                }
            })
            .collect()
    }

    /// What `renderer` has to say of the languages that are named, each with its line.
    pub fn remarks_on_languages(&self, renderer: &Renderer) -> Vec<(Level, RouteProblem)> {
        let remark = |(language, place): &(Language, RouteProblem)| {
            let (level, message) = renderer.remark_on_language(language)?;
            let place = place.clone();
            Some((level, RouteProblem { message, ..place }))
        };
        self.named.languages.iter().filter_map(remark).collect()
    }
}

/// The environment, or what takes its place in a test.
pub type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

/// As for the settings, quotes that stayed round a value are no part of it.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    Some(unquoted(&value).map_or_else(|| value.clone(), str::to_owned))
}

fn read(path: &Path) -> Result<String, RouteProblem> {
    let problem = |message: String| RouteProblem::whole(path, message);
    let metadata = std::fs::metadata(path).map_err(|error| problem(format!("cannot read it: {error}")))?;
    if metadata.len() > LARGEST {
        return Err(problem(format!("the file is larger than {} KiB", LARGEST / 1024)));
    }
    std::fs::read_to_string(path).map_err(|error| problem(format!("cannot read it: {error}")))
}
