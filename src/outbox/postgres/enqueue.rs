//! Acceptance in PostgreSQL: a batch in one transaction, by a fixed number of statements.
//!
//! Guarantees: positions of a room follow the order of the commits, over all replicas, because each batch holds a lock
//! per room from before it draws them until it has committed. Keys and rooms are locked in sorted order, keys first,
//! so two replicas never wait for each other.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{PgConnection, PgPool};

use super::database::{LOCKS, begin};
use crate::outbox::store::{Prepared, PreparedAcceptance, receipts_from, receipts_text};
use crate::outbox::{DeliveryId, Enqueued, OutboxError, Receipt};

const ROOM_IDS: &str = "SELECT address, id FROM outbox_room WHERE address = ANY($1)";
const CREATE_ROOMS: &str = "INSERT INTO outbox_room (address) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING";

/// Takes a key that is new or past the window; a concurrent request with the same key waits here for the commit.
const TAKE_KEYS: &str = "
    INSERT INTO outbox_repeat (key, accepted_at, receipts)
    SELECT key, accepted_at, '[]' FROM unnest($1::text[], $2::bigint[]) AS new (key, accepted_at)
    ON CONFLICT (key) DO UPDATE SET accepted_at = excluded.accepted_at, receipts = excluded.receipts
        WHERE abs(excluded.accepted_at - outbox_repeat.accepted_at) >= $3
    RETURNING key";
const RECEIPTS: &str = "SELECT key, receipts FROM outbox_repeat WHERE key = ANY($1)";
const REMEMBER: &str = "
    UPDATE outbox_repeat SET receipts = new.receipts
    FROM unnest($1::text[], $2::text[]) AS new (key, receipts) WHERE outbox_repeat.key = new.key";

const LOCK_ROOMS: &str = "SELECT pg_advisory_xact_lock($1, room) FROM unnest($2::integer[]) AS room";
const INSERT: &str = "
    INSERT INTO outbox_delivery (room_id, txn_id, message, accepted_at, starts_at)
    SELECT room_id, txn_id, message, accepted_at, starts_at
    FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
        WITH ORDINALITY AS new (room_id, txn_id, message, accepted_at, starts_at, n)
    ORDER BY n
    RETURNING txn_id, id";

/// One transaction for all of them; one answer for each, in their order. If this fails once `committing` is set, it may
/// have been done all the same.
pub(super) async fn accept(
    pool: &PgPool,
    acceptances: &[&PreparedAcceptance],
    window_ms: i64,
    committing: &AtomicBool,
) -> Result<Vec<Enqueued>, OutboxError> {
    let rooms = room_ids(pool, acceptances).await?;
    let mut transaction = begin(pool).await?;
    let repeats = recognise(&mut transaction, acceptances, window_ms).await?;
    let is_new = |a: &&&PreparedAcceptance| a.repeat_key.as_ref().is_none_or(|key| !repeats.contains_key(key));
    let new: Vec<_> = acceptances.iter().filter(is_new).copied().collect();
    let ids = insert(&mut transaction, &new, &rooms).await?;
    let mut answers = Vec::with_capacity(acceptances.len());
    for acceptance in acceptances {
        let repeat = acceptance.repeat_key.as_ref().and_then(|key| repeats.get(key));
        answers.push(match repeat {
            Some(receipts) => Enqueued::Recognised(receipts.clone()),
            None => Enqueued::Accepted(receipts(acceptance, &ids)?),
        });
    }
    remember(&mut transaction, acceptances, &answers).await?;
    committing.store(true, Ordering::Relaxed);
    transaction.commit().await?;
    Ok(answers)
}

/// The receipts of an acceptance whose rows have these ids.
pub(super) fn receipts(
    acceptance: &PreparedAcceptance,
    ids: &HashMap<String, DeliveryId>,
) -> Result<Vec<Receipt>, OutboxError> {
    let receipt = |delivery: &Prepared| {
        let id = ids.get(delivery.txn_id.as_str()).copied();
        Ok(Receipt {
            id: id.ok_or_else(|| OutboxError::bug("a row was not inserted"))?,
            room: delivery.room.clone(),
        })
    };
    acceptance.deliveries.iter().map(receipt).collect()
}

