//! What a plan comes to: rows and groups to write, and who carries what.

use super::RowRef;
use crate::message::{RoomAddress, TxnId};
use crate::outbox::part::Part;
use crate::outbox::{DeliveryId, OutboxError, Receipt};

/// The row that carries a delivery, each once.
pub(in crate::outbox) struct Carrier {
    pub(super) row: RowRef,
    pub(super) room: RoomAddress,
}

/// The receipts of an acceptance, once the rows of its plan have their ids.
pub(in crate::outbox) fn receipts(carriers: &[Carrier], added: &[DeliveryId]) -> Result<Vec<Receipt>, OutboxError> {
    let receipt = |carrier: &Carrier| {
        Ok(Receipt {
            id: carrier
                .row
                .id(added)
                .ok_or_else(|| OutboxError::bug("a row was not inserted"))?,
            room: carrier.room.clone(),
        })
    };
    carriers.iter().map(receipt).collect()
}

/// A row to add.
pub(in crate::outbox) struct NewRow {
    pub(in crate::outbox) room: RoomAddress,
    pub(in crate::outbox) txn_id: TxnId,
    pub(in crate::outbox) text: String,
    pub(in crate::outbox) accepted_at: i64,
    pub(in crate::outbox) starts_at: Option<i64>,
    pub(in crate::outbox) part: Part,
    pub(in crate::outbox) head: Option<String>,
}

/// What becomes of a group.
pub(in crate::outbox) struct Written {
    pub(in crate::outbox) version: i64,
    pub(in crate::outbox) state: String,
    pub(in crate::outbox) head: Option<String>,
    pub(in crate::outbox) changed_at: i64,
}
