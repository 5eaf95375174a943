//! A transaction of SQLite. Everything is done when it is asked, so nothing ever waits.

use std::future::{Future, Ready, ready};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};

use super::soundness;
use crate::outbox::OutboxError;
use crate::outbox::columns::millis;
use crate::outbox::session::{Row, Session, Value};

/// See the module.
pub(super) struct SqliteSession<'a>(pub(super) &'a Connection);

/// The outcome of work that never waits.
pub(super) fn done<T>(work: impl Future<Output = Result<T, OutboxError>>) -> Result<T, OutboxError> {
    work.now_or_never()
        .unwrap_or_else(|| Err(OutboxError::bug("work on SQLite waited")))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Int(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

#[cfg(test)]
thread_local! {
    /// The statements that this thread has run.
    pub(super) static RUN: std::cell::RefCell<std::collections::BTreeSet<&'static str>> = std::cell::RefCell::default();
}

impl SqliteSession<'_> {
    fn execute(&self, sql: &'static str, values: Vec<Value>) -> Result<usize, OutboxError> {
        #[cfg(test)]
        RUN.with_borrow_mut(|run| run.insert(sql));
        Ok(self.0.prepare_cached(sql)?.execute(params_from_iter(values))?)
    }

    fn query(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, OutboxError> {
        #[cfg(test)]
        RUN.with_borrow_mut(|run| run.insert(sql));
        let mut statement = self.0.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let column = |at| {
                Ok(match row.get_ref(at)? {
                    ValueRef::Null => Value::Int(None),
                    ValueRef::Integer(number) => Value::from(number),
                    ValueRef::Text(text) => Value::from(String::from_utf8_lossy(text).into_owned()),
                    ValueRef::Real(_) | ValueRef::Blob(_) => Value::from(String::new()),
                })
            };
            let values: Result<Vec<Value>, rusqlite::Error> = (0..columns).map(column).collect();
            found.push(Row::new(values?));
        }
        Ok(found)
    }
}

impl Session for SqliteSession<'_> {
    /// Other processes cannot claim, so this only frees a room whose claim got lost inside this one; it is long because a
    /// clock that jumps ahead must not look like that.
    const LEASE_MS: i64 = 60_000;
    const LEASE_AHEAD_MS: i64 = i64::MAX / 4;

    fn run(&mut self, sql: &'static str, values: Vec<Value>) -> impl Future<Output = Result<u64, OutboxError>> + Send {
        ready(self.execute(sql, values).map(|changed| changed as u64))
    }

    fn insert(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<i64, OutboxError>> + Send {
        ready(self.execute(sql, values).map(|_| self.0.last_insert_rowid()))
    }

    fn rows(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Row>, OutboxError>> + Send {
        ready(self.query(sql, values))
    }

    fn clock(&mut self, now: Timestamp) -> impl Future<Output = Result<i64, OutboxError>> + Send {
        let now: Ready<Result<i64, OutboxError>> = ready(Ok(millis(now)));
        now
    }
}

/// What passes by itself or when an operator makes room is another error than what is wrong.
impl From<rusqlite::Error> for OutboxError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationAborted,
            ) => Self::unavailable(&error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => soundness::corrupt(&error),
            _ => Self::bug(error),
        }
    }
}
