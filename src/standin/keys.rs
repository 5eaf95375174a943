//! What encryption needs of a homeserver: the keys of devices and accounts, messages to devices, the account's data.
//!
//! Guarantees: a one-time key is given out once, and one that was published is not published again with other contents; the first
//! keys of an account's identity need no more than the token, others are refused; a message to a device stays until the device
//! has asked for what comes after it. What is signed and encrypted is not looked at, as by a homeserver.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::world::{Session, World};

/// The keys that vouch for an account's devices.
const IDENTITY: [&str; 3] = ["master_key", "self_signing_key", "user_signing_key"];

/// A device, by its owner and its ID.
type DeviceKey = (String, String);

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Keys {
    devices: BTreeMap<DeviceKey, Device>,
    /// By account and kind of key.
    identities: BTreeMap<(String, &'static str), Value>,
    account_data: BTreeMap<(String, String), Value>,
    /// Whose keys changed when.
    changed: Vec<(u64, String)>,
    /// Messages to devices that were sent.
    txns: HashSet<(String, String)>,
}

#[derive(Debug, Default)]
struct Device {
    keys: Option<Value>,
    one_time: Map<String, Value>,
    /// Those that were ever published, so that none comes twice.
    published: Map<String, Value>,
    fallback: Map<String, Value>,
    fallback_is_used: bool,
    /// Messages, with the number of when each came.
    inbox: Vec<(u64, Value)>,
}

impl Device {
    fn counts(&self) -> Value {
        json!({"signed_curve25519": self.one_time.len()})
    }
}

impl Session {
    fn device_key(&self) -> Result<DeviceKey, Refusal> {
        let device = self.device.clone();
        let device = device.ok_or_else(|| Refusal::new(400, "M_UNKNOWN", "To upload keys, you must pass device_id"))?;
        Ok((self.user.clone(), device))
    }
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

impl World {
    /// Publishes the keys of a device.
    pub(super) fn upload_keys(&mut self, body: &Value, session: &Session) -> Result<Value, Refusal> {
        let device = self.keys.devices.entry(session.device_key()?).or_default();
        for (id, key) in fields(&body["one_time_keys"]) {
            if let Some(known) = device.published.get(id) {
                if known != key {
                    return Err(Refusal::new(
                        400,
                        "M_UNKNOWN",
                        format!("One time key {id} already exists."),
                    ));
                }
                continue;
            }
            device.published.insert(id.clone(), key.clone());
            device.one_time.insert(id.clone(), key.clone());
        }
        if let Some(fallback) = body["fallback_keys"].as_object().filter(|keys| !keys.is_empty()) {
            device.fallback.clone_from(fallback);
            device.fallback_is_used = false;
        }
        let counts = device.counts();
        if body["device_keys"].is_object() {
            device.keys = Some(body["device_keys"].clone());
            self.keys_changed(&session.user);
        }
        Ok(json!({"one_time_key_counts": counts}))
    }

    /// The keys of the devices and the identities of accounts.
    pub(super) fn query_keys(&self, body: &Value, session: &Session) -> Value {
        let mut answer = json!({"device_keys": {}, "failures": {}});
        for (user, _) in fields(&body["device_keys"]) {
            let mut devices = Map::new();
            for ((_, id), device) in self.keys.devices.iter().filter(|((owner, _), _)| owner == user) {
                devices.extend(device.keys.clone().map(|keys| (id.clone(), keys)));
            }
            answer["device_keys"][user] = devices.into();
            for kind in IDENTITY {
                // Whom one trusts is one's own business.
                let is_shown = kind != "user_signing_key" || *user == session.user;
                if let Some(key) = self.keys.identities.get(&(user.clone(), kind)).filter(|_| is_shown) {
                    answer[format!("{kind}s")][user] = key.clone();
                }
            }
        }
        answer
    }

    /// Gives out a one-time key of each of these devices, or the one for when there are none left.
    pub(super) fn claim_keys(&mut self, body: &Value) -> Value {
        let mut answer = json!({"one_time_keys": {}, "failures": {}});
        for (user, devices) in fields(&body["one_time_keys"]) {
            for (id, _) in fields(devices) {
                let Some(device) = self.keys.devices.get_mut(&(user.clone(), id.clone())) else {
                    continue;
                };
                let first = device.one_time.keys().next().cloned();
                let key = match first.and_then(|first| device.one_time.remove_entry(&first)) {
                    Some(key) => key,
                    None => match device.fallback.iter().next() {
                        Some((id, key)) => {
                            device.fallback_is_used = true;
                            (id.clone(), key.clone())
                        }
                        None => continue,
                    },
                };
                answer["one_time_keys"][user][id] = json!({ key.0: key.1 });
            }
        }
        answer
    }

    /// Publishes the identity of an account.
    pub(super) fn upload_identity(&mut self, body: &Value, session: &Session) -> Result<Value, Refusal> {
        let new = IDENTITY.iter().filter(|kind| body[**kind].is_object());
        let known = |kind: &str| {
            let mut identities = self.keys.identities.iter();
            identities.find(|((user, of), _)| *user == session.user && *of == kind)
        };
        let is_other = |kind: &&&str| known(kind).is_some_and(|(_, key)| key["keys"] != body[**kind]["keys"]);
        if new.clone().any(|kind| is_other(&kind)) {
            let wanted = json!([{"stages": ["m.login.password"]}]);
            let refusal = Refusal::new(401, "M_FORBIDDEN", "approval is needed");
            return Err(refusal
                .with("flows", wanted)
                .with("params", json!({}))
                .with("session", json!("1")));
        }
        let new: Vec<_> = new.map(|kind| (*kind, body[*kind].clone())).collect();
        for (kind, key) in new {
            self.keys.identities.insert((session.user.clone(), kind), key);
        }
        self.keys_changed(&session.user);
        Ok(json!({}))
    }

    /// Adds signatures to keys of the account.
    pub(super) fn upload_signatures(&mut self, body: &Value, session: &Session) -> Value {
        for (id, signed) in fields(&body[&session.user]) {
            let device = (session.user.clone(), id.clone());
            let device = self
                .keys
                .devices
                .get_mut(&device)
                .and_then(|device| device.keys.as_mut());
            let is_it = |key: &&mut Value| key["keys"].get(format!("ed25519:{id}")).is_some();
            let key = match device {
                Some(keys) => Some(keys),
                None => self.keys.identities.values_mut().find(is_it),
            };
            let Some(key) = key else { continue };
            for (user, signatures) in fields(&signed["signatures"]) {
                for (by, signature) in fields(signatures) {
                    key["signatures"][user][by] = signature.clone();
                }
            }
        }
        self.keys_changed(&session.user);
        json!({"failures": {}})
    }

    /// Brings messages to devices, once for each transaction.
    pub(super) fn send_to_devices(&mut self, kind: &str, txn: &str, body: &Value, session: &Session) {
        if !self.keys.txns.insert((session.scope.clone(), txn.to_owned())) {
            return;
        }
        for (user, devices) in fields(&body["messages"]) {
            for (id, content) in fields(devices) {
                let number = self.count();
                let message = json!({"type": kind, "sender": session.user, "content": content});
                for ((owner, device), found) in &mut self.keys.devices {
                    if owner == user && (id == "*" || device == id) {
                        found.inbox.push((number, message.clone()));
                    }
                }
            }
        }
    }

    /// Takes the messages to a device away that came until then, and returns those after.
    pub(super) fn inbox(&mut self, session: &Session, since: u64) -> Vec<Value> {
        let Ok(key) = session.device_key() else {
            return Vec::new();
        };
        let Some(device) = self.keys.devices.get_mut(&key) else {
            return Vec::new();
        };
        device.inbox.retain(|(number, _)| *number > since);
        device.inbox.iter().map(|(_, message)| message.clone()).collect()
    }

    /// Whether there is something for a device since then, or somebody with whom it shares a room has other keys.
    pub(super) fn has_key_news_since(&self, session: &Session, since: u64) -> bool {
        let Ok(key) = session.device_key() else { return false };
        let has_mail = self.keys.devices.get(&key);
        let has_mail = has_mail.is_some_and(|device| device.inbox.iter().any(|(number, _)| *number > since));
        has_mail || !self.keys_changed_since(session, since).is_empty()
    }

    /// What `/sync` says of the keys.
    pub(super) fn key_news(&mut self, session: &Session, since: u64) -> Value {
        let changed = self.keys_changed_since(session, since);
        let inbox = self.inbox(session, since);
        let device = session.device_key().ok().and_then(|key| self.keys.devices.get(&key));
        let unused = device.filter(|device| !device.fallback.is_empty() && !device.fallback_is_used);
        json!({
            "to_device": {"events": inbox},
            "device_lists": {"changed": changed, "left": []},
            "device_one_time_keys_count": device.map_or_else(|| json!({}), Device::counts),
            "device_unused_fallback_key_types": unused.map_or_else(|| json!([]), |_| json!(["signed_curve25519"])),
        })
    }

    pub(super) fn account_data(&self, user: &str, kind: &str) -> Result<Value, Refusal> {
        let found = self.keys.account_data.get(&(user.to_owned(), kind.to_owned()));
        found
            .cloned()
            .ok_or_else(|| Refusal::not_found("Account data not found"))
    }

    pub(super) fn set_account_data(&mut self, user: &str, kind: &str, content: Value) {
        self.keys
            .account_data
            .insert((user.to_owned(), kind.to_owned()), content);
    }

    fn keys_changed(&mut self, user: &str) {
        let number = self.count();
        self.keys.changed.push((number, user.to_owned()));
    }

    fn keys_changed_since(&self, session: &Session, since: u64) -> Vec<String> {
        let shares_room = |user: &str| {
            let is_in = |room: &super::room::Room, user: &str| room.membership(user) == "join";
            self.rooms
                .values()
                .any(|room| is_in(room, user) && is_in(room, &session.user))
        };
        let changed = self.keys.changed.iter().filter(|(number, _)| *number > since);
        let users: HashSet<&String> = changed.map(|(_, user)| user).filter(|user| shares_room(user)).collect();
        users.into_iter().cloned().collect()
    }
}
