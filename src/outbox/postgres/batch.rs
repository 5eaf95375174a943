//! The group commit: one task gathers what was asked while the last commit was under way into the next one.
//!
//! Guarantees: an answer is sent only after the commit that holds it; a batch that fails for a reason of its own, and
//! not because the database is away, is done again one by one, so nobody fails for somebody else's request; a commit whose
//! answer was lost is looked for before anybody is told that it failed, for then the caller would send it again.

use std::collections::{HashSet, VecDeque};
use std::sync::OnceLock;

use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use super::enqueue::accept;
use super::patiently;
use crate::outbox::store::PreparedAcceptance;
use crate::outbox::{Enqueued, OutboxError};

/// How many acceptances share a commit at most.
const BATCH: usize = 256;

/// What is asked of the task.
pub(super) struct Request {
    pub(super) acceptance: PreparedAcceptance,
    pub(super) answer: oneshot::Sender<Result<Enqueued, OutboxError>>,
}

/// Starts the task; it ends when the sender is dropped.
pub(super) fn start(pool: PgPool, window_ms: i64) -> mpsc::Sender<Request> {
    let (sender, mut requests) = mpsc::channel(BATCH);
    tokio::spawn(async move {
        let mut waiting = VecDeque::new();
        let mut arrived = Vec::with_capacity(BATCH);
        loop {
            if waiting.is_empty() && requests.recv_many(&mut arrived, BATCH).await == 0 {
                return;
            }
            waiting.extend(arrived.drain(..));
            accept_together(&pool, next_batch(&mut waiting), window_ms).await;
        }
    });
    sender
}

/// Everything up to the first repetition of a key, which has to see what becomes of the first.
fn next_batch(waiting: &mut VecDeque<Request>) -> Vec<Request> {
    let mut keys = HashSet::new();
    let mut is_first = |request: &Request| request.acceptance.keys().all(|key| keys.insert(key.to_owned()));
    let end = waiting
        .iter()
        .position(|request| !is_first(request))
        .unwrap_or(waiting.len());
    waiting.drain(..end).collect()
}

async fn accept_together(pool: &PgPool, batch: Vec<Request>, window_ms: i64) {
    let (acceptances, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|r| (r.acceptance, r.answer)).unzip();
    let all: Vec<&PreparedAcceptance> = acceptances.iter().collect();
    match accept_or_find(pool, &all, window_ms).await {
        Ok(enqueued) => {
            for (answer, enqueued) in answers.into_iter().zip(enqueued) {
                // Whoever asked may have gone away.
                let _unheard = answer.send(Ok(enqueued));
            }
        }
        Err(OutboxError::Unavailable { reason }) => {
            for answer in answers {
                let _unheard = answer.send(Err(OutboxError::unavailable(&reason)));
            }
        }
        Err(_) => {
            for (answer, acceptance) in answers.into_iter().zip(&acceptances) {
                let alone = accept_or_find(pool, &[acceptance], window_ms).await;
                let _unheard = answer.send(alone.map(|mut enqueued| enqueued.remove(0)));
            }
        }
    }
}

async fn accept_or_find(
    pool: &PgPool,
    acceptances: &[&PreparedAcceptance],
    window_ms: i64,
) -> Result<Vec<Enqueued>, OutboxError> {
    let committing = OnceLock::new();
    let accepted = patiently(accept(pool, acceptances, window_ms, &committing)).await;
    let Some(committing) = committing.into_inner().filter(|_| accepted.is_err()) else {
        return accepted;
    };
    tracing::warn!("the answer to a commit was lost; looking whether it went through");
    if patiently(async { Ok(committing.went_through(pool).await) }).await? {
        return Ok(committing.answers);
    }
    accepted
}
