//! The device of the relay: its keys, and the messages that are encrypted with them.
//!
//! Guarantees: sharing a room key and encrypting with it is one step for each room; pending key work is done first, so that who
//! came or left since is known; each start of the relay begins new room keys, so that no key is used at one index twice.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use matrix_sdk_crypto::types::requests::ToDeviceRequest;
use matrix_sdk_crypto::{DecryptionSettings, EncryptionSyncChanges, OlmError, OlmMachine, TrustRequirement};
use ruma::api::client::sync::sync_events::v3::Response as Synced;
use ruma::events::{AnyToDeviceEventContent, ToDeviceEventType};
use ruma::serde::Raw;
use ruma::to_device::DeviceIdOrAllDevices;
use ruma::{DeviceId, OwnedRoomId, RoomId, UserId};
use serde_json::Value;
use tokio::sync::{Mutex, Notify};

use super::Recipients;
use super::opening::cannot;
use super::requests::{of_keys, of_store};
use super::room::{Facts, Room};
use super::without_keys::{KeyMessage, WithoutKey, WithoutKeys};
use crate::matrix::verdict::Verdict;
use crate::matrix::{Client, Failure};

/// Where in the stream of events the device has read up to.
const PLACE: &str = "grafana-matrix-relay.place";
/// Whoever replaces an identity signs the device a moment later.
const SETTLED: Duration = Duration::from_secs(5);

/// An open device.
pub(in crate::matrix) struct Device {
    pub(super) machine: OlmMachine,
    /// Held while key work is done.
    pub(super) work: Mutex<()>,
    /// Held while an answer of the sync is taken in.
    taking: Mutex<()>,
    rooms: StdMutex<HashMap<OwnedRoomId, Arc<Room>>>,
    /// Rooms that the account was invited to and that nobody has asked for yet.
    invited: StdMutex<Vec<OwnedRoomId>>,
    is_invited: Notify,
    without_keys: WithoutKeys,
    /// When devices or keys of the account changed, until it was looked who vouches for this one.
    own_change: StdMutex<Option<Instant>>,
    /// Frees the store when the device is dropped.
    _lock: File,
}

impl Device {
    pub(super) fn new(machine: OlmMachine, lock: File, without_keys: WithoutKeys) -> Self {
        Self {
            machine,
            work: Mutex::default(),
            taking: Mutex::default(),
            rooms: StdMutex::default(),
            invited: StdMutex::default(),
            is_invited: Notify::new(),
            without_keys,
            own_change: StdMutex::default(),
            _lock: lock,
        }
    }

    pub(super) fn is_of(&self, me: &UserId, id: &DeviceId) -> bool {
        self.machine.user_id() == me && self.machine.device_id() == id
    }

    /// Encrypts the content of a message.
    pub(super) async fn seal(
        &self,
        client: &Client,
        id: &RoomId,
        content: &Value,
        recipients: Recipients,
    ) -> Result<Value, Failure> {
        // Who came or left a moment ago is known, too.
        self.catch_up(client).await?;
        let room = self.room(id);
        let mut facts = room.facts.lock().await;
        if facts.is_none() {
            self.machine.discard_room_key(id).await.map_err(of_store)?;
        }
        room.look(&mut facts, client, id, recipients).await?;
        let Some(facts) = &*facts else {
            return Err(failed("the room was not read"));
        };
        self.share(client, id, facts).await?;
        client.encryption().must_lead()?;
        let content = Raw::new(content).map_err(failed)?.cast_unchecked();
        let sealed = self
            .machine
            .encrypt_room_event_raw(id, "m.room.message", &content)
            .await
            .map_err(failed)?;
        serde_json::from_str(sealed.content.json().get()).map_err(failed)
    }

    /// Gives the room's key to the devices that have none yet; a new key, where one is due.
    async fn share(&self, client: &Client, id: &RoomId, facts: &Facts) -> Result<(), Failure> {
        let members = || facts.members.iter().map(AsRef::as_ref);
        self.machine.update_tracked_users(members()).await.map_err(of_store)?;
        self.drain(client).await?;
        let _alone = self.work.lock().await;
        let missing = self.machine.get_missing_sessions(members()).await.map_err(of_store)?;
        if let Some((claim, request)) = missing {
            self.carry(client, &claim, &request.into()).await?;
        }
        let shared = self.machine.share_room_key(id, members(), facts.settings.clone()).await;
        let mut told = Vec::new();
        for request in shared.map_err(not_shared)? {
            self.to_devices(client, &request).await?;
            told.extend(told_of_keys(&request));
        }
        if !told.is_empty() || self.without_keys.any_in(id) {
            self.note_devices(id, facts, told).await;
        }
        Ok(())
    }

    /// Notes which devices got no key.
    async fn note_devices(&self, id: &RoomId, facts: &Facts, told: Vec<(String, DeviceIdOrAllDevices, KeyMessage)>) {
        let mut there = HashSet::new();
        for member in &facts.members {
            let Ok(devices) = self.machine.get_user_devices(member, None).await else {
                return;
            };
            there.extend(devices.keys().map(|device| (member.to_string(), device.to_string())));
        }
        let is_there = |one: &WithoutKey| there.contains(&(one.user.clone(), one.device.clone()));
        self.without_keys.note(id, told, is_there);
    }

