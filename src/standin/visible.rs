//! A room as people see it: a timeline after a client has applied edits, threads, reactions and deletions.
//!
//! Guarantees: a pure function of the events, so it reads the timeline of any homeserver. An edit counts only from the author
//! of its original, the newest wins, and an edit of an edit or of what is gone is seen nowhere; a redacted event is gone.
//! A line whose thread has lost its beginning stands in the room by itself, as clients show it.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use super::room::Event;

/// A message as it is seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// The event that it began with.
    pub event_id: String,
    /// Who wrote it.
    pub sender: String,
    /// When it began, in milliseconds since 1970.
    pub origin_server_ts: u64,
    /// What it says now: the content of the newest edit, if there is one.
    pub content: Value,
    /// How many times it was edited.
    pub edits: usize,
    /// What it answers; threads have their own place.
    pub reply_to: Option<String>,
    /// How many people reacted, by key.
    pub reactions: BTreeMap<String, usize>,
    /// The lines of its thread, oldest first.
    pub thread: Vec<Shown>,
}

impl Shown {
    /// The plain text.
    pub fn body(&self) -> &str {
        self.content["body"].as_str().unwrap_or_default()
    }

    /// Whether it notifies: not a notice.
    pub fn is_loud(&self) -> bool {
        self.content["msgtype"] == "m.text"
    }
}

/// The messages of a room in order, each with what belongs to it. `events` is the whole timeline, oldest first.
pub fn visible(events: &[Event]) -> Vec<Shown> {
    let messages: Vec<&Event> = events
        .iter()
        .filter(|event| event.kind == "m.room.message" && !event.is_redacted() && event.content["body"].is_string())
        .collect();
    let roots: HashSet<&str> = messages
        .iter()
        .filter(|event| event.relation().is_none())
        .map(|event| event.event_id.as_str())
        .collect();
    let mut shown: Vec<Shown> = Vec::new();
    let mut lines: BTreeMap<&str, Vec<Shown>> = BTreeMap::new();
    for event in &messages {
        match event.relation() {
            Some(("m.replace", _)) => {}
            Some(("m.thread", root)) if roots.contains(root) => {
                lines.entry(root).or_default().push(show(event, events));
            }
            _ => shown.push(show(event, events)),
        }
    }
    for message in &mut shown {
        message.thread = lines.remove(message.event_id.as_str()).unwrap_or_default();
    }
    shown
}

fn show(event: &Event, events: &[Event]) -> Shown {
    let edits: Vec<&Event> = events
        .iter()
        .filter(|edit| !edit.is_redacted() && edit.edits(event))
        .collect();
    let newest = edits.iter().max_by_key(|edit| (edit.origin_server_ts, &edit.event_id));
    let mut reactions: BTreeMap<String, HashSet<&str>> = BTreeMap::new();
    for reaction in events {
        if reaction.kind == "m.reaction" && reaction.relation() == Some(("m.annotation", event.event_id.as_str())) {
            let key = reaction.content["m.relates_to"]["key"].as_str().unwrap_or_default();
            reactions.entry(key.to_owned()).or_default().insert(&reaction.sender);
        }
    }
    let reply = &event.content["m.relates_to"]["m.in_reply_to"]["event_id"];
    Shown {
        event_id: event.event_id.clone(),
        sender: event.sender.clone(),
        origin_server_ts: event.origin_server_ts,
        content: newest.map_or_else(|| event.content.clone(), |edit| edit.content["m.new_content"].clone()),
        edits: edits.len(),
        // In a thread this is for clients that have none.
        reply_to: event
            .relation()
            .is_none()
            .then(|| reply.as_str().map(ToOwned::to_owned))
            .flatten(),
        reactions: reactions.into_iter().map(|(key, people)| (key, people.len())).collect(),
        thread: Vec::new(),
    }
}
