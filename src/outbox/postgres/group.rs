//! What is known of alert groups, in PostgreSQL, and the rows that wait for their heads.
//!
//! Guarantees: a batch locks its groups in sorted order, after its rooms. A row that a claim is taking at this moment is
//! not waited for: what is new then gets a row of its own, so accepting and claiming never wait for each other.

use std::collections::HashMap;

use sqlx::{PgConnection, PgPool};

use crate::outbox::part::Part;
use crate::outbox::plan::{Open, OpenRows, Plan, RowRef, Standing};
use crate::outbox::store::PreparedAcceptance;
use crate::outbox::{DeliveryId, HeadStanding, KnownGroup, Lost, OutboxError};

/// In this order, so that where the head is in its room nothing is looked at but what was given up.
const KNOWN: &str = "
    SELECT g.key, g.version, g.state, CASE
        WHEN h.id IS NULL THEN 'none'
        WHEN h.event_id IS NOT NULL THEN 'present'
        WHEN EXISTS (SELECT 1 FROM outbox_delivery d WHERE d.head_id = h.id AND d.state = 'waiting') THEN 'present'
        WHEN EXISTS (SELECT 1 FROM outbox_delivery d JOIN outbox_delivery digest ON digest.id = d.folded_into
            WHERE d.head_id = h.id AND digest.state = 'waiting') THEN 'present'
        WHEN h.rang THEN 'rang' ELSE 'silent' END,
        (SELECT json_agg(json_build_array(
                d.id, (d.part IN ('head', 'edit', 'rest', 'rest-reply'))::integer, d.finished_at))::text
            FROM outbox_delivery d WHERE d.head_id = h.id AND h.event_id IS NOT NULL AND d.state = 'dead'
                AND (d.id > h.shown OR d.part NOT IN ('head', 'edit', 'rest', 'rest-reply'))),
        (SELECT json_agg(json_build_array(digest.id, 0, 0))::text
            FROM outbox_delivery d JOIN outbox_delivery digest ON digest.id = d.folded_into AND digest.members > 0
            WHERE d.head_id = h.id AND d.state = 'folded' AND digest.state = 'dead')
    FROM outbox_group g LEFT JOIN outbox_head h ON h.id = g.head_id WHERE g.key = ANY($1)";
const STANDING: &str = "
    SELECT key, version, head_id FROM outbox_group WHERE key = ANY($1) ORDER BY key FOR NO KEY UPDATE";
const OPEN: &str = "
    SELECT id, head_id, part, reaction FROM outbox_delivery
    WHERE head_id = ANY($1) AND state = 'waiting' AND attempts = 0 AND last_error IS NULL AND head_id IS NOT NULL
    ORDER BY position FOR NO KEY UPDATE SKIP LOCKED";
const MESSAGES: &str = "SELECT id, message FROM outbox_delivery WHERE id = ANY($1)";

const NEW_HEADS: &str = "INSERT INTO outbox_head (id) SELECT unnest($1::text[])";
const REWRITE: &str = "
    UPDATE outbox_delivery SET message = new.message
    FROM unnest($1::bigint[], $2::text[]) AS new (id, message) WHERE outbox_delivery.id = new.id";
const FOLD: &str = "
    UPDATE outbox_delivery SET state = 'folded', folded_into = new.carrier
    FROM unnest($1::bigint[], $2::bigint[]) AS new (id, carrier) WHERE outbox_delivery.id = new.id";
/// What such a row had taken up goes with it; pruning looks no further than one step.
const FOLLOW: &str = "
    UPDATE outbox_delivery m SET folded_into = new.carrier
    FROM unnest($1::bigint[], $2::bigint[]) AS new (id, carrier) WHERE m.folded_into = new.id";
const WRITE: &str = "
    INSERT INTO outbox_group (key, version, state, head_id, changed_at)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[])
    ON CONFLICT (key) DO UPDATE SET version = excluded.version, state = excluded.state, head_id = excluded.head_id,
        changed_at = excluded.changed_at";

type KnownRow = (String, i64, String, String, Option<String>, Option<String>);

/// What is remembered of these groups, by stored key.
pub(super) async fn known(pool: &PgPool, keys: &[String]) -> Result<HashMap<String, KnownGroup>, OutboxError> {
    let rows: Vec<KnownRow> = sqlx::query_as(KNOWN).bind(keys).fetch_all(pool).await?;
    let known = rows.into_iter().map(|(key, version, state, head, lost, digests)| {
        let known = KnownGroup {
            version,
            state,
            head: HeadStanding::stored(&head),
            lost: Lost::stored([lost.as_deref(), digests.as_deref()]),
        };
        (key, known)
    });
    Ok(known.collect())
}

