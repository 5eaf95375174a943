//! What rooms show, by a homeserver's rule: a transaction ID counts once.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use grafana_matrix_relay::message::TxnId;
use grafana_matrix_relay::outbox::Delivery;

/// The rooms of one homeserver.
#[derive(Default)]
pub(crate) struct Timeline {
    shown: Mutex<(HashSet<TxnId>, Rooms)>,
}

pub(crate) type Rooms = BTreeMap<String, Vec<String>>;

impl Timeline {
    pub(crate) fn show(&self, delivery: &Delivery) {
        let (txn_ids, rooms) = &mut *self.shown.lock().unwrap();
        if txn_ids.insert(delivery.txn_id.clone()) {
            rooms
                .entry(delivery.room.to_string())
                .or_default()
                .push(delivery.message.body.clone());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shown.lock().unwrap().0.len()
    }

    pub(crate) fn rooms(&self) -> Rooms {
        self.shown.lock().unwrap().1.clone()
    }
}
