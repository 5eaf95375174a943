//! A person's device that reads encrypted rooms, in the homeserver's own process.
//!
//! Guarantees: it gets keys as any device does, through what the homeserver keeps for it, and reads only what it has keys for;
//! what it cannot read stays as it is. It is there for the demo's page and for tests that judge what people see.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;

use http::Response;
use matrix_sdk_crypto::types::requests::AnyOutgoingRequest;
use matrix_sdk_crypto::{DecryptionSettings, EncryptionSyncChanges, OlmMachine, TrustRequirement};
use ruma::api::IncomingResponse as _;
use ruma::api::client::keys::upload_keys;
use ruma::api::client::sync::sync_events::DeviceLists;
use ruma::serde::Raw;
use ruma::{DeviceId, OwnedRoomId, RoomId, UserId};
use serde_json::{Value, json};

use super::room::Event;
use super::world::{Session, World};
use super::{Homeserver, NewRoom};

/// The device.
pub(super) struct Reader {
    machine: OlmMachine,
    session: Session,
    /// What was read of events, by their IDs.
    read: HashMap<String, Value>,
    since: u64,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// Its store is in memory, so that nothing it does has to wait; what did would be left undone.
fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    futures_util::FutureExt::now_or_never(tokio::task::unconstrained(work))
}

impl Homeserver {
    /// A room that is encrypted, and that is read here by this member of it.
    pub fn create_encrypted_room(&self, room: &NewRoom, reader: &str) -> String {
        let id = self.create_room(&room.clone().member(reader).encrypted());
        self.read_as(reader);
        id
    }

    /// From now on encrypted rooms are read here by a device of this user.
    pub fn read_as(&self, user: &str) {
        let mut reader = self.reader();
        if reader.is_none() {
            let token = self.login(user, "READER");
            let session = self.look(|world| world.session(Some(&token)));
            *reader = session.ok().and_then(Reader::new);
        }
        if let Some(reader) = &mut *reader {
            self.change(|world| reader.work(world));
        }
    }

    /// Gives a user a device that has published its keys. It reads nothing.
    pub fn publish_device(&self, user: &str) {
        let token = self.login(user, "DEVICE");
        let session = self.look(|world| world.session(Some(&token)));
        if let Some(mut device) = session.ok().and_then(Reader::new) {
            self.change(|world| device.work(world));
        }
    }

    /// Replaces what is encrypted by what it says, as far as it can be read.
    pub(super) fn unseal(&self, events: &mut [Event]) {
        if !events.iter().any(|event| event.kind == SEALED) {
            return;
        }
        let mut reader = self.reader();
        let Some(reader) = &mut *reader else { return };
        // Nothing that others see has changed by it.
        let mut world = self.world();
        reader.catch_up(&mut world);
        for event in events
            .iter_mut()
            .filter(|event| event.kind == SEALED && !event.is_redacted())
        {
            if let Some(content) = reader.read(event) {
                event.content = content;
                "m.room.message".clone_into(&mut event.kind);
            }
        }
    }
}

const SEALED: &str = "m.room.encrypted";

impl Reader {
    fn new(session: Session) -> Option<Self> {
        let user = UserId::parse(&session.user).ok()?;
        let device = session.device.as_deref().map(<&DeviceId>::from)?;
        Some(Self {
            machine: at_once(OlmMachine::new(&user, device))?,
            session,
            read: HashMap::new(),
            since: 0,
        })
    }

    /// Takes in what has come for the device.
    fn catch_up(&mut self, world: &mut World) {
        let news = world.key_news(&self.session, self.since);
        self.since = world.counted();
        let events: Vec<Raw<_>> = serde_json::from_value(news["to_device"]["events"].clone()).unwrap_or_default();
        let lists: DeviceLists = serde_json::from_value(news["device_lists"].clone()).unwrap_or_default();
        let counts = serde_json::from_value(news["device_one_time_keys_count"].clone()).unwrap_or_default();
        let unused: Option<Vec<_>> = serde_json::from_value(news["device_unused_fallback_key_types"].clone()).ok();
        let changes = EncryptionSyncChanges {
            to_device_events: events,
            changed_devices: &lists,
            one_time_keys_counts: &counts,
            unused_fallback_keys: unused.as_deref(),
            next_batch_token: None,
        };
        // What cannot be taken in leaves its messages unread, which shows.
        drop(at_once(self.machine.receive_sync_changes(changes, &settings())));
        self.work(world);
    }

    /// Publishes keys. Those of others are not asked for: every sender is read, whether or not somebody vouches for it.
    fn work(&mut self, world: &mut World) {
        let Some(Ok(requests)) = at_once(self.machine.outgoing_requests()) else {
            return;
        };
        for request in requests {
            let AnyOutgoingRequest::KeysUpload(upload) = request.request() else {
                continue;
            };
            let body = json!({
                "device_keys": upload.device_keys, "one_time_keys": upload.one_time_keys,
                "fallback_keys": upload.fallback_keys,
            });
            let answer = world.upload_keys(&body, &self.session).ok();
            let answer = answer.map(|body| Response::new(body.to_string().into_bytes()));
            let Some(Ok(answer)) = answer.map(upload_keys::v3::Response::try_from_http_response) else {
                continue;
            };
            drop(at_once(
                self.machine.mark_request_as_sent(request.request_id(), &answer),
            ));
        }
    }

    fn read(&mut self, event: &Event) -> Option<Value> {
        if let Some(content) = self.read.get(&event.event_id) {
            return Some(content.clone());
        }
        let room: OwnedRoomId = RoomId::parse(&event.room_id).ok()?;
        let sealed = Raw::new(&json!(event)).ok()?.cast_unchecked();
        let read = at_once(self.machine.decrypt_room_event(&sealed, &room, &settings()))?.ok()?;
        let content: Value = read.event.get_field("content").ok()??;
        self.read.insert(event.event_id.clone(), content.clone());
        Some(content)
    }
}

fn settings() -> DecryptionSettings {
    DecryptionSettings {
        sender_device_trust_requirement: TrustRequirement::Untrusted,
    }
}
