//! What both databases do alike for the outbox: run one statement, and read rows.
//!
//! The rules of the outbox are written once, over this, in statements that both databases take: parameters are `?1`, lists
//! are JSON (`json_each(?1)`), and what only PostgreSQL has to do stands in a comment that it reads: `/*pg FOR UPDATE*/`.
//! Guarantees: numbers are `i64` and texts `String`, whatever the database; a column of another kind is a damaged row.

use std::future::Future;

use jiff::Timestamp;

use super::OutboxError;

/// A parameter, or a column of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Int(Some(i64::from(flag)))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

/// The parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::outbox::session::Value::from($value)),*] };
}
pub(super) use values;

/// A row of an answer, its columns taken in their order.
#[derive(Debug)]
pub(super) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(super) fn new(columns: Vec<Value>) -> Self {
        Self(columns.into_iter())
    }

    pub(super) fn maybe_int(&mut self) -> Result<Option<i64>, OutboxError> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(number),
            Some(Value::Text(None)) => Ok(None),
            other => Err(OutboxError::damaged(&format!("{other:?} is no number"))),
        }
    }

    pub(super) fn maybe_text(&mut self) -> Result<Option<String>, OutboxError> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(text),
            Some(Value::Int(None)) => Ok(None),
            other => Err(OutboxError::damaged(&format!("{other:?} is no text"))),
        }
    }

    pub(super) fn int(&mut self) -> Result<i64, OutboxError> {
        self.maybe_int()?
            .ok_or_else(|| OutboxError::damaged("a number is missing"))
    }

    pub(super) fn text(&mut self) -> Result<String, OutboxError> {
        self.maybe_text()?
            .ok_or_else(|| OutboxError::damaged("a text is missing"))
    }

    pub(super) fn flag(&mut self) -> Result<bool, OutboxError> {
        Ok(self.int()? != 0)
    }

    /// A count, of which there is never less than nothing.
    pub(super) fn count<T: TryFrom<i64> + Default>(&mut self) -> Result<T, OutboxError> {
        Ok(T::try_from(self.int()?).unwrap_or_default())
    }
}

/// A transaction of one of the databases.
pub(super) trait Session {
    /// How long a claim is believed without being renewed.
    const LEASE_MS: i64;
    /// How far ahead a lease may end before it is one that was set by a clock which was set back since.
    const LEASE_AHEAD_MS: i64;

    /// Runs a statement; says how many rows it changed.
    fn run(&mut self, sql: &'static str, values: Vec<Value>) -> impl Future<Output = Result<u64, OutboxError>> + Send;

    /// Inserts one row; says its `id`.
    fn insert(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<i64, OutboxError>> + Send;

    /// Reads all rows of an answer.
    fn rows(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Row>, OutboxError>> + Send;

    /// The time that leases go by, in milliseconds; `now` is the caller's.
    fn clock(&mut self, now: Timestamp) -> impl Future<Output = Result<i64, OutboxError>> + Send;

    /// Reads the first row of an answer.
    async fn row(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Option<Row>, OutboxError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }
}
