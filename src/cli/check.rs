//! `check`: everything that is not right about templates and routes, in the form that editors and CI read.
//!
//! Each template is rendered for every sample and every notification that was kept; `update`, which tells what changes,
//! for sequences of them, and `digest` for each and for all of them. A remark that not all of them lead
//! to says which does.

mod changes;
mod report;
mod rooms;
mod trials;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;

use self::report::{Level, Part, Report};
use self::rooms::check_rooms;
use self::trials::{Trial, trials};
use super::routes;
use crate::config::routes::RouteProblem;
use crate::config::{Flags, Settings, environment};
use crate::message::TemplateName;
use crate::outbox::{Outbox, OutboxError};
use crate::pipeline::dry_run;
use crate::render::{self, Diagnostic, Preview, Renderer, TemplateProblem};

/// How strict to be.
#[derive(Debug, Clone, Copy, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Options {
    /// Fail on warnings, too.
    #[arg(long)]
    strict: bool,
    /// Also ask the homeserver whether the bot can send to every room of the routes. The bot joins rooms that invite it.
    #[arg(long)]
    rooms: bool,
    /// Check all that a relay needs to start: also the settings, the homeserver with its rooms, and the outbox.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
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
    let tried = trials.len();
    let (bodies, trials): (Vec<Trial>, Vec<Trial>) = trials
        .into_iter()
        .partition(|trial| trial.notification.payload.is_some());
    let mut report = Report::new(options.json);
    for one in &try_templates(&renderer, &trials, &bodies) {
        let text = text(one, settings.templates_dir.as_ref(), trials.len());
        let problem = &one.diagnostic.problem;
        let place = Some((problem.file.as_str(), problem.line));
        report.note(Part::Template, one.diagnostic.level.into(), &text, place)?;
    }
    check_settings(flags, &settings, &renderer, &mut report)?;
    check_routes(flags, &renderer, &mut report)?;
    if options.all {
        check_outbox(flags, &mut report).await?;
    }
    if options.rooms || options.all {
        check_rooms(flags, &renderer, options.all, &mut report).await?;
    }
    report.end(renderer.names().len(), tried)?;
    Ok(if report.fails(options.strict) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Renders every template for what it is for, and collects what its author should know.
fn try_templates(renderer: &Renderer, trials: &[Trial], bodies: &[Trial]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let drafts = renderer.with_drafts(&[]);
    for template in renderer.names().iter().filter(|name| name.is_of_whole()) {
        let of_template = if renderer.takes_payload(template) {
            webhooks::for_template(template, bodies)
        } else {
            trials.iter().collect()
        };
        for trial in of_template {
            let preview = drafts.preview(template, &trial.notification, trial.now);
            note(&mut found, preview, &trial.name);
        }
    }
    for trial in &changes::of(trials) {
        let preview = drafts.preview_change(&trial.notification, &trial.change, trial.now);
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
        let preview = dry_run::preview(&drafts, &TemplateName::digest(), waiting);
        note(&mut found, preview, &format!("a digest of {name}"));
    }
    note_words(&mut found, renderer.problems(), trials.len());
    found.sort_by(|a, b| place(a).cmp(&place(b)));
    found
}

/// What is hardly as it was meant of the homeserver's address and of the language.
fn check_settings(
    flags: &Flags,
    settings: &render::Settings,
    renderer: &Renderer,
    report: &mut Report,
) -> anyhow::Result<()> {
    for remark in Settings::plain_http(flags) {
        report.say(Part::Settings, Level::Warning, &format!("settings: warning: {remark}"))?;
    }
    let language = settings.language.as_ref();
    if let Some((level, remark)) = language.and_then(|language| renderer.remark_on_language(language)) {
        let text = format!("settings: {}: {remark}", word(level));
        report.say(Part::Settings, level.into(), &text)?;
    }
    Ok(())
}

/// Adds what is wrong with words, also with those that no trial needed.
fn note_words(found: &mut Vec<Found>, mut problems: Vec<TemplateProblem>, trials: usize) {
    problems.retain(|problem| {
        problem.file == "words.toml" && !found.iter().any(|known| known.diagnostic.problem == *problem)
    });
    found.extend(problems.into_iter().map(|problem| Found {
        diagnostic: Diagnostic {
            level: render::Level::Error,
            problem,
        },
        first: String::new(),
        times: trials,
    }));
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

/// The routing table, and what is wrong with its file or with the environment.
fn check_routes(flags: &Flags, renderer: &Renderer, report: &mut Report) -> anyhow::Result<()> {
    let source = Settings::routes_only(flags)?;
    let say = |report: &mut Report, level: Level, problem: &RouteProblem| {
        let place = Some((problem.file.as_str(), problem.line));
        let problem = RouteProblem {
            message: format!("{}: {}", level.word(), problem.message),
            ..problem.clone()
        };
        report.note(Part::Routes, level, &problem.to_string(), place)
    };
    let routes = match source.load() {
        Ok(routes) => routes,
        Err(problems) => {
            for problem in &problems {
                say(report, Level::Error, problem)?;
            }
            return Ok(());
        }
    };
    if source.file.is_some() {
        report.routes(routes::table(&routes))?;
    }
    for remark in flags.remarks.iter().chain(&environment::unknown(&routes.variables)) {
        let (level, mark) = if remark.is_warning {
            (Level::Warning, "warning: ")
        } else {
            (Level::Info, "")
        };
        report.say(Part::Environment, level, &format!("environment: {mark}{}", remark.line))?;
    }
    for problem in routes.unknown_templates(&renderer.names()) {
        say(report, Level::Error, &problem)?;
    }
    for (level, problem) in routes.remarks_on_languages(renderer) {
        say(report, level.into(), &problem)?;
    }
    for problem in &routes.warnings {
        say(report, Level::Warning, problem)?;
    }
    Ok(())
}

/// Whether a relay could open its outbox; one that is not there yet is made at the start.
async fn check_outbox(flags: &Flags, report: &mut Report) -> anyhow::Result<()> {
    let settings = Settings::outbox_only(flags)?;
    let found = async {
        let outbox = Outbox::open_for_operator(&settings).await?;
        outbox.inspect().await?;
        outbox.stats(Timestamp::now()).await
    };
    match found.await {
        Ok(stats) => {
            let text = format!("outbox: {} pending, {} in flight", stats.pending, stats.in_flight);
            report.say(Part::Outbox, Level::Info, &text)?;
            if stats.dead > 0 {
                let text = format!(
                    "outbox: warning: {} deliveries are dead; `outbox list --state dead` shows them",
                    stats.dead
                );
                report.say(Part::Outbox, Level::Warning, &text)?;
            }
        }
        Err(OutboxError::Missing(_)) => {
            report.say(
                Part::Outbox,
                Level::Info,
                "outbox: none yet; the relay makes it when it starts",
            )?;
        }
        Err(error) => report.say(Part::Outbox, Level::Error, &format!("outbox: error: {error}"))?,
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
