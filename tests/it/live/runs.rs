//! The promise as a property: random sequences of notifications under random faults of the homeserver. Once everything
//! is delivered, the visible heads equal the true state of all groups, each beginning has rung exactly once, and every
//! change has exactly one line, or was taken up by a head that nobody had seen.

use std::time::Duration;

use grafana_matrix_relay::standin::{Fault, Scope, When};
use proptest::prelude::*;

use super::story::Live;
use super::truth::Truth;

#[derive(Debug, Clone)]
enum Step {
    /// An alert of a group begins or ends, and the group is posted.
    Toggle(usize, usize),
    /// A group is posted once more.
    Again(usize),
    /// The homeserver fails this way a few times.
    Fail(usize, u8),
    /// The relay works for a while.
    Work,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_usize..3, 0_usize..3).prop_map(|(group, alert)| Step::Toggle(group, alert)),
        2 => (0_usize..3).prop_map(Step::Again),
        2 => (0_usize..4, 1_u8..4).prop_map(|(fault, times)| Step::Fail(fault, times)),
        4 => Just(Step::Work),
        1 => Just(Step::Crash),
    ]
}

const FAULTS: [Fault; 4] = [
    Fault::DropReply,
    Fault::BadGateway,
    Fault::DropRequest,
    Fault::InternalError,
];

async fn run(steps: Vec<Step>) {
    let mut live = Live::new().await;
    live.episodes = true;
    let mut truth = Truth::default();
    let mut minute = 0;
    for step in steps {
        live.hold();
        match step {
            Step::Toggle(group, alert) => {
                minute += 10;
                truth.toggle(group, alert, minute);
                let alerts = truth.snapshot(group);
                post(&mut live, group, minute, &alerts).await;
            }
            Step::Again(group) if !truth.posted(group).is_empty() => {
                minute += 10;
                let alerts = truth.posted(group).to_vec();
                post(&mut live, group, minute, &alerts).await;
            }
            Step::Again(_) => {}
            Step::Fail(fault, times) => {
                let when = When::Next(u32::from(times));
                live.night
                    .homeserver
                    .homeserver
                    .plan(Scope::Sends, when, FAULTS[fault].clone());
            }
            Step::Work => live.night.work_for(Duration::from_secs(20)).await,
            Step::Crash => live = live.crash().await,
        }
    }
    live.night.homeserver.homeserver.heal_all();
    live.lines().await;
    truth.check(&live.night.homeserver.homeserver, live.room.as_str());
}

async fn post(live: &mut Live, group: usize, minute: i64, alerts: &[String]) {
    let alerts: Vec<&str> = alerts.iter().map(String::as_str).collect();
    live.post_group(&group.to_string(), minute, &alerts).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn heads_are_true_and_everything_is_told_once(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
