//! Sending, alone or in relation to an event that is in the room already.
//!
//! Guarantees: it looks at the room's encryption before each send, sends no plain text into an encrypted room, and looks at the
//! event that a message refers to. Homeservers take an edit of a redacted event or of somebody else's, and a reply to nothing,
//! without a word, and no client shows it; here that is [`Verdict::Relation`], as a relation that the homeserver refuses is.
//!
//! It asks for that event before each edit and each line, because with an answer of a minute ago, or with a sync that is late,
//! an edit of a message that somebody has just deleted would count as delivered though nobody sees it, and nothing would ever
//! say so. What happens to the event between the look and the send goes unseen until the next look.

use ruma::api::client::message::send_message_event;
use ruma::api::client::room::get_room_event;
use ruma::events::MessageLikeEventType;
use ruma::serde::Raw;
use ruma::{EventId, OwnedEventId, OwnedTransactionId, OwnedUserId, RoomId};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::clean;
use super::content::{self, BadRelation};
use super::verdict::{MessageTrouble, RequestKind, Verdict};
use super::{Client, Failure};
use crate::message::{Relation, RenderedMessage, RoomAddress, TxnId};

/// Where the content of an event names its transaction, for relays of another device: to those the homeserver tells none.
pub(super) const TRANSACTION: &str = "grafana-matrix-relay.transaction";

impl Client {
    /// Sends a message and returns the ID of its event. With the same `txn` in the same room and the same kind of
    /// relation the homeserver sends once, however often this is called. Into an encrypted room it goes encrypted,
    /// or not at all.
    ///
    /// An edit has a transaction of its own beside `txn`: where its original is gone, the message that takes its place
    /// must not be taken for a repeat of the edit.
    pub async fn send(
        &self,
        room: &RoomAddress,
        txn: &TxnId,
        message: &RenderedMessage,
        relation: Option<&Relation>,
    ) -> Result<String, Failure> {
        let sent = self.send_to(room, txn, message, relation).await;
        if let Err(Failure {
            verdict: Verdict::Room(_),
            ..
        }) = &sent
        {
            self.forget(room);
        }
        sent
    }

    async fn send_to(
        &self,
        room: &RoomAddress,
        txn: &TxnId,
        message: &RenderedMessage,
        relation: Option<&Relation>,
    ) -> Result<String, Failure> {
        let id = self.resolve(room).await?;
        if self.encrypted(&id).await? {
            self.encryption().must_be_on()?;
        }
        let Some(relation) = relation else {
            return self
                .put(RequestKind::Send, &id, txn.as_str(), &content::event(message))
                .await;
        };
        let target = target(relation)?;
        self.must_bear(&id, &target, relation).await?;
        let content = content::related_event(message, relation)?;
        let txn = transaction(txn, Some(relation));
        self.put(RequestKind::Related, &id, &txn, &content).await
    }

    /// Sends the content, encrypted where the room is. Each attempt encrypts anew: under the same transaction the homeserver
    /// keeps the first one.
    async fn put(&self, kind: RequestKind, room: &RoomId, txn: &str, content: &Value) -> Result<String, Failure> {
        let (event_type, mut content) = self.sealed(room, content).await?;
        // In the clear, and random: it says nothing of the message.
        content[TRANSACTION] = Value::from(txn);
        let content = Raw::new(&content).map_err(|_| not_json())?.cast_unchecked();
        let txn = OwnedTransactionId::from(txn);
        let request = send_message_event::v3::Request::new_raw(room.to_owned(), txn, event_type, content);
        Ok(clean::event_id(self.call(kind, request).await?.event_id.as_str()))
    }

    /// The content as the room takes it, and its type. Whether the room is encrypted has been looked at.
    pub(super) async fn sealed(
        &self,
        room: &RoomId,
        content: &Value,
    ) -> Result<(MessageLikeEventType, Value), Failure> {
        if !self.encryption().knows(room) {
            return Ok((MessageLikeEventType::RoomMessage, content.clone()));
        }
        let sealed = self.encryption().seal(self, room, content).await?;
        Ok((MessageLikeEventType::RoomEncrypted, sealed))
    }

    /// Whether people will see something that refers to this event.
    async fn must_bear(&self, room: &RoomId, target: &EventId, relation: &Relation) -> Result<(), Failure> {
        let request = get_room_event::v3::Request::new(room.to_owned(), target.to_owned());
        let event = self.call(RequestKind::Event, request).await?.event;
        let Ok(event) = event.deserialize_as_unchecked::<Target>() else {
            return Err(Failure::unreadable(200, "not an event"));
        };
        if event.is_redacted() {
            return Err(Failure::relation("the event that it refers to was deleted"));
        }
        if matches!(relation, Relation::Edit { .. }) {
            if event.is_edit() {
                return Err(Failure::relation("the event to be edited is an edit itself"));
            }
            if event.sender != self.me().await? {
                return Err(Failure::relation("the event to be edited is from another account"));
            }
        }
        Ok(())
    }
}

fn not_json() -> Failure {
    Failure::without_answer(Verdict::Message(MessageTrouble::Rejected), "it is not JSON")
}

impl From<BadRelation> for Failure {
    fn from(bad: BadRelation) -> Self {
        Self::relation(bad.to_string())
    }
}

/// The transaction of a send: an edit has one of its own.
pub(super) fn transaction(txn: &TxnId, relation: Option<&Relation>) -> String {
    match relation {
        Some(Relation::Edit { .. }) => format!("{txn}-edit"),
        _ => txn.to_string(),
    }
}

/// The event that decides whether the relation can be seen.
fn target(relation: &Relation) -> Result<OwnedEventId, BadRelation> {
    let id = match relation {
        Relation::Edit { of } => of,
        Relation::Thread { root, .. } => root,
    };
    content::event_id(id)
}

/// What is looked at of an event before something refers to it.
#[derive(Deserialize)]
struct Target {
    sender: OwnedUserId,
    #[serde(default)]
    content: Content,
    #[serde(default)]
    unsigned: Unsigned,
}

#[derive(Deserialize, Default)]
struct Content {
    body: Option<IgnoredAny>,
    ciphertext: Option<IgnoredAny>,
    #[serde(rename = "m.relates_to")]
    relates_to: Option<RelatesTo>,
}

#[derive(Deserialize)]
struct RelatesTo {
    rel_type: Option<String>,
}

#[derive(Deserialize, Default)]
struct Unsigned {
    redacted_because: Option<IgnoredAny>,
}

impl Target {
    /// A redaction leaves neither text nor ciphertext, whether or not the homeserver says who did it.
    fn is_redacted(&self) -> bool {
        let is_empty = self.content.body.is_none() && self.content.ciphertext.is_none();
        self.unsigned.redacted_because.is_some() || is_empty
    }

    fn is_edit(&self) -> bool {
        let relates_to = self.content.relates_to.as_ref();
        relates_to.is_some_and(|relates_to| relates_to.rel_type.as_deref() == Some("m.replace"))
    }
}
