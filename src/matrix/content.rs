//! A rendered message as the content of an `m.room.message` event, alone or in relation to another one.
//!
//! Guarantees: `m.mentions` is always there, empty if nobody is mentioned, so that no client falls back to searching the
//! text for names; `format` and `formatted_body` are there together or not at all; there is no number in it, so none
//! that canonical JSON refuses. An edit mentions nobody, so the mentions in its new text are for display only. Every event says
//! that it has no link previews (MSC4095), in the new text of an edit as well: else clients have the homeserver fetch each
//! address of an alert.
//! A message within the renderer's limit of size is within Matrix's as an edit too, which carries its text twice.

use ruma::events::Mentions;
use ruma::events::relation::Thread;
use ruma::events::room::message::{
    self, MessageType, NoticeMessageEventContent, ReplacementMetadata, RoomMessageEventContent, TextMessageEventContent,
};
use ruma::{EventId, OwnedEventId, OwnedUserId, UserId};
use serde_json::{Value, json};

use crate::message::{MsgType, Relation, RenderedMessage};

/// Where an event lists its link previews.
const PREVIEWS: &str = "com.beeper.linkpreviews";

/// A relation that no event can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRelation {
    /// What it refers to has no event ID.
    #[error("the message refers to something that is not an event ID")]
    EventId,
}

/// The event content for a message.
fn content(message: &RenderedMessage) -> RoomMessageEventContent {
    let (body, html) = (message.body.clone(), message.formatted_body.clone());
    let msgtype = match (message.msgtype, html.is_empty()) {
        (MsgType::Text, false) => MessageType::Text(TextMessageEventContent::html(body, html)),
        (MsgType::Text, true) => MessageType::Text(TextMessageEventContent::plain(body)),
        (MsgType::Notice, false) => MessageType::Notice(NoticeMessageEventContent::html(body, html)),
        (MsgType::Notice, true) => MessageType::Notice(NoticeMessageEventContent::plain(body)),
    };
    let mut content = RoomMessageEventContent::new(msgtype);
    content.mentions = Some(mentions(message));
    content
}

/// The event content for a message that refers to another event.
fn related(message: &RenderedMessage, relation: &Relation) -> Result<RoomMessageEventContent, BadRelation> {
    let mut content = content(message);
    content.relates_to = Some(match relation {
        Relation::Edit { of } => {
            // Everybody in the new text counts as mentioned before, so that nobody is mentioned anew.
            let known = content.mentions.clone();
            return Ok(content.make_replacement(ReplacementMetadata::new(event_id(of)?, known)));
        }
        Relation::Thread { root, latest } => {
            message::Relation::Thread(Thread::plain(event_id(root)?, event_id(latest)?))
        }
    });
    Ok(content)
}

pub(super) fn event_id(text: &str) -> Result<OwnedEventId, BadRelation> {
    EventId::parse(text).map_err(|_| BadRelation::EventId)
}

/// The content as JSON, exactly as [`Client::send`](super::Client::send) sends it.
pub fn event(message: &RenderedMessage) -> Value {
    without_previews(&content(message))
}

/// The content in relation to another event as JSON, exactly as [`Client::send`](super::Client::send) sends it.
pub fn related_event(message: &RenderedMessage, relation: &Relation) -> Result<Value, BadRelation> {
    Ok(without_previews(&related(message, relation)?))
}

fn without_previews(content: &RoomMessageEventContent) -> Value {
    // There is nothing in it that JSON could refuse.
    let mut json = serde_json::to_value(content).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.insert(PREVIEWS.to_owned(), json!([]));
        if let Some(Value::Object(new)) = fields.get_mut("m.new_content") {
            new.insert(PREVIEWS.to_owned(), json!([]));
            if let Some(Value::String(html)) = fields.get_mut("formatted_body") {
                star_in_first_line(html);
            }
        }
    }
    json
}

/// Clients that know no edits show the star that marks one on a line of its own, if a paragraph follows it.
fn star_in_first_line(html: &mut String) {
    if let Some(rest) = html.strip_prefix("* <p>") {
        *html = format!("<p>* {rest}");
    }
}

fn mentions(message: &RenderedMessage) -> Mentions {
    let mut mentions = Mentions::with_user_ids(message.mentions.user_ids.iter().filter_map(|id| user(id)));
    mentions.room = message.mentions.room;
    mentions
}

