//! The promise as a property: random sequences of notifications, in every mode, with and without digests, under random
//! faults of the homeserver, of the senders and of people. Once everything is delivered, every root is true, each
//! beginning has mentioned once (as one, where several were told together), and every end has one line, or was taken up by
//! a message that nobody had seen.

use std::time::Duration;

use grafana_matrix_relay::message::Mode;
use grafana_matrix_relay::outbox::DigestPolicy;
use grafana_matrix_relay::outbox::{Delivery, DeliveryState, Filter, Part, RetryResult};
use grafana_matrix_relay::standin::{Fault, Scope, When};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::story::Live;
use super::truth::{ALERTS, GROUPS, Truth, everybody};
use crate::night::{Make, Night};
use crate::support::postgres;

#[derive(Debug, Clone)]
enum Step {
    /// An alert of a group begins or ends, and the group is posted.
    Toggle(usize, usize),
    /// A group is posted once more after a while.
    Again(usize),
    /// A second replica of the sender posts the same, with starts of its own.
    Replica(usize),
    /// The sender cuts an alert off.
    Cut(usize),
    /// The homeserver fails this way a few times.
    Fail(usize, u8),
    /// The homeserver does not find what something refers to.
    Deny,
    /// Somebody deletes the message of a group.
    Delete(usize),
    /// An operator drops what waits, a row of some kind, and perhaps thinks better of it.
    Drop(usize, bool),
    /// An alert is not listed, and a moment later it is again, with the start that it had or another one.
    Gap(usize, usize, bool),
    /// The relay works for a while.
    Work,
    /// Until everything is in the room.
    Settle,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let alert = || (0..GROUPS, 0..ALERTS);
    prop_oneof![
        15 => alert().prop_map(|(group, alert)| Step::Toggle(group, alert)),
        2 => (0..GROUPS).prop_map(Step::Again),
        2 => (0..GROUPS).prop_map(Step::Replica),
        1 => (0..GROUPS).prop_map(Step::Cut),
        3 => (0..FAULTS.len(), 1_u8..4).prop_map(|(fault, times)| Step::Fail(fault, times)),
        1 => Just(Step::Deny),
        1 => (0..GROUPS).prop_map(Step::Delete),
        2 => (0..KINDS.len(), any::<bool>()).prop_map(|(kind, revived)| Step::Drop(kind, revived)),
        2 => (alert(), any::<bool>()).prop_map(|((group, alert), anew)| Step::Gap(group, alert, anew)),
        6 => Just(Step::Work),
        3 => Just(Step::Settle),
        1 => Just(Step::Crash),
    ]
}

/// A few steps more than rarely, and one of the rare ones only in some runs, so that the others are judged strictly.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let steps = proptest::collection::vec(step(), 1..40);
    (steps, 0_u8..6).prop_map(|(mut steps, kind)| {
        steps.retain(|step| match step {
            Step::Deny => kind == 0,
            Step::Drop(_, revived) => kind <= 1 || *revived,
            // What is gone and fires anew has no line for its end, or two.
            Step::Gap(..) => kind >= 4,
            _ => true,
        });
        steps
    })
}

const FAULTS: [Fault; 5] = [
    Fault::DropReply,
    Fault::BadGateway,
    Fault::DropRequest,
    Fault::InternalError,
    Fault::RateLimited(3_000),
];

/// What an operator may drop.
const KINDS: [fn(&Delivery) -> bool; 3] = [
    |row| row.part == Part::Root,
    |row| row.part == Part::Line,
    |row| row.members > 0,
];

async fn run(steps: Vec<Step>, mode: Mode, with_digests: bool, mut make: Make) {
    make.digests = DigestPolicy::never();
    if with_digests {
        // Three groups are no storm: what waits becomes a digest early.
        make.digests = DigestPolicy {
            threshold: 1,
            min_age: Duration::from_secs(3),
        };
    }
    let is_encrypted = make.is_encrypted;
    let mut live = Live::on(Night::made(make).await);
    live.episodes = true;
    live.night.policy.mode = mode;
    live.night.policy.mentions = everybody();
    let mut truth = Truth::default();
    let mut minute = 0;
    for step in steps {
        live.hold();
        live = take(step, live, &mut truth, &mut minute).await;
    }
    settle(&mut live, &mut truth).await;
    for group in 0..GROUPS {
        live = take(Step::Again(group), live, &mut truth, &mut minute).await;
        settle(&mut live, &mut truth).await;
    }
    truth.check(&live, with_digests);
    if is_encrypted {
        let sent = live.night.homeserver.homeserver.events_as_sent(live.room.as_str());
        assert!(
            sent.iter().all(|event| event.kind != "m.room.message"),
            "in plain text: {sent:#?}"
        );
    }
}