    fn room(&self, id: &RoomId) -> Arc<Room> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(id.to_owned()).or_default().clone()
    }

    /// Reads what has happened since the last time, without waiting for more.
    pub(super) async fn catch_up(&self, client: &Client) -> Result<(), Failure> {
        let place = self.place().await?;
        let answer = client.sync(place.clone(), false).await;
        let answer = answer.map_err(|failure| of_keys("what has happened in the room", failure))?;
        self.take_in(client, place, answer).await
    }

    /// Waits for something to happen, and takes it in.
    pub(in crate::matrix) async fn follow(&self, client: &Client) -> Result<(), Failure> {
        let is_due = |changed: &mut Instant| changed.elapsed() >= SETTLED;
        if self.own_change().take_if(is_due).is_some() {
            client.encryption().look_again(client, self).await;
        }
        let place = self.place().await?;
        let answer = tokio::select! {
            answer = client.sync(place.clone(), true) => answer,
            // Another relay goes on from the place that was kept last.
            () = client.encryption().leadership.ends() => return client.encryption().must_lead(),
        };
        if let Err(Failure { status: Some(400), .. }) = &answer {
            // The homeserver does not know the place any more. It is begun anew; who is in the rooms is asked for then.
            self.keep_place("").await?;
        }
        self.take_in(client, place, answer?).await
    }

    fn own_change(&self) -> MutexGuard<'_, Option<Instant>> {
        self.own_change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep_place(&self, place: &str) -> Result<(), Failure> {
        let kept = self
            .machine
            .store()
            .set_custom_value(PLACE, place.as_bytes().to_vec())
            .await;
        kept.map_err(of_store)
    }

    async fn place(&self) -> Result<Option<String>, Failure> {
        let place = self.machine.store().get_custom_value(PLACE).await.map_err(of_store)?;
        let place = place.and_then(|text| String::from_utf8(text).ok());
        Ok(place.filter(|place| !place.is_empty()))
    }

    /// Takes in what has happened since a place. Where it ends is kept last of all: what was interrupted is read again. What
    /// somebody else has taken in meanwhile is taken in once more, and the place does not go back.
    async fn take_in(&self, client: &Client, since: Option<String>, answer: Synced) -> Result<(), Failure> {
        let alone = self.taking.lock().await;
        client.encryption().must_lead()?;
        if since.is_none() {
            // An answer that begins anew names no devices that changed before it.
            self.machine.mark_all_tracked_users_as_dirty().await.map_err(of_store)?;
        }
        let changes = EncryptionSyncChanges {
            to_device_events: answer.to_device.events,
            changed_devices: &answer.device_lists,
            one_time_keys_counts: &answer.device_one_time_keys_count,
            unused_fallback_keys: answer.device_unused_fallback_key_types.as_deref(),
            next_batch_token: Some(answer.next_batch.clone()),
        };
        let trust = DecryptionSettings {
            sender_device_trust_requirement: TrustRequirement::Untrusted,
        };
        self.machine
            .receive_sync_changes(changes, &trust)
            .await
            .map_err(failed)?;
        let changed = &answer.device_lists.changed;
        let is_own = changed.iter().any(|user| user == self.machine.user_id());
        let news = answer
            .rooms
            .join
            .iter()
            .filter(|(_, room)| room.timeline.limited || !room.timeline.events.is_empty());
        for id in news.map(|(id, _)| id).chain(answer.rooms.leave.keys()) {
            self.room(id).outdate();
        }
        if !answer.rooms.invite.is_empty() {
            let mut invited = self.invited.lock().unwrap_or_else(PoisonError::into_inner);
            invited.extend(answer.rooms.invite.into_keys());
            self.is_invited.notify_one();
        }
        if self.place().await? == since {
            self.keep_place(&answer.next_batch).await?;
        }
        drop(alone);
        if is_own {
            // A client may have replaced the identity, or signed the device.
            *self.own_change() = Some(Instant::now());
        }
        self.drain(client).await
    }

    /// The rooms that the account was invited to since the last time; waits so long for one.
    pub(in crate::matrix) async fn invitations(&self, longest: Duration) -> Vec<OwnedRoomId> {
        let _in_time = tokio::time::timeout(longest, self.is_invited.notified()).await;
        std::mem::take(&mut *self.invited.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What has happened is not known for the moment: everything is asked anew when it is needed.
    pub(in crate::matrix) async fn doubt(&self) {
        {
            let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
            rooms.values().for_each(|room| room.outdate());
        }
        if let Err(error) = self.machine.mark_all_tracked_users_as_dirty().await {
            tracing::debug!(error.message = %error, "the members' devices could not be marked to be asked for");
        }
    }
}

/// What a request tells devices of a room key.
fn told_of_keys(request: &ToDeviceRequest) -> Vec<(String, DeviceIdOrAllDevices, KeyMessage)> {
    let is_withheld = request.event_type == ToDeviceEventType::RoomKeyWithheld;
    let told = |content: &Raw<AnyToDeviceEventContent>| {
        if !is_withheld {
            return KeyMessage::Key;
        }
        let code = content.get_field::<String>("code").ok().flatten();
        KeyMessage::Withheld(code.unwrap_or_default())
    };
    let messages = request.messages.iter();
    messages
        .flat_map(|(user, devices)| {
            devices
                .iter()
                .map(move |(device, content)| (user.to_string(), device.clone(), told(content)))
        })
        .collect()
}

/// Who may get a key cannot be told until somebody acts: the identity was replaced, or what was verified has changed.
fn not_shared(error: OlmError) -> Failure {
    match error {
        OlmError::SessionRecipientCollectionError(error) => cannot(format!(
            "MATRIX_KEY_RECIPIENTS is `cross-signed`, and who may read cannot be told: {error}; `grafana-matrix-relay identity \
             show` says how the account stands"
        )),
        error => failed(error),
    }
}

/// Something failed that is not the homeserver's doing; the same again may work.
fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::without_answer(
        Verdict::Transient,
        format!("the message could not be encrypted: {error}"),
    )
}
