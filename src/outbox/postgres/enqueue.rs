//! Acceptance in PostgreSQL: a batch in one transaction, by a fixed number of statements.
//!
//! Guarantees: positions of a room follow the order of the commits, over all replicas, because each batch holds a lock
//! per room from before it draws them until it has committed. Keys, rooms and groups are locked in sorted order, keys
//! first and groups last, so two replicas never wait for each other.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use sqlx::{PgConnection, PgPool};

use super::database::{LOCKS, begin};
use super::doubt::Committing;
use super::group;
use crate::outbox::plan::{NewRow, receipts};
use crate::outbox::store::{PreparedAcceptance, receipts_from, receipts_text};
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

const FORGET: &str = "DELETE FROM outbox_repeat WHERE key = ANY($1)";

const LOCK_ROOMS: &str = "SELECT pg_advisory_xact_lock($1, room) FROM unnest($2::integer[]) AS room";
const INSERT: &str = "
    INSERT INTO outbox_delivery (room_id, txn_id, message, accepted_at, starts_at, part, reaction, head_id, gives_way)
    SELECT room_id, txn_id, message, accepted_at, starts_at, part, reaction, head_id,
        part IN ('edit', 'rest', 'rest-reply', 'reaction')
            AND EXISTS (SELECT 1 FROM outbox_head h WHERE h.id = head_id AND h.event_id IS NOT NULL)
    FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[])
        WITH ORDINALITY AS new (room_id, txn_id, message, accepted_at, starts_at, part, reaction, head_id, n)
    ORDER BY n
    RETURNING txn_id, id";

/// One transaction for all of them; one answer for each, in their order. If this fails once `committing` is set, it may
/// have been done all the same.
pub(super) async fn accept(
    pool: &PgPool,
    acceptances: &[&PreparedAcceptance],
    window_ms: i64,
    committing: &OnceLock<Committing>,
) -> Result<Vec<Enqueued>, OutboxError> {
    let rooms = room_ids(pool, acceptances).await?;
    let mut transaction = begin(pool).await?;
    let repeats = recognise(&mut transaction, acceptances, window_ms).await?;
    let repeat = |acceptance: &PreparedAcceptance| acceptance.repeat_key.as_ref().and_then(|key| repeats.get(key));
    let new: Vec<_> = acceptances
        .iter()
        .copied()
        .filter(|one| repeat(one).is_none())
        .collect();
    lock_rooms(&mut transaction, &new, &rooms).await?;
    let mut plan = group::plan(&mut transaction, &new).await?;
    let mut carried = Vec::with_capacity(new.len());
    for acceptance in &new {
        carried.push(plan.accept(acceptance)?);
    }
    group::write(&mut transaction, &plan).await?;
    let added = insert(&mut transaction, &plan.rows, &rooms).await?;
    group::fold(&mut transaction, &plan, &added).await?;
    let mut carried = carried.into_iter();
    let mut answers = Vec::with_capacity(acceptances.len());
    for acceptance in acceptances {
        answers.push(match repeat(acceptance) {
            Some(receipts) => Enqueued::Recognised(receipts.clone()),
            None => match carried.next().flatten() {
                Some(carriers) => Enqueued::Accepted(receipts(&carriers, &added)?),
                None => Enqueued::Outdated,
            },
        });
    }
    remember(&mut transaction, acceptances, &answers).await?;
    let noted = Committing::note(&mut transaction, answers.clone()).await?;
    let _first = committing.set(noted);
    transaction.commit().await?;
    Ok(answers)
}

/// The rooms' numbers; new rooms are made at once, outside the transaction, for they are never taken back.
async fn room_ids(pool: &PgPool, acceptances: &[&PreparedAcceptance]) -> Result<HashMap<String, i32>, OutboxError> {
    let addresses: HashSet<&str> = acceptances
        .iter()
        .flat_map(|acceptance| addresses(acceptance))
        .collect();
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

/// Every room that an acceptance has to do with.
fn addresses(acceptance: &PreparedAcceptance) -> impl Iterator<Item = &str> {
    let deliveries = acceptance.deliveries.iter().map(|delivery| delivery.room.as_str());
    deliveries.chain(acceptance.groups.iter().map(|group| group.room.as_str()))
}

fn room_id(rooms: &HashMap<String, i32>, address: &str) -> Result<i32, OutboxError> {
    let room = rooms.get(address).copied();
    room.ok_or_else(|| OutboxError::bug("a room was not made"))
}

async fn lock_rooms(
    connection: &mut PgConnection,
    acceptances: &[&PreparedAcceptance],
    rooms: &HashMap<String, i32>,
) -> Result<(), OutboxError> {
    let addresses = acceptances.iter().flat_map(|acceptance| addresses(acceptance));
    let mut locks = addresses
        .map(|address| room_id(rooms, address))
        .collect::<Result<Vec<_>, _>>()?;
    locks.sort_unstable();
    locks.dedup();
    if !locks.is_empty() {
        let lock = sqlx::query(LOCK_ROOMS).bind(LOCKS).bind(&locks);
        lock.execute(connection).await?;
    }
    Ok(())
}

/// Adds the rows, and returns their ids in their order.
async fn insert(
    connection: &mut PgConnection,
    rows: &[NewRow],
    rooms: &HashMap<String, i32>,
) -> Result<Vec<DeliveryId>, OutboxError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let room_ids = rows
        .iter()
        .map(|row| room_id(rooms, row.room.as_str()))
        .collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<(String, i64)> = sqlx::query_as(INSERT)
        .bind(&room_ids)
        .bind(rows.iter().map(|row| row.txn_id.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.text.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.accepted_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.starts_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.part.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.part.key()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.head.as_deref()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let ids: HashMap<String, i64> = ids.into_iter().collect();
    let id = |row: &NewRow| {
        let id = ids.get(row.txn_id.as_str()).copied();
        Ok(DeliveryId(
            id.ok_or_else(|| OutboxError::bug("a row was not inserted"))?,
        ))
    };
    rows.iter().map(id).collect()
}

/// Writes the receipts beside the keys that were taken, and gives those back whose acceptance was out of date.
async fn remember(
    connection: &mut PgConnection,
    acceptances: &[&PreparedAcceptance],
    answers: &[Enqueued],
) -> Result<(), OutboxError> {
    let (mut keys, mut receipts, mut outdated) = (Vec::new(), Vec::new(), Vec::new());
    for (acceptance, answer) in acceptances.iter().zip(answers) {
        match (&acceptance.repeat_key, answer) {
            (Some(key), Enqueued::Accepted(accepted)) => {
                keys.push(key.as_str());
                receipts.push(receipts_text(accepted)?);
            }
            (Some(key), Enqueued::Outdated) => outdated.push(key.as_str()),
            _ => {}
        }
    }
    if !keys.is_empty() {
        let remember = sqlx::query(REMEMBER).bind(&keys).bind(&receipts);
        remember.execute(&mut *connection).await?;
    }
    if !outdated.is_empty() {
        sqlx::query(FORGET).bind(&outdated).execute(connection).await?;
    }
    Ok(())
}
