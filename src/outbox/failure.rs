//! The attempts of a delivery that failed, for people: what an attempt that succeeds at once writes nothing of.
//!
//! Guarantees: the first is kept and the last ones are, however many there were; the number of each says what lies between.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::columns::{clean, millis, timestamp};
use super::session::{Session, values};
use super::{DeliveryId, OutboxError};

/// How many are kept, the first among them.
const KEPT: usize = 10;
/// Characters of the error of each; that of the last one stands in the row at its full length.
const LONGEST: usize = 300;

const OF_NEWS: &str = "SELECT attempts, failures FROM outbox_news WHERE id = ?1";
const OF_EDIT: &str = "SELECT attempts, failures FROM outbox_group WHERE id = ?1";
const KEEP_OF_NEWS: &str = "UPDATE outbox_news SET failures = ?2 WHERE id = ?1";
const KEEP_OF_EDIT: &str = "UPDATE outbox_group SET failures = ?2 WHERE id = ?1";

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which attempt it was; the first is 1.
    pub attempt: u32,
    /// When it ended.
    pub at: Timestamp,
    /// Why it failed.
    pub error: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    attempt: u32,
    at: i64,
    error: String,
}

/// Adds the attempt that has just failed.
pub(super) async fn note<S: Session>(
    session: &mut S,
    id: DeliveryId,
    error: &str,
    now: Timestamp,
) -> Result<(), OutboxError> {
    let group = id.edited_group();
    let (of, keep) = group.map_or((OF_NEWS, KEEP_OF_NEWS), |_| (OF_EDIT, KEEP_OF_EDIT));
    let key = group.unwrap_or(id.0);
    let Some(mut row) = session.row(of, values![key]).await? else {
        return Ok(());
    };
    let (attempt, failures) = (row.count()?, row.maybe_text()?);
    let failed = Stored {
        attempt,
        at: millis(now),
        error: clean(error).chars().take(LONGEST).collect(),
    };
    let failures = serde_json::to_string(&with(stored(failures), failed))?;
    session.run(keep, values![key, failures]).await.map(drop)
}

fn with(mut failures: Vec<Stored>, failed: Stored) -> Vec<Stored> {
    if failures.len() >= KEPT {
        failures.remove(1);
    }
    failures.push(failed);
    failures
}

/// Nothing that is owed depends on them, so what cannot be read is none.
fn stored(text: Option<String>) -> Vec<Stored> {
    text.and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Those of a row.
pub(super) fn read(text: Option<String>) -> Vec<Failure> {
    let failures = stored(text).into_iter();
    let failures = failures.map(|Stored { attempt, at, error }| Failure {
        attempt,
        at: timestamp(at),
        error,
    });
    failures.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_ones_are_kept() {
        let failed = |attempt: u32| Stored {
            attempt,
            at: i64::from(attempt) * 1_000,
            error: format!("why {attempt}"),
        };
        let kept = (1..=50).fold(Vec::new(), |kept, attempt| with(kept, failed(attempt)));
        let kept = read(Some(serde_json::to_string(&kept).unwrap()));
        let attempts: Vec<u32> = kept.iter().map(|failure| failure.attempt).collect();
        assert_eq!(attempts, [1, 42, 43, 44, 45, 46, 47, 48, 49, 50]);
        assert_eq!((kept[9].at, kept[9].error.as_str()), (timestamp(50_000), "why 50"));
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        for text in [None, Some("{"), Some("[1]"), Some("[{\"attempt\": -1}]")] {
            assert_eq!(read(text.map(str::to_owned)), []);
        }
    }
}