/// The rooms' numbers; new rooms are made at once, outside the transaction, for they are never taken back.
pub(super) async fn room_ids(
    pool: &PgPool,
    acceptances: &[&PreparedAcceptance],
) -> Result<HashMap<String, i32>, OutboxError> {
    let deliveries = acceptances.iter().flat_map(|acceptance| &acceptance.deliveries);
    let addresses: HashSet<&str> = deliveries.map(|delivery| delivery.room.as_str()).collect();
    let mut addresses: Vec<&str> = addresses.into_iter().collect();
    addresses.sort_unstable();
    let known = sqlx::query_as(ROOM_IDS).bind(&addresses).fetch_all(pool).await?;
    if known.len() == addresses.len() {
        return Ok(known.into_iter().collect());
    }
    sqlx::query(CREATE_ROOMS).bind(&addresses).execute(pool).await?;
    let all = sqlx::query_as(ROOM_IDS).bind(&addresses).fetch_all(pool).await?;
    Ok(all.into_iter().collect())
}

/// Takes the keys of these acceptances; returns those that were accepted before, with the receipts of that time.
async fn recognise(
    connection: &mut PgConnection,
    acceptances: &[&PreparedAcceptance],
    window_ms: i64,
) -> Result<HashMap<String, Vec<Receipt>>, OutboxError> {
    let keyed = acceptances
        .iter()
        .filter_map(|a| a.repeat_key.as_deref().map(|key| (key, a.at)));
    let mut keyed: Vec<(&str, i64)> = keyed.collect();
    if keyed.is_empty() {
        return Ok(HashMap::new());
    }
    keyed.sort_unstable();
    let (keys, times): (Vec<&str>, Vec<i64>) = keyed.into_iter().unzip();
    let taken: HashSet<String> = sqlx::query_scalar(TAKE_KEYS)
        .bind(&keys)
        .bind(&times)
        .bind(window_ms)
        .fetch_all(&mut *connection)
        .await?
        .into_iter()
        .collect();
    let repeats: Vec<&str> = keys.into_iter().filter(|key| !taken.contains(*key)).collect();
    if repeats.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, String)> = sqlx::query_as(RECEIPTS).bind(&repeats).fetch_all(connection).await?;
    rows.into_iter()
        .map(|(key, receipts)| Ok((key, receipts_from(&receipts)?)))
        .collect()
}

/// Keeps other batches out of these rooms until the transaction ends.
pub(super) async fn lock_rooms(connection: &mut PgConnection, mut rooms: Vec<i32>) -> Result<(), OutboxError> {
    rooms.sort_unstable();
    rooms.dedup();
    let lock = sqlx::query(LOCK_ROOMS).bind(LOCKS).bind(&rooms);
    Ok(lock.execute(connection).await.map(drop)?)
}

/// Adds the rows, and returns their ids by transaction ID.
async fn insert(
    connection: &mut PgConnection,
    acceptances: &[&PreparedAcceptance],
    rooms: &HashMap<String, i32>,
) -> Result<HashMap<String, DeliveryId>, OutboxError> {
    let (mut room_ids, mut txn_ids, mut messages) = (Vec::new(), Vec::new(), Vec::new());
    let (mut accepted, mut starts) = (Vec::new(), Vec::new());
    for acceptance in acceptances {
        for delivery in &acceptance.deliveries {
            let room = rooms.get(delivery.room.as_str()).copied();
            room_ids.push(room.ok_or_else(|| OutboxError::bug("a room was not made"))?);
            txn_ids.push(delivery.txn_id.as_str());
            messages.push(delivery.message.as_str());
            accepted.push(acceptance.at);
            starts.push(delivery.starts_at);
        }
    }
    if room_ids.is_empty() {
        return Ok(HashMap::new());
    }
    lock_rooms(connection, room_ids.clone()).await?;
    let rows: Vec<(String, i64)> = sqlx::query_as(INSERT)
        .bind(&room_ids)
        .bind(&txn_ids)
        .bind(&messages)
        .bind(&accepted)
        .bind(&starts)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|(txn_id, id)| (txn_id, DeliveryId(id))).collect())
}

/// Writes the receipts beside the keys that were taken.
async fn remember(
    connection: &mut PgConnection,
    acceptances: &[&PreparedAcceptance],
    answers: &[Enqueued],
) -> Result<(), OutboxError> {
    let (mut keys, mut receipts) = (Vec::new(), Vec::new());
    for (acceptance, answer) in acceptances.iter().zip(answers) {
        if let (Some(key), Enqueued::Accepted(accepted)) = (&acceptance.repeat_key, answer) {
            keys.push(key.as_str());
            receipts.push(receipts_text(accepted)?);
        }
    }
    if !keys.is_empty() {
        sqlx::query(REMEMBER)
            .bind(&keys)
            .bind(&receipts)
            .execute(connection)
            .await?;
    }
    Ok(())
}
