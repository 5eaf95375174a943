//! A transaction of PostgreSQL.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use jiff::Timestamp;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Column as _, PgConnection, Postgres, Row as _, TypeInfo as _};

use super::soundness;
use crate::outbox::OutboxError;
use crate::outbox::session::{Row, Session, Value};

const CLOCK: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";

/// See the module.
pub(super) struct PgSession<'a>(pub(super) &'a mut PgConnection);

/// A statement as PostgreSQL spells it. Each is put together once.
fn dialect(sql: &'static str) -> &'static str {
    static KNOWN: LazyLock<Mutex<HashMap<usize, &'static str>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // Statements are constants of this program, so there are only so many.
    known
        .entry(sql.as_ptr() as usize)
        .or_insert_with(|| translated(sql).leak())
}

fn translated(sql: &str) -> String {
    let sql = sql.replace("/*pg ", "").replace("*/", "").replace('?', "$");
    let mut text = String::new();
    let mut rest = sql.as_str();
    while let Some((before, after)) = rest.split_once("json_each(") {
        let (parameter, tail) = after.split_once(')').unwrap_or((after, ""));
        for part in [before, "json_array_elements(", parameter, "::json)"] {
            text.push_str(part);
        }
        rest = tail;
    }
    text + rest
}

fn query(sql: &'static str, values: Vec<Value>) -> Query<'static, Postgres, PgArguments> {
    let bind = |query: Query<'static, Postgres, PgArguments>, value| match value {
        Value::Int(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
    };
    values.into_iter().fold(sqlx::query(sql), bind)
}

fn row(row: &PgRow) -> Result<Row, sqlx::Error> {
    let column = |column: &sqlx::postgres::PgColumn| {
        let at = column.ordinal();
        Ok(match column.type_info().name() {
            "INT8" => Value::Int(row.try_get(at)?),
            "INT4" => Value::Int(row.try_get::<Option<i32>, _>(at)?.map(i64::from)),
            _ => Value::Text(row.try_get(at)?),
        })
    };
    let columns: Result<Vec<Value>, sqlx::Error> = row.columns().iter().map(column).collect();
    Ok(Row::new(columns?))
}

impl Session for PgSession<'_> {
    const LEASE_MS: i64 = 10_000;
    const LEASE_AHEAD_MS: i64 = 15_000;

    async fn run(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, OutboxError> {
        let done = query(dialect(sql), values).execute(&mut *self.0).await?;
        Ok(done.rows_affected())
    }

    async fn insert(&mut self, sql: &'static str, values: Vec<Value>) -> Result<i64, OutboxError> {
        let inserted = query(dialect(sql), values).fetch_one(&mut *self.0).await?;
        Ok(inserted.try_get(0)?)
    }

    async fn rows(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, OutboxError> {
        let rows = query(dialect(sql), values).fetch_all(&mut *self.0).await?;
        Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
    }

    async fn clock(&mut self, _now: Timestamp) -> Result<i64, OutboxError> {
        Ok(sqlx::query_scalar(CLOCK).fetch_one(&mut *self.0).await?)
    }
}

/// What passes by itself or when an operator acts on the server is another error than what is wrong here.
impl From<sqlx::Error> for OutboxError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error
            && database.code().is_some_and(|code| soundness::is_corrupt(&code))
        {
            return soundness::corrupt(&error);
        }
        let passes = match &error {
            sqlx::Error::Database(database) => database.code().is_some_and(|code| passes(&code)),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        };
        if passes {
            Self::unavailable(&error)
        } else {
            Self::bug(error)
        }
    }
}

/// SQLSTATE classes: connection, authorisation, read-only after a failover, rolled back by a deadlock, no resources
/// (a full disk is 53100), an administrator's intervention, an error of the system under the database.
fn passes(code: &str) -> bool {
    code == "25006"
        || ["08", "28", "3D", "40", "53", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class))
}
