//! The promise for groups as a property: random stories in two rooms, told while attempts succeed, lose their answers,
//! fail, find their head deleted or are given up, while operators drop and retry and the relay crashes.
//!
//! Unlike `interleavings` it predicts no claim. What has to hold of any run: whatever is news is told exactly once, by
//! itself, in a digest, or by a head that took it up; in its order; nothing refers to an event that is not in the room;
//! no event is ever edited to an older state; and in the end each group's newest state is what its row said last.

mod end;
mod homeserver;
mod known;
mod run;

use proptest::prelude::*;
use proptest::sample::Index;

use self::run::Run;
use super::place::Place;

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
