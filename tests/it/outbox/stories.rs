//! The promise for groups as a property: random stories in two rooms, told while attempts succeed, lose their answers,
//! fail, find their head deleted or are given up, while operators drop and retry and the relay crashes.
//!
//! Unlike `interleavings` it predicts no claim. What has to hold of any run: whatever is news is told exactly once, by
//! itself, in a digest, or by a head that took it up; in its order; nothing refers to an event that is not in the room;
//! no event is ever edited to an older state; and in the end each group's newest state is what its row said last.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use grafana_matrix_relay::message::Relation;
use grafana_matrix_relay::outbox::{
    Acceptance, Delivery, DeliveryId, DeliveryState, Dropped, Enqueued, Filter, FoldPolicy, GroupChange, NewDelivery,
    Outbox, Outcome, Part, RetryResult,
};
use proptest::prelude::*;
use proptest::sample::Index;

use super::place::{Place, at, dead, folding, message, room, wait};

/// One step of a run.
#[derive(Debug, Clone)]
enum Step {
    Tell(usize, Tell),
    Message(usize),
    Claim { fold: bool },
    Finish(Index, Finish),
    Crash,
    GoOn(i64),
    Retry(usize),
    Drop(usize, Index),
    Prune,
}

/// What a notification is for its group.
#[derive(Debug, Clone, Copy)]
enum Tell {
    Head { rest: bool },
    Change { rest: bool },
    Values { rest: bool },
    Line,
    Reply,
    Reaction,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy)]
enum Finish {
    Delivered,
    AnswerLost,
    Wait,
    HeadDeleted,
    Dead,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let tell = prop_oneof![
        3 => any::<bool>().prop_map(|rest| Tell::Head { rest }),
        4 => any::<bool>().prop_map(|rest| Tell::Change { rest }),
        1 => any::<bool>().prop_map(|rest| Tell::Values { rest }),
        2 => Just(Tell::Line),
        1 => Just(Tell::Reply),
        1 => Just(Tell::Reaction),
    ];
    let finish = prop_oneof![
        8 => Just(Finish::Delivered),
        2 => Just(Finish::AnswerLost),
        2 => Just(Finish::Wait),
        2 => Just(Finish::HeadDeleted),
        1 => Just(Finish::Dead),
        1 => Just(Finish::Release),
    ];
    prop_oneof![
        14 => (0..GROUPS.len(), tell).prop_map(|(group, tell)| Step::Tell(group, tell)),
        2 => (0..ROOMS.len()).prop_map(Step::Message),
        8 => any::<bool>().prop_map(|fold| Step::Claim { fold }),
        8 => (any::<Index>(), finish).prop_map(|(which, how)| Step::Finish(which, how)),
        1 => Just(Step::Crash),
        3 => (1_i64..45).prop_map(Step::GoOn),
        1 => (0..ROOMS.len()).prop_map(Step::Retry),
        1 => (0..ROOMS.len(), any::<Index>()).prop_map(|(room, which)| Step::Drop(room, which)),
        1 => Just(Step::Prune),
    ]
}

const ROOMS: [&str; 2] = ["a", "b"];
/// Each with its room.
const GROUPS: [(&str, usize); 3] = [("g", 0), ("h", 0), ("i", 1)];

/// A text that was accepted. Texts are numbers, so that the newer of two is known.
struct Told {
    number: i64,
    row: DeliveryId,
    /// A head that nobody had seen says it; it need not be told again.
    taken_up: bool,
}

/// What a room's members see of one event.
struct Event {
    /// The state that it shows; 0 where it is another part that stands for a head.
    text: i64,
    is_deleted: bool,
}

struct Run {
    place: Place,
    outbox: Outbox,
    now: i64,
    count: i64,
    versions: [i64; 3],
    /// What is news, and each group's last state.
    news: Vec<Told>,
    states: [Option<(i64, DeliveryId)>; 3],
    in_flight: BTreeMap<usize, Delivery>,
    events: HashMap<String, Event>,
    /// What has been told by an event that is no edit, in order and by room.
    told: [Vec<i64>; 2],
    /// Rows of news in the order in which they, or the digests that name them, came into their rooms.
    order: [Vec<i64>; 2],
    ever_dead: HashSet<DeliveryId>,
    /// Rows that another one, no digest, says.
    taken_over: HashSet<DeliveryId>,
}

