//! Everything that the stand-in remembers, and the rules by which a request changes it.
//!
//! Guarantees: the same calls in the same order give the same IDs. It knows no HTTP and no faults of the network.

mod send;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::Instant;

pub(super) use self::send::is_too_large;
use super::answer::Refusal;
use super::delayed::{Delayed, DelayedLimits};
use super::fault::Plan;
use super::keys::Keys;
use super::limit::{Bucket, Limit};
use super::room::{Event, NewRoom, Room, first_state};

/// Who a request is from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Session {
    pub(super) user: String,
    pub(super) device: Option<String>,
    /// What repeated transactions are recognised by: the device, or the token where there is none.
    pub(super) scope: String,
    pub(super) revoked: bool,
}

/// The state of the homeserver.
#[derive(Debug)]
pub(super) struct World {
    pub(super) server_name: String,
    pub(super) base_url: String,
    pub(super) sessions: HashMap<String, Session>,
    pub(super) rooms: BTreeMap<String, Room>,
    pub(super) aliases: BTreeMap<String, String>,
    /// Webhooks and the rooms that they lead to.
    pub(super) hooks: BTreeMap<String, String>,
    pub(super) keys: Keys,
    pub(super) plan: Plan,
    pub(super) limit: Option<Limit>,
    pub(super) delayed_limits: Option<DelayedLimits>,
    pub(super) delayed: Vec<Delayed>,
    buckets: HashMap<String, Bucket>,
    counter: u64,
    born: (SystemTime, Instant),
    /// How far this homeserver's clock was put forward.
    pub(super) ahead: Duration,
    /// Whether limits refill only as the clock is put forward.
    pub(super) stands_still: bool,
}

impl World {
    pub(super) fn new(server_name: &str) -> Self {
        Self {
            server_name: server_name.to_owned(),
            base_url: String::new(),
            sessions: HashMap::new(),
            rooms: BTreeMap::new(),
            aliases: BTreeMap::new(),
            hooks: BTreeMap::new(),
            keys: Keys::default(),
            plan: Plan::default(),
            limit: None,
            delayed_limits: None,
            delayed: Vec::new(),
            buckets: HashMap::new(),
            counter: 0,
            born: (SystemTime::now(), Instant::now()),
            ahead: Duration::ZERO,
            stands_still: false,
        }
    }

    pub(super) fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// How much has happened.
    pub(super) fn counted(&self) -> u64 {
        self.counter
    }

    /// The rooms that somebody was invited to after so much had happened, and has not entered.
    pub(super) fn invitations(&self, user: &str, since: u64) -> Vec<String> {
        let invited = self
            .rooms
            .iter()
            .filter(|(_, room)| room.invited_at(user).is_some_and(|at| at > since));
        invited.map(|(id, _)| id.clone()).collect()
    }

    /// `@name:server`, unless it is one already.
    pub(super) fn full(&self, sigil: char, name: &str) -> String {
        if name.starts_with(sigil) {
            name.to_owned()
        } else {
            format!("{sigil}{name}:{}", self.server_name)
        }
    }

    pub(super) fn login(&mut self, user: &str, device: Option<&str>) -> String {
        let token = format!("stand-in-token-{}", self.count());
        let user = self.full('@', user);
        let scope = match device {
            Some(device) => format!("{user} {device}"),
            None => token.clone(),
        };
        let device = device.map(ToOwned::to_owned);
        self.sessions.insert(
            token.clone(),
            Session {
                user,
                device,
                scope,
                revoked: false,
            },
        );
        token
    }

    pub(super) fn session(&self, token: Option<&str>) -> Result<Session, Refusal> {
        let token = token.ok_or_else(|| Refusal::new(401, "M_MISSING_TOKEN", "Missing access token"))?;
        match self.sessions.get(token) {
            Some(session) if !session.revoked => Ok(session.clone()),
            _ => Err(Refusal::new(401, "M_UNKNOWN_TOKEN", "Unknown access token").with("soft_logout", json!(false))),
        }
    }

    pub(super) fn create(&mut self, new: &NewRoom) -> String {
        let number = self.count();
        let id = if new.without_domain {
            format!("!standInRoom{number:032}")
        } else {
            format!("!room{number}:{}", self.server_name)
        };
        let creator = self.full('@', "admin");
        let alias = new.alias.as_deref().map(|alias| self.full('#', alias));
        self.rooms.insert(id.clone(), Room::default());
        let mut new = new.clone();
        for user in new.members.iter_mut().chain(&mut new.invited) {
            *user = self.full('@', user);
        }
        for (kind, key, content) in first_state(&new, &creator, alias.as_deref()) {
            self.set_state(&id, &creator, kind, &key, content);
        }
        if let Some(alias) = alias {
            self.aliases.insert(alias, id.clone());
        }
        id
    }

    pub(super) fn set_state(&mut self, room: &str, sender: &str, kind: &str, key: &str, content: Value) {
        let event = self.event(room, sender, kind, Some(key), content);
        if let Some(room) = self.rooms.get_mut(room) {
            room.store(event);
        }
    }

    /// The room, for somebody who may look into it.
    pub(super) fn look(&self, room: &str, session: &Session) -> Result<&Room, Refusal> {
        let outside = || Refusal::forbidden(format!("User {} not in room {room}", session.user));
        let found = self.rooms.get(room).ok_or_else(outside)?;
        found.must_be_in(&session.user).map_err(|_| outside())?;
        Ok(found)
    }

    pub(super) fn resolve(&self, alias: &str) -> Result<&str, Refusal> {
        self.aliases
            .get(alias)
            .map(String::as_str)
            .ok_or_else(|| Refusal::not_found(format!("Room alias {alias} not found")))
    }

    pub(super) fn join(&mut self, address: &str, session: &Session) -> Result<String, Refusal> {
        let id = if address.starts_with('#') {
            self.resolve(address)?.to_owned()
        } else {
            address.to_owned()
        };
        let Some(room) = self.rooms.get(&id) else {
            return Err(Refusal::new(
                404,
                "M_UNKNOWN",
                "No servers in the room have been provided",
            ));
        };
        if !room.is_open_to(&session.user) {
            return Err(Refusal::forbidden("You are not invited to this room."));
        }
        if room.membership(&session.user) != "join" {
            let user = session.user.clone();
            self.set_state(&id, &user, "m.room.member", &user, json!({"membership": "join"}));
        }
        Ok(id)
    }

    /// A new limit begins with full buckets.
    pub(super) fn set_limit(&mut self, limit: Option<Limit>) {
        self.limit = limit;
        self.buckets.clear();
    }

    pub(super) fn event(
        &mut self,
        room: &str,
        sender: &str,
        kind: &str,
        state_key: Option<&str>,
        content: Value,
    ) -> Event {
        Event {
            event_id: format!("$standInEvent{:031}", self.count()),
            room_id: room.to_owned(),
            sender: sender.to_owned(),
            kind: kind.to_owned(),
            state_key: state_key.map(ToOwned::to_owned),
            content,
            origin_server_ts: self.now(),
            unsigned: json!({}),
            txn: None,
            scope: None,
            delay_id: None,
        }
    }

    /// This homeserver's clock, in milliseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        let now = self.born.0 + self.born.1.elapsed() + self.ahead;
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
    }
}
