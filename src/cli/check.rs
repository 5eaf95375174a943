//! `check`: everything that is not right about templates and routes, in the form that editors and CI read.
//!
//! Each template is rendered for every sample and every notification that was kept; `update`, which tells what changes,
//! for sequences of them, and `digest` for each and for all of them. A remark that not all of them lead
//! to says which does.

mod changes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{fmt, io};

use clap::Args;
use jiff::Timestamp;

use super::print::line;
use super::{material, routes};
use crate::alert::Notification;
use crate::alert::parse;
use crate::config::routes::RouteProblem;
use crate::config::{Flags, Settings, environment};
use crate::matrix::{self, Transport};
use crate::message::TemplateName;
use crate::outbox::{self, Outbox, OutboxError};
use crate::pipeline::dry_run;
use crate::render::{self, Diagnostic, Preview, Renderer};
use crate::samples;

/// How strict to be.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// Fail on warnings, too.
    #[arg(long)]
    strict: bool,
    /// Also ask the homeserver whether the bot can send to every room of the routes. The bot joins rooms that invite it.
    #[arg(long)]
    rooms: bool,
}

/// A notification to try, and how to call it.
struct Trial {
    name: String,
    notification: Notification,
    now: Timestamp,
}

/// A remark, and the trials that led to it.
struct Found {
    diagnostic: Diagnostic,
    first: String,
    times: usize,
}

