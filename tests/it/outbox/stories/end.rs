//! The end of a run: everything goes out, and what came of it is looked at.

use std::collections::HashSet;

use grafana_matrix_relay::outbox::{Delivery, DeliveryId, DeliveryState, Outcome, Part, RetryResult};

use super::super::place::{self, at, room};
use super::ROOMS;
use super::run::Run;

impl Run {
    /// The faults are over: everything goes out, and what came of it is looked at. Returns what each room was told.
    pub(super) async fn end(mut self) -> [Vec<i64>; 2] {
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
                let event_id = self.show(&delivery);
                let outcome = Outcome::Delivered { event_id };
                place::record(&self.outbox, delivery.id, outcome, at(self.now)).await;
            }
        }
        self.check(&outdated).await;
        self.told
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
