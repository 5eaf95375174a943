//! Whether the database is sound, and what is done where it is not.
//!
//! Guarantees: damage that shows while the outbox is used, at the start, or in a look every few minutes leads to one try to rebuild
//! what can be rebuilt. Until that has ended nothing new is accepted, because nobody could say that it would ever be sent. If it
//! helps, everything goes on, and the operator hears of it; if it does not, still nothing new is accepted, and what can be sent is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::error::OutboxError;
use super::store::Store;

/// What is known of the database.
#[derive(Default)]
pub(super) struct Soundness {
    state: Mutex<State>,
    doubted: Notify,
    /// Why nothing could be claimed the last time.
    unclaimed: Mutex<Option<String>>,
}

#[derive(Default, Clone)]
enum State {
    #[default]
    Sound,
    /// Somebody met damage that nobody has looked at yet.
    Doubted(String),
    /// It was damaged, and was rebuilt.
    Rebuilt(String),
    /// It is damaged, and rebuilding did not help.
    Broken(String),
}

impl Soundness {
    /// Notes damage that a call met.
    pub(super) fn note<T>(&self, result: Result<T, OutboxError>) -> Result<T, OutboxError> {
        if let Err(OutboxError::Corrupt { reason }) = &result {
            self.doubt(reason);
        }
        result
    }

    /// The same for a claim, whose failure concerns all that waits.
    pub(super) fn note_claim<T>(&self, result: Result<T, OutboxError>) -> Result<T, OutboxError> {
        let unclaimed = result.as_ref().err().map(ToString::to_string);
        *self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner) = unclaimed;
        self.note(result)
    }

    /// Why nothing that waits can be sent.
    pub(super) fn unclaimed(&self) -> Option<String> {
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An error where nothing new may be accepted.
    pub(super) fn must_be_usable(&self) -> Result<(), OutboxError> {
        match &*self.state() {
            // Whether it can be mended is known in seconds; the sender tries again.
            State::Doubted(reason) | State::Broken(reason) => Err(OutboxError::Corrupt { reason: reason.clone() }),
            State::Sound | State::Rebuilt(_) => Ok(()),
        }
    }

    /// What somebody should know, though it works.
    pub(super) fn remark(&self) -> Option<String> {
        match &*self.state() {
            State::Rebuilt(reason) => Some(format!(
                "the outbox was damaged and has been rebuilt; it works ({reason})"
            )),
            State::Sound | State::Doubted(_) | State::Broken(_) => None,
        }
    }

    /// Whether there is damage that could not be looked at.
    pub(super) fn is_doubted(&self) -> bool {
        matches!(&*self.state(), State::Doubted(_))
    }

    /// Waits until somebody has met damage.
    pub(super) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    /// Looks at the store, and rebuilds it if it is damaged.
    pub(super) async fn look(&self, store: &dyn Store) {
        let inspected = store.inspect().await;
        let known = self.state().clone();
        let found = match inspected {
            Err(OutboxError::Corrupt { reason }) => Some(reason),
            // Whoever met damage met it, though a look does not find it.
            Ok(()) => match known {
                State::Doubted(reason) => Some(reason),
                State::Broken(_) => {
                    *self.state() = State::Sound;
                    tracing::info!("the outbox is sound again");
                    None
                }
                State::Sound | State::Rebuilt(_) => None,
            },
            Err(error) => {
                tracing::debug!(error.message = %error, "cannot check the outbox for damage");
                None
            }
        };
        let is_broken = matches!(&*self.state(), State::Broken(_));
        if let Some(reason) = found.filter(|_| !is_broken) {
            self.rebuild(store, reason).await;
        }
    }

    async fn rebuild(&self, store: &dyn Store, reason: String) {
        tracing::error!(
            error.message = reason,
            "the outbox is damaged; the relay rebuilds it: {reason}"
        );
        let rebuilt = match store.rebuild().await {
            Ok(()) => store.inspect().await,
            failed => failed,
        };
        match rebuilt {
            Ok(()) => {
                tracing::error!("the outbox has been rebuilt and works; check the disk and the machine");
                *self.state() = State::Rebuilt(reason);
            }
            Err(OutboxError::Unavailable { reason: why }) => {
                tracing::error!(
                    error.message = why,
                    "the outbox is damaged, and the relay cannot rebuild it now; it tries again: {why}"
                );
                *self.state() = State::Doubted(reason);
            }
            Err(error) => {
                tracing::error!(
                    error.message = %error,
                    "the outbox is damaged and cannot be rebuilt: the relay accepts nothing new. {error}"
                );
                *self.state() = State::Broken(reason);
            }
        }
    }

    fn doubt(&self, reason: &str) {
        let mut state = self.state();
        match &*state {
            State::Sound => {
                *state = State::Doubted(reason.to_owned());
                self.doubted.notify_one();
            }
            // Once is enough: it would be rebuilt again and again.
            State::Rebuilt(_) => {
                tracing::error!(
                    error.message = reason,
                    "the outbox is damaged again: the relay accepts nothing new. {reason}"
                );
                *state = State::Broken(reason.to_owned());
            }
            State::Doubted(_) | State::Broken(_) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
