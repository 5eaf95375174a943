//! Events that refer to other events: which of them a homeserver takes, and how it sums them up.
//!
//! Guarantees: takes and refuses what a Synapse does, in its words. It takes an edit of somebody else's event, of a redacted one,
//! and a reply to nothing; that no client shows them is [`visible`](super::visible())'s to say.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::room::{Event, Room};
use super::world::{Session, World};

impl Event {
    /// The kind of relation and the event that it leads to; a reply has none.
    pub(super) fn relation(&self) -> Option<(&str, &str)> {
        relation(&self.content)
    }

    /// Whether its content was taken away.
    pub fn is_redacted(&self) -> bool {
        self.unsigned.get("redacted_because").is_some()
    }

    /// Whether it takes the place of `original`'s content: the same author and type, and a new content.
    pub(super) fn edits(&self, original: &Self) -> bool {
        self.relation() == Some(("m.replace", original.event_id.as_str()))
            && self.sender == original.sender
            && self.kind == original.kind
            && (self.kind == "m.room.encrypted" || self.content["m.new_content"].is_object())
            && !original.is_redacted()
            && !matches!(original.relation(), Some(("m.replace", _)))
    }
}

/// The `rel_type` and `event_id` of a content.
fn relation(content: &Value) -> Option<(&str, &str)> {
    let relates_to = content.get("m.relates_to")?;
    Some((relates_to["rel_type"].as_str()?, relates_to["event_id"].as_str()?))
}

impl Room {
    /// An event of the timeline.
    pub(super) fn event(&self, id: &str) -> Option<&Event> {
        self.timeline.iter().find(|event| event.event_id == id)
    }

    /// What refers to an event by this kind of relation, oldest first.
    pub(super) fn related(&self, id: &str, rel_type: &str) -> Vec<&Event> {
        let gone = self.event(id).is_none_or(Event::is_redacted);
        if gone && rel_type == "m.replace" {
            return Vec::new();
        }
        let events = self.timeline.iter();
        events
            .filter(|event| event.relation() == Some((rel_type, id)))
            .collect()
    }

    /// The edit that clients show in place of an event.
    pub(super) fn newest_edit(&self, original: &Event) -> Option<&Event> {
        let edits = self.timeline.iter().filter(|event| event.edits(original));
        edits.max_by_key(|event| (event.origin_server_ts, &event.event_id))
    }

    /// An event with the sums of what refers to it, as it is answered in this session.
    pub(super) fn bundled(&self, event: &Event, session: &Session) -> Value {
        let mut sums = json!({});
        if let Some(edit) = self.newest_edit(event) {
            sums["m.replace"] = json!(edit);
        }
        let thread = self.related(&event.event_id, "m.thread");
        if let Some(latest) = thread.last() {
            sums["m.thread"] = json!({
                "count": thread.len(),
                "latest_event": latest,
                "current_user_participated": thread.iter().any(|line| line.sender == session.user),
            });
        }
        let mut answer = event.shown_to(session);
        if sums != json!({}) {
            answer["unsigned"]["m.relations"] = sums;
        }
        answer
    }
}

impl World {
    /// Refuses an event whose relation leads nowhere.
    pub(super) fn check_relation(&self, room: &str, kind: &str, content: &Value, user: &str) -> Result<(), Refusal> {
        let Some((rel_type, target)) = relation(content) else {
            return Ok(());
        };
        let refuse = |text: &str| Err(Refusal::new(400, "M_UNKNOWN", text));
        let Some(here) = self.rooms.get(room) else {
            return Ok(());
        };
        let Some(original) = here.event(target) else {
            let elsewhere = self.rooms.values().any(|other| other.event(target).is_some());
            return refuse(if elsewhere {
                "Relations must be in the same room"
            } else {
                "Can't send relation to unknown event"
            });
        };
        match rel_type {
            "m.thread" if original.relation().is_some() => refuse("Cannot start threads from an event with a relation"),
            "m.annotation" => {
                let key = &content["m.relates_to"]["key"];
                let same = |event: &&Event| {
                    event.sender == user && event.kind == kind && event.content["m.relates_to"]["key"] == *key
                };
                if here.related(target, rel_type).iter().any(same) {
                    let text = "Can't send same reaction twice";
                    return Err(Refusal::new(400, "M_DUPLICATE_ANNOTATION", text));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes the content of an event away, as a moderator does.
    pub(super) fn redact(&mut self, room: &str, target: &str, sender: &str) {
        let mut redaction = self.event(room, sender, "m.room.redaction", None, json!({"redacts": target}));
        redaction.txn = None;
        let Some(room) = self.rooms.get_mut(room) else { return };
        let because = json!(redaction);
        if let Some(event) = room.timeline.iter_mut().find(|event| event.event_id == target) {
            event.content = json!({});
            event.unsigned = json!({"redacted_because": because});
        }
        room.timeline.push(redaction);
    }

    /// Forgets all events of a room before this one, as retention or an administrator does; its state stays.
    pub(super) fn purge_before(&mut self, room: &str, event: &str) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        if let Some(place) = room.timeline.iter().position(|found| found.event_id == event) {
            room.timeline.drain(..place);
        }
    }
}
