//! A run: what was accepted, what the homeserver has, and what has to hold at each step.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use grafana_matrix_relay::outbox::{
    Acceptance, Delivery, DeliveryId, DeliveryState, Dropped, Enqueued, Filter, FoldPolicy, GroupChange, NewDelivery,
    Outbox, Outcome, Part,
};
use proptest::sample::Index;

use super::super::place::{self, Place, at, dead, folding, message, room, wait};
use super::homeserver::Event;
use super::{Finish, GROUPS, ROOMS, Step, Tell};

/// A text that was accepted. Texts are numbers, so that the newer of two is known.
pub(super) struct Told {
    pub(super) number: i64,
    pub(super) row: DeliveryId,
    /// A head that nobody had seen says it; it need not be told again.
    pub(super) taken_up: bool,
}

pub(super) struct Run {
    pub(super) place: Place,
    pub(super) outbox: Outbox,
    pub(super) now: i64,
    pub(super) count: i64,
    pub(super) versions: [i64; 3],
    /// The row that each text was accepted into, but for the rests.
    pub(super) rows_of: HashMap<i64, DeliveryId>,
    /// What is news, and each group's last state.
    pub(super) news: Vec<Told>,
    pub(super) states: [Option<(i64, DeliveryId)>; 3],
    pub(super) in_flight: BTreeMap<usize, Delivery>,
    pub(super) events: HashMap<String, Event>,
    /// What has been told by an event that is no edit, in order and by room.
    pub(super) told: [Vec<i64>; 2],
    /// The rows of what has been told, in the same order, but for what was ever given up.
    pub(super) order: [Vec<i64>; 2],
    pub(super) ever_dead: HashSet<DeliveryId>,
    /// Rows that another one, no digest, says.
    pub(super) taken_over: HashSet<DeliveryId>,
}

impl Run {
    pub(super) async fn start(place: Place) -> Self {
        Self {
            outbox: place.open().await,
            place,
            now: 0,
            count: 0,
            versions: [0; 3],
            rows_of: HashMap::new(),
            news: Vec::new(),
            states: [None; 3],
            in_flight: BTreeMap::new(),
            events: HashMap::new(),
            told: Default::default(),
            order: Default::default(),
            ever_dead: HashSet::new(),
            taken_over: HashSet::new(),
        }
    }

