//! The worker that does the jobs of a sandbox, one after the other, with the templates of the last one at hand.

use std::borrow::Cow;
use std::time::Instant;

use super::inside::RenderThread;
use super::job::{Answer, Job};
use super::process::Process;
use super::{DEADLINE, Isolation, Key, Loaded};
use crate::render::deadline::Deadline;

/// See the module.
#[derive(Debug)]
pub(super) struct Worker {
    way: Way,
    /// The templates that it has.
    version: Option<Key>,
}

#[derive(Debug)]
enum Way {
    Apart(Process),
    Here(RenderThread),
}

/// How a process ended instead of answering.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was never there.
    NotStarted(String),
    /// Its job took too long.
    TooLong,
    /// Nobody waits for it any more.
    Late,
    /// Its job took more memory or stack than there is.
    TooMuch,
    /// It was killed, by the system or somebody else.
    Killed,
    /// It ended by itself, or said nothing of use.
    Gone,
}

impl Worker {
    pub(super) fn start(isolation: &Isolation) -> Result<Self, End> {
        let way = match isolation {
            Isolation::Process(program) => Way::Apart(Process::start(program)?),
            Isolation::None => Way::Here(RenderThread::start().map_err(|error| End::NotStarted(error.to_string()))?),
        };
        Ok(Self { way, version: None })
    }

    /// Has a job done, after it was given the templates that it needs. After an error it is of no use any more.
    pub(super) fn exchange(
        &mut self,
        loaded: Option<Loaded<'_>>,
        job: &Job<'_>,
        deadline: &Deadline,
    ) -> Result<Answer, End> {
        if let Some(Loaded { version, sources }) = loaded
            && self.version != Some(*version)
        {
            let load = Job::Load {
                version: *version,
                sources: Cow::Borrowed(sources),
            };
            if !matches!(self.ask(&load, deadline)?, Answer::Loaded { .. }) {
                return Ok(Answer::Broke);
            }
        }
        self.ask(job, deadline)
    }

    /// Whether it should do no further job: the memory that a large one took comes back in pieces.
    pub(super) fn is_worn(&self) -> bool {
        matches!(&self.way, Way::Apart(process) if process.is_worn)
    }

    fn ask(&mut self, job: &Job<'_>, deadline: &Deadline) -> Result<Answer, End> {
        let answer = match &mut self.way {
            Way::Apart(process) => process.ask(job, deadline)?,
            Way::Here(thread) => {
                let job = serde_json::to_vec(job).map_err(|_| End::Gone)?;
                let until = deadline.or_sooner(Instant::now() + DEADLINE);
                let time = until.saturating_duration_since(Instant::now());
                let late = |_| if deadline.is_over() { End::Late } else { End::TooLong };
                thread.do_within(job, time).map_err(late)?
            }
        };
        if let (Job::Load { version, .. }, Answer::Loaded { .. }) = (job, &answer) {
            self.version = Some(*version);
        }
        Ok(answer)
    }
}
