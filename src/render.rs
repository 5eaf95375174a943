//! Decides how a notification reads: through a template to Markdown, and from that to what Matrix shows.
//!
//! ```text
//! Notification → facts → context → template → Markdown → document ─┬→ formatted_body (Matrix's HTML)
//!                                                                   └→ body (plain text)
//! ```
//!
//! Guarantees: the same notification, templates and `now` give the same bytes; a message always comes out: in
//! the place of a template that does not work the last one is used that did, and after a panic a bare list; nothing from an alert
//! is ever read as Markdown, HTML or a mention; every message fits into an event. It knows no rooms, no network and no clock.

mod announced;
mod budget;
mod compose;
mod context;
mod cost;
mod deadline;
mod diagnostic;
mod digest;
mod empties;
mod engine;
mod expressions;
mod facts;
mod faults;
mod filters;
mod folder;
mod html;
mod in_use;
mod kind;
mod last_resort;
mod library;
mod links;
mod look;
mod markdown;
mod plain;
mod preview;
mod problem;
mod readable;
mod readings;
pub mod reference;
mod reload;
mod sandbox;
mod severity;
mod shield;
mod syntax;
mod tree;
mod trial;
mod values;
mod visible;
mod warnings;
mod words;
mod zones;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use arc_swap::ArcSwap;
pub use budget::{BudgetSteps, CONTENT_LIMIT, content_size};
pub use deadline::{Deadline, Guard};
pub use diagnostic::{Diagnostic, Level};
pub use digest::{Counted, Digest};
use engine::Failure;
pub use expressions::{Expressions, check_expression};
use facts::Facts;
pub(crate) use filters::duration_text;
pub use folder::LARGEST_FILE;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use library::Library;
pub use library::{COOKBOOK, GUIDE, embedded, files};
use look::Look;
pub use preview::{Draft, Drafts, Preview};
pub use problem::TemplateProblem;
pub(crate) use problem::nearest;
pub use readable::Markdown;
use sandbox::Sandboxes;
pub use sandbox::{COMMAND as SANDBOX_COMMAND, Isolation, serve as serve_sandbox};
use serde::{Deserialize, Serialize};
pub use zones::time_zone;

pub use self::reload::ReloadOutcome;
use self::reload::{PAUSES, Watched};
use crate::alert::Notification;
use crate::group::Change;
use crate::message::words::Words;
use crate::message::{Language, Locale, RenderedMessage, TemplateName};

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the operator's templates are; without it, or where it is missing, the built-in ones are used.
    pub templates_dir: Option<PathBuf>,
    /// The zone in which times are written.
    pub time_zone: TimeZone,
    /// The language of messages; English where nobody says.
    pub language: Option<Language>,
    /// Where templates run that are not built in.
    pub isolation: Isolation,
}

impl Settings {
    /// Whether a template was saved so shortly before `now` that it may not be whole yet; for the start, which has no
    /// earlier look to compare with.
    pub fn is_being_written(&self, now: SystemTime) -> bool {
        let dir = self.templates_dir.as_ref();
        dir.is_some_and(|dir| folder::is_being_written(dir, now))
    }
}

/// A notification as it will be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// What to send, in order; one message, unless the budget made it several. Never empty.
    pub messages: Vec<RenderedMessage>,
    /// What the template wrote.
    pub markdown: Markdown,
    /// What went wrong on the way, if something did; the message says it as well.
    pub problem: Option<TemplateProblem>,
    /// What the template's author should know although it worked.
    pub notes: Vec<TemplateProblem>,
    /// What the budget made necessary.
    pub budget: BudgetSteps,
}

/// Renders notifications; cheap to clone, and all clones see the same templates.
#[derive(Clone)]
pub struct Renderer {
    inner: Arc<Inner>,
    deadline: Deadline,
    locale: Locale,
}

struct Inner {
    settings: Settings,
    library: ArcSwap<Library>,
    /// The built-in templates, which always work.
    fallback: Library,
    sandboxes: Sandboxes,
    watch: Mutex<Watched>,
    version: AtomicU64,
}

impl Renderer {
    /// Loads the templates. Whatever is broken or missing is replaced by what is built in.
    pub fn open(settings: &Settings) -> Self {
        let fallback = Library::embedded();
        let mut watch = Watched {
            folder: folder::Watch::new(settings.templates_dir.clone()),
            again: None,
            pause: *PAUSES.start(),
        };
        let sandboxes = Sandboxes::new(&settings.isolation);
        let library = Library::load(&watch.folder.read_now(), &fallback, &sandboxes);
        watch.loaded(&library, SystemTime::now());
        let inner = Arc::new(Inner {
            settings: settings.clone(),
            library: ArcSwap::from_pointee(library),
            fallback,
            sandboxes,
            watch: Mutex::new(watch),
            version: AtomicU64::new(0),
        });
        Self {
            inner,
            deadline: Deadline::none(),
            locale: Locale::default(),
        }
    }

