//! The promise as a property: whatever is called in whatever order, and wherever a crash falls, everything that was
//! accepted is in its room once, as itself or named in one digest, in order.

use std::collections::{BTreeMap, HashSet};

use grafana_matrix_relay::outbox::{Delivery, DigestPolicy, Ended, Enqueued, Outbox, Outcome};
use proptest::prelude::*;
use proptest::sample::Index;

use super::model::Model;
use super::place::{
    Place, acceptance, at, claim_written, dead, delivered, digest_policy, drain, keyed, record, room, wait,
};
use super::timeline::Timeline;

/// One step of a run.
#[derive(Debug, Clone)]
enum Step {
    Accept { room: usize, key: Option<u8> },
    Claim { digests: bool },
    Finish(Index, Finish),
    Crash,
    GoOn(i64),
    SetClockBack(i64),
    RetryDead(usize),
    DropLast(usize),
    Prune,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy)]
enum Finish {
    Delivered,
    /// It is in the room, but the answer is lost and the homeserver is tried again later.
    AnswerLost,
    Wait(i64),
    Rewrite,
    Dead,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let finish = prop_oneof![
        4 => Just(Finish::Delivered),
        2 => Just(Finish::AnswerLost),
        2 => (1_i64..90).prop_map(Finish::Wait),
        1 => Just(Finish::Rewrite),
        1 => Just(Finish::Dead),
        1 => Just(Finish::Release),
    ];
    prop_oneof![
        9 => (0_usize..3, proptest::option::weighted(0.3, 0_u8..4)).prop_map(|(room, key)| Step::Accept { room, key }),
        6 => any::<bool>().prop_map(|digests| Step::Claim { digests }),
        6 => (any::<Index>(), finish).prop_map(|(which, how)| Step::Finish(which, how)),
        1 => Just(Step::Crash),
        3 => (1_i64..45).prop_map(Step::GoOn),
        1 => (1_i64..200).prop_map(Step::SetClockBack),
        1 => (0_usize..3).prop_map(Step::RetryDead),
        1 => (0_usize..3).prop_map(Step::DropLast),
        1 => Just(Step::Prune),
    ]
}

const ROOMS: [&str; 3] = ["a", "b", "c"];

/// An outbox, its model, and the rooms as a client would see them.
struct Run {
    place: Place,
    outbox: Outbox,
    model: Model,
    timeline: Timeline,
    in_flight: BTreeMap<usize, Delivery>,
    accepted: [Vec<String>; 3],
    ever_dead: HashSet<String>,
    now: i64,
}

impl Run {
    async fn start(place: Place, lease: Option<i64>) -> Self {
        Self {
            outbox: place.open().await,
            place,
            model: Model::new(lease),
            timeline: Timeline::default(),
            in_flight: BTreeMap::new(),
            accepted: Default::default(),
            ever_dead: HashSet::new(),
            now: 0,
        }
    }

    async fn take(mut self, step: Step) -> Self {
        match step {
            Step::Accept { room, key } => self.accept(room, key).await,
            Step::Claim { digests } => self.claim(digests).await,
            Step::Finish(which, how) => self.finish(which, how).await,
            Step::Crash => {
                self.in_flight.clear();
                self.model.crash();
                self.outbox = self.place.reopen(self.outbox).await;
            }
            Step::GoOn(seconds) => self.now += seconds,
            Step::SetClockBack(seconds) => self.now -= seconds,
            Step::RetryDead(n) => {
                let retried = self.outbox.retry_room(&room(ROOMS[n]), at(self.now)).await.unwrap();
                assert_eq!(retried.len(), self.model.retry(n));
            }
            Step::DropLast(n) => self.drop_last(n).await,
            Step::Prune => {
                self.outbox.prune(at(self.now)).await.unwrap();
                self.model.prune(self.now);
            }
        }
        self
    }

    async fn accept(&mut self, n: usize, key: Option<u8>) {
        let text = format!("{:03}", self.accepted.iter().map(Vec::len).sum::<usize>());
        let request = match key {
            Some(key) => keyed(ROOMS[n], &text, &key.to_string(), at(self.now)),
            None => acceptance(ROOMS[n], &text, at(self.now)),
        };
        let enqueued = self.outbox.enqueue(request).await.unwrap();
        let is_new = self.model.is_new(key, self.now);
        assert_eq!(matches!(enqueued, Enqueued::Accepted(_)), is_new, "{key:?}");
        if is_new {
            self.model.accept(n, enqueued.receipts()[0].id, &text, self.now);
            self.accepted[n].push(text);
        }
    }

