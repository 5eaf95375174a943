//! The end of a run: everything goes out, and what came of it is looked at.

use std::collections::HashSet;

use grafana_matrix_relay::outbox::{DeliveryState, Outcome, RetryResult, RootState};

use super::super::place::{self, at, room};
use super::run::Run;
use super::{GROUPS, ROOMS, Tell};

impl Run {
    /// The faults are over: everything goes out, and what came of it is looked at.
    pub(super) async fn end(mut self) {
        self.in_flight.clear();
        self.outbox = self.place.reopen(self.outbox).await;
        self.now += 10_000;
        for name in ROOMS {
            for retried in self.outbox.retry_room(&room(name), at(self.now)).await.unwrap() {
                assert!(matches!(retried.result, RetryResult::Queued { .. }), "{retried:?}");
            }
        }
        self.drain().await;
        // The next notification of each group brings its message, wherever it was lost.
        for group in 0..GROUPS.len() {
            self.tell(group, Tell::Change { rest: false }).await;
        }
        self.drain().await;
        self.check().await;
    }

    async fn drain(&mut self) {
        loop {
            self.claim(true).await;
            let claimed = std::mem::take(&mut self.in_flight);
            if claimed.is_empty() {
                return;
            }
            for delivery in claimed.into_values() {
                let event_id = self.show(&delivery);
                let outcome = Outcome::Delivered { event_id };
                place::record(&self.outbox, delivery.id, outcome, at(self.now)).await;
            }
        }
    }

    async fn check(&mut self) {
        let rows = self.rows().await;
        for row in rows.values() {
            let says = row.combined_into.map_or(row, |carrier| &rows[&carrier]);
            assert_eq!(says.state, DeliveryState::Delivered, "{row:?}");
        }
        assert_eq!(self.outbox.stats(at(self.now)).await.unwrap().pending, 0);
        let told: Vec<i64> = self.told.iter().flatten().copied().collect();
        let once: HashSet<i64> = told.iter().copied().collect();
        assert_eq!(told.len(), once.len(), "something was told twice: {told:?}");
        for (number, row) in &self.news {
            assert!(once.contains(number), "{number} of {row} was not told: {told:?}");
        }
        for order in &self.order {
            assert!(order.is_sorted(), "in order, but for what was given up: {order:?}");
        }
        for group in 0..GROUPS.len() {
            let known = self.known(group).await.unwrap();
            assert_eq!((known.root, known.is_shown), (RootState::InRoom, true));
            let state = self.states[group];
            let shown = self
                .events
                .values()
                .filter(|event| !event.is_deleted && event.text == state);
            assert_eq!(shown.count(), 1, "{state} of {group}: {:?}", self.events);
        }
    }
}
