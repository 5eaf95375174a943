//! The commands. Each is a few lines around what the modules do; rules live there.
//!
//! Exit codes: 0 all is well, 1 it failed, 2 the configuration or the command line is not usable.

mod check;
mod config;
mod demo;
mod document;
mod health;
mod help;
#[cfg(feature = "encryption")]
mod identity;
mod material;
mod outbox;
mod print;
mod reference;
mod render;
mod routes;
mod send_test;
mod shell;
mod templates;

use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::effective::Sources;
use crate::config::environment::Remark;
use crate::config::{ConfigError, Flags, Settings, declared, environment};
use crate::{startup, telemetry};

/// Relays Grafana and Alertmanager notifications to Matrix rooms.
///
/// Without a command it serves: it takes notifications at /alert, renders them through your templates and delivers
/// them to a Matrix room, exactly once and in order. Settings come from flags, from the environment and from a file
/// `.env` in the working directory, in this order of precedence; `serve --help` lists them.
#[derive(Debug, Parser)]
#[command(
    version = telemetry::version(),
    max_term_width = 100,
    after_help = help::ROOT
)]
pub struct Cli {
    /// What to do; serves if it is left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings.
    #[command(flatten)]
    pub flags: Flags,
}

/// The command that reads no settings but flags.
const DEMO: &str = "demo";

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Take notifications and deliver them (the default).
    ///
    /// Each setting is a flag and a variable. A variable may also stand in the file `.env` of the working directory.
    #[command(after_help = help::SERVE)]
    Serve,
    /// Try it without a homeserver: an embedded stand-in room, sample alerts, and a page that shows them.
    #[command(after_help = help::DEMO)]
    Demo(demo::Options),
    /// Print what would be sent for a sample or a payload, without sending it.
    #[command(after_help = help::RENDER)]
    Render(render::Options),
    /// Check the routes file, and all templates with every sample and every kept notification. Fails on errors, for CI.
    #[command(after_help = help::CHECK)]
    Check(check::Options),
    /// Explain to which rooms the alerts of a sample or a payload go, and why. Sends nothing.
    #[command(after_help = help::ROUTE)]
    Route(routes::Options),
    /// Send a sample to the real room, and report each step.
    #[command(after_help = help::SEND_TEST)]
    SendTest(send_test::Options),
    /// List templates, export the built-in ones, or print the reference of what they can use.
    #[command(subcommand, after_help = help::TEMPLATES)]
    Templates(templates::Command),
    /// List, show, retry, give up or delete deliveries; back the outbox up, or restore it.
    #[command(subcommand, after_help = help::OUTBOX)]
    Outbox(outbox::Command),
    /// Look at the identity that vouches for the relay's device in encrypted rooms, recover it or make a new one.
    #[cfg(feature = "encryption")]
    #[command(subcommand, after_help = help::IDENTITY)]
    Identity(identity::Command),
    /// Print the settings that hold, and where each comes from, without the secrets.
    ///
    /// Fails if the relay could not start with them, and says why.
    #[command(after_help = help::CONFIG)]
    Config(config::Options),
    /// Print a page of the documentation that is made of the code, for `make reference`.
    #[command(hide = true)]
    Document(document::Options),
    /// Print the OpenAPI document (YAML).
    #[command(after_help = help::OPENAPI)]
    Openapi,
    /// Ask a running relay whether it is alive, for container health checks.
    #[command(after_help = help::HEALTH)]
    Health(health::Options),
    /// Print a script that makes a shell complete commands and flags.
    #[command(after_help = help::COMPLETIONS)]
    Completions(shell::Completions),
    /// Print the manual page.
    #[command(after_help = help::MAN)]
    Man(shell::Pages),
}

impl Cli {
    /// The whole command line: settings hold for every command, and what a variable holds may be a secret.
    fn with_settings() -> clap::Command {
        Self::command().mut_args(|arg| declared::said_only(arg).global(true).hide_env_values(true))
    }

    /// Whether it is the try-out, which no setting of a relay that runs for real concerns.
    pub fn is_demo(&self) -> bool {
        matches!(self.command, Some(Command::Demo(_)))
    }

    /// The command line of this process, and its environment, of which `dotenv` names what comes from the file `.env`; ends the
    /// process if it is not usable.
    pub fn read(dotenv: &[String]) -> Self {
        let mut matches = help::of_own(Self::with_settings()).get_matches();
        if matches.subcommand_name() == Some(DEMO) {
            // The settings of a real relay are not for the demo; only the zone of the system is everybody's.
            let without = |arg: Arg| {
                if arg.get_id() == "system_timezone" {
                    arg
                } else {
                    arg.env(Resettable::Reset)
                }
            };
            matches = help::of_own(Self::with_settings().mut_args(without)).get_matches();
        }
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.flags.sources = Sources::new(&matches, dotenv);
        cli.flags.let_flags_win(&matches);
        cli
    }
}

/// Runs a command to its exit code.
pub async fn run(cli: Cli) -> ExitCode {
    let result = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&cli.flags).await,
        Command::Demo(options) => demo::run(&cli.flags, options).await,
        Command::Render(options) => render::run(&cli.flags, &options),
        Command::Check(options) => check::run(&cli.flags, options).await,
        Command::Route(options) => routes::run(&cli.flags, &options),
        Command::SendTest(options) => send_test::run(&cli.flags, options).await,
        Command::Templates(command) => templates::run(&cli.flags, &command),
        Command::Outbox(command) => outbox::run(&cli.flags, command).await,
        #[cfg(feature = "encryption")]
        Command::Identity(command) => identity::run(&cli.flags, command).await,
        Command::Config(options) => config::run(&cli.flags, options),
        Command::Document(options) => document::run(options),
        Command::Openapi => print::openapi(),
        Command::Health(options) => health::run(&cli.flags, options).await,
        Command::Completions(options) => shell::completions(options),
        Command::Man(options) => shell::man(&options),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            if let Some(unusable) = error.downcast_ref::<ConfigError>() {
                return refuse(unusable);
            }
            tracing::error!(target: telemetry::FATAL, "{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says why nothing can be done with these settings.
pub fn refuse(unusable: &ConfigError) -> ExitCode {
    // A line of the log for each, since none has several.
    for line in unusable.to_string().lines() {
        tracing::error!(target: telemetry::FATAL, "{line}");
    }
    ExitCode::from(2)
}

async fn serve(flags: &Flags) -> anyhow::Result<ExitCode> {
    // Before anything takes time: a hangup never ends the relay, not even while it starts.
    let _hangups = signal(SignalKind::hangup())?;
    let settings = Settings::from_flags(flags);
    let used = settings.as_ref().map_or(&[][..], |settings| &settings.routes.variables);
    report(flags, used);
    let settings = settings?;
    let stop = stopped()?;
    startup::start(settings, None).await?.run_until(stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Says what is odd about the environment; `used` are the variables that the routes file reads.
fn report(flags: &Flags, used: &[String]) {
    for Remark { is_warning, line } in flags.remarks.iter().chain(&environment::unknown(used)) {
        if *is_warning {
            tracing::warn!("{line}");
        } else {
            tracing::info!("{line}");
        }
    }
}

/// Resolves when the process is asked to end.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
