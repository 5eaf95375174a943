//! A sample for an encrypted room. One process at a time uses the keys of a device, and that is the relay, so the relay sends it.
//!
//! Guarantees: the keys are not opened, and none are made; a sample that no relay sends in time is taken out of the outbox
//! again, so that it does not appear days later.

use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::message::{RenderedMessage, RoomAddress};
use crate::outbox::{self, Acceptance, DeliveryId, DeliveryState, NewDelivery, Outbox};

/// How long a relay may take. One of several begins to encrypt some seconds after its start.
const PATIENCE: Duration = Duration::from_secs(45);
/// And until it has tried at all.
const TAKEN_UP: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

/// Gives the sample to the relay that runs on this outbox, waits until it is sent, and says its event.
pub(super) async fn by_relay(
    settings: &outbox::Settings,
    room: &RoomAddress,
    message: RenderedMessage,
) -> anyhow::Result<String> {
    let outbox = Outbox::open_for_operator(settings).await;
    let outbox =
        outbox.context("the room is encrypted, so the relay that runs has to send the sample: start it first")?;
    sent_by_relay(&outbox, room, message).await
}

async fn sent_by_relay(outbox: &Outbox, room: &RoomAddress, message: RenderedMessage) -> anyhow::Result<String> {
    let acceptance = Acceptance {
        deliveries: vec![NewDelivery::message(room.clone(), message)],
        groups: Vec::new(),
        repeat_key: None,
        request_key: None,
        at: Timestamp::now(),
    };
    let accepted = outbox.enqueue(acceptance).await?;
    let Some(receipt) = accepted.receipts().first() else {
        bail!("the outbox did not take the sample");
    };
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
        let delivery = outbox.show(receipt.id).await?;
        let Some(delivery) = delivery else {
            bail!("somebody deleted the sample from the outbox")
        };
        match delivery.state {
            DeliveryState::Delivered => return Ok(delivery.event_id.unwrap_or_default()),
            DeliveryState::Dead => bail!("the relay gave it up: {}", delivery.last_error.unwrap_or_default()),
            DeliveryState::Combined => return Ok("in a digest with other messages that waited".to_owned()),
            DeliveryState::Pending if delivery.attempts == 0 && began.elapsed() > TAKEN_UP => break,
            DeliveryState::Pending | DeliveryState::InFlight => {}
        }
    }
    let why = why(outbox, room, receipt.id).await?;
    outbox.give_up(receipt.id, Timestamp::now()).await?;
    outbox.delete(receipt.id).await?;
    bail!("no relay has sent the sample ({why}); this command took it back")
}

/// What the sample waited for.
async fn why(outbox: &Outbox, room: &RoomAddress, id: DeliveryId) -> anyhow::Result<String> {
    if let Some(wait) = outbox.room_due(room, Timestamp::now()).await? {
        return Ok(wait.reason);
    }
    let error = outbox.show(id).await?.and_then(|delivery| delivery.last_error);
    Ok(error.unwrap_or_else(|| "no relay took it up: is one running on this outbox?".to_owned()))
}
