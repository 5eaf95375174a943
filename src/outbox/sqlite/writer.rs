//! The one thread that writes, and the group commit: whatever was asked while the last commit went to disk shares the
//! next one.
//!
//! Guarantees: an answer is sent only after the commit that holds it; a piece of work that fails undoes itself alone;
//! if the commit fails, everybody in it gets that answer. It knows nothing of what the work does, except that it may be undone
//! and done again.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::session::SqliteSession;
use crate::outbox::OutboxError;
use crate::outbox::store::{HANGS, within};

/// How many pieces of work share a commit at most.
const BATCH: usize = 256;

/// How long the last handle waits for the thread to finish. A disk that hangs may never let it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is done after a commit that took so long.
type AfterHang = fn(&Connection, Duration) -> Result<(), OutboxError>;

/// A handle on the thread. Dropping it lets the thread finish what was asked, and waits for that, though not for ever.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    /// Closed when the thread has ended, however that came.
    ended: Mutex<Receiver<()>>,
    patience: Duration,
}

impl Writer {
    /// Starts the thread. It keeps `guard` as long as it may write, and runs `after_hang` after a commit that took long.
    pub(super) fn start(
        connection: Connection,
        guard: impl Send + 'static,
        after_hang: AfterHang,
    ) -> Result<Self, OutboxError> {
        let (queue, mut waiting) = mpsc::channel::<Box<dyn Job>>(BATCH);
        let (ends, ended) = channel::<()>();
        let serve = move || {
            let _ends = ends;
            let mut batch = Vec::with_capacity(BATCH);
            while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
                gather(&mut waiting, &mut batch);
                let began = Instant::now();
                commit_together(&connection, &mut batch);
                let took = began.elapsed();
                // Before whatever comes next; where it fails, that fails as well.
                if took >= HANGS {
                    let _said_with_what_comes_next = after_hang(&connection, took);
                }
            }
            drop(connection);
            drop(guard);
        };
        thread::Builder::new()
            .name("outbox-writer".to_owned())
            .spawn(serve)
            .map_err(|error| OutboxError::unavailable(&error))?;
        Ok(Self {
            queue: Some(queue),
            ended: Mutex::new(ended),
            patience: PATIENCE,
        })
    }

    /// Waits until the thread has ended by itself, which only a panic makes it do.
    pub(super) async fn stopped(&self) {
        if let Some(queue) = &self.queue {
            queue.closed().await;
        }
    }

    /// Does the work inside a transaction and answers after its commit. If the caller goes away, it is done all the same.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        W: Fn(&mut SqliteSession<'_>) -> Result<T, OutboxError> + Send + 'static,
    {
        self.ask(work, Duty::Owed).await
    }

    /// The same, answered within `patience`: a disk may hang for minutes and say nothing. Work whose caller has gone is left
    /// undone if it has not begun; otherwise it may be done all the same, and nobody hears of it.
    pub(super) async fn run_within<T, W>(&self, patience: Duration, work: W) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        W: Fn(&mut SqliteSession<'_>) -> Result<T, OutboxError> + Send + 'static,
    {
        let late = OutboxError::Unknown {
            reason: super::LATE.to_owned(),
        };
        within(patience, late, self.ask(work, Duty::Asked)).await
    }

    async fn ask<T, W>(&self, work: W, duty: Duty) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        W: Fn(&mut SqliteSession<'_>) -> Result<T, OutboxError> + Send + 'static,
    {
        let gone = || OutboxError::unavailable("its writer has stopped");
        let (answer, answered) = oneshot::channel();
        let job = Task {
            work,
            duty,
            result: None,
            answer,
        };
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Box::new(job)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// Lets those go first that have a processor to wait for, as long as they bring more: a commit costs as much as an acceptance, and a
/// fast disk would be given one for each of them. Where nobody waits for a processor this is no wait.
fn gather(waiting: &mut mpsc::Receiver<Box<dyn Job>>, batch: &mut Vec<Box<dyn Job>>) {
    loop {
        let before = batch.len();
        thread::yield_now();
        while batch.len() < BATCH
            && let Ok(job) = waiting.try_recv()
        {
            batch.push(job);
        }
        if batch.len() == before || batch.len() == BATCH {
            return;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        // What it was asked, and nobody has heard to be done, may be cut off as by a power cut. A panic of its has been
        // printed.
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(self.patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "the disk does not answer, so the outbox is still busy; the relay ends without waiting for it"
            );
        }
    }
}

/// Whether work is to be done even if nobody waits for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    Owed,
    Asked,
}

/// Work of any type, between being asked and being answered.
trait Job: Send {
    /// Whether it may be left undone.
    fn is_void(&self) -> bool;
    /// Does it; the reason if it failed and has to be undone.
    fn run(&mut self, connection: &Connection) -> Option<OutboxError>;
    /// Answers: what it came to, or that the commit failed.
    fn settle(self: Box<Self>, commit_failed: Option<&OutboxError>);
}

struct Task<T, W> {
    work: W,
    duty: Duty,
    result: Option<Result<T, OutboxError>>,
    answer: oneshot::Sender<Result<T, OutboxError>>,
}

impl<T: Send, W: Fn(&mut SqliteSession<'_>) -> Result<T, OutboxError> + Send> Job for Task<T, W> {
    fn is_void(&self) -> bool {
        self.duty == Duty::Asked && self.answer.is_closed()
    }

    fn run(&mut self, connection: &Connection) -> Option<OutboxError> {
        let result = self.result.insert((self.work)(&mut SqliteSession(connection)));
        result.as_ref().err().map(for_all)
    }

    fn settle(self: Box<Self>, commit_failed: Option<&OutboxError>) {
        let answer = match (self.result, commit_failed) {
            (Some(result @ Err(_)), _) | (Some(result), None) => result,
            (_, Some(failed)) => Err(for_all(failed)),
            (None, None) => Err(OutboxError::unavailable("the work was not done")),
        };
        // Whoever asked may have gone away.
        let _unheard = self.answer.send(answer);
    }
}

/// What each job of a batch answers where all of them failed. That the database is damaged stays known as that; anything
/// else may pass.
fn for_all(failed: &OutboxError) -> OutboxError {
    match failed {
        OutboxError::Corrupt { reason } => OutboxError::Corrupt { reason: reason.clone() },
        OutboxError::Unavailable { reason } => OutboxError::unavailable(reason),
        other => OutboxError::unavailable(other),
    }
}

/// One transaction for the whole batch.
fn commit_together(connection: &Connection, batch: &mut Vec<Box<dyn Job>>) {
    batch.retain(|job| !job.is_void());
    let failed = match transact(connection, batch) {
        Ok(true) => None,
        // Savepoints show which one failed; they which copy every page that they may have to bring back: not before it is
        // necessary.
        Ok(false) => roll_back(connection)
            .and_then(|()| transact_one_by_one(connection, batch))
            .err(),
        Err(reason) => Some(reason),
    };
    if failed.is_some() {
        // If even this fails, the next BEGIN will, and say so.
        let _rolled_back = roll_back(connection);
    }
    for job in batch.drain(..) {
        job.settle(failed.as_ref());
    }
}

/// Whether all of it worked and is committed; if not, the transaction is still open.
fn transact(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<bool, OutboxError> {
    execute(connection, "BEGIN IMMEDIATE")?;
    if batch.iter_mut().any(|job| job.run(connection).is_some()) {
        return Ok(false);
    }
    execute(connection, "COMMIT")?;
    Ok(true)
}

fn transact_one_by_one(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), OutboxError> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for job in batch {
        execute(connection, "SAVEPOINT job")?;
        if let Some(reason) = job.run(connection) {
            // SQLite undoes the whole transaction by itself where, for instance, the disk is full.
            if connection.is_autocommit() {
                return Err(reason);
            }
            execute(connection, "ROLLBACK TO job")?;
        }
        execute(connection, "RELEASE job")?;
    }
    execute(connection, "COMMIT")
}

/// Undoes the transaction, if SQLite has not by itself.
fn roll_back(connection: &Connection) -> Result<(), OutboxError> {
    if connection.is_autocommit() {
        return Ok(());
    }
    execute(connection, "ROLLBACK")
}

fn execute(connection: &Connection, sql: &str) -> Result<(), OutboxError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests;
