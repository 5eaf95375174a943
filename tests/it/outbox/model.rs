//! The outbox as a few queues in memory: what any run of calls has to come to.
//!
//! It predicts every claim exactly: which rooms, which message, and what becomes one digest.

use std::collections::{BTreeMap, VecDeque};

use grafana_matrix_relay::outbox::DeliveryId;

/// A row that waits, is in flight, or is dead.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The row; a digest's is known when it is first claimed.
    pub(crate) id: Option<DeliveryId>,
    /// What it says: its own text, or those that it names.
    pub(crate) lines: Vec<String>,
    pub(crate) attempted: bool,
    accepted_at: i64,
    position: u64,
}

/// One room.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) queue: VecDeque<Entry>,
    pub(crate) dead: Vec<Entry>,
    /// Until when it waits, and since when.
    wait: Option<(i64, i64)>,
    /// When the front was claimed, if it is in flight.
    pub(crate) claimed_at: Option<i64>,
}

/// All of it. Times are seconds.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) rooms: [Room; 3],
    keys: BTreeMap<u8, i64>,
    positions: u64,
    /// After how long a claim that is not renewed is given to somebody else, if the clock that is given rules that.
    lease: Option<i64>,
}

/// As in `place::digest_policy` and `place::WINDOW`.
const DIGEST_ABOVE: usize = 3;
const DIGEST_AGE: i64 = 10;
const DIGEST_AT_MOST: usize = 1_000;
const WINDOW: i64 = 60;
const CLOCK_SLACK: i64 = 30;

impl Model {
    pub(crate) fn new(lease: Option<i64>) -> Self {
        Self {
            lease,
            ..Self::default()
        }
    }

    /// Whether a request with this key is new.
    pub(crate) fn is_new(&mut self, key: Option<u8>, now: i64) -> bool {
        let Some(key) = key else { return true };
        if self.keys.get(&key).is_some_and(|at| (now - at).abs() < WINDOW) {
            return false;
        }
        self.keys.insert(key, now);
        true
    }

    pub(crate) fn accept(&mut self, room: usize, id: DeliveryId, text: &str, now: i64) {
        let position = self.next_position();
        self.rooms[room].queue.push_back(Entry {
            id: Some(id),
            lines: vec![text.to_owned()],
            attempted: false,
            accepted_at: now,
            position,
        });
    }

    /// Takes all deliveries that can be taken, and returns what each room's has to say.
    pub(crate) fn claim(&mut self, digests: bool, now: i64) -> BTreeMap<usize, Vec<String>> {
        let lease = self.lease;
        let due = self
            .rooms
            .iter_mut()
            .enumerate()
            .filter(|(_, room)| room.is_due(lease, now));
        due.map(|(n, room)| (n, room.claim(digests, now))).collect()
    }

    /// All dead entries of a room go to its tail, in their order.
    pub(crate) fn retry(&mut self, room: usize) -> usize {
        let mut dead = std::mem::take(&mut self.rooms[room].dead);
        dead.sort_by_key(|entry| entry.position);
        let count = dead.len();
        for mut entry in dead {
            entry.position = self.next_position();
            self.rooms[room].queue.push_back(entry);
            self.rooms[room].wait = None;
        }
        count
    }

    pub(crate) fn prune(&mut self, now: i64) {
        self.keys.retain(|_, at| *at >= now - WINDOW);
    }

    /// Nobody has a claim any more.
    pub(crate) fn crash(&mut self) {
        for room in &mut self.rooms {
            room.claimed_at = None;
        }
    }

    fn next_position(&mut self) -> u64 {
        self.positions += 1;
        self.positions
    }
}

impl Room {
    fn is_due(&self, lease: Option<i64>, now: i64) -> bool {
        let waits = self
            .wait
            .is_some_and(|(until, since)| until > now && since <= now + CLOCK_SLACK);
        let lapsed = |at: i64| lease.is_some_and(|lease| at + lease <= now);
        !self.queue.is_empty() && !waits && self.claimed_at.is_none_or(lapsed)
    }

    fn claim(&mut self, digests: bool, now: i64) -> Vec<String> {
        let untried = self.queue.iter().take_while(|entry| !entry.attempted).count();
        let old = self
            .queue
            .front()
            .is_some_and(|front| now - front.accepted_at >= DIGEST_AGE);
        if digests && old && untried > DIGEST_ABOVE {
            let members: Vec<Entry> = self.queue.drain(..untried.min(DIGEST_AT_MOST)).collect();
            self.queue.push_front(Entry {
                id: None,
                lines: members.iter().flat_map(|member| member.lines.clone()).collect(),
                attempted: false,
                accepted_at: members.iter().map(|member| member.accepted_at).min().unwrap(),
                position: members[0].position,
            });
        }
        let front = self.queue.front_mut().unwrap();
        front.attempted = true;
        // An attempt ends the wait: should the relay be killed amid it, the room is tried again at once.
        (self.claimed_at, self.wait) = (Some(now), None);
        front.lines.clone()
    }

    /// The front's attempt is over, and the room goes on.
    pub(crate) fn end_attempt(&mut self) {
        (self.claimed_at, self.wait) = (None, None);
    }

    pub(crate) fn deliver(&mut self) {
        self.end_attempt();
        self.queue.pop_front();
    }

    pub(crate) fn wait(&mut self, until: i64, now: i64) {
        self.end_attempt();
        self.wait = Some((until, now));
    }

    pub(crate) fn die(&mut self) {
        self.end_attempt();
        self.dead.extend(self.queue.pop_front());
    }
}