    async fn claim(&mut self, digests: bool) {
        let policy = if digests {
            digest_policy()
        } else {
            DigestPolicy::never()
        };
        let claimed = claim_written(&self.outbox, at(self.now), 100, &policy).await;
        let expected = self.model.claim(digests, self.now);
        let seen: BTreeMap<usize, Vec<String>> = claimed.iter().map(|d| (room_of(d), lines(d))).collect();
        assert_eq!((seen.len(), &seen), (claimed.len(), &expected));
        for delivery in claimed {
            let n = room_of(&delivery);
            self.model.rooms[n].queue[0].id = Some(delivery.id);
            self.in_flight.insert(n, delivery);
        }
    }

    async fn finish(&mut self, which: Index, how: Finish) {
        if self.in_flight.is_empty() {
            return;
        }
        let n = *which.get(&self.in_flight.keys().copied().collect::<Vec<_>>());
        let delivery = self.in_flight.remove(&n).unwrap();
        let now = at(self.now);
        let room = &mut self.model.rooms[n];
        let outcome = match how {
            Finish::Delivered => {
                self.timeline.show(&delivery);
                room.deliver();
                delivered()
            }
            Finish::AnswerLost => {
                self.timeline.show(&delivery);
                room.wait(self.now + 5, self.now);
                wait(at(self.now + 5))
            }
            Finish::Wait(seconds) => {
                room.wait(self.now + seconds, self.now);
                wait(at(self.now + seconds))
            }
            Finish::Rewrite => {
                room.end_attempt();
                let mut message = delivery.message.clone();
                message.formatted_body.clear();
                let error = "413".to_owned();
                Outcome::Rewrite { message, error }
            }
            Finish::Dead => {
                room.die();
                self.ever_dead.extend(lines(&delivery));
                dead()
            }
            Finish::Release => {
                room.claimed_at = None;
                return self.outbox.release(&[delivery.id]).await.unwrap();
            }
        };
        record(&self.outbox, delivery.id, outcome, now).await;
    }

    async fn drop_last(&mut self, n: usize) {
        let queue = &mut self.model.rooms[n].queue;
        if queue.len() < 2 {
            return;
        }
        let last = queue.pop_back().unwrap();
        let dropped = self.outbox.give_up(last.id.unwrap(), at(self.now)).await.unwrap();
        assert_eq!(dropped, Ended::Done);
        self.ever_dead.extend(last.lines.iter().cloned());
        self.model.rooms[n].dead.push(last);
    }

    /// The faults are over: everything goes out, and each room is looked at.
    async fn end(self) {
        let outbox = self.place.reopen(self.outbox).await;
        let late = at(self.now + 10_000);
        for name in ROOMS {
            outbox.retry_room(&room(name), late).await.unwrap();
        }
        loop {
            let claimed = claim_written(&outbox, late, 100, &digest_policy()).await;
            if claimed.is_empty() {
                break;
            }
            for delivery in claimed {
                self.timeline.show(&delivery);
                record(&outbox, delivery.id, delivered(), late).await;
            }
        }
        assert!(drain(&outbox, late).await.is_empty());
        let mut rooms = self.timeline.rooms();
        for (name, accepted) in ROOMS.into_iter().zip(self.accepted) {
            let texts = rooms.remove(room(name).as_str()).unwrap_or_default();
            let shown: Vec<String> = texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
            let mut sorted = shown.clone();
            sorted.sort();
            assert_eq!(sorted, accepted, "accepted = shown or named, once");
            let in_time: Vec<_> = shown.iter().filter(|text| !self.ever_dead.contains(*text)).collect();
            assert!(
                in_time.is_sorted(),
                "in order, but for what was given up and retried: {shown:?}"
            );
        }
    }
}

fn room_of(delivery: &Delivery) -> usize {
    ROOMS.iter().position(|name| room(name) == delivery.room).unwrap()
}

fn lines(delivery: &Delivery) -> Vec<String> {
    delivery.message.body.lines().map(str::to_owned).collect()
}

/// Runs the steps on a place of its own.
fn run(place: impl Future<Output = Place>, lease: Option<i64>, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut run = Run::start(place.await, lease).await;
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
    #![proptest_config(cases(96))]

    #[test]
    fn everything_accepted_is_shown_once_and_in_order_on_sqlite(steps in proptest::collection::vec(step(), 1..80)) {
        run(async { Place::sqlite() }, Some(60), steps);
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn everything_accepted_is_shown_once_and_in_order_on_postgresql(steps in proptest::collection::vec(step(), 1..80)) {
        run(Place::postgresql(), None, steps);
    }
}