/// The plan for a batch, on the groups that it is about. Their rooms are locked.
pub(super) async fn plan(
    connection: &mut PgConnection,
    acceptances: &[&PreparedAcceptance],
) -> Result<Plan, OutboxError> {
    let mut keys: Vec<&str> = acceptances.iter().flat_map(|one| one.group_keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok(Plan::default());
    }
    let rows: Vec<(String, i64, Option<String>)> =
        sqlx::query_as(STANDING).bind(&keys).fetch_all(&mut *connection).await?;
    let standing: HashMap<String, Standing> = rows
        .into_iter()
        .map(|(key, version, head)| (key, Standing { version, head }))
        .collect();
    let heads: Vec<&str> = standing.values().filter_map(|group| group.head.as_deref()).collect();
    let open = if heads.is_empty() {
        OpenRows::default()
    } else {
        open_rows(connection, &heads).await?
    };
    Ok(Plan::new(standing, open))
}

async fn open_rows(connection: &mut PgConnection, heads: &[&str]) -> Result<OpenRows, OutboxError> {
    let rows: Vec<(i64, String, String, Option<String>)> =
        sqlx::query_as(OPEN).bind(heads).fetch_all(&mut *connection).await?;
    let open = rows.into_iter().map(|(id, head, part, reaction)| Open {
        row: RowRef::Stored(DeliveryId(id)),
        head,
        part: Part::stored(&part, reaction),
        message: None,
    });
    let mut open = OpenRows(open.collect());
    let mut last_ones: HashMap<i64, &mut Open> = HashMap::new();
    for last in open.last_ones() {
        if let RowRef::Stored(id) = last.row {
            last_ones.insert(id.0, last);
        }
    }
    let ids: Vec<i64> = last_ones.keys().copied().collect();
    let messages: Vec<(i64, String)> = sqlx::query_as(MESSAGES).bind(&ids).fetch_all(connection).await?;
    for (id, message) in messages {
        if let Some(open) = last_ones.get_mut(&id) {
            // What cannot be read is dealt with by whoever claims it.
            open.message = serde_json::from_str(&message).ok();
        }
    }
    Ok(open)
}

/// Writes everything of a plan but its new rows, and what is folded, perhaps into one of them.
pub(super) async fn write(connection: &mut PgConnection, plan: &Plan) -> Result<(), OutboxError> {
    if !plan.heads.is_empty() {
        let heads = sqlx::query(NEW_HEADS).bind(&plan.heads);
        heads.execute(&mut *connection).await?;
    }
    if !plan.rewritten.is_empty() {
        let (ids, texts): (Vec<i64>, Vec<&str>) = plan.rewritten.iter().map(|(id, text)| (id.0, text.as_str())).unzip();
        let rewrite = sqlx::query(REWRITE).bind(ids).bind(texts);
        rewrite.execute(&mut *connection).await?;
    }
    if !plan.groups.is_empty() {
        let groups = || plan.groups.values();
        sqlx::query(WRITE)
            .bind(plan.groups.keys().collect::<Vec<_>>())
            .bind(groups().map(|group| group.version).collect::<Vec<_>>())
            .bind(groups().map(|group| group.state.as_str()).collect::<Vec<_>>())
            .bind(groups().map(|group| group.head.as_deref()).collect::<Vec<_>>())
            .bind(groups().map(|group| group.changed_at).collect::<Vec<_>>())
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Takes rows out of the queue that are said by others now.
pub(super) async fn fold(connection: &mut PgConnection, plan: &Plan, added: &[DeliveryId]) -> Result<(), OutboxError> {
    if plan.folded.is_empty() {
        return Ok(());
    }
    let pairs = plan.folded.iter();
    let pairs = pairs.filter_map(|(row, into)| Some((row.id(added)?.0, into.id(added)?.0)));
    let (ids, carriers): (Vec<i64>, Vec<i64>) = pairs.unzip();
    let fold = sqlx::query(FOLD).bind(&ids).bind(&carriers);
    fold.execute(&mut *connection).await?;
    loop {
        let follow = sqlx::query(FOLLOW).bind(&ids).bind(&carriers);
        if follow.execute(&mut *connection).await?.rows_affected() == 0 {
            return Ok(());
        }
    }
}
