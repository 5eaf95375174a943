//! The lock of the one relay that encrypts: an advisory lock of PostgreSQL, held by a transaction that stays open.
//!
//! Guarantees: at most one transaction has it, and the server ends it with the connection, or when nothing was heard from its
//! holder for some seconds, as from a machine that vanished. It is a transaction's and not a session's, so that a pooler between
//! keeps it where it is. The transaction reads and writes no table, so it keeps the server from tidying none.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{PgPool, Postgres, Transaction};

use super::database::begin;
use crate::outbox::OutboxError;
use crate::outbox::store::{Lead, within};

/// How long a confirmation may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The server waits so long for a word of the holder; and in no other way ends what is open for days.
const KEEP: [&str; 2] = [
    "SET LOCAL idle_in_transaction_session_timeout = '8s'",
    "SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) IS NOT NULL",
];
/// One for each set of tables: several may share a database.
const TRY: &str = "
    SELECT pg_try_advisory_xact_lock($1, CAST(CAST(CAST('outbox_room' AS regclass) AS bigint) % 2147483647 AS int))";
const LOCKS: i32 = 0x6772_6f63;
const CONFIRM: &str = "SELECT 1";

pub(super) struct PgLead(Transaction<'static, Postgres>);

/// Takes it, if nobody has it.
pub(super) async fn take(pool: &PgPool) -> Result<Option<PgLead>, OutboxError> {
    let mut transaction = begin(pool).await?;
    for statement in KEEP {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    let is_taken: bool = sqlx::query_scalar(TRY).bind(LOCKS).fetch_one(&mut *transaction).await?;
    if is_taken {
        return Ok(Some(PgLead(transaction)));
    }
    transaction.rollback().await?;
    Ok(None)
}

#[async_trait]
impl Lead for PgLead {
    async fn confirm(&mut self) -> Result<(), OutboxError> {
        let confirmed = async { Ok(sqlx::query(CONFIRM).execute(&mut *self.0).await.map(drop)?) };
        within(
            PATIENCE,
            OutboxError::unavailable("the database did not answer in time"),
            confirmed,
        )
        .await
    }
}
