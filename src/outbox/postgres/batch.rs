//! The group commit: one task gathers what was asked while the last commit was under way into the next one.
//!
//! Guarantees: an answer is sent only after the commit that holds it; a batch that fails for a reason of its own, and
//! not because the database is away, is done again one by one, so nobody fails for somebody else's request; a commit whose
//! answer was lost is looked for before the caller hears that it failed, because it would send again.

use std::collections::{HashSet, VecDeque};
use std::sync::OnceLock;
use std::time::Instant;

use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use super::commit_status::Committing;
use super::database::begin;
use super::patiently;
use super::session::PgSession;
use crate::outbox::accept::{accept, lock_rooms};
use crate::outbox::columns::millis_of;
use crate::outbox::prepared::PreparedAcceptance;
use crate::outbox::store::HANGS;
use crate::outbox::{Enqueued, OutboxError};

/// While the database hung nothing could be accepted or come again: for these keys the time stood still.
const LATER: &str = "UPDATE outbox_repeat SET accepted_at = accepted_at + $2 WHERE key = ANY($1)";

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

/// Everything up to the first repetition of a key or a group, which has to see what becomes of the first.
fn next_batch(waiting: &mut VecDeque<Request>) -> Vec<Request> {
    let mut keys = HashSet::new();
    let mut is_first = |request: &Request| {
        let groups = request.acceptance.groups.iter().map(|group| group.key.as_str());
        let own: HashSet<&str> = request.acceptance.keys().chain(groups).collect();
        own.into_iter().all(|key| keys.insert(key.to_owned()))
    };
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
        Err(OutboxError::Unknown { reason }) => {
            for answer in answers {
                let reason = reason.clone();
                let _unheard = answer.send(Err(OutboxError::Unknown { reason }));
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
    let began = Instant::now();
    let accepted = patiently(accept_all(pool, acceptances, window_ms, &committing)).await;
    let accepted = match committing.into_inner().filter(|_| accepted.is_err()) {
        None => accepted,
        Some(committing) => {
            tracing::warn!("the answer to a commit was lost; the relay looks whether it went through");
            let is_there = patiently(async { Ok(committing.went_through(pool).await) }).await;
            match is_there {
                Ok(true) => Ok(committing.answers),
                Ok(false) => accepted,
                Err(error) => Err(OutboxError::Unknown {
                    reason: error.to_string(),
                }),
            }
        }
    };
    let took = began.elapsed();
    if took >= HANGS && accepted.is_ok() {
        let keys: Vec<&str> = acceptances.iter().flat_map(|one| one.keys()).collect();
        let later = sqlx::query(LATER).bind(keys).bind(millis_of(took));
        if let Err(error) = patiently(async { Ok(later.execute(pool).await.map(drop)?) }).await {
            tracing::debug!(error.message = %error, "cannot renew repeat keys");
        }
    }
    accepted
}

/// One transaction for all of them; one answer for each, in their order. If this fails once `committing` is set, it may
/// have been done all the same.
async fn accept_all(
    pool: &PgPool,
    acceptances: &[&PreparedAcceptance],
    window_ms: i64,
    committing: &OnceLock<Committing>,
) -> Result<Vec<Enqueued>, OutboxError> {
    let mut transaction = begin(pool).await?;
    let session = &mut PgSession(&mut transaction);
    let mut rooms = lock_rooms(session, acceptances.iter().flat_map(|one| one.rooms())).await?;
    let mut answers = Vec::with_capacity(acceptances.len());
    for acceptance in acceptances {
        answers.push(accept(session, acceptance, &mut rooms, window_ms).await?);
    }
    rooms.write(session).await?;
    let noted = Committing::note(&mut transaction, answers.clone()).await?;
    let _first = committing.set(noted);
    transaction.commit().await?;
    Ok(answers)
}