pub(super) async fn run(flags: &Flags, options: Options) -> anyhow::Result<ExitCode> {
    let (settings, _) = Settings::render_only(flags)?;
    let renderer = Renderer::open(&settings);
    let trials = trials(&Settings::outbox_only(flags)?).await?;
    let mut found: Vec<Found> = Vec::new();
    let names = renderer.names();
    let changes = changes::of(&trials);
    let desk = renderer.with_drafts(&[]);
    for template in names.iter().filter(|name| name.is_of_whole()) {
        for trial in &trials {
            let preview = desk.preview(template, &trial.notification, trial.now);
            note(&mut found, preview, &trial.name);
        }
    }
    for trial in &changes {
        let preview = desk.preview_change(&trial.notification, &trial.change, trial.now);
        note(&mut found, preview, &trial.name);
    }
    let all: Vec<_> = trials
        .iter()
        .map(|trial| (trial.notification.clone(), trial.now))
        .collect();
    let one_by_one = trials
        .iter()
        .zip(&all)
        .map(|(trial, one)| (trial.name.as_str(), std::slice::from_ref(one)));
    for (name, waiting) in one_by_one.chain([("all of them", all.as_slice())]) {
        let preview = dry_run::preview(&desk, &TemplateName::digest(), waiting);
        note(&mut found, preview, &format!("a digest of {name}"));
    }
    found.sort_by(|a, b| place(a).cmp(&place(b)));
    for one in &found {
        line(&text(one, settings.templates_dir.as_ref(), trials.len()))?;
    }
    let errors = found
        .iter()
        .filter(|one| one.diagnostic.level == render::Level::Error)
        .count();
    let mut count = Count {
        errors,
        warnings: found.len() - errors,
    };
    for remark in Settings::plain_http(flags) {
        count.warning(&format!("settings: warning: {remark}"))?;
    }
    if let Some((level, remark)) = settings
        .language
        .as_ref()
        .and_then(|language| renderer.remark_on_language(language))
    {
        count.note(level, &format!("settings: {}: {remark}", word(level)))?;
    }
    for problem in renderer
        .problems()
        .iter()
        .filter(|problem| problem.file == "words.toml")
    {
        let line = problem.line.map_or_else(String::new, |line| format!(":{line}"));
        count.error(&format!("{}{line}: error: {}", problem.file, problem.message))?;
    }
    check_routes(flags, &renderer, &mut count)?;
    if options.rooms {
        check_rooms(flags, &renderer, &mut count).await?;
    }
    let Count { errors, warnings } = count;
    line(&format!(
        "{} templates, {} notifications tried; errors: {errors}, warnings: {warnings}",
        names.len(),
        trials.len()
    ))?;
    let fails = errors > 0 || (options.strict && warnings > 0);
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Adds what a preview remarks, each remark once.
fn note(found: &mut Vec<Found>, preview: Preview, name: &str) {
    for diagnostic in preview.diagnostics {
        match found.iter_mut().find(|known| known.diagnostic == diagnostic) {
            Some(known) => known.times += 1,
            None => found.push(Found {
                diagnostic,
                first: name.to_owned(),
                times: 1,
            }),
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Count {
    errors: usize,
    warnings: usize,
}

impl Count {
    fn error(&mut self, problem: &impl fmt::Display) -> io::Result<()> {
        self.errors += 1;
        line(&problem.to_string())
    }

    fn warning(&mut self, problem: &impl fmt::Display) -> io::Result<()> {
        self.warnings += 1;
        line(&problem.to_string())
    }

    fn note(&mut self, level: render::Level, problem: &impl fmt::Display) -> io::Result<()> {
        match level {
            render::Level::Error => self.error(problem),
            render::Level::Warning => self.warning(problem),
        }
    }
}

/// The routing table, and what is wrong with its file or with the environment.
fn check_routes(flags: &Flags, renderer: &Renderer, count: &mut Count) -> anyhow::Result<()> {
    let source = Settings::routes_only(flags)?;
    let say = |level: &str, problem: &RouteProblem| RouteProblem {
        message: format!("{level}: {}", problem.message),
        ..problem.clone()
    };
    let routes = match source.load() {
        Ok(routes) => routes,
        Err(problems) => {
            for problem in &problems {
                count.error(&say("error", problem))?;
            }
            return Ok(());
        }
    };
    for text in routes::table(&routes).iter().filter(|_| source.file.is_some()) {
        line(text)?;
    }
    for remark in flags.remarks.iter().chain(&environment::unknown(&routes.variables)) {
        if remark.is_warning {
            count.warning(&format!("environment: warning: {}", remark.line))?;
        } else {
            line(&format!("environment: {}", remark.line))?;
        }
    }
    for problem in routes.unknown_templates(&renderer.names()) {
        count.error(&say("error", &problem))?;
    }
    for (level, problem) in routes.remarks_on_languages(renderer) {
        count.note(level, &say(word(level), &problem))?;
    }
    for problem in &routes.warnings {
        count.warning(&say("warning", problem))?;
    }
    Ok(())
}

/// Whether the bot can do in the rooms what the routes want of it.
async fn check_rooms(flags: &Flags, renderer: &Renderer, count: &mut Count) -> anyhow::Result<()> {
    let settings = Settings::from_flags(flags)?;
    let table = settings.routes.table;
    let transport = Transport::new(&settings.matrix)?;
    let mentioned = table.mentioned_rooms(|template| renderer.can_mention_room(template));
    for finding in transport.check(&table.rooms(), &mentioned).await {
        match finding.level {
            matrix::Level::Info => line(&finding.to_string())?,
            matrix::Level::Warn => count.warning(&format!("warning: {finding}"))?,
            matrix::Level::Error => count.error(&format!("error: {finding}"))?,
        }
    }
    Ok(())
}

fn place(found: &Found) -> (&str, Option<usize>) {
    let problem = &found.diagnostic.problem;
    (&problem.file, problem.line)
}

fn word(level: render::Level) -> &'static str {
    match level {
        render::Level::Error => "error",
        render::Level::Warning => "warning",
    }
}

/// `file:line: error: message`, with a path that an editor can open where the file is the operator's.
fn text(found: &Found, folder: Option<&PathBuf>, trials: usize) -> String {
    let mut problem = found.diagnostic.problem.clone();
    let path = folder
        .map(|folder| folder.join(&problem.file))
        .filter(|path| path.is_file());
    if let Some(path) = path {
        problem.file = path.display().to_string();
    }
    problem.message = format!("{}: {}", word(found.diagnostic.level), problem.message);
    match found.times {
        times if times >= trials => problem.to_string(),
        1 => format!("{problem} (for {})", found.first),
        times => format!("{problem} (for {} and {} more)", found.first, times - 1),
    }
}

/// All samples, and what a relay has kept; without its outbox, only the samples.
async fn trials(settings: &outbox::Settings) -> anyhow::Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for sample in samples::all() {
        let (notification, now) = material::sample(sample.name)?;
        let name = format!("sample {}", sample.name);
        trials.push(Trial {
            name,
            notification,
            now,
        });
    }
    match kept(settings).await {
        Ok(kept) => trials.extend(kept),
        Err(OutboxError::Missing(_)) => {}
        Err(error) => tracing::warn!("check tries only samples, because {error}"),
    }
    Ok(trials)
}

async fn kept(settings: &outbox::Settings) -> Result<Vec<Trial>, OutboxError> {
    let outbox = Outbox::open_for_operator(settings).await?;
    let mut trials = Vec::new();
    for recording in outbox.recordings().await? {
        let body = outbox.recording(recording.id).await?.map(|(_, body)| body);
        let notification = body.and_then(|body| parse::notification(body.as_bytes()).ok());
        trials.extend(notification.map(|notification| Trial {
            name: format!("recorded {} ({})", recording.id.0, recording.title),
            notification,
            now: recording.received_at,
        }));
    }
    Ok(trials)
}
