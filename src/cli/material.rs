//! What the commands for templates render: a sample by name, a file, or standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::alert::Notification;
use crate::alert::parse;
use crate::message::TemplateName;
use crate::render::Renderer;
use crate::samples;

/// Which notification.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(super) struct Material {
    /// File with a body as Grafana or Alertmanager posts it, or `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
    /// Built-in sample, such as firing, mixed, resolved, hostile or storm [default: firing].
    #[arg(long, value_name = "NAME")]
    pub sample: Option<String>,
}

impl Material {
    /// The notification, and the moment at which it is seen: samples are a few minutes old, a payload is seen now.
    pub(super) fn read(&self) -> anyhow::Result<(Notification, Timestamp)> {
        match &self.payload {
            Some(path) => Ok((payload(path)?, Timestamp::now())),
            None => sample(self.sample.as_deref().unwrap_or("firing")),
        }
    }
}

/// A built-in sample and its moment.
pub(super) fn sample(name: &str) -> anyhow::Result<(Notification, Timestamp)> {
    let Some(sample) = samples::find(name) else {
        let names: Vec<_> = samples::all().iter().map(|sample| sample.name).collect();
        bail!("unknown sample `{name}` (expected one of {})", names.join(", "));
    };
    Ok((parse::notification(sample.body.as_bytes())?, samples::NOW.parse()?))
}

/// A built-in sequence, each notification with the moment at which it comes.
pub(super) fn sequence(name: &str) -> anyhow::Result<Vec<(Notification, Timestamp)>> {
    let Some(sequence) = samples::sequence(name) else {
        let names: Vec<_> = samples::SEQUENCES.iter().map(|sequence| sequence.name).collect();
        bail!("unknown sequence `{name}` (expected one of {})", names.join(", "));
    };
    let steps = sequence.steps.iter().enumerate().map(|(number, step)| {
        let (notification, now) = sample(step)?;
        Ok((
            notification,
            now + SignedDuration::from_mins(5) * i32::try_from(number)?,
        ))
    });
    steps.collect()
}

fn payload(path: &Path) -> anyhow::Result<Notification> {
    let mut bytes = Vec::new();
    let name = path.display();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    }
    parse::notification(&bytes).with_context(|| format!("invalid notification in {name}"))
}

/// A template that exists: the one that was asked for, or the default.
pub(super) fn template(
    renderer: &Renderer,
    asked: Option<&TemplateName>,
    default: &TemplateName,
) -> anyhow::Result<TemplateName> {
    let template = asked.unwrap_or(default);
    let broken = |file: &str| renderer.problems().iter().any(|problem| problem.file == file);
    if !renderer.knows(template) && !broken(&template.file_name()) {
        let names: Vec<_> = renderer.names().iter().map(ToString::to_string).collect();
        bail!("unknown template `{template}` (expected one of {})", names.join(", "));
    }
    Ok(template.clone())
}
