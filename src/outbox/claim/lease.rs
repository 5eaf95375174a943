//! Keeping a claim, and giving it back.

use jiff::Timestamp;

use super::super::session::{Session, values};
use super::super::{DeliveryId, OutboxError};

pub(super) const RENEW: &str = "UPDATE outbox_room SET lease_until = ?3 WHERE owner = ?1 AND current = ?2";

pub(super) const RELEASE: &str = "UPDATE outbox_room SET owner = NULL WHERE owner = ?1 AND current = ?2";

/// Extends the claims that are still this relay's.
pub(in crate::outbox) async fn renew<S: Session>(
    session: &mut S,
    owner: &str,
    ids: &[DeliveryId],
    now: Timestamp,
) -> Result<(), OutboxError> {
    let lease_until = session.clock(now).await? + S::LEASE_MS;
    for id in ids {
        session.run(RENEW, values![owner, id.0, lease_until]).await?;
    }
    Ok(())
}

/// Gives the claims back that are still this relay's.
pub(in crate::outbox) async fn release<S: Session>(
    session: &mut S,
    owner: &str,
    ids: &[DeliveryId],
) -> Result<(), OutboxError> {
    for id in ids {
        session.run(RELEASE, values![owner, id.0]).await?;
    }
    Ok(())
}
