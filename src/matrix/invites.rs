//! Which rooms the account is invited to, as the homeserver tells it while it happens.
//!
//! Guarantees: what is asked for is invitations alone, so that an answer is small however much happens in the rooms of the
//! account; a call ends within the time of any other request. Where another relay encrypts for the same device, the place in the
//! stream is that one's, and this one asks anew each time. It joins nothing.

use ruma::OwnedRoomId;
use ruma::api::client::filter::{Filter as EventFilter, FilterDefinition, RoomEventFilter, RoomFilter};
use ruma::api::client::sync::sync_events::v3::{self, Filter};
use ruma::presence::PresenceState;

use super::sync::LONGEST_POLL;
use super::verdict::RequestKind;
use super::{Client, Failure};

/// Invitations, and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invites {
    /// The rooms.
    pub rooms: Vec<OwnedRoomId>,
    /// What to ask with the next time, for those that come after these.
    pub next: Option<String>,
}

impl Client {
    /// The invitations since an earlier answer, or all that are open. Waits for one for some seconds, if there is none.
    pub async fn invites(&self, since: Option<String>) -> Result<Invites, Failure> {
        // By the place that a `/sync` goes on from the homeserver forgets messages to the device; so there is one such place.
        #[cfg(feature = "encryption")]
        if since.is_some()
            && let Some(device) = self.encryption().open_device()
        {
            let rooms = device.invitations(LONGEST_POLL).await;
            return Ok(Invites { rooms, next: since });
        }
        let is_left = self.encryption().leaves_sync_to_another();
        if is_left && since.is_some() {
            tokio::time::sleep(LONGEST_POLL).await;
        }
        let mut request = v3::Request::new();
        request.filter = Some(Filter::FilterDefinition(nothing_but_invitations()));
        // There may be invitations already that somebody waits for.
        let since = since.filter(|_| !is_left);
        request.timeout = since.as_ref().map(|_| LONGEST_POLL.min(self.timeout() / 2));
        request.since = since;
        request.set_presence = PresenceState::Offline;
        let answer = self.call(RequestKind::Account, request).await?;
        Ok(Invites {
            rooms: answer.rooms.invite.into_keys().collect(),
            next: Some(answer.next_batch),
        })
    }
}

fn nothing_but_invitations() -> FilterDefinition {
    let mut room = RoomFilter::default();
    room.account_data = RoomEventFilter::ignore_all();
    room.timeline = RoomEventFilter::ignore_all();
    room.ephemeral = RoomEventFilter::ignore_all();
    room.state = RoomEventFilter::ignore_all();
    let mut filter = FilterDefinition::default();
    filter.account_data = EventFilter::ignore_all();
    filter.presence = EventFilter::ignore_all();
    filter.room = room;
    filter
}
