//! Finding what an earlier attempt sent, where the homeserver may have forgotten its transaction.
//!
//! Guarantees: only an event that the homeserver itself ascribes to that transaction of this device is taken for it
//! (`unsigned.transaction_id`). It looks through a bounded number of the account's own events, the newest first.

use std::time::Duration;

use jiff::Timestamp;
use ruma::api::client::message::get_message_events;
use ruma::{OwnedEventId, RoomId, UInt, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::clean;
use super::send::transaction;
use super::verdict::RequestKind;
use super::{Client, Failure};
use crate::message::{Relation, RoomAddress, TxnId};

/// How many events of the account are looked through.
const EVENTS: usize = 1_000;
/// How many answers are read for that; a filter may leave some of them empty.
const PAGES: usize = 60;
/// Events of one answer: as many as usual ones fit into what is read of one, and as many as fit whatever they are.
const PAGE: u32 = 50;
const SMALL_PAGE: u32 = 5;
/// How far the homeserver's clock may be behind.
const CLOCK_SLACK: Duration = Duration::from_hours(1);

impl Client {
    /// The event that a [`send`](Self::send) of `txn` made since `since`, if it is among the last thousand events of the
    /// account in the room.
    pub async fn find(
        &self,
        room: &RoomAddress,
        txn: &TxnId,
        relation: Option<&Relation>,
        since: Timestamp,
    ) -> Result<Option<String>, Failure> {
        let mark = Mark::Transaction(transaction(txn, relation));
        self.find_marked(room, &mark, since).await
    }

    /// The event that bears this mark.
    pub(super) async fn find_marked(
        &self,
        room: &RoomAddress,
        mark: &Mark,
        since: Timestamp,
    ) -> Result<Option<String>, Failure> {
        let (id, me) = (self.resolve(room).await?, self.me().await?);
        let oldest = (since - CLOCK_SLACK).as_millisecond();
        let (mut from, mut size, mut seen) = (None, PAGE, 0);
        for _ in 0..PAGES {
            let page = match self.page(&id, &me, from.clone(), size).await {
                // Large events, or many relations that are summed up in them.
                Err(failure) if size > SMALL_PAGE && failure.is_unreadable() => {
                    size = SMALL_PAGE;
                    continue;
                }
                page => page?,
            };
            let found = page.events.iter().find(|event| event.bears(mark));
            if let Some(event) = found {
                return Ok(Some(clean::event_id(event.event_id.as_str())));
            }
            seen += page.events.len();
            let is_older = page.events.last().is_some_and(|event| event.origin_server_ts < oldest);
            if is_older || page.end.is_none() || seen >= EVENTS {
                break;
            }
            from = page.end;
        }
        Ok(None)
    }

    async fn page(&self, room: &RoomId, me: &UserId, from: Option<String>, size: u32) -> Result<Page, Failure> {
        let mut request = get_message_events::v3::Request::backward(room.to_owned());
        request.from = from;
        request.limit = UInt::from(size);
        request.filter.senders = Some(vec![me.to_owned()]);
        request.filter.types = Some(vec!["m.room.message".to_owned(), "m.room.encrypted".to_owned()]);
        let answer = self.call(RequestKind::Room, request).await?;
        let events = answer.chunk.iter();
        Ok(Page {
            events: events
                .filter_map(|event| event.deserialize_as_unchecked().ok())
                .collect(),
            end: answer.end,
        })
    }
}

struct Page {
    events: Vec<Sent>,
    end: Option<String>,
}

/// What is looked at of an event of the account.
#[derive(Deserialize)]
struct Sent {
    event_id: OwnedEventId,
    origin_server_ts: i64,
    #[serde(default)]
    content: Content,
    #[serde(default)]
    unsigned: Unsigned,
}

#[derive(Deserialize, Default)]
struct Content {
    /// See [`TRANSACTION`](super::send::TRANSACTION).
    #[serde(rename = "grafana-matrix-relay.transaction")]
    transaction: Option<Value>,
}

#[derive(Deserialize, Default)]
struct Unsigned {
    transaction_id: Option<String>,
    #[serde(alias = "m.delay_id", alias = "org.matrix.msc4140.delay_id")]
    delay_id: Option<String>,
}

/// How an event came: what the homeserver says of it to the device that sent it, or the event itself.
pub(super) enum Mark {
    /// In this transaction.
    Transaction(String),
    /// As the message that was scheduled under this name.
    Delay(String),
}

impl Sent {
    fn bears(&self, mark: &Mark) -> bool {
        match mark {
            Mark::Transaction(txn) => {
                let named = self.content.transaction.as_ref().and_then(Value::as_str);
                self.unsigned.transaction_id.as_ref() == Some(txn) || named == Some(txn)
            }
            Mark::Delay(id) => self.unsigned.delay_id.as_ref() == Some(id),
        }
    }
}