/// A mention that is not a user ID mentions nobody, but must not hold back an alert either.
fn user(id: &str) -> Option<OwnedUserId> {
    UserId::parse(id)
        .inspect_err(|error| tracing::warn!(user = id, %error, "a mention is not a Matrix user ID and mentions nobody"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> RenderedMessage {
        RenderedMessage {
            body: "FIRING".into(),
            formatted_body: "<b>FIRING</b>".into(),
            msgtype: MsgType::Text,
            mentions: crate::message::Mentions::default(),
            headline: "FIRING".into(),
            ..RenderedMessage::default()
        }
    }

    #[test]
    fn formatted_text_has_both_bodies_and_empty_mentions() {
        assert_eq!(
            event(&message()),
            json!({
                "msgtype": "m.text", "body": "FIRING",
                "format": "org.matrix.custom.html", "formatted_body": "<b>FIRING</b>",
                "m.mentions": {}, "com.beeper.linkpreviews": [],
            })
        );
    }

    #[test]
    fn quiet_plain_text_is_a_notice_without_format() {
        let quiet = RenderedMessage {
            formatted_body: String::new(),
            msgtype: MsgType::Notice,
            ..message()
        };
        assert_eq!(
            event(&quiet),
            json!({"msgtype": "m.notice", "body": "FIRING", "m.mentions": {}, "com.beeper.linkpreviews": []})
        );
    }

    #[test]
    fn mentions_name_users_and_the_room_and_skip_what_is_no_user_id() {
        let mut loud = message();
        loud.mentions.user_ids = vec!["@ada:example.org".into(), "ada".into()];
        loud.mentions.room = true;
        assert_eq!(
            event(&loud)["m.mentions"],
            json!({"user_ids": ["@ada:example.org"], "room": true})
        );
    }

    fn related(relation: &Relation) -> Value {
        let mut loud = message();
        loud.mentions.user_ids = vec!["@ada:example.org".into()];
        loud.mentions.room = true;
        related_event(&loud, relation).unwrap()
    }

    #[test]
    fn an_edit_carries_its_text_twice_and_mentions_nobody() {
        assert_eq!(
            related(&Relation::Edit { of: "$root".into() }),
            json!({
                "msgtype": "m.text", "body": "* FIRING",
                "format": "org.matrix.custom.html", "formatted_body": "* <b>FIRING</b>",
                "m.mentions": {}, "com.beeper.linkpreviews": [],
                "m.new_content": {
                    "msgtype": "m.text", "body": "FIRING",
                    "format": "org.matrix.custom.html", "formatted_body": "<b>FIRING</b>",
                    "m.mentions": {"user_ids": ["@ada:example.org"], "room": true}, "com.beeper.linkpreviews": [],
                },
                "m.relates_to": {"rel_type": "m.replace", "event_id": "$root"},
            })
        );
    }

    #[test]
    fn the_star_of_an_edit_stands_in_its_first_line() {
        let mut message = message();
        for (html, edit) in [
            ("<p>a</p><p>b</p>", "<p>* a</p><p>b</p>"),
            ("<ul><li>a</li></ul>", "* <ul><li>a</li></ul>"),
        ] {
            message.formatted_body = html.to_owned();
            let event = related_event(&message, &Relation::Edit { of: "$root".into() }).unwrap();
            assert_eq!(event["formatted_body"], edit);
            assert_eq!(event["m.new_content"]["formatted_body"], html);
        }
    }

    #[test]
    fn a_thread_line_keeps_its_mentions_and_has_no_quote() {
        let thread = related(&Relation::Thread {
            root: "$root".into(),
            latest: "$line".into(),
        });
        assert_eq!(
            thread["m.relates_to"],
            json!({
                "rel_type": "m.thread", "event_id": "$root", "is_falling_back": true,
                "m.in_reply_to": {"event_id": "$line"},
            })
        );
        assert_eq!((&thread["body"], &thread[PREVIEWS]), (&json!("FIRING"), &json!([])));
        assert_eq!(
            thread["m.mentions"],
            json!({"user_ids": ["@ada:example.org"], "room": true})
        );
    }

    #[test]
    fn what_is_no_event_id_cannot_be_related_to() {
        for text in ["", "root", "!room:example.org"] {
            let relation = Relation::Edit { of: text.into() };
            assert_eq!(
                related_event(&message(), &relation),
                Err(BadRelation::EventId),
                "{text}"
            );
        }
    }
}
