//! The promise for groups as a property: random runs in two rooms, while attempts succeed, lose their answers, fail, find
//! their message deleted or are given up, while operators drop and retry and the relay crashes.
//!
//! Unlike `interleavings` it predicts no claim. What has to hold of any run: whatever is news is told exactly once, by itself,
//! with others, in a digest, or by a message that nobody had seen; in its order; nothing refers to an event that is not in the
//! room; no event is ever edited to an older state; and in the end each group's message says what it should.

mod end;
mod homeserver;
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
    Claim {
        digests: bool,
    },
    Finish {
        which: Index,
        how: Finish,
        /// Whether the room goes on in the same commit, and then whether with digests.
        goes_on: Option<bool>,
    },
    Crash,
    GoOn(i64),
    Retry(usize),
    Drop(usize, Index),
    Prune,
}

/// What a notification is for its group.
#[derive(Debug, Clone, Copy)]
enum Tell {
    Begin { rest: bool },
    Change { rest: bool },
    Values { rest: bool },
    Line,
    Forget,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy)]
enum Finish {
    Delivered,
    AnswerLost,
    Wait,
    RootDeleted,
    Dead,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let tell = prop_oneof![
        6 => any::<bool>().prop_map(|rest| Tell::Begin { rest }),
        8 => any::<bool>().prop_map(|rest| Tell::Change { rest }),
        2 => any::<bool>().prop_map(|rest| Tell::Values { rest }),
        4 => Just(Tell::Line),
        1 => Just(Tell::Forget),
    ];
    let finish = prop_oneof![
        8 => Just(Finish::Delivered),
        2 => Just(Finish::AnswerLost),
        2 => Just(Finish::Wait),
        2 => Just(Finish::RootDeleted),
        1 => Just(Finish::Dead),
        1 => Just(Finish::Release),
    ];
    prop_oneof![
        14 => (0..GROUPS.len(), tell).prop_map(|(group, tell)| Step::Tell(group, tell)),
        2 => (0..ROOMS.len()).prop_map(Step::Message),
        8 => any::<bool>().prop_map(|digests| Step::Claim { digests }),
        8 => (any::<Index>(), finish, any::<Option<bool>>())
            .prop_map(|(which, how, goes_on)| Step::Finish { which, how, goes_on }),
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

/// More of them where a longer look is asked for.
fn cases(cases: u32) -> ProptestConfig {
    let times = std::env::var("STORIES")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1);
    ProptestConfig {
        cases: cases * times,
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
