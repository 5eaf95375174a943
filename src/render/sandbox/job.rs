//! What a sandbox is asked, and what it answers: plain data, as JSON with its length before it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{OutputSpan, OutputSpanKind};
use serde::{Deserialize, Serialize};

use super::Key;
use crate::alert::Notification;
use crate::group::Change;
use crate::render::context::{Context, Limits};
use crate::render::engine::{Engine, Failure, Sources, Written};
use crate::render::facts::Facts;
use crate::render::problem::TemplateProblem;

/// No answer is longer, in bytes: a text has 1 MiB at most, and a place for every few of them. A job is as long as it is;
/// whoever reads it has a limit to its memory.
pub(super) const LONGEST_ANSWER: usize = 64 << 20;

/// What is to be done. It needs the templates that were loaded before, unless it brings its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Job<'a> {
    /// Find out what compiling one file takes.
    Compile { file: Cow<'a, str>, source: Cow<'a, str> },
    /// Compile all of these, for the jobs that follow. The key tells them from all others.
    Load { version: Key, sources: Cow<'a, Sources> },
    /// Run a template.
    Run(Told<'a>),
    /// Run a template and say where each piece of its text comes from.
    Spans(Told<'a>),
}

/// What it came to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It compiles, or it does not and that took no longer.
    Compiled,
    /// The names that each file uses and does not set, for those that compile, and what is wrong with the others.
    Loaded {
        free: BTreeMap<String, BTreeSet<String>>,
        problems: Vec<TemplateProblem>,
    },
    /// What the template wrote.
    Ran(Result<Written, Failure>),
    /// The text with its pieces; nothing if the template fails, or there are too many.
    Spans(Option<(String, Vec<Span>)>),
    /// A defect of ours.
    Broke,
}

/// A template and what it is to tell.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told<'a> {
    file: Cow<'a, str>,
    notification: Cow<'a, Notification>,
    change: Option<Cow<'a, Change>>,
    now: Timestamp,
    #[serde(with = "jiff::fmt::serde::tz::required")]
    zone: TimeZone,
    limits: Limits,
}

/// A piece of a text, and where in which template it was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) file: String,
    pub(crate) line: usize,
    /// Its bytes in the text.
    pub(crate) bytes: Range<usize>,
    /// Whether it is the template's own text, as opposed to a value.
    pub(crate) is_own: bool,
}

impl From<&OutputSpan> for Span {
    fn from(span: &OutputSpan) -> Self {
        Self {
            file: span.name().to_owned(),
            line: span.line(),
            bytes: span.output_range(),
            is_own: span.kind() == OutputSpanKind::Raw,
        }
    }
}

impl<'a> Told<'a> {
    pub(crate) fn new(file: &'a str, context: &Context<'a>) -> Self {
        let facts = context.facts;
        Self {
            file: Cow::Borrowed(file),
            notification: Cow::Borrowed(facts.notification),
            change: facts.change.as_ref().map(|change| Cow::Borrowed(change.change)),
            now: facts.now,
            zone: context.zone.clone(),
            limits: context.limits,
        }
    }

    /// Does something with the template and the context that this stands for.
    pub(super) fn with<T>(&self, engine: &Engine, what: impl FnOnce(&Engine, &str, &Context<'_>) -> T) -> T {
        let facts = match &self.change {
            Some(change) => Facts::of_change(&self.notification, change, self.now),
            None => Facts::new(&self.notification, self.now),
        };
        what(engine, &self.file, &Context::new(&facts, &self.zone, self.limits))
    }
}

/// A job or an answer as bytes, its length first.
pub(super) fn framed(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - 4).map_err(io::Error::other)?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// How many bytes follow.
pub(super) fn length(head: [u8; 4]) -> io::Result<usize> {
    usize::try_from(u32::from_le_bytes(head)).map_err(io::Error::other)
}

/// The next message without its length; nothing at the end.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut message = vec![0; length(head)?];
    from.read_exact(&mut message)?;
    Ok(Some(message))
}

/// Writes a message with its length.
pub(super) fn write(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&framed(message)?)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::trial;

    #[test]
    fn what_is_told_arrives_as_it_was() {
        let mut told = trial::changes();
        told.extend(
            trial::notifications()
                .into_iter()
                .map(|whole| (whole, Change::default())),
        );
        let odd = [
            0.1 + 0.2,
            f64::MIN_POSITIVE,
            f64::MAX,
            -0.0,
            1e21,
            9_007_199_254_740_993.0,
        ];
        for (at, number) in odd.into_iter().enumerate() {
            let (notification, change) = &mut told[at];
            for alert in notification.alerts.iter_mut().chain(&mut change.ended) {
                let values = BTreeMap::from([("A".to_owned(), number)]);
                (alert.values, alert.last_values) = (Some(values.clone()), Some(values));
                alert.org_id = Some(i64::MIN);
            }
            notification.truncated_alerts = u64::MAX;
        }
        for (notification, change) in told {
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let facts = Facts::of_change(&notification, &change, trial::now());
            let context = Context::new(&facts, &zone, Limits::NONE);
            let sent = serde_json::to_vec(&Job::Run(Told::new("t.md.j2", &context))).unwrap();
            let Ok(Job::Run(read)) = serde_json::from_slice(&sent) else {
                panic!("not a job")
            };
            assert_eq!(
                (&*read.notification, read.change.as_deref()),
                (&notification, Some(&change))
            );
            assert_eq!((read.now, &read.zone, read.limits), (facts.now, &zone, context.limits));
        }
    }
}
