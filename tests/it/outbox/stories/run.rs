//! A run: what was accepted, what the homeserver has, and what has to hold at each step.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use grafana_matrix_relay::outbox::{
    Delivery, DeliveryId, DeliveryState, DigestPolicy, Ended, Enqueued, Filter, GroupQuery, KnownGroup, Outbox,
    Outcome, RootState,
};
use proptest::sample::Index;

use super::super::place::{self, Place, at, claim_written, dead, digest_policy, message, room, wait};
use super::super::tale::{self, again, begins, changes};
use super::homeserver::Event;
use super::{Finish, GROUPS, ROOMS, Step, Tell};

pub(super) struct Run {
    pub(super) place: Place,
    pub(super) outbox: Outbox,
    pub(super) now: i64,
    pub(super) count: i64,
    /// The row that each piece of news was accepted into.
    pub(super) rows_of: HashMap<i64, DeliveryId>,
    pub(super) news: Vec<(i64, DeliveryId)>,
    /// Each group's last state.
    pub(super) states: [i64; 3],
    pub(super) in_flight: BTreeMap<usize, Delivery>,
    pub(super) events: HashMap<String, Event>,
    /// The news that has been told, in order and by room.
    pub(super) told: [Vec<i64>; 2],
    /// The rows of what has been told, in the same order, but for what was ever given up.
    pub(super) order: [Vec<i64>; 2],
    pub(super) ever_dead: HashSet<DeliveryId>,
}

impl Run {
    pub(super) async fn start(place: Place) -> Self {
        Self {
            outbox: place.open().await,
            place,
            now: 0,
            count: 0,
            rows_of: HashMap::new(),
            news: Vec::new(),
            states: [0; 3],
            in_flight: BTreeMap::new(),
            events: HashMap::new(),
            told: Default::default(),
            order: Default::default(),
            ever_dead: HashSet::new(),
        }
    }

    pub(super) async fn take(mut self, step: Step) -> Self {
        match step {
            Step::Tell(group, tell) => self.tell(group, tell).await,
            Step::Message(room) => self.message(room).await,
            Step::Claim { digests } => self.claim(digests).await,
            Step::Finish { which, how, goes_on } => self.finish_any(which, how, goes_on).await,
            Step::Crash => {
                self.in_flight.clear();
                self.outbox = self.place.reopen(self.outbox).await;
            }
            Step::GoOn(seconds) => self.now += seconds,
            Step::Retry(n) => {
                self.outbox.retry_room(&room(ROOMS[n]), at(self.now)).await.unwrap();
            }
            Step::Drop(n, which) => self.drop_any(n, which).await,
            Step::Prune => {
                self.now += 4_000;
                self.outbox.prune(at(self.now)).await.unwrap();
            }
        }
        self
    }

    fn next(&mut self) -> (i64, String) {
        self.count += 1;
        (self.count, self.count.to_string())
    }

    async fn message(&mut self, n: usize) {
        let (number, text) = self.next();
        let row = place::accept(&self.outbox, ROOMS[n], &text, at(self.now)).await;
        self.note(number, row);
    }

    fn note(&mut self, number: i64, row: DeliveryId) {
        self.rows_of.insert(number, row);
        self.news.push((number, row));
    }

    pub(super) async fn known(&self, group: usize) -> Option<KnownGroup> {
        let query = GroupQuery {
            room: &room(ROOMS[GROUPS[group].1]),
            key: GROUPS[group].0,
            alerts: Vec::new(),
            others: true,
        };
        self.outbox.groups(&[query]).await.unwrap().remove(0)
    }

    /// As the pipeline does: by where the message stands.
    pub(super) async fn tell(&mut self, group: usize, tell: Tell) {
        let known = self.known(group).await;
        let (root, is_shown) = known
            .as_ref()
            .map_or((RootState::None, true), |known| (known.root, known.is_shown));
        let version = known.map_or(0, |known| known.version);
        let (state, text) = self.next();
        let (number, line) = self.next();
        let lines = [line.as_str()];
        let (told, rest) = match (tell, root) {
            (Tell::Begin { rest }, RootState::None) => (begins(&text), rest),
            (Tell::Begin { rest }, RootState::InRoom) if is_shown => (begins(&text), rest),
            (Tell::Change { rest } | Tell::Values { rest }, RootState::None) => (again(&text), rest),
            (Tell::Line, RootState::None) => (again(&text), false),
            (Tell::Begin { rest } | Tell::Change { rest }, _) => (changes(&text, &lines), rest),
            (Tell::Values { rest }, _) => (changes(&text, &[]), rest),
            (Tell::Line, _) => (
                tale::Tell {
                    lines: &lines,
                    ..Default::default()
                },
                false,
            ),
            (Tell::Forget, _) => (
                tale::Tell {
                    root: grafana_matrix_relay::outbox::Root::Forget,
                    ..Default::default()
                },
                false,
            ),
        };
        let (name, n) = GROUPS[group];
        let mut acceptance = tale::in_room(ROOMS[n], name, version, told, at(self.now));
        if let Some(message_of) = acceptance.groups[0].message.as_mut().filter(|_| rest) {
            message_of.rest.push(message("-1"));
        }
        let Enqueued::Accepted(receipts) = self.outbox.enqueue(acceptance).await.unwrap() else {
            panic!("nobody else accepts")
        };
        if told.text.is_some() {
            self.states[group] = state;
        }
        // A line that has no row of its own is told by the message.
        let row = receipts.last().map(|receipt| receipt.id);
        let is_line = async |row| self.rows().await[&row].part == grafana_matrix_relay::outbox::Part::Line;
        if let Some(row) = row.filter(|_| !told.lines.is_empty())
            && is_line(row).await
        {
            self.note(number, row);
        }
    }

