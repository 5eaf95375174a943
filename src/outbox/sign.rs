//! Signs of life: when something that is expected again and again last came.
//!
//! Guarantees: a sign never goes back in time, whichever relay writes it; that something is expected is written once, so that its
//! time begins with the first relay that expects it and goes on over restarts.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::columns::{millis, stored_name, timestamp};
use super::session::{Row, Session, values};
use super::{Outbox, OutboxError};

/// The last sign of life of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// Of what.
    pub name: String,
    /// When it came; where none ever did, since when it is expected.
    pub at: Timestamp,
    /// How many came.
    pub count: u64,
}

impl Outbox {
    /// Writes down that these gave a sign of life.
    pub async fn note_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<(), OutboxError> {
        self.soundness.must_be_usable()?;
        self.soundness.note(self.store()?.note_signs(names, at).await)
    }

    /// What is known of all signs of life; those of these names are expected from `at` on, if they were not before.
    pub async fn expect_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<Vec<Sign>, OutboxError> {
        self.store()?.expect_signs(names, at).await
    }
}

const NOTE: &str = "
    INSERT INTO outbox_sign (name, last_at, count) VALUES (?1, ?2, 1)
    ON CONFLICT (name) DO UPDATE SET count = outbox_sign.count + 1,
        last_at = CASE WHEN excluded.last_at > outbox_sign.last_at THEN excluded.last_at ELSE outbox_sign.last_at END";
const EXPECT: &str = "INSERT INTO outbox_sign (name, last_at, count) VALUES (?1, ?2, 0) ON CONFLICT (name) DO NOTHING";
const LIST: &str = "SELECT name, last_at, count FROM outbox_sign ORDER BY name";

/// Writes that these gave a sign of life at `at`.
pub(super) async fn note<S: Session>(
    session: &mut S,
    names: &BTreeSet<String>,
    at: Timestamp,
) -> Result<(), OutboxError> {
    // In their order, so that two relays never wait for each other.
    for name in names {
        session.run(NOTE, values![stored_name(name), millis(at)]).await?;
    }
    Ok(())
}

/// Writes of those that nothing is known of that they are expected from `at` on, and says what is known of all.
pub(super) async fn expect<S: Session>(
    session: &mut S,
    names: &BTreeSet<String>,
    at: Timestamp,
) -> Result<Vec<Sign>, OutboxError> {
    let known = list(session).await?;
    let is_new = |name: &&String| !known.iter().any(|sign| sign.name == stored_name(name));
    let new: Vec<&String> = names.iter().filter(is_new).collect();
    if new.is_empty() {
        return Ok(known);
    }
    for name in new {
        session.run(EXPECT, values![stored_name(name), millis(at)]).await?;
    }
    list(session).await
}

async fn list<S: Session>(session: &mut S) -> Result<Vec<Sign>, OutboxError> {
    let rows = session.rows(LIST, values![]).await?;
    rows.into_iter().map(sign).collect()
}

fn sign(mut row: Row) -> Result<Sign, OutboxError> {
    Ok(Sign {
        name: row.text()?,
        at: timestamp(row.int()?),
        count: row.count()?,
    })
}
