//! How long an edit waits, as a property: whatever is refused, combined or lost in a crash, at most ten others go before it. Whose turn it
//! is the two databases do not decide, so one will do.

use grafana_matrix_relay::message::Relation;
use grafana_matrix_relay::outbox::{Delivery, Outbox, Part};
use proptest::prelude::*;

use super::place::{Place, accept, at, claim_written, delivered, digest_policy, record, wait};
use super::tale::{begins, changes, show, tell_of};

/// One step of a run.
#[derive(Debug, Clone)]
enum Step {
    News(usize),
    Edit(usize),
    Claim(Finish),
    GoOn(i64),
    Crash,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy)]
enum Finish {
    Delivered,
    Wait,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let finish = prop_oneof![3 => Just(Finish::Delivered), 3 => Just(Finish::Wait), 1 => Just(Finish::Release)];
    prop_oneof![
        6 => (1_usize..7).prop_map(Step::News),
        1 => (0..GROUPS.len()).prop_map(Step::Edit),
        9 => finish.prop_map(Step::Claim),
        3 => (5_i64..40).prop_map(Step::GoOn),
        1 => Just(Step::Crash),
    ]
}

const GROUPS: [&str; 2] = ["e", "f"];

struct Run {
    place: Place,
    outbox: Outbox,
    versions: [i64; 2],
    now: i64,
    /// Which edits are owed, and how much news has gone in a row while one was.
    owed: [bool; 2],
    overtaken: u32,
}

impl Run {
    async fn start(place: Place) -> Self {
        let outbox = place.open().await;
        for group in GROUPS {
            tell_of(&outbox, group, 0, begins(group)).await;
            show(&outbox, &format!("${group}"), 0).await;
        }
        Self {
            outbox,
            place,
            versions: [1; 2],
            now: 0,
            owed: [false; 2],
            overtaken: 0,
        }
    }

    async fn take(mut self, step: Step) -> Self {
        match step {
            Step::News(count) => {
                for _ in 0..count {
                    accept(&self.outbox, "a", "news", at(self.now)).await;
                }
            }
            Step::Edit(group) => {
                tell_of(&self.outbox, GROUPS[group], self.versions[group], changes("edit", &[])).await;
                self.owed[group] = true;
                self.versions[group] += 1;
            }
            Step::Claim(finish) => self.claim(finish).await,
            Step::GoOn(seconds) => self.now += seconds,
            Step::Crash => self.outbox = self.place.reopen(self.outbox).await,
        }
        self
    }

    async fn claim(&mut self, finish: Finish) {
        let claimed = claim_written(&self.outbox, at(self.now), 10, &digest_policy()).await;
        for delivery in claimed {
            if delivery.part == Part::Edit {
                self.overtaken = 0;
            } else if self.owed.contains(&true) && delivery.attempts == 1 {
                self.overtaken += 1;
            }
            assert!(self.overtaken <= 10, "an edit is owed, and {delivery:?} goes before it");
            match finish {
                Finish::Delivered => {
                    record(&self.outbox, delivery.id, delivered(), at(self.now)).await;
                    self.shown(&delivery);
                }
                Finish::Wait => record(&self.outbox, delivery.id, wait(at(self.now + 5)), at(self.now)).await,
                Finish::Release => self.outbox.release(&[delivery.id]).await.unwrap(),
            }
        }
    }

    /// The messages of both groups are `$e` and `$f`.
    fn shown(&mut self, delivery: &Delivery) {
        let Some(Relation::Edit { of }) = &delivery.relation else {
            return;
        };
        let group = GROUPS.iter().position(|group| of[1..] == **group).unwrap();
        self.owed[group] = false;
    }
}

fn run(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut run = Run::start(Place::sqlite()).await;
        for step in steps {
            run = run.take(step).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn at_most_ten_go_before_an_edit(steps in proptest::collection::vec(step(), 80..160)) {
        run(steps);
    }
}
