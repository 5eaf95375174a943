//! Two relays on one PostgreSQL at the same moment: of two acceptances of one group one wins, and a text that is being
//! rewritten while it is claimed is not lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use grafana_matrix_relay::message::Relation;
use grafana_matrix_relay::outbox::{Acceptance, Delivery, DeliveryState, Enqueued, FoldPolicy, Outbox, Outcome, Part};
use tokio::task::JoinHandle;

use super::place::{Place, at, delivered, drain, folding, record};
use super::tale::{of, show, tell, tell_of};
use crate::support::postgres;

async fn two_relays() -> (Place, Outbox, Outbox) {
    let place = Place::postgresql().await;
    let (first, second) = tokio::join!(place.open(), place.open());
    (place, first, second)
}

/// An edit and a line for each of these groups, in this order, that only one of several can be.
fn of_groups(groups: &[&str], version: i64, text: &str) -> Acceptance {
    let mut acceptance = of(
        groups[0],
        version,
        &[(Part::Edit, text), (Part::Line, text)],
        at(version),
    );
    for group in &groups[1..] {
        let further = of(group, version, &[(Part::Edit, text), (Part::Line, text)], at(version));
        acceptance.deliveries.extend(further.deliveries);
        acceptance.groups.extend(further.groups);
    }
    acceptance
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_relays_exactly_one_wins_each_version_of_a_group() {
    let (_place, first, second) = two_relays().await;
    let mut winners = Vec::new();
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
        let winner = if won(&one) { "first" } else { "second" };
        winners.push(format!("{version} of the {winner}"));
        let groups = ["g", "h"].map(|group| (super::place::room("a"), group.to_owned()));
        let known = second.groups(&groups).await.unwrap();
        assert!(known.iter().all(|group| group.as_ref().unwrap().version == version + 1));
    }
    // What the room is told is what the winners said: nobody has seen a head, so the two edits are them.
    let mut told = drain(&first, at(100)).await;
    told.sort();
    let last = winners.last().unwrap();
    let lines = winners.join("\n");
    assert_eq!(told.iter().filter(|text| *text == last).count(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|text| **text == lines).count(), 2, "{told:?}");
}

