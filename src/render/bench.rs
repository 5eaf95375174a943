//! Where templates run that somebody wrote: on threads of their own, which can be left behind.
//!
//! The engine reads and drops what is nested by calling itself, and nothing interrupts it while it compares lists that
//! are put into themselves. So whatever is made of a template from outside is made, used and dropped on a thread with
//! a stack that is larger than any template can use up, and whoever waits for it waits for so long and no longer.
//!
//! Guarantees: no template is too deep for the stack, and none keeps anybody waiting for more than twice [`DEADLINE`]. What is
//! left behind goes on computing, so only so many threads ever are; then whatever needs one is refused. What is still at
//! it is not begun a second time. A panic is the job's own. Memory is not bounded here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::problem::TemplateProblem;

/// How long anybody waits for a place, and then for a result: twenty times what the fuel of the engine lasts, for machines that are slow or busy.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reserved, not taken: only what is really used costs memory. The deepest template takes about a third of it in a debug
/// build, whose frames are the larger ones, and a test tries them.
const STACK: usize = 256 << 20;

/// Tells a template together with its parts from any other.
pub(crate) type Key = [u8; 32];

/// So many threads for one purpose, so that what is tried does not take the place of what is in use.
#[derive(Debug)]
pub(crate) struct Bench {
    jobs: Mutex<Vec<Job>>,
    ended: Condvar,
    /// How many run at the same time; the others wait.
    at_once: usize,
    /// How many may be left behind before all else is refused.
    left_behind: usize,
}

/// For the templates in use.
pub(crate) static IN_USE: Bench = Bench::new(2, 3);
/// For files that were changed, one after the other.
pub(crate) static TRIALS: Bench = Bench::new(1, 3);
/// For drafts.
pub(crate) static DRAFTS: Bench = Bench::new(2, 2);

#[derive(Debug)]
struct Job {
    number: u64,
    /// Set when nobody waits for it any more.
    overdue: Option<Key>,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It takes too long, and is still at it.
    Overdue,
    /// Too many others are still at it.
    Full,
    /// The system gives no thread for it.
    NoThread,
    /// It panicked.
    Broke,
}

impl Refusal {
    pub(crate) fn problem(&self, file: &str) -> TemplateProblem {
        let message = match self {
            Self::Overdue => "takes too much time, and a thread is still at it",
            Self::Full => {
                "cannot be tried: other templates take too much time and are still at it; restart the relay to end them"
            }
            Self::NoThread => "cannot be tried: the system gives no thread for it",
            Self::Broke => "broke off inside the relay; please report it",
        };
        TemplateProblem::new(file, message)
    }
}

/// How many threads are left behind in all.
pub(crate) fn left_behind() -> usize {
    let benches = [&IN_USE, &TRIALS, &DRAFTS];
    benches.iter().map(|bench| bench.overdue().count()).sum()
}

impl Bench {
    const fn new(at_once: usize, left_behind: usize) -> Self {
        Self {
            jobs: Mutex::new(Vec::new()),
            ended: Condvar::new(),
            at_once,
            left_behind,
        }
    }

    /// Does `work` on a thread of its own. `key` says what it is, if it has to be remembered.
    pub(crate) fn run<T: Send + 'static>(
        &'static self,
        key: impl Fn() -> Key,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        if is_overdue(&key) {
            return Err(Refusal::Overdue);
        }
        let seat = self.seat(Instant::now() + DEADLINE)?;
        // It may have been given up elsewhere meanwhile.
        if is_overdue(&key) {
            return Err(Refusal::Overdue);
        }
        let number = seat.number;
        let (sender, receiver) = sync_channel(1);
        let thread = thread::Builder::new().name("template".to_owned()).stack_size(STACK);
        let spawned = thread.spawn(move || {
            let done = work();
            drop(seat);
            // Nobody may be waiting any more.
            let _ = sender.send(done);
        });
        if spawned.is_err() {
            return Err(Refusal::NoThread);
        }
        match receiver.recv_timeout(DEADLINE) {
            Ok(done) => Ok(done),
            Err(RecvTimeoutError::Disconnected) => Err(Refusal::Broke),
            Err(RecvTimeoutError::Timeout) => {
                let key = key();
                if let Some(job) = self.jobs().iter_mut().find(|job| job.number == number) {
                    job.overdue = Some(key);
                }
                // For one who waits there is a place again, or none any more.
                self.ended.notify_all();
                Err(Refusal::Overdue)
            }
        }
    }

    /// Waits for a place.
    fn seat(&'static self, until: Instant) -> Result<Seat, Refusal> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut jobs = self.jobs();
        loop {
            let overdue = jobs.iter().filter(|job| job.overdue.is_some()).count();
            if overdue >= self.left_behind {
                return Err(Refusal::Full);
            }
            if jobs.len() - overdue < self.at_once {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                jobs.push(Job { number, overdue: None });
                return Ok(Seat { bench: self, number });
            }
            let patience = until.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                return Err(Refusal::Full);
            }
            let waited = self.ended.wait_timeout(jobs, patience);
            jobs = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn overdue(&self) -> impl Iterator<Item = Key> {
        let keys: Vec<_> = self.jobs().iter().filter_map(|job| job.overdue).collect();
        keys.into_iter()
    }
}

/// Whether this is still at it, wherever it was begun. The key is only made where there is something to compare.
fn is_overdue(key: &impl Fn() -> Key) -> bool {
    let mut keys = [&IN_USE, &TRIALS, &DRAFTS]
        .into_iter()
        .flat_map(Bench::overdue)
        .peekable();
    if keys.peek().is_none() {
        return false;
    }
    let key = key();
    keys.any(|one| one == key)
}

/// The place of one job, until it ends in whichever way.
struct Seat {
    bench: &'static Bench,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.bench.jobs().retain(|job| job.number != self.number);
        self.bench.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_the_jobs_own_and_leaves_its_place() {
        static BENCH: Bench = Bench::new(1, 1);
        let panicked = BENCH.run(Key::default, || panic!("a defect"));
        assert_eq!(panicked, Err::<(), _>(Refusal::Broke));
        assert_eq!(BENCH.run(Key::default, || 1), Ok(1));
    }
}
