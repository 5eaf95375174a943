//! The inside of a sandbox: reads jobs from its input, one after the other, and writes what they came to.
//!
//! Guarantees: it has bounded itself before it reads anything; it ends with its input, and in any case with the deadline of
//! a job, so that nothing goes on if the relay is gone. It reads no settings and logs nothing.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::job::{self, Answer, Job};
use super::{ALLOCATOR, DEADLINE, MEMORY, STACK, restrict};
use crate::render::compose::compose;
use crate::render::context::{Context, Limits};
use crate::render::engine::Engine;
use crate::render::warnings::show;

/// The exit code of a process whose job took too long.
pub(super) const TOO_LONG: i32 = 75;

/// The exit code of a process that cannot bound itself.
const UNBOUNDED: u8 = 78;

/// Whether this signal says that memory or stack were not enough: Rust aborts without memory, and a stack ends at a page
/// that nobody may touch.
pub(super) fn is_too_much(signal: i32) -> bool {
    use rustix::process::Signal;
    [Signal::ABORT, Signal::SEGV, Signal::BUS]
        .iter()
        .any(|known| known.as_raw() == signal)
}

/// Serves until the input ends.
pub fn serve() -> ExitCode {
    match bound().and_then(|()| restrict::this_thread()).map(|()| work()) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(_) => ExitCode::from(UNBOUNDED),
    }
}

fn bound() -> io::Result<()> {
    if std::env::var(ALLOCATOR.0).as_deref() != Ok(ALLOCATOR.1) {
        return Err(io::Error::other("its memory cannot be limited any more"));
    }
    let limit = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    // The stack of a thread counts as data, all of it that is reserved.
    setrlimit(Resource::Data, limit(MEMORY + STACK as u64))?;
    // An alert would be in it.
    setrlimit(Resource::Core, limit(0))?;
    // Where memory is short for all, rather this process than the relay. Not every system has that.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

fn work() -> io::Result<()> {
    let thread = RenderThread::start()?;
    restrict::whole_process()?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while let Some(job) = job::read(&mut input)? {
        let answer = match thread.do_within(job, DEADLINE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => std::process::exit(TOO_LONG),
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("nobody works")),
        };
        job::write(&mut output, &answer)?;
    }
    Ok(())
}

/// A thread with a stack that is large enough. Everything that a template makes is made and dropped there.
#[derive(Debug)]
pub(super) struct RenderThread {
    jobs: Sender<Vec<u8>>,
    answers: Receiver<Answer>,
}

impl RenderThread {
    pub(super) fn start() -> io::Result<Self> {
        let ((jobs, waiting), (done, answers)) = (channel::<Vec<u8>>(), channel());
        let serve = move || {
            let mut engine = None;
            for job in waiting {
                let answer = catch_unwind(AssertUnwindSafe(|| answer(&mut engine, &job)));
                if done.send(answer.unwrap_or(Answer::Broke)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().stack_size(STACK).spawn(serve)?;
        Ok(Self { jobs, answers })
    }

    pub(super) fn do_within(&self, job: Vec<u8>, deadline: Duration) -> Result<Answer, RecvTimeoutError> {
        self.jobs.send(job).map_err(|_| RecvTimeoutError::Disconnected)?;
        self.answers.recv_timeout(deadline)
    }
}

fn answer(engine: &mut Option<Engine>, job: &[u8]) -> Answer {
    let Ok(job) = serde_json::from_slice::<Job<'_>>(job) else {
        return Answer::Broke;
    };
    match (job, engine) {
        (Job::Compile { file, source }, _) => {
            Engine::compile_one(&file, &source);
            Answer::Compiled
        }
        (Job::Load { sources, .. }, engine) => {
            let (loaded, problems) = Engine::compile_here(sources.into_owned());
            let free = loaded.free.clone();
            *engine = Some(loaded);
            Answer::Loaded { free, problems }
        }
        (Job::Try(template), Some(engine)) => Answer::Tried(
            template.with(|file, facts, look, _| engine.run(file, &Context::new(facts, look, Limits::NONE)).map(drop)),
        ),
        (Job::Compose(template), Some(engine)) => {
            Answer::Composed(template.with(|file, facts, look, footer| compose(engine, file, facts, look, footer)))
        }
        (Job::Show(template), Some(engine)) => {
            Answer::Shown(template.with(|file, facts, look, footer| show(engine, file, facts, look, footer)))
        }
        (Job::Try(_) | Job::Compose(_) | Job::Show(_), None) => Answer::Broke,
    }
}
