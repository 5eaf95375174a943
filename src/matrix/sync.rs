//! `/sync`: what happens to the account's device, and in its rooms, as far as the relay has to know.
//!
//! Guarantees: asks for messages to the device, changes of other devices and of who is in a room, and nothing else, so that an
//! answer is small however much is said in the rooms; a call ends within the time of any other request. It keeps no place and
//! repeats nothing.

use std::time::Duration;

#[cfg(feature = "encryption")]
use ruma::api::client::filter::{Filter as EventFilter, FilterDefinition, RoomEventFilter, RoomFilter};
#[cfg(feature = "encryption")]
use ruma::api::client::sync::sync_events::v3::{Filter, Request, Response};
#[cfg(feature = "encryption")]
use ruma::presence::PresenceState;

#[cfg(feature = "encryption")]
use super::verdict::{RequestKind, Verdict};
use super::{Client, Failure};

/// How long the homeserver keeps a request that has no news, at most.
pub(super) const LONGEST_POLL: Duration = Duration::from_secs(20);

/// The events of a room that change who gets its keys, and how.
#[cfg(feature = "encryption")]
const ABOUT_KEYS: [&str; 3] = ["m.room.member", "m.room.encryption", "m.room.history_visibility"];

impl Client {
    /// Waits until there is an encrypted room, whose members and devices have to be known.
    pub async fn follows_keys(&self) {
        self.encryption().is_needed().await;
    }

    /// Waits for something that concerns the device or its rooms, and takes it in. Opens the device if need be.
    pub async fn follow_keys(&self) -> Result<(), Failure> {
        #[cfg(feature = "encryption")]
        {
            let device = self.encryption().device(self).await?;
            let followed = device.follow(self).await;
            // What is left to another relay is that one's to know.
            if matches!(&followed, Err(failure) if failure.verdict != Verdict::OtherRelay) {
                device.doubt().await;
            }
            followed
        }
        #[cfg(not(feature = "encryption"))]
        Ok(())
    }

    /// What has happened since an earlier answer, or what there is now. If it `waits`, the answer comes when there is
    /// something, or after some seconds.
    #[cfg(feature = "encryption")]
    pub(super) async fn sync(&self, since: Option<String>, waits: bool) -> Result<Response, Failure> {
        let mut request = Request::new();
        request.filter = Some(Filter::FilterDefinition(about_keys()));
        let may_wait = waits && since.is_some();
        request.timeout = may_wait.then(|| LONGEST_POLL.min(self.timeout() / 2));
        request.since = since;
        request.set_presence = PresenceState::Offline;
        self.call_large(RequestKind::Account, request).await
    }
}

/// One event of a room is enough: that there is one says that the room has to be read again.
#[cfg(feature = "encryption")]
fn about_keys() -> FilterDefinition {
    let mut timeline = RoomEventFilter::default();
    timeline.types = Some(ABOUT_KEYS.map(str::to_owned).to_vec());
    timeline.limit = Some(1_u8.into());
    let mut room = RoomFilter::default();
    room.account_data = RoomEventFilter::ignore_all();
    room.ephemeral = RoomEventFilter::ignore_all();
    room.state = RoomEventFilter::ignore_all();
    room.timeline = timeline;
    let mut filter = FilterDefinition::default();
    filter.account_data = EventFilter::ignore_all();
    filter.presence = EventFilter::ignore_all();
    filter.room = room;
    filter
}