impl Run {
    async fn start(place: Place) -> Self {
        Self {
            outbox: place.open().await,
            place,
            now: 0,
            count: 0,
            versions: [0; 3],
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

    async fn take(mut self, step: Step) -> Self {
        match step {
            Step::Tell(group, tell) => self.tell(group, tell).await,
            Step::Message(room) => self.message(room).await,
            Step::Claim { fold } => self.claim(fold).await,
            Step::Finish(which, how) => self.finish(which, how).await,
            Step::Crash => {
                self.in_flight.clear();
                self.outbox = self.place.reopen(self.outbox).await;
            }
            Step::GoOn(seconds) => self.now += seconds,
            Step::Retry(n) => {
                self.outbox.retry_room(&room(ROOMS[n]), at(self.now)).await.unwrap();
            }
            Step::Drop(n, which) => self.drop_one(n, which).await,
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
        let row = super::place::accept(&self.outbox, ROOMS[n], &text, at(self.now)).await;
        let taken_up = false;
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
            match part {
                Part::Head | Part::Edit => self.states[group] = Some((*number, receipts[0].id)),
                Part::Line | Part::Reply => {
                    let row = receipts.last().unwrap().id;
                    self.news.push(Told {
                        number: *number,
                        row,
                        taken_up,
                    });
                }
                Part::Message | Part::Rest { .. } | Part::Reaction { .. } => {}
            }
        }
    }

    async fn claim(&mut self, fold: bool) {
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

    /// What a homeserver does with it; the event's name.
    async fn show(&mut self, delivery: &Delivery) -> String {
        let text = delivery.message.body.as_str();
        if let Some(Relation::Edit { of }) = &delivery.relation {
            let (event, number) = (self.events.get_mut(of).unwrap(), text.parse().unwrap());
            assert!(
                event.text <= number,
                "{of} said {} and is edited to {number}",
                event.text
            );
            event.text = number;
            return format!("${}-edit", delivery.txn_id);
        }
        let event_id = format!("${}", delivery.txn_id);
        if self.events.contains_key(&event_id) {
            // A transaction counts once.
            return event_id;
        }
        let n = room_of(delivery);
        let numbers: Vec<i64> = text.lines().map(|line| line.parse().unwrap()).collect();
        let is_state = matches!(delivery.part, Part::Head | Part::Edit) && delivery.relation.is_none();
        let event = Event {
            text: if is_state { numbers[0] } else { 0 },
            is_deleted: false,
        };
        self.events.insert(event_id.clone(), event);
        if !matches!(delivery.part, Part::Edit | Part::Rest { .. } | Part::Reaction { .. }) {
            self.told[n].extend(numbers);
        }
        let named = self.named(delivery).await;
        self.order[n].extend(named);
        event_id
    }

    /// The rows of news that this delivery tells.
    async fn named(&self, delivery: &Delivery) -> Vec<i64> {
        let named = Filter {
            folded_into: Some(delivery.id),
            limit: 1_000,
            ..Filter::default()
        };
        let mut rows = vec![delivery.clone()];
        if delivery.members > 0 {
            rows = self.outbox.list(named).await.unwrap();
            rows.reverse();
        }
        let is_news = |row: &&Delivery| {
            let gives_way = matches!(row.part, Part::Edit | Part::Rest { .. } | Part::Reaction { .. });
            !gives_way && !self.ever_dead.contains(&row.id) && !self.ever_dead.contains(&delivery.id)
        };
        rows.iter().filter(is_news).map(|row| row.id.0).collect()
    }

    async fn finish(&mut self, which: Index, how: Finish) {
        if self.in_flight.is_empty() {
            return;
        }
        let n = *which.get(&self.in_flight.keys().copied().collect::<Vec<_>>());
        let delivery = self.in_flight.remove(&n).unwrap();
        let outcome = match how {
            Finish::Delivered => Outcome::Delivered {
                event_id: self.show(&delivery).await,
            },
            Finish::AnswerLost => {
                self.show(&delivery).await;
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
        super::place::record(&self.outbox, delivery.id, outcome, at(self.now)).await;
    }

    async fn drop_one(&mut self, n: usize, which: Index) {
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
        let row = which.get(&rows).id;
        self.ever_dead.insert(row);
        assert_eq!(self.outbox.drop(row, at(self.now)).await.unwrap(), Dropped::GivenUp);
    }

    async fn rows(&self) -> HashMap<DeliveryId, Delivery> {
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

    /// The faults are over: everything goes out, and what came of it is looked at.
    async fn end(mut self) {
        self.in_flight.clear();
        self.outbox = self.place.reopen(self.outbox).await;
        self.now += 10_000;
        let mut outdated = HashSet::new();
        for name in ROOMS {
            for retried in self.outbox.retry_room(&room(name), at(self.now)).await.unwrap() {
                match retried.result {
                    RetryResult::Queued { .. } => {}
                    RetryResult::Outdated => drop(outdated.insert(retried.id)),
                    other => panic!("{other:?}"),
                }
            }
        }
        loop {
            self.claim(true).await;
            let claimed = std::mem::take(&mut self.in_flight);
            if claimed.is_empty() {
                break;
            }
            for delivery in claimed.into_values() {
                let event_id = self.show(&delivery).await;
                let outcome = Outcome::Delivered { event_id };
                super::place::record(&self.outbox, delivery.id, outcome, at(self.now)).await;
            }
        }
        self.check(&outdated).await;
    }

    async fn check(&self, outdated: &HashSet<DeliveryId>) {
        let rows = self.rows().await;
        let is_outdated = |row: &Delivery| {
            outdated.contains(&row.id) && matches!(row.part, Part::Head | Part::Edit | Part::Rest { .. })
        };
        for row in rows.values() {
            let says = row.folded_into.map_or(row, |carrier| &rows[&carrier]);
            let ended = match says.state {
                DeliveryState::Delivered => true,
                DeliveryState::Dead => is_outdated(says),
                DeliveryState::Folded | DeliveryState::Pending | DeliveryState::InFlight => false,
            };
            assert!(ended, "{row:?}");
        }
        let told: Vec<i64> = self.told.iter().flatten().copied().collect();
        let once: HashSet<i64> = told.iter().copied().collect();
        assert_eq!(told.len(), once.len(), "something was told twice: {told:?}");
        for news in &self.news {
            let is_excused = news.taken_up || self.taken_over.contains(&news.row);
            assert!(
                once.contains(&news.number) || is_excused,
                "{} was not told: {told:?}",
                news.number
            );
        }
        for order in &self.order {
            assert!(order.is_sorted(), "in order, but for what was given up: {order:?}");
        }
        // A head that comes after what stands for it is a line.
        let is_late = |row: &Delivery| row.part == Part::Head && row.relation.is_some();
        for (number, row) in self.states.iter().flatten() {
            let Some(row) = rows.get(row) else { continue };
            assert_ne!(
                row.state,
                DeliveryState::Dead,
                "the newest state is never out of date: {row:?}"
            );
            let event = self.events.get(&format!("${}", row.txn_id));
            let is_shown_itself = event.is_some_and(|event| event.text == *number || is_late(row));
            let is_edit = self.events.values().any(|event| event.text == *number);
            let is_named = row.state == DeliveryState::Folded;
            assert!(is_shown_itself || is_edit || is_named, "{number} is nowhere: {row:?}");
        }
    }
}

fn room_of(delivery: &Delivery) -> usize {
    ROOMS.iter().position(|name| room(name) == delivery.room).unwrap()
}

fn run(place: impl Future<Output = Place>, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut run = Run::start(place.await).await;
        for step in steps {
            run = run.take(step).await;
        }
        run.end().await;
    });
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn stories_are_told_once_in_order_and_stay_true_on_sqlite(steps in proptest::collection::vec(step(), 1..80)) {
        run(async { Place::sqlite() }, steps);
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn stories_are_told_once_in_order_and_stay_true_on_postgresql(steps in proptest::collection::vec(step(), 1..80)) {
        run(Place::postgresql(), steps);
    }
}