    pub(super) async fn take(mut self, step: Step) -> Self {
        match step {
            Step::Tell(group, tell) => self.tell(group, tell).await,
            Step::Message(room) => self.message(room).await,
            Step::Claim { fold } => self.claim(fold).await,
            Step::Finish(which, how) => self.finish_any(which, how).await,
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
        let taken_up = false;
        self.rows_of.insert(number, row);
        self.news.push(Told { number, row, taken_up });
    }

    async fn tell(&mut self, group: usize, tell: Tell) {
        let rest = Part::Rest {
            number: 2,
            threaded: true,
        };
        let tick = Part::Reaction { key: "✅".to_owned() };
        let (parts, with_rest) = match tell {
            Tell::Head { rest } => (vec![Part::Head], rest),
            Tell::Change { rest } => (vec![Part::Edit, Part::Line], rest),
            Tell::Values { rest } => (vec![Part::Edit], rest),
            Tell::Line => (vec![Part::Line], false),
            Tell::Reply => (vec![Part::Reply], false),
            Tell::Reaction => (vec![tick], false),
        };
        let mut parts = parts;
        if with_rest {
            parts.insert(1, rest);
        }
        let (name, room) = (GROUPS[group].0, room(ROOMS[GROUPS[group].1]));
        let numbered: Vec<(Part, i64, String)> = parts
            .into_iter()
            .map(|part| {
                let (number, text) = self.next();
                (part, number, text)
            })
            .collect();
        let deliveries = numbered.iter().map(|(part, _, text)| NewDelivery {
            part: part.clone(),
            group: Some(name.to_owned()),
            ..NewDelivery::message(room.clone(), message(text))
        });
        let acceptance = Acceptance {
            deliveries: deliveries.collect(),
            groups: vec![GroupChange {
                room: room.clone(),
                key: name.to_owned(),
                expected: self.versions[group],
                state: String::new(),
            }],
            repeat_key: None,
            request_key: None,
            at: at(self.now),
        };
        let Enqueued::Accepted(receipts) = self.outbox.enqueue(acceptance).await.unwrap() else {
            panic!("nobody else accepts")
        };
        self.versions[group] += 1;
        self.note_taken_over().await;
        // A line that has no row of its own was told to the head.
        let taken_up = receipts.len() < numbered.len();
        for (part, number, _) in &numbered {
            let row = match part {
                Part::Rest { .. } => continue,
                Part::Line | Part::Reply if !taken_up => receipts.last(),
                _ => receipts.first(),
            };
            let (number, row) = (*number, row.unwrap().id);
            self.rows_of.insert(number, row);
            match part {
                Part::Head | Part::Edit => self.states[group] = Some((number, row)),
                Part::Line | Part::Reply => self.news.push(Told { number, row, taken_up }),
                Part::Message | Part::Rest { .. } | Part::Reaction { .. } => {}
            }
        }
    }

    pub(super) async fn claim(&mut self, fold: bool) {
        let policy = if fold { folding() } else { FoldPolicy::never() };
        let claimed = self.outbox.claim_due(at(self.now), 100, &policy).await.unwrap();
        let rooms: BTreeSet<usize> = claimed.iter().map(room_of).collect();
        assert_eq!(rooms.len(), claimed.len(), "one at a time in each room");
        for delivery in claimed {
            if let Some(relation) = &delivery.relation {
                let event = self.events.get(relation.event_id());
                assert!(
                    event.is_some_and(|event| !event.is_deleted),
                    "no such event: {delivery:?}"
                );
            }
            self.in_flight.insert(room_of(&delivery), delivery);
        }
    }

    async fn finish_any(&mut self, which: Index, how: Finish) {
        if self.in_flight.is_empty() {
            return;
        }
        let n = *which.get(&self.in_flight.keys().copied().collect::<Vec<_>>());
        self.finish(n, how).await;
    }

    /// Ends the attempt in this room.
    pub(super) async fn finish(&mut self, n: usize, how: Finish) {
        let delivery = self.in_flight.remove(&n).unwrap();
        let outcome = match how {
            Finish::Delivered => Outcome::Delivered {
                event_id: self.show(&delivery),
            },
            Finish::AnswerLost => {
                self.show(&delivery);
                wait(at(self.now + 5))
            }
            Finish::HeadDeleted if delivery.relation.is_some() => {
                let head = delivery.relation.as_ref().unwrap().event_id();
                self.events.get_mut(head).unwrap().is_deleted = true;
                Outcome::Detached {
                    error: "it was deleted".to_owned(),
                }
            }
            Finish::Wait | Finish::HeadDeleted => wait(at(self.now + 20)),
            Finish::Dead => {
                self.ever_dead.insert(delivery.id);
                dead()
            }
            Finish::Release => return self.outbox.release(&[delivery.id]).await.unwrap(),
        };
        place::record(&self.outbox, delivery.id, outcome, at(self.now)).await;
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
        assert_eq!(self.outbox.drop(row, at(self.now)).await.unwrap(), Dropped::GivenUp);
    }

    pub(super) async fn rows(&self) -> HashMap<DeliveryId, Delivery> {
        let all = Filter {
            limit: 100_000,
            ..Filter::default()
        };
        let rows = self.outbox.list(all).await.unwrap();
        rows.into_iter().map(|row| (row.id, row)).collect()
    }

    async fn note_taken_over(&mut self) {
        let rows = self.rows().await;
        let is_taken_over = |row: &&Delivery| {
            let carrier = row.folded_into.and_then(|carrier| rows.get(&carrier));
            carrier.is_some_and(|carrier| carrier.members == 0)
        };
        self.taken_over
            .extend(rows.values().filter(is_taken_over).map(|row| row.id));
    }
}

pub(super) fn room_of(delivery: &Delivery) -> usize {
    ROOMS.iter().position(|name| room(name) == delivery.room).unwrap()
}
