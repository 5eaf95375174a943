//! The promise as a property: random sequences of notifications under random faults of the homeserver. Once everything
//! is delivered, the visible heads equal the true state of all groups, each beginning has rung exactly once, and every
//! change has exactly one line, or was taken up by a head that nobody had seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use grafana_matrix_relay::standin::{Fault, Scope, When};
use proptest::prelude::*;

use super::story::Live;

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

/// What is really the case, as the sender sees it.
#[derive(Default)]
struct Truth {
    /// Firing alerts of each group by number, with their starts, and an individual name for each episode.
    firing: [BTreeMap<usize, i64>; 3],
    /// What is over since the group was last posted.
    ended: [BTreeMap<usize, (i64, i64)>; 3],
    begun: Vec<String>,
    over: Vec<String>,
    posted: [Vec<String>; 3],
}

/// Each alert has its own name in each episode, as the summary: its start.
fn name(group: usize, alert: usize) -> String {
    format!("G{group}N{alert}")
}

impl Truth {
    fn toggle(&mut self, group: usize, alert: usize, minute: i64) {
        let episode = |start: i64| format!("{}@{start}", name(group, alert));
        if let Some(start) = self.firing[group].remove(&alert) {
            self.ended[group].insert(alert, (start, minute));
            self.over.push(episode(start));
        } else {
            self.ended[group].remove(&alert);
            self.firing[group].insert(alert, minute);
            self.begun.push(episode(minute));
        }
    }

    fn snapshot(&mut self, group: usize) -> Vec<String> {
        let firing = self.firing[group]
            .iter()
            .map(|(alert, start)| format!("{} {start}", name(group, *alert)));
        let ended = std::mem::take(&mut self.ended[group]);
        let ended = ended
            .iter()
            .map(|(alert, (start, end))| format!("{} {start}-{end}", name(group, *alert)));
        self.posted[group] = firing.chain(ended).collect();
        self.posted[group].clone()
    }
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
            Step::Again(group) if !truth.posted[group].is_empty() => {
                minute += 10;
                let alerts = truth.posted[group].clone();
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
    check(&live, &truth);
}

async fn post(live: &mut Live, group: usize, minute: i64, alerts: &[String]) {
    let alerts: Vec<&str> = alerts.iter().map(String::as_str).collect();
    live.post_group(&group.to_string(), minute, &alerts).await;
}

fn check(live: &Live, truth: &Truth) {
    let shown = live.shown();
    for group in 0..3 {
        let of_group = |body: &str| body.contains(&format!("G{group}N"));
        let Some(head) = shown.iter().rfind(|shown| of_group(shown.body())) else {
            assert!(truth.posted[group].is_empty());
            continue;
        };
        // Each firing alert is in the head by its episode, and no other is said to fire.
        let firing: BTreeSet<String> = truth.firing[group]
            .iter()
            .map(|(alert, start)| format!("{}@{start}", name(group, *alert)))
            .collect();
        let lines = head.body().lines();
        let says_firing = |line: &&str| line.contains("fires as") && !line.contains("was: ");
        let said: BTreeSet<String> = lines.filter(says_firing).flat_map(episodes).collect();
        assert_eq!(said, firing, "{}", head.body());
    }
    // What rings says that something fires; what is quiet in a thread says that it was.
    let (mut rung, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for event in live.originals() {
        let is_loud = event.content["msgtype"] == "m.text";
        for line in event.body().lines().filter(|line| line.contains("fires as")) {
            let is_end = line.contains("was: fires as");
            let in_thread = event.content["m.relates_to"]["rel_type"] == "m.thread";
            let count = match (is_end, is_loud, in_thread) {
                (false, true, _) => &mut rung,
                (true, _, true) => &mut ended,
                _ => continue,
            };
            for episode in episodes(line) {
                *count.entry(episode).or_insert(0) += 1;
            }
        }
    }
    for (episode, times) in rung.iter().chain(&ended) {
        assert_eq!(*times, 1, "{episode} is told {times} times\n{}", live.told());
    }
    for episode in &truth.begun {
        let is_over = truth.over.contains(episode);
        // What began and ended while its head waited is in no text any more: the head took it up.
        assert!(
            is_over || rung.contains_key(episode),
            "{episode} never rang\n{}",
            live.told()
        );
        if is_over && rung.contains_key(episode) {
            assert!(
                ended.contains_key(episode),
                "nobody said that {episode} is over\n{}",
                live.told()
            );
        }
    }
    assert!(ended.keys().all(|episode| truth.over.contains(episode)));
}

/// The episodes that a line names.
fn episodes(line: &str) -> Vec<String> {
    let named = line.match_indices("fires as ");
    named
        .map(|(at, text)| line[at + text.len()..].chars().take_while(|c| *c != '.').collect())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn heads_are_true_and_everything_is_told_once(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