async fn take(step: Step, mut live: Live, truth: &mut Truth, minute: &mut i64) -> Live {
    match step {
        Step::Toggle(group, alert) => {
            *minute += 10;
            let alerts = truth.toggle(group, alert, *minute);
            post(&mut live, group, *minute, &alerts).await;
        }
        Step::Again(group) => {
            *minute += 10;
            post(&mut live, group, *minute, &truth.posted[group]).await;
        }
        Step::Replica(group) => {
            live.later = SignedDuration::from_secs(20);
            post_soon(&mut live, group, &truth.posted[group]).await;
            live.later = SignedDuration::ZERO;
        }
        Step::Cut(group) => {
            *minute += 10;
            live.cut = 1;
            post(&mut live, group, *minute, &truth.cut(group).unwrap_or_default()).await;
            live.cut = 0;
        }
        Step::Fail(fault, times) => {
            let when = When::Next(u32::from(times));
            let homeserver = &live.night.homeserver.homeserver;
            homeserver.plan(Scope::Sends, when, FAULTS[fault].clone());
        }
        Step::Deny => {
            truth.denied = true;
            let scope = Scope::LooksInto(live.room.to_string());
            let homeserver = &live.night.homeserver.homeserver;
            homeserver.plan(scope, When::Next(1), Fault::Refused(404, "M_NOT_FOUND"));
        }
        Step::Delete(group) => truth.delete(&live, group),
        Step::Drop(kind, revived) => drop_one(&live, truth, KINDS[kind], revived).await,
        Step::Gap(group, alert, anew) => {
            if let Some(others) = truth.without(group, alert) {
                *minute += 10;
                post(&mut live, group, *minute, &others).await;
                if anew {
                    truth.restart(group, alert, *minute);
                } else {
                    truth.relist(group, alert);
                }
                post_soon(&mut live, group, &truth.posted[group]).await;
            }
        }
        Step::Work => live.night.work_for(Duration::from_secs(20)).await,
        Step::Settle => settle(&mut live, truth).await,
        Step::Crash => live = live.crash().await,
    }
    live
}

pub(super) async fn settle(live: &mut Live, truth: &mut Truth) {
    live.night.homeserver.homeserver.heal_all();
    live.lines().await;
    live.hold();
    truth.look(live);
}

pub(super) async fn post(live: &mut Live, group: usize, minute: i64, alerts: &[String]) {
    let alerts: Vec<&str> = alerts.iter().map(String::as_str).collect();
    if !alerts.is_empty() {
        live.post_group(&group.to_string(), minute, &alerts).await;
    }
}

pub(super) async fn post_soon(live: &mut Live, group: usize, alerts: &[String]) {
    let alerts: Vec<&str> = alerts.iter().map(String::as_str).collect();
    if !alerts.is_empty() {
        live.post_soon(&group.to_string(), &alerts).await;
    }
}

async fn drop_one(live: &Live, truth: &mut Truth, is_meant: fn(&Delivery) -> bool, revived: bool) {
    let (outbox, now) = (&live.night.outbox, live.night.now.wall);
    let filter = Filter {
        state: Some(DeliveryState::Pending),
        limit: 100,
        ..Filter::default()
    };
    let waiting = outbox.list(filter).await.unwrap();
    let Some(row) = waiting.iter().rfind(|row| is_meant(row)) else {
        return;
    };
    outbox.give_up(row.id, now).await.unwrap();
    let is_back = revived && {
        let retried = outbox.retry(&[row.id], now).await.unwrap();
        matches!(retried[0].result, RetryResult::Queued { .. })
    };
    truth.dropped |= !is_back;
    truth.roots_dropped += usize::from(!is_back && (row.part == Part::Root || row.members > 0));
    truth.lines_dropped |= !is_back && row.part != Part::Root;
}

pub(super) fn on_a_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(test);
}

/// More of them where a longer look is asked for.
pub(super) fn cases(cases: u32) -> ProptestConfig {
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
    #![proptest_config(cases(30))]

    #[test]
    fn roots_are_true_and_everything_is_told_once(steps in steps(), mode in 0_usize..6, with_digests in any::<bool>()) {
        // Live is the default, and there is most to go wrong.
        let mode = Mode::ALL.get(mode).copied().unwrap_or_default();
        on_a_runtime(run(steps, mode, with_digests, Make::default()));
    }
}

proptest! {
    #![proptest_config(cases(3))]

    #[test]
    fn so_it_is_on_postgresql(steps in steps(), mode in 0_usize..6, with_digests in any::<bool>()) {
        let mode = Mode::ALL.get(mode).copied().unwrap_or_default();
        on_a_runtime(async {
            let database = postgres::database().await;
            let make = Make {
                database_url: Some(database),
                ..Make::default()
            };
            run(steps, mode, with_digests, make).await;
        });
    }
}

proptest! {
    #![proptest_config(cases(6))]

    #[test]
    fn so_it_is_in_an_encrypted_room(steps in steps(), mode in 0_usize..6, with_digests in any::<bool>()) {
        let mode = Mode::ALL.get(mode).copied().unwrap_or_default();
        let make = Make {
            is_encrypted: true,
            ..Make::default()
        };
        on_a_runtime(run(steps, mode, with_digests, make));
    }
}