/// Claims and delivers as fast as it can until told to stop and nothing is left; what it showed, in order.
fn deliver(relay: Outbox, fold: FoldPolicy, stop: Arc<AtomicBool>) -> JoinHandle<Vec<Delivery>> {
    tokio::spawn(async move {
        let mut shown = Vec::new();
        loop {
            let is_last = stop.load(Ordering::SeqCst);
            let claimed = relay.claim_due(at(100_000), 10, &fold).await.unwrap();
            if claimed.is_empty() && is_last {
                return shown;
            }
            for delivery in claimed {
                // A little later than it was claimed.
                tokio::task::yield_now().await;
                let event_id = format!("$event{}", delivery.id);
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
async fn a_text_that_is_rewritten_while_it_is_claimed_is_not_lost() {
    const CHANGES: i64 = 150;
    let (_place, accepting, delivering) = two_relays().await;
    tell(&accepting, 0, &[(Part::Head, "head 0")]).await;
    show(&accepting, "$head", 0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let delivered = deliver(delivering, FoldPolicy::never(), Arc::clone(&stop));
    for version in 1..=CHANGES {
        let (edit, line) = (format!("edit {version}"), format!("line {version}"));
        tell(&accepting, version, &[(Part::Edit, &edit), (Part::Line, &line)]).await;
    }
    stop.store(true, Ordering::SeqCst);
    let shown = delivered.await.unwrap();

    let edits: Vec<i64> = shown
        .iter()
        .filter(|one| one.part == Part::Edit)
        .map(|one| number(&one.message.body))
        .collect();
    assert!(
        edits.is_sorted_by(|a, b| a < b),
        "no older state after a newer one: {edits:?}"
    );
    assert_eq!(edits.last(), Some(&CHANGES));
    let lines: Vec<i64> = shown
        .iter()
        .filter(|one| one.part == Part::Line)
        .flat_map(|one| one.message.body.lines().map(number))
        .collect();
    assert_eq!(lines, (1..=CHANGES).collect::<Vec<_>>(), "each line once, in order");
    let refer = |one: &Delivery| one.relation.as_ref().is_some_and(|to| to.event_id() == "$head");
    assert!(shown.iter().all(refer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_taken_over_while_it_is_claimed_or_folded_is_told_once() {
    const EPISODES: i64 = 60;
    let (_place, accepting, delivering) = two_relays().await;
    let stop = Arc::new(AtomicBool::new(false));
    let delivered = deliver(delivering, folding(), Arc::clone(&stop));
    let groups = ["d", "e", "f", "g", "h"];
    for episode in 0..EPISODES {
        for (n, text) in ["fires", "is over"].into_iter().enumerate() {
            let version = 2 * episode + i64::try_from(n).unwrap();
            let parts = |group: &str| {
                let text = format!("{group} {text} {version}");
                match n {
                    0 => vec![(Part::Head, text)],
                    _ => vec![(Part::Edit, text.clone()), (Part::Line, text)],
                }
            };
            for group in groups {
                let parts = parts(group);
                let parts: Vec<(Part, &str)> = parts.iter().map(|(part, text)| (part.clone(), text.as_str())).collect();
                let enqueued = accepting
                    .enqueue(of(group, version, &parts, at(version)))
                    .await
                    .unwrap();
                assert_ne!(enqueued, Enqueued::Outdated);
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    let shown = delivered.await.unwrap();
    assert!(shown.iter().any(|one| one.members > 0), "nothing was folded");

    for group in groups {
        // Every text that is news is told at most once, and the last word is the last that was said.
        let news: Vec<i64> = shown
            .iter()
            .filter(|one| one.part != Part::Edit)
            .flat_map(|one| one.message.body.lines())
            .filter(|line| line.starts_with(group))
            .map(number)
            .collect();
        assert!(news.is_sorted_by(|a, b| a < b), "{group}: {news:?}");
        assert_eq!(news.last(), Some(&(2 * EPISODES - 1)), "{group}");
        // Each event is only ever edited to something newer.
        let edits = shown.iter().filter_map(|one| match &one.relation {
            Some(Relation::Edit { of }) if one.message.body.starts_with(group) => {
                Some((of.clone(), number(&one.message.body)))
            }
            _ => None,
        });
        let mut last = std::collections::BTreeMap::new();
        for (event, number) in edits {
            assert!(
                last.insert(event, number).is_none_or(|before| before < number),
                "{group}"
            );
        }
    }
}

#[tokio::test]
async fn an_edit_that_an_acceptance_has_in_hand_is_not_folded() {
    let place = Place::postgresql().await;
    let outbox = place.open().await;
    for group in ["e", "f", "g", "h"] {
        tell_of(&outbox, group, 0, &[(Part::Head, group)]).await;
    }
    let first = outbox.claim_due(at(60), 1, &folding()).await.unwrap().remove(0);
    record(&outbox, first.id, delivered(), at(60)).await;
    let mut edits = Vec::new();
    for group in ["e", "f", "g", "h"] {
        let told = tell_of(&outbox, group, 1, &[(Part::Edit, group), (Part::Line, group)]).await;
        edits.push(told.receipts()[0].id);
    }
    // An acceptance that has rewritten the edit, and adds a line which no snapshot from before it can show.
    let mut acceptance = postgres::connect(place.database_url()).await;
    sqlx::raw_sql("BEGIN").execute(&mut acceptance).await.unwrap();
    let rewrite = sqlx::query("UPDATE outbox_delivery SET message = replace(message, 'g', 'newer') WHERE id = $1");
    rewrite.bind(edits[2].0).execute(&mut acceptance).await.unwrap();
    let line = sqlx::query(
        "INSERT INTO outbox_delivery (room_id, txn_id, message, accepted_at, part, head_id)
         SELECT room_id, 'new line', message, accepted_at, 'line', head_id FROM outbox_delivery WHERE id = $1",
    );
    line.bind(edits[2].0).execute(&mut acceptance).await.unwrap();
    let digest = outbox.claim_due(at(120), 1, &folding()).await.unwrap().remove(0);
    sqlx::raw_sql("COMMIT").execute(&mut acceptance).await.unwrap();
    assert_eq!(digest.members, 4);
    for (at, edit) in edits.iter().enumerate() {
        let state = outbox.show(*edit).await.unwrap().unwrap().state;
        let is_in_hand = at == 2;
        assert_eq!(state == DeliveryState::Folded, !is_in_hand, "{at}: {state:?}");
    }
    record(&outbox, digest.id, delivered(), at(120)).await;
    assert_eq!(show(&outbox, "$edit", 121).await.id, edits[2]);
}

#[tokio::test]
async fn what_was_taken_up_twice_is_pruned_with_what_says_it() {
    let place = Place::postgresql().await;
    let outbox = place.open().await;
    let rest = Part::Rest {
        number: 2,
        threaded: true,
    };
    tell(&outbox, 0, &[(Part::Head, "fires")]).await;
    // A claim holds the head for a moment, as one does that looks at what a digest could name.
    let mut claim = postgres::connect(place.database_url()).await;
    let hold = "BEGIN; SELECT id FROM outbox_delivery FOR NO KEY UPDATE";
    sqlx::raw_sql(hold).execute(&mut claim).await.unwrap();
    tell(&outbox, 1, &[(Part::Edit, "long"), (rest, "and more")]).await;
    tell(&outbox, 2, &[(Part::Edit, "short")]).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut claim).await.unwrap();
    tell(&outbox, 3, &[(Part::Head, "fires again")]).await;
    assert_eq!(drain(&outbox, at(4)).await, ["fires again"]);
    assert_eq!(outbox.prune(at(5 + 3_600)).await.unwrap(), 3);
}
