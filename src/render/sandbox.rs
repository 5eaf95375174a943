//! Where templates run that somebody wrote: in processes of their own, which can be ended at any time.
//!
//! The engine counts steps and sizes, but not all of them: it reads and drops what is nested by calling itself, nothing
//! interrupts it while it compares lists that are put into themselves, and a text of such a list has no end. So whatever is
//! made of a template from outside is made in a child of this program, which has nothing of the relay's but the
//! notification, a stack that the deepest template fits into, a limit to its memory, and a deadline for each job.
//!
//! Guarantees: a template costs nobody but itself; it takes no more memory than [`MEMORY`] and its stack, and computes no
//! longer than [`DEADLINE`], nor when nobody waits for it any more; nobody waits longer than that for a place. What a template
//! wrote is read in the same process under the same limits, and comes back as finished messages. What was too much is not run
//! again for [`MEMORABLE`]. A process that somebody else ends costs nothing: its job is done by the next one.

mod inside;
mod job;
mod process;
mod refusal;
mod restrict;
mod worker;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use inside::serve;
pub(super) use job::{Answer, Job, Template};
use worker::{End, Worker};

pub(crate) use self::refusal::Refusal;
use super::deadline::Deadline;
use super::engine::Sources;

/// The command line of such a process: an argument that no person needs.
pub const COMMAND: &str = "template-sandbox";

/// How long anybody waits for a place, and then for a result: twenty times what the fuel of the engine lasts, for machines that are slow or busy.
const DEADLINE: Duration = Duration::from_secs(5);

/// How often a waiting thread looks whether its answer is still wanted.
const GLANCE: Duration = Duration::from_millis(50);

/// How many bytes of data such a process may have beside its stack: twice what the largest change in a group takes.
const MEMORY: u64 = 256 << 20;

/// Reserved, not taken: only what is really used costs memory. The deepest template takes about a third of it in a debug
/// build, whose frames are the larger ones, and a test tries them.
const STACK: usize = 256 << 20;

/// A variable that such a process is started with: its allocator asks for memory as it is needed. Otherwise it takes a
/// gigabyte at its start, before there is a limit, which would then bound nothing.
const ALLOCATOR: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");

/// For how long a template that was too much is not run again: alerts come in storms, and each would wait for the deadline.
const MEMORABLE: Duration = Duration::from_mins(1);

/// How many templates that were too much are remembered at most.
const MEMORIES: usize = 100;

/// How long a process without work is kept for the next job.
const KEPT: Duration = Duration::from_mins(1);

/// Tells a template together with its parts from any other.
pub(crate) type Key = [u8; 32];

/// Where templates run that are not built in.
#[derive(Debug, Clone)]
pub enum Isolation {
    /// In processes of this program, which has to be this one: it is called with [`COMMAND`].
    Process(PathBuf),
    /// In this process, with a stack that is large enough but without a limit to memory, and whatever takes too long goes on:
    /// for a program that tries the engine itself, such as a fuzzer.
    None,
}

impl Isolation {
    /// In processes of the program that runs, even if its file has been replaced since.
    pub fn own_program() -> Self {
        let running = Path::new("/proc/self/exe");
        Self::Process(if running.exists() {
            running.to_owned()
        } else {
            std::env::current_exe().unwrap_or_default()
        })
    }
}

/// One for each purpose, so that what is tried does not take the place of what is in use.
#[derive(Debug, Clone)]
pub(super) struct Sandboxes {
    /// For the templates in use.
    pub(super) in_use: Arc<Sandbox>,
    /// For files that were changed, one after the other.
    pub(super) trials: Arc<Sandbox>,
    /// For drafts.
    pub(super) drafts: Arc<Sandbox>,
}

impl Sandboxes {
    pub(super) fn new(isolation: &Isolation) -> Self {
        let sandbox = |at_once| {
            Arc::new(Sandbox {
                isolation: isolation.clone(),
                is_disturbed: AtomicBool::new(false),
                at_once,
                state: Mutex::default(),
                ended: Condvar::new(),
            })
        };
        Self {
            in_use: sandbox(2),
            trials: sandbox(1),
            drafts: sandbox(1),
        }
    }

