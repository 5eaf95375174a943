//! `document`: the pages of the documentation that are made of the code, which `make reference` writes.
//!
//! Guarantees: what they say of a setting or a metric stands in its declaration and nowhere else.

mod metrics;
mod settings;

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::print::line;

/// Which page.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// The page.
    #[arg(value_enum)]
    page: Page,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Page {
    /// `docs/src/reference/settings.md`
    Settings,
    /// `.env.example`
    Environment,
    /// `docs/src/reference/metrics.md`
    Metrics,
}

pub(super) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let page = match options.page {
        Page::Settings => settings::reference(),
        Page::Environment => settings::example(),
        Page::Metrics => metrics::reference(),
    };
    line(page.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