    /// The same for somebody who waits no longer than until this deadline: what is not rendered by then is so by what is built
    /// in.
    #[must_use]
    pub fn within(&self, deadline: &Deadline) -> Self {
        Self {
            deadline: deadline.clone(),
            ..self.clone()
        }
    }

    /// The same for a route whose messages are in a language or zone of its own.
    #[must_use]
    pub fn for_locale(&self, locale: &Locale) -> Self {
        Self {
            locale: locale.clone(),
            ..self.clone()
        }
    }

    /// What a notification looks like. It always looks like something: see [`Rendered::problem`].
    pub fn render(&self, template: &TemplateName, notification: &Notification, now: Timestamp) -> Rendered {
        last_resort::unless_it_panics(template, notification, &self.words(), || {
            let library = self.inner.library.load();
            let look = self.look(&library, template);
            look.with(|| self.render_with(&library, template, &Facts::new(notification, now), &look))
        })
    }

    /// What a change in a group looks like, as a line beside the message that shows the whole. It always looks like
    /// something, as everything that is rendered.
    pub fn render_change(&self, notification: &Notification, change: &Change, now: Timestamp) -> Rendered {
        let template = TemplateName::update();
        last_resort::unless_it_panics(&template, notification, &self.words(), || {
            let library = self.inner.library.load();
            let look = self.look(&library, &template);
            look.with(|| self.render_with(&library, &template, &Facts::of_change(notification, change, now), &look))
        })
    }

    /// What many messages that waited look like as one. The alerts of the notification are those that fire.
    pub fn render_digest(&self, notification: &Notification, digest: &Digest, now: Timestamp) -> Rendered {
        let template = TemplateName::digest();
        last_resort::unless_it_panics(&template, notification, &self.words(), || {
            let library = self.inner.library.load();
            let look = self.look(&library, &template);
            look.with(|| {
                let facts = Facts::of_digest(notification, digest, now);
                let rendered = self.render_with(&library, &template, &facts, &look);
                if rendered.messages.len() == 1 {
                    return rendered;
                }
                let why = "does not fit into one message, which a digest has to";
                let problem = TemplateProblem::new(template.file_name(), why);
                compose::fall_back(&self.inner.fallback.engine, &template, &facts, &look, problem)
            })
        })
    }

    /// Does something in the words of its messages.
    pub(crate) fn speak<T>(&self, what: impl FnOnce() -> T) -> T {
        words::with(&self.words(), what)
    }

    /// A moment as messages tell it.
    pub(crate) fn time_text(&self, at: Timestamp, now: Timestamp) -> String {
        let zone = self.locale.time_zone.as_ref().unwrap_or(&self.inner.settings.time_zone);
        self.speak(|| filters::time_text(at, now, zone))
    }

    /// The words that messages say.
    pub(crate) fn words(&self) -> Arc<Words> {
        let language = self.locale.language.as_ref().or(self.inner.settings.language.as_ref());
        let library = self.inner.library.load();
        library.vocabulary.words(language.map(Language::as_str))
    }

    /// How a message by this template looks.
    fn look(&self, library: &Library, template: &TemplateName) -> Look {
        let (settings, own) = (&self.inner.settings, &self.locale);
        let language = own.language.as_ref().or(settings.language.as_ref());
        Look {
            zone: own.time_zone.as_ref().unwrap_or(&settings.time_zone).clone(),
            words: library.vocabulary.words(language.map(Language::as_str)),
            template: template.to_string(),
        }
    }

    /// The languages that there are words of.
    pub fn languages(&self) -> Vec<String> {
        self.inner.library.load().vocabulary.names()
    }

    /// What is to be said of the words of a language, if anything is: that nobody knows it, or which are missing.
    pub fn remark_on_language(&self, language: &Language) -> Option<(Level, String)> {
        self.inner.library.load().vocabulary.remark(language.as_str())
    }

    /// The same of the language that holds where a route says nothing.
    pub fn remark_on_own_language(&self) -> Option<String> {
        let language = self.inner.settings.language.as_ref()?;
        Some(self.remark_on_language(language)?.1)
    }

    fn render_with(&self, library: &Library, template: &TemplateName, facts: &Facts<'_>, look: &Look) -> Rendered {
        let stood_in_for = library.stood_in_for(&template.file_name());
        let footer = stood_in_for.map(compose::stand_in_line);
        let file = template.file_name();
        let composed = library
            .engine
            .compose(&file, facts, look, footer.as_deref(), &self.deadline);
        match composed.map_err(Failure::into_problem) {
            Ok(rendered) => Rendered {
                problem: stood_in_for.cloned(),
                ..rendered
            },
            Err(problem) => {
                // A template that never worked is missing here; why it did not is known since it was loaded.
                let known = library.problems.iter().find(|known| known.file == template.file_name());
                let missing = || TemplateProblem::new(template.file_name(), "there is no such template");
                let problem = match known.cloned() {
                    Some(known) => known,
                    None if library.engine.has(&template.file_name()) => problem,
                    None => missing(),
                };
                compose::fall_back(&self.inner.fallback.engine, template, facts, look, problem)
            }
        }
    }
}
