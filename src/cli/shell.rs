//! `completions` and `man`: what a package installs beside the program, made of the declarations of its commands.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use clap_complete::Shell;
use clap_mangen::Man;

use super::print::line;
use super::{Cli, help};

/// For which shell.
#[derive(Debug, Clone, Copy, Args)]
pub struct Completions {
    /// The shell that is to complete commands and flags.
    #[arg(value_enum)]
    shell: Shell,
}

/// Where manual pages go.
#[derive(Debug, Clone, Args)]
pub struct Pages {
    /// Write the page of the program and that of each command into this folder, instead of printing the first.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn completions(options: Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(
        options.shell,
        &mut Cli::with_settings(),
        env!("CARGO_PKG_NAME"),
        &mut script,
    );
    print(script)
}

pub(super) fn man(options: &Pages) -> anyhow::Result<ExitCode> {
    let command = help::of_commands(without_help(Cli::with_settings().name(env!("CARGO_PKG_NAME"))));
    if let Some(dir) = &options.dir {
        clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write into {}", dir.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    print(page)
}

/// The commands that only show the help of others have no page.
fn without_help(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

fn print(text: Vec<u8>) -> anyhow::Result<ExitCode> {
    line(String::from_utf8(text)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
