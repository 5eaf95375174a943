//! Finds out what became of a commit whose answer was lost.
//!
//! Guarantees: the database itself says whether the transaction was committed, by its ID, so it makes no difference what
//! the transaction wrote. It decides nothing; the caller bounds the time.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use crate::outbox::{Enqueued, OutboxError};

/// How long to wait before the database is asked again.
const AGAIN: Duration = Duration::from_millis(250);

const OWN_ID: &str = "SELECT pg_current_xact_id()::text";
const STATUS: &str = "SELECT pg_xact_status($1::text::xid8)";

/// What will have been answered if the commit that is under way goes through.
pub(super) struct Committing {
    transaction: String,
    pub(super) answers: Vec<Enqueued>,
}

impl Committing {
    /// To be noted just before the commit.
    pub(super) async fn note(connection: &mut PgConnection, answers: Vec<Enqueued>) -> Result<Self, OutboxError> {
        let transaction = sqlx::query_scalar(OWN_ID).fetch_one(connection).await?;
        Ok(Self { transaction, answers })
    }

    /// Whether it went through. Asks until the database answers, and until the transaction has ended one way or the other.
    pub(super) async fn went_through(&self, pool: &PgPool) -> bool {
        loop {
            let status: Result<Option<String>, _> =
                sqlx::query_scalar(STATUS).bind(&self.transaction).fetch_one(pool).await;
            match status.as_ref().map(Option::as_deref) {
                Ok(Some("committed")) => return true,
                Ok(Some("in progress")) => tracing::debug!("a commit whose answer was lost is still in progress"),
                Ok(_) => return false,
                Err(error) => {
                    tracing::debug!(error.message = %error, "cannot find out yet whether a commit went through");
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
