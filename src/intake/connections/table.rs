//! All open connections: whose they are, what each of them does, and which one ends where there is no place for another.
//!
//! Guarantees: no more are open than there are places. While a place is free nobody is limited. Where none is, the address that
//! holds most of those that have proven nothing loses the oldest of them: at first one without a request, else one
//! whose request has not come in full. What has shown its credential is ended for nobody; nor is what asks for none, once it
//! is here. The bytes of bodies are shared in the same way. Behind a trusted proxy the address is the client's,
//! for as long as a request of it is worked on.
//!
//! Nothing is ended in its first moments, in which its request may be on its way; and a connection looks for a request once
//! more before it goes, so that a storm of senders that all have something to say ends none of them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// For how long nothing is asked to end: a request comes with its connection, or a round trip later.
const YOUNG: Duration = Duration::from_millis(250);
/// Connections beside those that requests may hold, so that a health check finds one.
const KEPT: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    places: usize,
    state: Mutex<State>,
    /// Something has ended, or may be asked to.
    changed: Notify,
    /// Held by what has proven its credential, so that it leaves a few places to others.
    proven: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    /// Whose request it is; the peer's, while nothing else is known.
    client: IpAddr,
    doing: Doing,
    /// Since when it does that.
    since: Instant,
    /// What it holds of the bytes that all bodies share.
    bytes: usize,
    /// What it was asked to end: what it did since then.
    asked: Option<Instant>,
    leave: Arc<Notify>,
    proven: Option<OwnedSemaphorePermit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// It waits for a request, or for its peer to read an answer.
    Nothing,
    /// It has a request that has proven nothing yet.
    Unproven,
    Proven,
}

impl Entry {
    fn begin(&mut self, doing: Doing, now: Instant) {
        (self.doing, self.since) = (doing, now);
    }
}

impl State {
    /// The oldest of the address that holds most of what `weight` counts, among those that have proven nothing; with its
    /// address and how much that holds.
    fn most(&self, now: Instant, weight: impl Fn(&Entry) -> usize) -> Option<(u64, IpAddr, usize)> {
        let unproven = || self.open.iter().filter(|(_, entry)| entry.doing != Doing::Proven);
        let mut totals: HashMap<IpAddr, usize> = HashMap::new();
        for (_, entry) in unproven() {
            *totals.entry(entry.client).or_default() += weight(entry);
        }
        let most = totals.values().copied().max().unwrap_or(0);
        // Who holds less is not taken from because those of the other are young.
        let holds_most = |entry: &Entry| totals.get(&entry.client) == Some(&most);
        let is_old = |entry: &Entry| now.duration_since(entry.since) >= YOUNG;
        let eligible = unproven()
            .filter(|(_, entry)| entry.asked.is_none() && weight(entry) > 0 && holds_most(entry) && is_old(entry));
        let oldest = eligible.max_by_key(|(id, entry)| {
            let is_idle = entry.doing == Doing::Nothing;
            (is_idle, Reverse((entry.since, **id)))
        });
        oldest.map(|(id, entry)| (*id, entry.client, most))
    }

    fn ask(&mut self, id: u64) {
        if let Some(entry) = self.open.get_mut(&id) {
            entry.asked = Some(entry.since);
            entry.leave.notify_one();
        }
    }
}

