//! `config`: the settings that hold, where each comes from, and whether a relay could start with them.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::print::{Columns, line};
use crate::config::effective::{Effective, effective};
use crate::config::{Flags, Settings};

/// In which form.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(flags: &Flags, options: Options) -> anyhow::Result<ExitCode> {
    let settings = effective(flags);
    let problems = match Settings::from_flags(flags) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems,
    };
    if options.json {
        let settings: Vec<_> = settings.iter().map(Effective::json).collect();
        let report = json!({"settings": settings, "problems": problems});
        line(&serde_json::to_string_pretty(&report)?)?;
    } else {
        let mut table = Columns::new(["setting", "value", "from"]);
        for one in &settings {
            table.row([
                one.setting.variable.clone(),
                one.shown().to_owned(),
                one.from.to_string(),
            ]);
        }
        table.print()?;
        if let Some(problems) = lines(&problems) {
            line(&problems)?;
        }
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

fn lines(problems: &[String]) -> Option<String> {
    let lines: Vec<_> = problems.iter().map(|problem| format!("  - {problem}")).collect();
    (!lines.is_empty()).then(|| format!("\nThe relay cannot start with these settings:\n{}", lines.join("\n")))
}
