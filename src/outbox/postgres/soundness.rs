//! Whether the tables are there and their indexes say what they hold, and making the indexes anew.
//!
//! Guarantees: a look is bounded in time and changes nothing. That pages are what was written is the server's matter (checksums);
//! what it says of them is believed.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row as _};

use super::database::begin;
use crate::outbox::OutboxError;

/// How long a look may take; what has not been counted by then counts as sound.
const PATIENCE: Duration = Duration::from_secs(5);
const BOUND: &str = "SET LOCAL statement_timeout = '5s'";
const SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
const BY_TABLE: &str =
    "SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off;
    SET LOCAL enable_bitmapscan = off";
/// An error where one of them is gone.
const ALL_TABLES: &str = "
    SELECT FROM outbox_room, outbox_news, outbox_group, outbox_group_text, outbox_alert, outbox_repeat, outbox_recording, outbox_sign, outbox_switch, outbox_probe
    LIMIT 0";
/// Then rows come in the order of an index only by that index.
const BY_INDEX: &str = "
    SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;
    SET LOCAL enable_indexscan = on; SET LOCAL enable_indexonlyscan = on";

/// The indexes of this program's tables, each with a statement that counts its rows by the table and one that does so in its own
/// order; first those of what is owed, which are the ones with a condition.
const INDEXES: &str = "
    WITH indexes AS (
        SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS relation,
            coalesce('WHERE ' || pg_get_expr(i.indpred, i.indrelid), '') AS held, i.indpred IS NULL AS is_whole,
            (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n)
                FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
                JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) AS columns
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname LIKE 'outbox\\_%' AND i.indisvalid)
    SELECT name, format('SELECT count(*) FROM %s %s', relation, held),
        format('SELECT count(*) FROM (SELECT %s FROM %s %s ORDER BY %1$s OFFSET 0) AS rows', columns, relation, held)
    FROM indexes ORDER BY is_whole, name";

/// Each table with what makes its indexes anew. Whoever else uses it is waited for before, and holds no index then: without that the
/// two may wait for each other.
const TABLES: &str = "
    SELECT format('LOCK TABLE %1$I.%2$I IN ACCESS EXCLUSIVE MODE', n.nspname, c.relname),
        format('REINDEX TABLE %I.%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname = current_schema() AND c.relname LIKE 'outbox\\_%'";

/// Whether an SQLSTATE says that data are damaged, or that what this program has made is gone.
pub(super) fn is_corrupt(code: &str) -> bool {
    matches!(code, "XX001" | "XX002" | "42P01" | "42703")
}

/// Damage, with what to do.
pub(super) fn corrupt(found: &impl ToString) -> OutboxError {
    let reason = format!(
        "{}. Look into the log of PostgreSQL, and restore the database, or give the relay an empty one by RELAY_DATABASE_URL, which \
         loses what waits",
        found.to_string()
    );
    OutboxError::Corrupt { reason }
}

/// Counts the rows of each index, by its table and by itself.
pub(super) async fn inspect(pool: &PgPool) -> Result<(), OutboxError> {
    let counted = async {
        let mut transaction = begin(pool).await?;
        for statement in [SNAPSHOT, BOUND, ALL_TABLES] {
            sqlx::raw_sql(statement).execute(&mut *transaction).await?;
        }
        let (indexes, began) = (sqlx::query(INDEXES).fetch_all(&mut *transaction).await?, Instant::now());
        for index in indexes.iter().take_while(|_| began.elapsed() < PATIENCE) {
            let [name, by_table, by_index] = [0, 1, 2].map(|column| index.try_get::<String, _>(column));
            let by_table = count(&mut transaction, BY_TABLE, by_table?).await?;
            let by_index = count(&mut transaction, BY_INDEX, by_index?).await?;
            if by_table != by_index {
                let found = format!("{} has {by_index} rows, and its table {by_table}", name?);
                return Err(corrupt(&found));
            }
        }
        Ok(())
    };
    match counted.await {
        Err(OutboxError::Unavailable { .. }) => Ok(()),
        counted => counted,
    }
}

/// `statement` was made by the database, of the names of this program's tables.
async fn count(connection: &mut PgConnection, way: &'static str, statement: String) -> Result<i64, OutboxError> {
    sqlx::raw_sql(way).execute(&mut *connection).await?;
    Ok(sqlx::query_scalar(AssertSqlSafe(statement))
        .fetch_one(connection)
        .await?)
}

/// Makes all indexes anew.
pub(super) async fn rebuild(pool: &PgPool) -> Result<(), OutboxError> {
    let tables = sqlx::query(TABLES).fetch_all(pool).await?;
    for table in tables {
        let mut transaction = begin(pool).await?;
        for statement in [0, 1] {
            // Made by the database, of the names of this program's tables.
            let statement = AssertSqlSafe(table.try_get::<String, _>(statement)?);
            sqlx::raw_sql(statement).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}
