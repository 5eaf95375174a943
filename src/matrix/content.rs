//! A rendered message as the content of an `m.room.message` event.
//!
//! Guarantees: `m.mentions` is always there, empty if nobody is pinged, so that no client falls back to searching the
//! text for names; `format` and `formatted_body` are there together or not at all; there is no number in it, so none
//! that canonical JSON refuses. Relations (edits, threads) are not built yet; they would be added here.

use ruma::events::Mentions;
use ruma::events::room::message::{
    MessageType, NoticeMessageEventContent, RoomMessageEventContent, TextMessageEventContent,
};
use ruma::{OwnedUserId, UserId};

use crate::message::{MsgType, RenderedMessage};

/// The event content for a message.
pub(super) fn content(message: &RenderedMessage) -> RoomMessageEventContent {
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

/// The content as JSON, exactly as [`Client::send`](super::Client::send) sends it.
pub fn event(message: &RenderedMessage) -> serde_json::Value {
    // There is nothing in it that JSON could refuse.
    serde_json::to_value(content(message)).unwrap_or_default()
}

fn mentions(message: &RenderedMessage) -> Mentions {
    let mut mentions = Mentions::with_user_ids(message.mentions.user_ids.iter().filter_map(|id| user(id)));
    mentions.room = message.mentions.room;
    mentions
}

/// A mention that is not a user ID pings nobody, but must not hold back an alert either.
fn user(id: &str) -> Option<OwnedUserId> {
    UserId::parse(id)
        .inspect_err(|error| tracing::warn!(user = id, %error, "a mention is not a Matrix user ID and pings nobody"))
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message() -> RenderedMessage {
        RenderedMessage {
            body: "FIRING".into(),
            formatted_body: "<b>FIRING</b>".into(),
            msgtype: MsgType::Text,
            mentions: crate::message::Mentions::default(),
            headline: "FIRING".into(),
        }
    }

    #[test]
    fn formatted_text_has_both_bodies_and_empty_mentions() {
        assert_eq!(
            event(&message()),
            json!({
                "msgtype": "m.text", "body": "FIRING",
                "format": "org.matrix.custom.html", "formatted_body": "<b>FIRING</b>",
                "m.mentions": {},
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
            json!({"msgtype": "m.notice", "body": "FIRING", "m.mentions": {}})
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
}
