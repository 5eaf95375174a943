//! `templates`: which there are, the built-in ones as files to edit, and what can be written in them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::print::line;
use super::{help, reference};
use crate::config::{Flags, Settings};
use crate::message::TemplateName;
use crate::render::{self, Renderer};

/// What to do with templates.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// List the templates that can be chosen, and where each comes from.
    #[command(after_help = help::TEMPLATES_LIST)]
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the built-in templates into a folder for you to edit, with the guide, the reference and a cookbook.
    ///
    /// Existing files are left alone.
    #[command(after_help = help::TEMPLATES_EXPORT)]
    Export {
        /// The folder; it is created if it is missing.
        dir: PathBuf,
        /// Overwrite existing files.
        #[arg(long)]
        force: bool,
    },
    /// Print what a template can use: variables, filters, functions and tests, with examples.
    #[command(after_help = help::TEMPLATES_REFERENCE)]
    Reference,
}

pub(super) fn run(flags: &Flags, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { json } => list(flags, *json),
        Command::Export { dir, force } => export(flags, dir, *force),
        Command::Reference => {
            let (settings, _) = Settings::render_only(flags)?;
            line(reference::page(&settings.isolation)?.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(flags: &Flags, as_json: bool) -> anyhow::Result<ExitCode> {
    let (settings, default) = Settings::render_only(flags)?;
    let renderer = Renderer::open(&settings);
    let (on_disk, problems) = (renderer.on_disk(), renderer.problems());
    let folder = settings.templates_dir.unwrap_or_default();
    let path = |name: &TemplateName| {
        let file = name.file_name();
        on_disk
            .contains_key(&file)
            .then(|| folder.join(&file).display().to_string())
    };
    let code = if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    if as_json {
        let names = renderer.names();
        let names = names.iter();
        let templates =
            names.map(|name| json!({"name": name.as_str(), "file": path(name), "default": *name == default}));
        let problems = problems.iter().map(ToString::to_string);
        let report = json!({"templates": templates.collect::<Vec<_>>(), "problems": problems.collect::<Vec<_>>()});
        line(&serde_json::to_string_pretty(&report)?)?;
        return Ok(code);
    }
    for name in renderer.names() {
        let origin = path(&name).unwrap_or_else(|| "built in".to_owned());
        let mark = if name == default { " (default)" } else { "" };
        line(&format!("{:<20} {origin}{mark}", name.as_str()))?;
    }
    for problem in &problems {
        line(&format!("invalid: {problem}"))?;
    }
    Ok(code)
}

fn export(flags: &Flags, folder: &Path, force: bool) -> anyhow::Result<ExitCode> {
    let mut kept = 0;
    let (settings, _) = Settings::render_only(flags)?;
    let reference = reference::page(&settings.isolation)?;
    let pages = [
        ("README.md", render::GUIDE),
        ("REFERENCE.md", reference.as_str()),
        ("COOKBOOK.md", render::COOKBOOK),
    ];
    let files: Vec<(&str, &str)> = render::files()
        .map(|(file, source): (&str, &str)| (file, source))
        .chain(pages)
        .collect();
    for (file, source) in files {
        let path = folder.join(file);
        let name = path.display();
        let present = std::fs::read(&path).ok();
        if present.as_deref() == Some(source.as_bytes()) {
            line(&format!("{name} is the built-in one already"))?;
        } else if path.exists() && !force {
            line(&format!(
                "{name} exists and differs; it was left alone (--force overwrites it)"
            ))?;
            kept += 1;
        } else {
            write(&path, source).with_context(|| format!("cannot write {name}"))?;
            line(&format!("{name} written"))?;
        }
    }
    Ok(if kept == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Beside it first, then in its place: a relay that watches the folder never sees half a file.
fn write(path: &Path, source: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".export-").tempfile_in(folder)?;
    file.write_all(source.as_bytes())?;
    // A temporary file is private; a template is for the user that runs the relay.
    #[cfg(unix)]
    file.as_file()
        .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.persist(path)?;
    Ok(())
}
