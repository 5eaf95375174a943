//! Two relays on one PostgreSQL at the same moment: of two acceptances of one group one wins, and what is new while something
//! is claimed is not lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use grafana_matrix_relay::message::Relation;
use grafana_matrix_relay::outbox::{Acceptance, Delivery, DigestPolicy, Enqueued, Outbox, Outcome, Part, RootState};
use tokio::task::JoinHandle;

use super::place::{Place, at, claim_written, digest_policy, drain, record};
use super::tale::{begins, changes, known_of, of, show, tell};

async fn two_relays() -> (Place, Outbox, Outbox) {
    let place = Place::postgresql().await;
    let (first, second) = tokio::join!(place.open(), place.open());
    (place, first, second)
}

/// A text and a line for each of these groups, in this order, that only one of several can be.
fn of_groups(groups: &[&str], version: i64, text: &str) -> Acceptance {
    let lines = [text];
    let tell = if version == 0 {
        begins(text)
    } else {
        changes(text, &lines)
    };
    let mut acceptance = of(groups[0], version, tell, at(version));
    for group in &groups[1..] {
        acceptance.groups.extend(of(group, version, tell, at(version)).groups);
    }
    acceptance
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_relays_exactly_one_wins_each_version_of_a_group() {
    let (_place, first, second) = two_relays().await;
    let mut last = String::new();
    for version in 0..40 {
        // In opposite orders, which would be a deadlock where locks are taken as they come.
        let one = of_groups(&["g", "h"], version, &format!("{version} of the first"));
        let other = of_groups(&["h", "g"], version, &format!("{version} of the second"));
        let (one, other) = tokio::join!(
            tokio::spawn({
                let relay = first.clone();
                async move { relay.enqueue(one).await }
            }),
            tokio::spawn({
                let relay = second.clone();
                async move { relay.enqueue(other).await }
            })
        );
        let (one, other) = (one.unwrap().unwrap(), other.unwrap().unwrap());
        let won = |enqueued: &Enqueued| matches!(enqueued, Enqueued::Accepted(_));
        assert_ne!(won(&one), won(&other), "{one:?} {other:?}");
        last = format!("{version} of the {}", if won(&one) { "first" } else { "second" });
        for group in ["g", "h"] {
            assert_eq!(known_of(&second, group, &[]).await.unwrap().version, version + 1);
        }
    }
    // What the room is told is what the last winner said: nobody has seen anything before.
    assert_eq!(drain(&first, at(100)).await, [last.clone(), last]);
}

/// Claims and delivers as fast as it can until told to stop and nothing is left; what it showed, in order.
fn deliver(relay: Outbox, digests: DigestPolicy, stop: Arc<AtomicBool>) -> JoinHandle<Vec<Delivery>> {
    tokio::spawn(async move {
        let mut shown = Vec::new();
        loop {
            let is_last = stop.load(Ordering::SeqCst);
            let claimed = claim_written(&relay, at(100_000), 10, &digests).await;
            if claimed.is_empty() && is_last {
                return shown;
            }
            for delivery in claimed {
                // A little later than it was claimed.
                tokio::task::yield_now().await;
                let event_id = format!("$event{}", delivery.txn_id);
                record(&relay, delivery.id, Outcome::Delivered { event_id }, at(100_000)).await;
                shown.push(delivery);
            }
        }
    })
}

fn number(text: &str) -> i64 {
    text.split_whitespace().last().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_new_while_something_is_claimed_is_not_lost() {
    const CHANGES: i64 = 150;
    let (_place, accepting, delivering) = two_relays().await;
    tell(&accepting, 0, begins("root 0")).await;
    show(&accepting, "$root", 0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let delivered = deliver(delivering, DigestPolicy::never(), Arc::clone(&stop));
    for version in 1..=CHANGES {
        let (edit, line) = (format!("edit {version}"), format!("line {version}"));
        tell(&accepting, version, changes(&edit, &[&line])).await;
    }
    stop.store(true, Ordering::SeqCst);
    let shown = delivered.await.unwrap();

    let of_part = |part| shown.iter().filter(move |one| one.part == part);
    let edits: Vec<i64> = of_part(Part::Edit).map(|one| number(&one.message.body)).collect();
    assert!(
        edits.is_sorted_by(|a, b| a < b),
        "no older state after a newer one: {edits:?}"
    );
    assert_eq!(edits.last(), Some(&CHANGES));
    let lines: Vec<i64> = of_part(Part::Line)
        .flat_map(|one| one.message.body.lines().map(number))
        .collect();
    assert_eq!(lines, (1..=CHANGES).collect::<Vec<_>>(), "each line once, in order");
    let refers = |one: &Delivery| one.relation.as_ref().is_some_and(|to| to.event_id() == "$root");
    assert!(shown.iter().all(refers));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_begins_again_and_again_while_it_is_claimed_or_named_is_told_in_order() {
    const CHANGES: i64 = 120;
    let (_place, accepting, delivering) = two_relays().await;
    let stop = Arc::new(AtomicBool::new(false));
    let delivered = deliver(delivering, digest_policy(), Arc::clone(&stop));
    let groups = ["d", "e", "f", "g", "h"];
    for version in 0..CHANGES {
        for group in groups {
            let text = format!("{group} {version}");
            loop {
                let known = known_of(&accepting, group, &[]).await;
                let root = known.as_ref().map_or(RootState::None, |known| known.root);
                let begins_now = version % 2 == 0 && known.is_none_or(|known| known.is_shown);
                let lines = [text.as_str()];
                let tell = match root {
                    RootState::Waiting => changes(&text, &lines),
                    RootState::InRoom if !begins_now => changes(&text, &lines),
                    RootState::InRoom | RootState::None => begins(&text),
                };
                let acceptance = of(group, version, tell, at(version));
                // Meanwhile its message may have come to stand elsewhere.
                if accepting.enqueue(acceptance).await.unwrap() != Enqueued::Outdated {
                    break;
                }
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    let shown = delivered.await.unwrap();

    for group in groups {
        let of_group = |one: &Delivery| {
            let lines = one.message.body.lines().filter(|line| line.starts_with(group));
            lines.map(number).collect::<Vec<i64>>()
        };
        let news = shown
            .iter()
            .filter(|one| matches!(one.part, Part::Message | Part::Line));
        let news: Vec<i64> = news.flat_map(of_group).collect();
        assert!(news.is_sorted_by(|a, b| a < b), "{group}: {news:?}");
        let roots: Vec<i64> = shown
            .iter()
            .filter(|one| one.part == Part::Root)
            .flat_map(of_group)
            .collect();
        assert!(roots.is_sorted(), "{group}: {roots:?}");
        // Each event is only ever edited to something newer, and the last word is the last that was said.
        let mut says = BTreeMap::new();
        for one in shown.iter().filter(|one| !of_group(one).is_empty()) {
            let event = match &one.relation {
                Some(Relation::Edit { of }) => of.clone(),
                _ => format!("$event{}", one.txn_id),
            };
            let number = *of_group(one).last().unwrap();
            assert!(
                says.insert(event, number).is_none_or(|before| before < number),
                "{group}"
            );
        }
        assert_eq!(says.values().max(), Some(&(CHANGES - 1)), "{group}");
    }
}
