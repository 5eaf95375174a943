//! A room of the stand-in: state, timeline, and what it takes to be let in and to speak.
//!
//! Guarantees: events keep the order in which they were stored; one transaction of one device is one event, for a day. Rules are
//! those of the specification as far as a sending bot meets them; there is no federation and no state resolution.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Refusal;
use super::world::Session;

/// An event as clients get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its ID.
    pub event_id: String,
    /// Its room.
    pub room_id: String,
    /// Who sent it.
    pub sender: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// For state events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_key: Option<String>,
    /// Its content, as it was sent.
    pub content: Value,
    /// When it was stored, in milliseconds since 1970.
    pub origin_server_ts: u64,
    /// What the homeserver adds: who redacted it, and what refers to it.
    #[serde(default)]
    pub unsigned: Value,
    /// The transaction that it came in; not shown to clients.
    #[serde(skip)]
    pub txn: Option<String>,
    /// Whose transaction that was.
    #[serde(skip)]
    pub(super) scope: Option<String>,
    /// As what it was scheduled, if it was.
    #[serde(skip)]
    pub(super) delay_id: Option<String>,
}

impl Event {
    /// As its sender's own device gets it, with its transaction, and as everybody else does.
    pub(super) fn shown_to(&self, session: &Session) -> Value {
        let mut shown = json!(self);
        if let Some(txn) = self
            .txn
            .as_ref()
            .filter(|_| self.scope.as_ref() == Some(&session.scope))
        {
            shown["unsigned"]["transaction_id"] = json!(txn);
        }
        if let Some(id) = self.delay_id.as_ref().filter(|_| self.sender == session.user) {
            shown["unsigned"]["org.matrix.msc4140.delay_id"] = json!(id);
        }
        shown
    }

    /// The number of when it happened.
    pub(super) fn number(&self) -> u64 {
        let id = &self.event_id;
        let number = id.trim_start_matches(|character: char| !character.is_ascii_digit());
        number.parse().unwrap_or(0)
    }

    /// The plain text of a message; empty for other events.
    pub fn body(&self) -> &str {
        self.content.get("body").and_then(Value::as_str).unwrap_or_default()
    }
}

/// A room to be made. Without further words: public, not encrypted, everybody may speak.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct NewRoom {
    pub(super) name: String,
    pub(super) alias: Option<String>,
    pub(super) members: Vec<String>,
    pub(super) invited: Vec<String>,
    pub(super) encrypted: bool,
    pub(super) invite_only: bool,
    pub(super) speaking_level: i64,
    pub(super) mention_level: Option<i64>,
    pub(super) without_domain: bool,
}

impl NewRoom {
    /// A room with this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// With an alias: the local part, or the whole `#alias:server`.
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// With this user in it.
    pub fn member(mut self, user: impl Into<String>) -> Self {
        self.members.push(user.into());
        self
    }

    /// With this user invited to it.
    pub fn invited(mut self, user: impl Into<String>) -> Self {
        self.invited.push(user.into());
        self
    }

    /// End-to-end encrypted from the start.
    pub fn encrypted(mut self) -> Self {
        self.encrypted = true;
        self
    }

    /// Only for those who are invited.
    pub fn invite_only(mut self) -> Self {
        self.invite_only = true;
        self
    }

    /// Only moderators may speak.
    pub fn read_only(mut self) -> Self {
        self.speaking_level = 50;
        self
    }

    /// Everybody may mention everybody.
    pub fn mentions_for_all(mut self) -> Self {
        self.mention_level = Some(0);
        self
    }

    /// With a room ID as of room version 12, which names no server.
    pub fn without_domain(mut self) -> Self {
        self.without_domain = true;
        self
    }
}

/// What makes a repeated send the same: the device (or, without one, the token), the event type, the transaction ID.
pub(super) type TxnKey = (String, String, String);

/// A room.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) state: BTreeMap<(String, String), Event>,
    pub(super) timeline: Vec<Event>,
    /// The events that transactions became, and when.
    pub(super) txns: HashMap<TxnKey, (String, u64)>,
    pub(super) sends_seen: u64,
}

impl Room {
    /// The content of a state event.
    pub(super) fn state(&self, kind: &str, key: &str) -> Option<&Value> {
        self.state
            .get(&(kind.to_owned(), key.to_owned()))
            .map(|event| &event.content)
    }

