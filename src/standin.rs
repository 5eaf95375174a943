//! A stand-in homeserver: stateful, in memory, reached over HTTP by the same client code as a real one.
//!
//! Used by the demo, the tests and the pictures in the documentation. Guarantees: it remembers events per room in
//! order, merges a repeated transaction ID of a device as the specification says, keeps the rules of membership, power,
//! size and relations that a bot meets, and fails exactly as a test asks. It listens on loopback only.
//!
//! Deliberately not: a homeserver. No federation, no sync but of invitations and keys, no media, nothing on disk.

mod answer;
mod api;
mod delayed;
mod fault;
mod hook;
mod key_api;
mod keys;
mod limit;
#[cfg(feature = "encryption")]
mod reader;
mod relations;
mod room;
mod running;
mod serve;
mod visible;
mod wire;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

pub use self::delayed::{DelayedForm, DelayedLimits};
pub use self::fault::{Fault, FaultId, Scope, When};
pub use self::limit::Limit;
pub use self::room::{Event, NewRoom};
pub use self::running::RunningHomeserver;
pub use self::visible::{Shown, visible};
use self::wire::Connections;
use self::world::World;

/// The homeserver's state; cheap to clone, all clones are the same homeserver.
#[derive(Debug, Clone)]
pub struct Homeserver {
    world: Arc<Mutex<World>>,
    /// Who reads encrypted rooms here.
    #[cfg(feature = "encryption")]
    reader: Arc<Mutex<Option<reader::Reader>>>,
    changes: watch::Sender<u64>,
    connections: Arc<Connections>,
    stopped: watch::Sender<bool>,
}

impl Homeserver {
    /// An empty homeserver with this server name.
    pub fn new(server_name: &str) -> Self {
        Self {
            world: Arc::new(Mutex::new(World::new(server_name))),
            #[cfg(feature = "encryption")]
            reader: Arc::default(),
            changes: watch::Sender::new(0),
            connections: Arc::default(),
            stopped: watch::Sender::new(false),
        }
    }

    /// Gives a user (`bot` or `@bot:server`) an access token that belongs to a device.
    pub fn login(&self, user: &str, device: &str) -> String {
        self.change(|world| world.login(user, Some(device)))
    }

    /// Gives a user an access token without a device, as an admin API would.
    pub fn login_without_device(&self, user: &str) -> String {
        self.change(|world| world.login(user, None))
    }

    /// Takes a token back: 401 `M_UNKNOWN_TOKEN` from now on.
    pub fn revoke(&self, token: &str) {
        self.set_revoked(token, true);
    }

    /// Takes the token again.
    pub fn restore(&self, token: &str) {
        self.set_revoked(token, false);
    }

    fn set_revoked(&self, token: &str, revoked: bool) {
        self.change(|world| {
            if let Some(session) = world.sessions.get_mut(token) {
                session.revoked = revoked;
            }
        });
    }

    /// Makes a room and returns its ID.
    pub fn create_room(&self, room: &NewRoom) -> String {
        self.change(|world| world.create(room))
    }

    /// Points an alias (`name` or `#name:server`) at a room; it may have pointed elsewhere before.
    pub fn point_alias(&self, alias: &str, room: &str) {
        self.change(|world| {
            let alias = world.full('#', alias);
            world.aliases.insert(alias, room.to_owned());
        });
    }

    /// Sets a state event, as an administrator of the room would.
    pub fn set_state(&self, room: &str, kind: &str, key: &str, content: Value) {
        self.change(|world| {
            let admin = world.full('@', "admin");
            world.set_state(room, &admin, kind, key, content);
        });
    }

    /// Sets somebody's membership: `join`, `invite`, `leave` or `ban`.
    pub fn set_membership(&self, room: &str, user: &str, membership: &str) {
        self.set_state(
            room,
            "m.room.member",
            &self.user_id(user),
            json!({"membership": membership}),
        );
    }

    /// Switches encryption on, which cannot be undone.
    pub fn encrypt(&self, room: &str) {
        self.set_state(
            room,
            "m.room.encryption",
            "",
            json!({"algorithm": "m.megolm.v1.aes-sha2"}),
        );
    }

    /// All events of a room, state and messages, in order, as its reader's client reads them where it is encrypted.
    pub fn events(&self, room: &str) -> Vec<Event> {
        let mut events = self.events_as_sent(room);
        self.read(&mut events);
        events
    }