    /// Ends processes that have had no work for long; to be called now and then.
    pub(super) fn tidy(&self) {
        for sandbox in [&self.in_use, &self.trials, &self.drafts] {
            sandbox.state().idle.retain(|(_, since)| since.elapsed() < KEPT);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sandbox {
    isolation: Isolation,
    /// Whether a job came to nothing since somebody asked that, for reasons that may pass.
    is_disturbed: AtomicBool,
    /// How many processes work at the same time; what comes then waits.
    at_once: usize,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    busy: usize,
    idle: Vec<(Worker, Instant)>,
    too_much: HashMap<Key, (Refusal, Instant)>,
}

/// The templates that a job needs in its process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loaded<'a> {
    pub(super) version: &'a Key,
    pub(super) sources: &'a Sources,
}

impl Sandbox {
    /// Has a job done, with these templates where it needs some, for as long as somebody waits. `key` says what it is about.
    pub(super) fn ask(
        &self,
        key: Key,
        loaded: Option<Loaded<'_>>,
        job: &Job<'_>,
        deadline: &Deadline,
    ) -> Result<Answer, Refusal> {
        let done = self.ask_once(key, loaded, job, deadline);
        if done.as_ref().is_err_and(|refusal| *refusal != Refusal::TooMuch) {
            self.is_disturbed.store(true, Ordering::Relaxed);
        }
        done
    }

    /// Whether a job came to nothing since the last call, for reasons that may pass: no process, a busy machine.
    pub(super) fn was_disturbed(&self) -> bool {
        self.is_disturbed.swap(false, Ordering::Relaxed)
    }

    fn ask_once(
        &self,
        key: Key,
        loaded: Option<Loaded<'_>>,
        job: &Job<'_>,
        deadline: &Deadline,
    ) -> Result<Answer, Refusal> {
        if let Some(refusal) = self.remembered(&key) {
            return Err(refusal);
        }
        let _seat = self.slot(deadline)?;
        // It may have been too much for somebody else meanwhile.
        if let Some(refusal) = self.remembered(&key) {
            return Err(refusal);
        }
        // Once more, if somebody else has ended the process.
        let done = match self.attempt(loaded, job, deadline) {
            Err(End::Gone | End::Killed) => self.attempt(loaded, job, deadline),
            done => done,
        };
        match done {
            Ok(Answer::Broke) | Err(End::Gone) => Err(Refusal::Broke),
            Ok(answer) => Ok(answer),
            Err(End::Late) => Err(Refusal::Late),
            Err(End::NotStarted(why)) => Err(Refusal::NoProcess(why)),
            Err(End::TooLong) => Err(self.remember(key, Refusal::TooLong)),
            Err(End::TooMuch) => Err(self.remember(key, Refusal::TooMuch)),
            Err(End::Killed) => Err(self.remember(key, Refusal::Killed)),
        }
    }

    fn attempt(&self, loaded: Option<Loaded<'_>>, job: &Job<'_>, deadline: &Deadline) -> Result<Answer, End> {
        let idle = self.state().idle.pop();
        let mut worker = match idle {
            Some((worker, _)) => worker,
            None => Worker::start(&self.isolation)?,
        };
        let answer = worker.exchange(loaded, job, deadline)?;
        if !worker.is_worn() {
            self.state().idle.push((worker, Instant::now()));
        }
        Ok(answer)
    }

    /// Takes over the processes of another sandbox that have no work: they have at hand what was tried last, which is what
    /// will be in use.
    pub(super) fn take_over(&self, other: &Self) {
        let mut idle = std::mem::take(&mut other.state().idle);
        let surplus = {
            let mut state = self.state();
            idle.append(&mut state.idle);
            let surplus = idle.split_off(idle.len().min(self.at_once));
            state.idle = idle;
            surplus
        };
        // Ending them takes a moment, in which nobody should have to wait.
        drop(surplus);
    }

    /// Waits for a place.
    fn slot(&self, deadline: &Deadline) -> Result<JobSlot<'_>, Refusal> {
        let until = Instant::now() + DEADLINE;
        let mut state = self.state();
        loop {
            if deadline.is_over() {
                return Err(Refusal::Late);
            }
            if state.busy < self.at_once {
                break;
            }
            let patience = until.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                return Err(Refusal::Full);
            }
            let waited = self.ended.wait_timeout(state, patience.min(GLANCE));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.busy += 1;
        Ok(JobSlot(self))
    }

    fn remembered(&self, key: &Key) -> Option<Refusal> {
        let mut state = self.state();
        state.too_much.retain(|_, (_, at)| at.elapsed() < MEMORABLE);
        state.too_much.get(key).map(|(refusal, _)| refusal.clone())
    }

    fn remember(&self, key: Key, refusal: Refusal) -> Refusal {
        let mut state = self.state();
        if state.too_much.len() < MEMORIES {
            state.too_much.insert(key, (refusal.clone(), Instant::now()));
        }
        refusal
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one job, until it ends in whichever way.
struct JobSlot<'a>(&'a Sandbox);

impl Drop for JobSlot<'_> {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
        self.0.ended.notify_one();
    }
}
