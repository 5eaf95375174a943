//! What a sandbox is asked, and what it answers: plain data, as JSON with its length before it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Key;
use crate::alert::Notification;
use crate::group::Change;
use crate::render::Rendered;
use crate::render::digest::Digest;
use crate::render::engine::{Failure, Sources};
use crate::render::facts::Facts;
use crate::render::look::Look;
use crate::render::problem::TemplateProblem;
use crate::render::warnings::Shown;

/// No answer is longer, in bytes: it holds a few messages, the text that they were made of, and a hundred remarks. A job is as
/// long as it is; the process that reads it has a limit to its memory.
pub(super) const LONGEST_ANSWER: usize = 16 << 20;

/// What is to be done. It needs the templates that were loaded before, unless it brings its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Job<'a> {
    /// Find out what compiling one file takes.
    Compile { file: Cow<'a, str>, source: Cow<'a, str> },
    /// Compile all of these, for the jobs that follow. The key tells them from all others.
    Load { version: Key, sources: Cow<'a, Sources> },
    /// Run a template, and keep nothing of what it writes.
    Try(Template<'a>),
    /// Make messages of a notification.
    Compose(Template<'a>),
    /// The same, and remark on the template.
    Show(Template<'a>),
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
    /// Whether it works.
    Tried(Result<(), Failure>),
    /// The messages.
    Composed(Result<Rendered, Failure>),
    /// The messages with remarks.
    Shown(Result<Shown, Failure>),
    /// A defect of ours.
    Broke,
}

/// A template and what it renders.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Template<'a> {
    file: Cow<'a, str>,
    notification: Cow<'a, Notification>,
    change: Option<Cow<'a, Change>>,
    digest: Option<Cow<'a, Digest>>,
    now: Timestamp,
    look: Look,
    footer: Option<Cow<'a, str>>,
}

impl<'a> Template<'a> {
    pub(crate) fn new(file: &'a str, facts: &Facts<'a>, look: &Look, footer: Option<&'a str>) -> Self {
        Self {
            file: Cow::Borrowed(file),
            notification: Cow::Borrowed(facts.notification),
            change: facts.change.as_ref().map(|change| Cow::Borrowed(change.change)),
            digest: facts.digest.map(Cow::Borrowed),
            now: facts.now,
            look: look.clone(),
            footer: footer.map(Cow::Borrowed),
        }
    }

    /// Does something with the template, what it renders, how that looks, and what is put below.
    pub(super) fn with<T>(&self, what: impl FnOnce(&str, &Facts<'_>, &Look, Option<&str>) -> T) -> T {
        self.look.with(|| {
            let facts = match (&self.change, &self.digest) {
                (Some(change), _) => Facts::of_change(&self.notification, change, self.now),
                (None, Some(digest)) => Facts::of_digest(&self.notification, digest, self.now),
                (None, None) => Facts::new(&self.notification, self.now),
            };
            what(&self.file, &facts, &self.look, self.footer.as_deref())
        })
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
pub(super) fn length(prefix: [u8; 4]) -> io::Result<usize> {
    usize::try_from(u32::from_le_bytes(prefix)).map_err(io::Error::other)
}

/// The next message without its length; nothing at the end.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut prefix = [0; 4];
    match from.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut message = vec![0; length(prefix)?];
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
    use jiff::tz::TimeZone;

    use super::*;
    use crate::render::trial;
    use crate::render::words::Vocabulary;

    #[test]
    fn what_is_told_arrives_as_it_was() {
        let mut template = trial::changes();
        template.extend(
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
            let (notification, change) = &mut template[at];
            for alert in notification.alerts.iter_mut().chain(&mut change.ended) {
                let values = BTreeMap::from([("A".to_owned(), number)]);
                (alert.values, alert.last_values) = (Some(values.clone()), Some(values));
                alert.org_id = Some(i64::MIN);
            }
            notification.truncated_alerts = u64::MAX;
        }
        for (notification, change) in template {
            let look = Look {
                zone: TimeZone::get("Europe/Berlin").unwrap(),
                words: Vocabulary::built_in().words(Some("de")),
                template: "t".to_owned(),
            };
            let facts = Facts::of_change(&notification, &change, trial::now());
            let sent = serde_json::to_vec(&Job::Compose(Template::new("t.md.j2", &facts, &look, Some("f")))).unwrap();
            let Ok(Job::Compose(read)) = serde_json::from_slice(&sent) else {
                panic!("not a job")
            };
            assert_eq!(
                (&*read.notification, read.change.as_deref()),
                (&notification, Some(&change))
            );
            assert_eq!(
                (read.now, &read.look, read.footer.as_deref()),
                (facts.now, &look, Some("f"))
            );
        }
    }
}