    /// The same as the homeserver holds them.
    pub fn events_as_sent(&self, room: &str) -> Vec<Event> {
        self.look(|world| {
            world
                .rooms
                .get(room)
                .map(|room| room.timeline.clone())
                .unwrap_or_default()
        })
    }

    #[cfg(feature = "encryption")]
    fn read(&self, events: &mut [Event]) {
        self.unseal(events);
    }

    #[cfg(not(feature = "encryption"))]
    #[expect(clippy::unused_self, reason = "this build reads nothing")]
    fn read(&self, _: &mut [Event]) {}

    /// A room as a person's client shows it.
    pub fn visible(&self, room: &str) -> Vec<Shown> {
        visible(&self.events(room))
    }

    /// Deletes an event's content, as a moderator does.
    pub fn redact(&self, room: &str, event_id: &str) {
        self.change(|world| {
            let admin = world.full('@', "admin");
            world.redact(room, event_id, &admin);
        });
    }

    /// Forgets all events of a room before this one, as retention does; the room's state stays.
    pub fn purge_before(&self, room: &str, event_id: &str) {
        self.change(|world| world.purge_before(room, event_id));
    }

    /// The messages of a room, in order.
    pub fn messages(&self, room: &str) -> Vec<Event> {
        let mut events = self.events(room);
        events.retain(|event| event.kind == "m.room.message");
        events
    }

    /// What people did in a room after the first so many: everything but its state.
    pub fn happenings_after(&self, room: &str, seen: usize) -> Vec<Event> {
        let mut happenings = self.look(|world| {
            let timeline = world
                .rooms
                .get(room)
                .map(|room| room.timeline.as_slice())
                .unwrap_or_default();
            let happenings = timeline.iter().filter(|event| event.state_key.is_none());
            happenings.skip(seen).cloned().collect::<Vec<_>>()
        });
        self.read(&mut happenings);
        happenings
    }

    /// The content of a state event of a room.
    pub fn state(&self, room: &str, kind: &str, key: &str) -> Option<Value> {
        self.look(|world| world.rooms.get(room)?.state(kind, key).cloned())
    }

    /// Who is in a room, by user ID.
    pub fn joined(&self, room: &str) -> Vec<String> {
        self.look(|world| world.rooms.get(room).map(room::Room::joined).unwrap_or_default())
    }

    /// The full user ID for a name.
    pub fn user_id(&self, name: &str) -> String {
        self.look(|world| world.full('@', name))
    }

    /// Where it listens; empty before it does.
    pub fn base_url(&self) -> String {
        self.look(|world| world.base_url.clone())
    }

    /// Returns when the running homeserver is shut down.
    pub async fn stopped(&self) {
        // The sender lives in `self`, so this ends with the value and not with an error.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// How many requests to send to this room have come in, whatever became of them.
    pub fn sends_seen(&self, room: &str) -> u64 {
        self.look(|world| world.rooms.get(room).map_or(0, |room| room.sends_seen))
    }

    /// Plans a fault.
    pub fn plan(&self, scope: Scope, when: When, fault: Fault) -> FaultId {
        self.change(|world| world.plan.add(scope, when, fault))
    }

    /// Ends a planned fault.
    pub fn heal(&self, fault: FaultId) {
        self.change(|world| world.plan.heal(fault));
    }

    /// Ends all planned faults.
    pub fn heal_all(&self) {
        self.change(|world| world.plan.heal_all());
    }

    /// Limits how many messages an account may send, or lifts the limit.
    pub fn limit_messages(&self, limit: Option<Limit>) {
        self.change(|world| world.set_limit(limit));
    }

    /// Puts this homeserver's clock forward, so that its limits refill without waiting.
    pub fn advance(&self, by: Duration) {
        self.change(|world| {
            world.ahead += by;
            world.send_due();
        });
    }

    /// Stops the clock of its limits, so that they refill by [`advance`](Self::advance) alone.
    pub fn stop_clock(&self) {
        self.change(|world| world.stands_still = true);
    }

    /// Tells of every change; what changed is read by the other methods.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn look<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.world())
    }

    fn change<T>(&self, write: impl FnOnce(&mut World) -> T) -> T {
        let result = write(&mut self.world());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "encryption")]
    fn reader(&self) -> MutexGuard<'_, Option<reader::Reader>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> &Connections {
        &self.connections
    }
}
