//! Which relay sends into encrypted rooms, where several are on one outbox.
//!
//! Guarantees: no message for a room that was ever seen encrypted is claimed before that is known here; one relay at a time
//! claims such messages, and another one begins some seconds after it has ended. A relay that cannot use the keys
//! of its device, as one without the folder in which they are, lets others try. Why two never encrypt at once is said in
//! [`matrix`](crate::matrix), which measures the time; what holds the lock is the [`outbox`](crate::outbox)'s.

use std::time::{Duration, Instant};

use ruma::RoomId;

use crate::matrix::{Client, TAKEOVER, Transport};
use crate::outbox::{Lead, Outbox, OutboxError};

/// How often the outbox is asked which rooms are encrypted, and whether the lock is free.
const LOOK: Duration = Duration::from_secs(2);
/// How often the holder of the lock makes sure of it.
const CONFIRM: Duration = Duration::from_secs(1);
/// How long the keys may be of no use until others may try, and how long they have for it.
const UNABLE: Duration = Duration::from_secs(3);
const OTHERS_TRY: Duration = Duration::from_secs(15);

/// Before anything else of this relay runs: nothing is encrypted, nor claimed for encrypted rooms, until [`keep`] lets it be.
pub fn begin(outbox: &Outbox, transport: &Transport, is_shared: bool) {
    outbox.leave_encrypted(true);
    if let Some(client) = transport.client() {
        client.keep_encrypted();
        if is_shared {
            client.share_encryption();
        }
    }
}

/// Sees to it for ever; on an outbox of one relay, until the encrypted rooms are known.
pub async fn keep(outbox: Outbox, transport: Transport) {
    let Some(client) = transport.client() else {
        return outbox.leave_encrypted(false);
    };
    while let Err(error) = learn(&outbox, client).await {
        tracing::debug!(error.message = %error, "cannot read from the outbox yet which rooms are encrypted");
        tokio::time::sleep(LOOK).await;
    }
    // What cannot be encrypted is claimed like anything else: the attempt says why it is not sent.
    if !client.may_encrypt() || !outbox.is_shared().unwrap_or_default() {
        outbox.leave_encrypted(false);
        return;
    }
    loop {
        if client.wants_to_encrypt() {
            match outbox.lead().await {
                Ok(Some(lead)) => {
                    let ended = hold(lead, &outbox, client).await;
                    outbox.leave_encrypted(true);
                    client.end_leadership().await;
                    tokio::time::sleep(ended).await;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(error.message = %error, "cannot take the lock of the relay that encrypts");
                }
            }
        }
        tokio::time::sleep(LOOK).await;
        if let Err(error) = learn(&outbox, client).await {
            tracing::debug!(error.message = %error, "cannot read from the outbox which rooms are encrypted");
        }
    }
}

/// Reads which rooms are encrypted.
async fn learn(outbox: &Outbox, client: &Client) -> Result<(), OutboxError> {
    for room in outbox.encrypted_rooms().await? {
        if let Ok(room) = RoomId::parse(&room) {
            client.remember_encrypted(&room);
        }
    }
    Ok(())
}

/// Leads as long as the lock is held, and says how long not to try for it again.
async fn hold(mut lead: Box<dyn Lead>, outbox: &Outbox, client: &Client) -> Duration {
    let (taken, mut able, mut leads) = (Instant::now(), Instant::now(), false);
    loop {
        let asked = Instant::now();
        if let Err(error) = lead.confirm().await {
            if leads {
                tracing::warn!(
                    error.message = %error,
                    "this relay sends no more into encrypted rooms: the lock in the database is lost, and another relay may have it"
                );
            }
            return Duration::ZERO;
        }
        // The holder before this one may not know yet that it is none any more.
        if taken.elapsed() >= TAKEOVER {
            client.confirm_leadership(asked);
            if !std::mem::replace(&mut leads, true) {
                if let Err(error) = learn(outbox, client).await {
                    tracing::debug!(error.message = %error, "cannot read from the outbox which rooms are encrypted");
                    return Duration::ZERO;
                }
                if let Err(error) = outbox.wake_encrypted().await {
                    tracing::debug!(error.message = %error, "cannot end the wait of encrypted rooms");
                }
                able = Instant::now();
                outbox.leave_encrypted(false);
                tracing::info!("this relay sends into encrypted rooms from now on; others leave them to it");
            }
            if !client.is_unable_to_encrypt() {
                able = Instant::now();
            } else if able.elapsed() >= UNABLE {
                tracing::warn!(
                    "this relay cannot use the keys of its device, so another one may try to send into encrypted rooms"
                );
                return OTHERS_TRY;
            }
        }
        tokio::time::sleep(CONFIRM).await;
    }
}
