//! Sending again what the homeserver may not recognise, because it has forgotten the transaction or another device has tried it: first
//! it is looked whether the message is in the room already.
//!
//! Guarantees: what can be found is not sent twice, and what cannot be looked for is sent all the same after a while: a
//! message that may be doubled is better than none.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::matrix::{Failure, Verdict};
use crate::outbox::Delivery;

/// How long a transaction is relied upon; a Synapse forgets it after 24 hours.
const RELIED_UPON: SignedDuration = SignedDuration::from_hours(23);
/// How far the clocks of relays may differ.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(30);
/// How long transient failures go on before one of looking is no reason to wait any more.
const PATIENCE: Duration = Duration::from_hours(1);

/// Whether an earlier attempt may have sent it so long ago. No attempt is older than the acceptance, so nothing that was
/// accepted lately needs a look; nor does what is tried for the first time.
pub(super) fn may_be_forgotten(delivery: &Delivery, now: Timestamp) -> bool {
    let age = now.duration_since(delivery.accepted_at);
    delivery.attempts > 1 && !(-CLOCK_SLACK..RELIED_UPON).contains(&age)
}

/// Whether a failure to look means that sending has to wait; other failures would meet the send, too.
pub(super) fn is_waited_for(failure: &Failure, retried_for: Duration) -> bool {
    failure.verdict != Verdict::Transient || retried_for < PATIENCE
}
