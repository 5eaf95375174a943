//! A store that may not be there yet: a disk that is full, or a PostgreSQL that is down, when the relay starts.
//!
//! Guarantees: what passes by itself, or when somebody makes room or starts the database, is waited for, and until then every
//! question is answered with the reason. What only a person can mend (a wrong URL or password, a directory that may not be
//! written, another relay on it, a newer schema, a damaged file) ends the start with that error; where it shows only later, it
//! ends the relay, because no answer of its would ever be another one.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};

use super::Settings;
use super::databases::{Opener, open_store};
use super::error::OutboxError;
use super::store::Store;

/// How long the start waits for the first try to end; a disk or a network that hangs does not say so.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long until the next try.
const AGAIN: Duration = Duration::from_secs(2);
/// What is said as long as the first try has not ended.
const SLOW: &str = "the relay is opening it";

/// The store, or why there is none.
pub(super) struct Slot {
    store: OnceLock<Box<dyn Store>>,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Not yet, for this reason.
    Waits(String),
    /// It is there.
    Open,
    /// It will never be.
    Failed,
}

impl Slot {
    /// With a store.
    pub(super) fn open(store: Box<dyn Store>) -> Self {
        Self {
            store: OnceLock::from(store),
            state: watch::Sender::new(State::Open),
        }
    }

    fn empty() -> Self {
        Self {
            store: OnceLock::new(),
            state: watch::Sender::new(State::Waits(SLOW.to_owned())),
        }
    }

    /// The store, if it is there.
    pub(super) fn get(&self) -> Result<&dyn Store, OutboxError> {
        if let Some(store) = self.store.get() {
            return Ok(store.as_ref());
        }
        let reason = match &*self.state.borrow() {
            State::Waits(reason) => reason.clone(),
            State::Open | State::Failed => "the relay could not open it".to_owned(),
        };
        Err(OutboxError::Unavailable { reason })
    }

    /// Waits until the store is there, or will never be.
    pub(super) async fn opened(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this does.
        let _settled = state.wait_for(|state| !matches!(state, State::Waits(_))).await;
    }

    /// Waits until nothing can be written any more, which never comes while all is well.
    pub(super) async fn stopped(&self) {
        self.opened().await;
        if let Some(store) = self.store.get() {
            store.stopped().await;
        }
    }

    fn settle(&self, store: Box<dyn Store>) {
        if self.store.set(store).is_ok() {
            self.state.send_replace(State::Open);
        }
    }
}

/// Opens the store, or goes on trying for as long as the slot is held, where the reason may pass. `work` is notified when it is open.
pub(super) async fn open_or_wait(settings: &Settings, work: Arc<Notify>) -> Result<Arc<Slot>, OutboxError> {
    let slot = Arc::new(Slot::empty());
    let (first, tried) = oneshot::channel();
    tokio::spawn(keep_trying(Arc::downgrade(&slot), settings.clone(), work, first));
    match tokio::time::timeout(PATIENCE, tried).await {
        Ok(Ok(Some(error))) => Err(error),
        _ => Ok(slot),
    }
}

/// Tries until the store is open or will never be. What the first try came to is answered by `first`: `None` where the relay can
/// go on. One try at a time, because a try that hangs may hold the lock of the directory.
async fn keep_trying(
    slot: Weak<Slot>,
    settings: Settings,
    work: Arc<Notify>,
    first: oneshot::Sender<Option<OutboxError>>,
) {
    let mut first = Some(first);
    loop {
        let opened = open_store(&settings, Opener::Relay).await;
        let Some(slot) = slot.upgrade() else { return };
        let answer = |first: &mut Option<oneshot::Sender<_>>, error| first.take().map(|first| first.send(error));
        match opened {
            Ok(store) => {
                if first.is_none() || *slot.state.borrow() != State::Waits(SLOW.to_owned()) {
                    tracing::info!("the outbox is open now; the relay accepts notifications");
                }
                slot.settle(store);
                work.notify_one();
                answer(&mut first, None);
                return;
            }
            Err(OutboxError::Unavailable { reason }) => {
                let now = State::Waits(reason);
                if slot.state.send_replace(now.clone()) != now
                    && let State::Waits(reason) = now
                {
                    tracing::error!(
                        error.message = reason,
                        "cannot open the outbox yet: {reason}. The relay answers notifications with 503 and tries again every \
                         {} s",
                        AGAIN.as_secs()
                    );
                }
                answer(&mut first, None);
            }
            Err(error) => {
                if let Some(Err(Some(error))) = answer(&mut first, Some(error)) {
                    // The start has gone on without waiting for this.
                    tracing::error!(error.message = %error, "cannot open the outbox, and waiting does not help: {error}");
                    slot.state.send_replace(State::Failed);
                }
                return;
            }
        }
        drop(slot);
        tokio::time::sleep(AGAIN).await;
    }
}