impl Table {
    pub(super) fn new(max_connections: usize) -> Arc<Self> {
        let max = max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            places: max.saturating_add(KEPT),
            state: Mutex::default(),
            changed: Notify::new(),
            proven: Arc::new(Semaphore::new(max)),
        })
    }

    /// Waits for a place, for which another connection may have to end.
    pub(super) async fn enter(self: &Arc<Self>, peer: IpAddr) -> Open {
        loop {
            if let Some(open) = self.try_enter(peer, Instant::now()) {
                return open;
            }
            // What is young now is not for ever.
            let _ = tokio::time::timeout(YOUNG, self.changed.notified()).await;
        }
    }

    fn try_enter(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Option<Open> {
        let mut state = self.state();
        if state.open.len() >= self.places {
            let is_leaving = |entry: &Entry| entry.asked.is_some();
            if !state.open.values().any(is_leaving)
                && let Some((id, ..)) = state.most(now, |_| 1)
            {
                state.ask(id);
            }
            return None;
        }
        let id = state.next;
        state.next += 1;
        let leave = Arc::new(Notify::new());
        let entry = Entry {
            peer,
            client: peer,
            doing: Doing::Nothing,
            since: now,
            bytes: 0,
            asked: None,
            leave: Arc::clone(&leave),
            proven: None,
        };
        state.open.insert(id, entry);
        let table = Arc::clone(self);
        Some(Open(Arc::new(Connection { id, table, leave })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an open connection, which ends with this value.
#[derive(Debug)]
pub(super) struct Open(pub(super) Arc<Connection>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.table.state().open.remove(&self.0.id);
        self.0.table.changed.notify_one();
    }
}

/// A connection, as its requests know it.
#[derive(Debug)]
pub(in crate::intake) struct Connection {
    id: u64,
    table: Arc<Table>,
    leave: Arc<Notify>,
}

impl Connection {
    /// A request has come, as far as its head.
    pub(super) fn begin(&self, now: Instant) {
        self.change(|entry| entry.begin(Doing::Unproven, now));
    }

    /// The request is answered, but for what the peer has yet to read.
    pub(super) fn end(&self, now: Instant) {
        self.change(|entry| {
            entry.begin(Doing::Nothing, now);
            (entry.client, entry.bytes, entry.proven) = (entry.peer, 0, None);
        });
        self.table.changed.notify_one();
    }

    /// Waits until it should end to make place for another.
    pub(super) async fn asked(&self) {
        self.leave.notified().await;
    }

    /// Whose it was, if it is to end: what has gone on since it was asked keeps its place.
    pub(super) fn goes(&self) -> Option<IpAddr> {
        let goes = self.change(|entry| {
            let goes = entry.asked.take() == Some(entry.since) && entry.doing != Doing::Proven;
            goes.then_some(entry.client)
        });
        if goes == Some(None) {
            self.table.changed.notify_one();
        }
        goes.flatten()
    }

    /// Says whose request it is.
    pub(in crate::intake) fn is_of(&self, client: IpAddr) {
        self.change(|entry| entry.client = client);
    }

    /// Says that the request has shown what it has to, so that it is ended for nobody. It may have to wait, as long as the
    /// patience lasts: false if that was too short.
    pub(in crate::intake) async fn prove(&self, patience: Duration) -> bool {
        let is_new = |entry: &mut Entry| {
            let is_new = entry.doing == Doing::Unproven;
            if is_new {
                entry.begin(Doing::Proven, Instant::now());
            }
            is_new
        };
        if self.change(is_new) != Some(true) {
            return true;
        }
        let permit = Arc::clone(&self.table.proven).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(patience, permit).await else {
            return false;
        };
        self.change(|entry| entry.proven = Some(permit));
        true
    }

    /// Says how many bytes its body holds.
    pub(in crate::intake) fn holds(&self, bytes: usize) {
        self.change(|entry| entry.bytes = bytes);
    }

    /// Asks the address that holds most bytes for bodies that have proven nothing to give some back. Those who have proven
    /// nothing themselves may ask only who holds more than they do.
    pub(in crate::intake) fn wants_bytes(&self, now: Instant) {
        let mut state = self.table.state();
        let Some((id, client, bytes)) = state.most(now, |entry| entry.bytes) else {
            return;
        };
        let may_ask = state.open.get(&self.id).is_none_or(|own| {
            let of_own = |entry: &&Entry| entry.client == own.client && entry.doing != Doing::Proven;
            let held: usize = state.open.values().filter(of_own).map(|entry| entry.bytes).sum();
            own.doing == Doing::Proven || (own.client != client && held < bytes)
        });
        if may_ask {
            state.ask(id);
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.table.state().open.get_mut(&self.id).map(change)
    }
}

#[cfg(test)]
mod tests;
