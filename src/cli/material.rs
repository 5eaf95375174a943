//! What the commands for templates render: a sample by name, a file, or standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::alert::Notification;
use crate::alert::payload;
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
    /// Where `is_any`, a payload may have any shape.
    pub(super) fn read(&self, is_any: bool) -> anyhow::Result<(Notification, Timestamp)> {
        match &self.payload {
            Some(path) => Ok((read(path, is_any)?, Timestamp::now())),
            None => sample(self.sample.as_deref().unwrap_or("firing")),
        }
    }
}

/// A built-in sample and its moment.
pub(super) fn sample(name: &str) -> anyhow::Result<(Notification, Timestamp)> {
    let Some(sample) = samples::find(name) else {
        let all = samples::all().into_iter().chain(samples::webhooks());
        let names: Vec<_> = all.map(|sample| sample.name).collect();
        bail!("unknown sample `{name}` (expected one of {})", names.join(", "));
    };
    Ok((payload::any(sample.body.as_bytes())?, samples::NOW.parse()?))
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

fn read(path: &Path, is_any: bool) -> anyhow::Result<Notification> {
    let mut bytes = Vec::new();
    let name = path.display();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    }
    let notification = match payload::any(&bytes) {
        Err(_) if is_any => payload::alone(&bytes),
        read => read,
    };
    notification.with_context(|| format!("invalid notification in {name}"))
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
