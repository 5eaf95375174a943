//! Whether the tables are there and their indexes say what they hold, and making the indexes anew.
//!
//! Guarantees: a look is bounded in time and changes nothing. That pages are what was written is the server's matter (checksums);
//! what it says of them is believed.

use sqlx::{PgPool, Row as _};

use super::database::begin;
use crate::outbox::OutboxError;

/// What has not been counted by then counts as sound.
const BOUND: &str = "SET LOCAL statement_timeout = '5s'";
const SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
const BY_TABLE: &str =
    "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off";
const BY_INDEX: &str = "
    SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on; SET LOCAL enable_indexonlyscan = on;
    SET LOCAL enable_bitmapscan = on";
const WAITING: &str = "SELECT count(*) FROM outbox_news WHERE state = 'waiting'";

const TABLES: &str = "
    SELECT format('REINDEX TABLE %I.%I', n.nspname, c.relname)
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

/// Counts what waits, by the table and by an index of it.
pub(super) async fn inspect(pool: &PgPool) -> Result<(), OutboxError> {
    let counted = async {
        let mut transaction = begin(pool).await?;
        for statement in [SNAPSHOT, BOUND, BY_TABLE] {
            sqlx::raw_sql(statement).execute(&mut *transaction).await?;
        }
        let by_table: i64 = sqlx::query_scalar(WAITING).fetch_one(&mut *transaction).await?;
        sqlx::raw_sql(BY_INDEX).execute(&mut *transaction).await?;
        let by_index: i64 = sqlx::query_scalar(WAITING).fetch_one(&mut *transaction).await?;
        Ok((by_table, by_index))
    };
    match counted.await {
        Ok((by_table, by_index)) if by_table == by_index => Ok(()),
        Ok((by_table, by_index)) => Err(corrupt(&format!(
            "{by_table} messages wait, and an index knows of {by_index}"
        ))),
        Err(OutboxError::Unavailable { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes all indexes anew.
pub(super) async fn rebuild(pool: &PgPool) -> Result<(), OutboxError> {
    let tables = sqlx::query(TABLES).fetch_all(pool).await?;
    for table in tables {
        let statement: String = table.try_get(0)?;
        // Made by the database, of the names of this program's tables.
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(pool).await?;
    }
    Ok(())
}
