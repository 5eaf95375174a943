//! The text of a digest, which is made when it is first sent.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::time::Clock;
use super::{Composer, RECORD_AGAIN};
use crate::outbox::{Delivery, Outbox, OutboxError, Recorded};

/// A delivery with its text: that of a digest is made when it is first sent, and kept. `None` if somebody else has it now.
pub(super) async fn written(
    outbox: &Outbox,
    compose: &Composer,
    mut delivery: Delivery,
    now: Timestamp,
) -> Result<Option<Delivery>, OutboxError> {
    let Some(waiting) = delivery.digest_of.take() else {
        return Ok(Some(delivery));
    };
    let (compose, room) = (Arc::clone(compose), delivery.room.clone());
    let composed = tokio::task::spawn_blocking(move || compose(&room, &waiting, now));
    // A panic is the attempt's, which is made again and counted.
    let message = composed
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    let kept = outbox.set_digest(delivery.id, message.clone()).await?;
    delivery.message = message;
    Ok((kept == Recorded::Done).then_some(delivery))
}

/// The same, until the store takes it.
pub(super) async fn written_at_last(
    outbox: &Outbox,
    compose: &Composer,
    delivery: Arc<Delivery>,
    clock: &Clock,
) -> Option<Arc<Delivery>> {
    if delivery.digest_of.is_none() {
        return Some(delivery);
    }
    loop {
        let unwritten = Delivery::clone(&delivery);
        match written(outbox, compose, unwritten, clock().wall).await {
            Ok(written) => return written.map(Arc::new),
            Err(error) => {
                tracing::debug!(error.message = %error, "cannot store the text of a digest yet");
            }
        }
        tokio::time::sleep(RECORD_AGAIN).await;
    }
}