    /// When somebody was invited who is not in the room, as the number of the event.
    pub(super) fn invited_at(&self, user: &str) -> Option<u64> {
        let member = self.state.get(&("m.room.member".to_owned(), user.to_owned()))?;
        let is_invited = member.content["membership"] == "invite";
        is_invited.then(|| member.number())
    }

    /// `join`, `invite`, `leave`, `ban`, or nothing.
    pub(super) fn membership(&self, user: &str) -> &str {
        self.state("m.room.member", user)
            .and_then(|content| content["membership"].as_str())
            .unwrap_or_default()
    }

    /// Who is in it.
    pub(super) fn joined(&self) -> Vec<String> {
        let members = self.state.iter().filter(|((kind, _), _)| kind == "m.room.member");
        let joined = members.filter(|(_, event)| event.content["membership"] == "join");
        joined.map(|((_, user), _)| user.clone()).collect()
    }

    /// Refuses who is not in the room.
    pub(super) fn must_be_in(&self, user: &str) -> Result<(), Refusal> {
        match self.membership(user) {
            "join" => Ok(()),
            _ => Err(Refusal::forbidden(format!("User {user} not in room"))),
        }
    }

    /// Refuses who has not the power for this type of message.
    pub(super) fn must_be_allowed(&self, user: &str, kind: &str) -> Result<(), Refusal> {
        let Some(levels) = self.state("m.room.power_levels", "") else {
            return Ok(());
        };
        let level = |path: &Value, default: i64| path.as_i64().unwrap_or(default);
        let needed = level(&levels["events"][kind], level(&levels["events_default"], 0));
        let has = level(&levels["users"][user], level(&levels["users_default"], 0));
        if has >= needed {
            return Ok(());
        }
        Err(Refusal::forbidden(format!(
            "You don't have permission to post that to the room. user_level ({has}) < send_level ({needed})"
        )))
    }

    /// Whether the user may come in by themselves.
    pub(super) fn is_open_to(&self, user: &str) -> bool {
        let public = self
            .state("m.room.join_rules", "")
            .is_some_and(|rules| rules["join_rule"] == "public");
        match self.membership(user) {
            "join" | "invite" => true,
            "ban" => false,
            _ => public,
        }
    }

    /// Stores an event; a state event replaces the one before it.
    pub(super) fn store(&mut self, event: Event) {
        if let Some(key) = &event.state_key {
            self.state.insert((event.kind.clone(), key.clone()), event.clone());
        }
        self.timeline.push(event);
    }
}

/// The state that a new room begins with, in order.
pub(super) fn first_state(room: &NewRoom, creator: &str, alias: Option<&str>) -> Vec<(&'static str, String, Value)> {
    let version = if room.without_domain { "12" } else { "11" };
    // Room version 12 forbids naming its creators in the power levels.
    let users = if room.without_domain {
        json!({})
    } else {
        json!({ creator: 100 })
    };
    let rule = if room.invite_only { "invite" } else { "public" };
    let none = String::new;
    let mut state = vec![
        ("m.room.create", none(), json!({"room_version": version})),
        ("m.room.member", creator.to_owned(), json!({"membership": "join"})),
        (
            "m.room.power_levels",
            none(),
            json!({"users": users, "users_default": 0, "events_default": room.speaking_level, "state_default": 50,
                "notifications": {"room": room.mention_level.unwrap_or(50)}}),
        ),
        ("m.room.join_rules", none(), json!({"join_rule": rule})),
        ("m.room.name", none(), json!({"name": room.name})),
    ];
    state.extend(alias.map(|alias| ("m.room.canonical_alias", none(), json!({"alias": alias}))));
    if room.encrypted {
        state.push((
            "m.room.encryption",
            none(),
            json!({"algorithm": "m.megolm.v1.aes-sha2"}),
        ));
    }
    let joined = room.members.iter().map(|user| (user, "join"));
    let invited = room.invited.iter().map(|user| (user, "invite"));
    state.extend(
        joined
            .chain(invited)
            .map(|(user, how)| ("m.room.member", user.clone(), json!({"membership": how}))),
    );
    state
}
