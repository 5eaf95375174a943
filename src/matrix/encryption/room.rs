//! What the encryption has to know of a room: its settings, who may read its history, who is in it.
//!
//! Guarantees: what was read is used until something of it changes, and what changes while it is read is read again.

use std::sync::atomic::{AtomicBool, Ordering};

use matrix_sdk_crypto::{CollectStrategy, EncryptionSettings as RoomEncryption};
use ruma::api::client::membership::get_member_events;
use ruma::events::StateEventType;
use ruma::events::room::encryption::RoomEncryptionEventContent;
use ruma::events::room::history_visibility::HistoryVisibility;
use ruma::events::room::member::MembershipState;
use ruma::{EventEncryptionAlgorithm, OwnedUserId, RoomId};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::Recipients;
use super::opening::cannot;
use crate::matrix::verdict::RequestKind;
use crate::matrix::{Client, Failure};

/// A room whose messages are encrypted.
#[derive(Default)]
pub(super) struct Room {
    /// Held while a room key is shared and a message encrypted, which is one step.
    pub(super) facts: Mutex<Option<Facts>>,
    is_outdated: AtomicBool,
}

/// What was read of it.
pub(super) struct Facts {
    pub(super) settings: RoomEncryption,
    /// Whose devices get keys.
    pub(super) members: Vec<OwnedUserId>,
}

impl Room {
    /// Something has changed, or may have.
    pub(super) fn outdate(&self) {
        self.is_outdated.store(true, Ordering::SeqCst);
    }

    /// Reads the room if it has to be. What changes from here on is marked again.
    pub(super) async fn look(
        &self,
        facts: &mut Option<Facts>,
        client: &Client,
        id: &RoomId,
        recipients: Recipients,
    ) -> Result<(), Failure> {
        if self.is_outdated.swap(false, Ordering::SeqCst) {
            *facts = None;
        }
        if facts.is_none() {
            *facts = Some(read(client, id, recipients).await?);
        }
        Ok(())
    }
}

async fn read(client: &Client, id: &RoomId, recipients: Recipients) -> Result<Facts, Failure> {
    let encryption = match client.state(id, StateEventType::RoomEncryption, "").await {
        Ok(raw) => serde_json::from_str(raw.get()).unwrap_or_else(|_| usual()),
        // It was encrypted once, so it is.
        Err(failure) if failure.is(404, "M_NOT_FOUND") => usual(),
        Err(failure) => return Err(failure),
    };
    if encryption.algorithm != EventEncryptionAlgorithm::MegolmV1AesSha2 {
        return Err(cannot(format!(
            "the room is encrypted by {}, which the relay does not know",
            encryption.algorithm
        )));
    }
    let visibility = match client.state(id, StateEventType::RoomHistoryVisibility, "").await {
        Ok(raw) => serde_json::from_str::<Visibility>(raw.get())
            .map(|found| found.history_visibility)
            .ok(),
        Err(failure) if failure.is(404, "M_NOT_FOUND") => None,
        Err(failure) => return Err(failure),
    };
    let visibility = visibility.unwrap_or(HistoryVisibility::Shared);
    let strategy = match recipients {
        Recipients::All => CollectStrategy::AllDevices,
        Recipients::CrossSigned => CollectStrategy::IdentityBasedStrategy,
    };
    Ok(Facts {
        members: members(client, id, &visibility).await?,
        settings: RoomEncryption::new(encryption, visibility, strategy),
    })
}

fn usual() -> RoomEncryptionEventContent {
    RoomEncryptionEventContent::new(EventEncryptionAlgorithm::MegolmV1AesSha2)
}

/// Those in the room; and those invited, unless only who has joined may read what was said before.
async fn members(client: &Client, id: &RoomId, visibility: &HistoryVisibility) -> Result<Vec<OwnedUserId>, Failure> {
    let mut request = get_member_events::v3::Request::new(id.to_owned());
    request.not_membership = Some(MembershipState::Leave);
    let answer = client.call_large(RequestKind::Room, request).await?;
    let members = answer
        .chunk
        .iter()
        .filter_map(|event| event.deserialize_as_unchecked::<Member>().ok());
    let reads = |member: &Member| match member.content.membership {
        MembershipState::Join => true,
        MembershipState::Invite => *visibility != HistoryVisibility::Joined,
        _ => false,
    };
    Ok(members.filter(reads).map(|member| member.state_key).collect())
}

#[derive(Deserialize)]
struct Visibility {
    history_visibility: HistoryVisibility,
}

#[derive(Deserialize)]
struct Member {
    state_key: OwnedUserId,
    content: Membership,
}

#[derive(Deserialize)]
struct Membership {
    membership: MembershipState,
}