    pub(super) async fn claim(&mut self, digests: bool) {
        let claimed = claim_written(&self.outbox, at(self.now), 100, &policy(digests)).await;
        let rooms: BTreeSet<usize> = claimed.iter().map(room_of).collect();
        assert_eq!(rooms.len(), claimed.len(), "one at a time in each room");
        for delivery in claimed {
            self.begin(delivery);
        }
    }

    fn begin(&mut self, delivery: Delivery) {
        if let Some(relation) = &delivery.relation {
            let event = self.events.get(relation.event_id());
            assert!(
                event.is_some_and(|event| !event.is_deleted),
                "no such event: {delivery:?}"
            );
        }
        self.in_flight.insert(room_of(&delivery), delivery);
    }

    async fn finish_any(&mut self, which: Index, how: Finish, goes_on: Option<bool>) {
        if self.in_flight.is_empty() {
            return;
        }
        let n = *which.get(&self.in_flight.keys().copied().collect::<Vec<_>>());
        self.finish(n, how, goes_on).await;
    }

    /// Ends the attempt in this room.
    async fn finish(&mut self, n: usize, how: Finish, goes_on: Option<bool>) {
        let delivery = self.in_flight.remove(&n).unwrap();
        let outcome = match how {
            Finish::Delivered => Outcome::Delivered {
                event_id: self.show(&delivery),
            },
            Finish::AnswerLost => {
                self.show(&delivery);
                wait(at(self.now + 5))
            }
            Finish::RootDeleted if delivery.relation.is_some() => {
                let root = delivery.relation.as_ref().unwrap().event_id();
                self.events.get_mut(root).unwrap().is_deleted = true;
                Outcome::Detached {
                    error: "it was deleted".to_owned(),
                }
            }
            Finish::Wait | Finish::RootDeleted => wait(at(self.now + 20)),
            Finish::Dead => {
                self.ever_dead.insert(delivery.id);
                dead()
            }
            Finish::Release => return self.outbox.release(&[delivery.id]).await.unwrap(),
        };
        let Some(digests) = goes_on else {
            return place::record(&self.outbox, delivery.id, outcome, at(self.now)).await;
        };
        let policy = policy(digests);
        let next = place::record_and_claim(&self.outbox, delivery.id, outcome, at(self.now), &policy).await;
        if let Some(next) = next {
            assert_eq!(room_of(&next), n, "a room goes on with what is its own");
            self.begin(next);
        }
    }

    async fn drop_any(&mut self, n: usize, which: Index) {
        let waiting = Filter {
            state: Some(DeliveryState::Pending),
            room: Some(room(ROOMS[n])),
            limit: 1_000,
            ..Filter::default()
        };
        let rows = self.outbox.list(waiting).await.unwrap();
        if rows.is_empty() {
            return;
        }
        self.drop(which.get(&rows).id).await;
    }

    /// Gives up what waits.
    pub(super) async fn drop(&mut self, row: DeliveryId) {
        self.ever_dead.insert(row);
        assert_eq!(self.outbox.give_up(row, at(self.now)).await.unwrap(), Ended::Done);
    }

    pub(super) async fn rows(&self) -> HashMap<DeliveryId, Delivery> {
        let all = Filter {
            limit: 100_000,
            ..Filter::default()
        };
        let rows = self.outbox.list(all).await.unwrap();
        rows.into_iter().map(|row| (row.id, row)).collect()
    }
}

fn policy(digests: bool) -> DigestPolicy {
    if digests {
        digest_policy()
    } else {
        DigestPolicy::never()
    }
}

pub(super) fn room_of(delivery: &Delivery) -> usize {
    ROOMS.iter().position(|name| room(name) == delivery.room).unwrap()
}
