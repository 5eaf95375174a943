//! Finds out what became of a commit whose answer was lost.
//!
//! Guarantees: what is said to be there is on disk. The rooms' locks are taken first, which the lost transaction holds
//! until it has ended one way or the other, so rows that are not there then never will be.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgPool;

use super::database::begin;
use super::enqueue::{lock_rooms, room_ids};
use crate::outbox::store::PreparedAcceptance;
use crate::outbox::{DeliveryId, OutboxError};

/// How long to wait before the database is asked again.
const AGAIN: Duration = Duration::from_millis(250);

const WRITTEN: &str = "SELECT txn_id, id FROM outbox_delivery WHERE txn_id = ANY($1)";

/// The rows of these acceptances that are there, by transaction ID: those of the whole transaction, or none. Asks until
/// the database answers; the caller bounds the time.
pub(super) async fn written(pool: &PgPool, acceptances: &[&PreparedAcceptance]) -> HashMap<String, DeliveryId> {
    loop {
        match look(pool, acceptances).await {
            Ok(rows) => return rows,
            Err(error) => tracing::debug!(error.message = %error, "whether a commit went through is not known yet"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn look(pool: &PgPool, acceptances: &[&PreparedAcceptance]) -> Result<HashMap<String, DeliveryId>, OutboxError> {
    let rooms: Vec<i32> = room_ids(pool, acceptances).await?.into_values().collect();
    let mut transaction = begin(pool).await?;
    lock_rooms(&mut transaction, rooms).await?;
    let deliveries = acceptances.iter().flat_map(|acceptance| &acceptance.deliveries);
    let txn_ids: Vec<&str> = deliveries.map(|delivery| delivery.txn_id.as_str()).collect();
    let rows: Vec<(String, i64)> = sqlx::query_as(WRITTEN)
        .bind(&txn_ids)
        .fetch_all(&mut *transaction)
        .await?;
    Ok(rows.into_iter().map(|(txn_id, id)| (txn_id, DeliveryId(id))).collect())
}
