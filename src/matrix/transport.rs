//! The two ways into a room: the client-server API of a homeserver, or a Hookshot webhook.
//!
//! Guarantees: the same questions have the same answers in form, so that outbox and worker need not know which it is. What a
//! webhook cannot do, it refuses with the verdict that leads to what it can.

use jiff::Timestamp;
use ruma::OwnedRoomId;
use secrecy::SecretString;

use super::{Client, Failure, Finding, Hook, HookSettings, Invites, RoomTrouble, Settings, SetupError, hook};
use crate::message::{Relation, RenderedMessage, RoomAddress, TxnId};

/// What an operator can do about messages of the other way.
const OF_HOOK: &str = "they were accepted for a webhook: set MATRIX_HOOK_URL again to send them, or give each up by \
                       `grafana-matrix-relay outbox give-up`";
const OF_ACCOUNT: &str = "they were accepted for an account, and the webhook (MATRIX_HOOK_URL) leads to one room of its own: \
                          set the account again to send them, or give each up with `grafana-matrix-relay outbox give-up`";

/// Which way messages go, and what that needs.
#[derive(Debug, Clone)]
pub enum TransportSettings {
    /// As a user of a homeserver, to any room.
    HomeServer(Settings),
    /// Through a webhook, to its one room.
    Hook(HookSettings),
}

/// Sends messages one way or the other; cheap to clone.
#[derive(Debug, Clone)]
pub enum Transport {
    /// The client of a homeserver.
    HomeServer(Client),
    /// A webhook.
    Hook(std::sync::Arc<Hook>),
}

impl From<Client> for Transport {
    fn from(client: Client) -> Self {
        Self::HomeServer(client)
    }
}

impl Transport {
    /// Makes one without touching the network.
    pub fn new(access: &TransportSettings) -> Result<Self, SetupError> {
        Ok(match access {
            TransportSettings::HomeServer(settings) => Self::HomeServer(Client::new(settings)?),
            TransportSettings::Hook(settings) => Self::Hook(Hook::new(settings)?.into()),
        })
    }

    /// See [`Client::send`]. A webhook knows no rooms, no transactions and no relations: what has a relation is refused
    /// as [`Verdict::Relation`](super::Verdict::Relation), and what is for another room than the webhook's as
    /// [`RoomTrouble::OtherWay`].
    pub async fn send(
        &self,
        room: &RoomAddress,
        txn: &TxnId,
        message: &RenderedMessage,
        relation: Option<&Relation>,
    ) -> Result<String, Failure> {
        // The outbox may have been filled while the other way was configured.
        let is_of_hook = hook::hook_room().as_ref() == Some(room);
        match (self, relation) {
            (Self::HomeServer(_), _) if is_of_hook => Err(Failure::room(RoomTrouble::OtherWay, OF_HOOK)),
            (Self::HomeServer(client), _) => client.send(room, txn, message, relation).await,
            (Self::Hook(_), _) if !is_of_hook => Err(Failure::room(RoomTrouble::OtherWay, OF_ACCOUNT)),
            (Self::Hook(hook), None) => hook.send(message).await,
            (Self::Hook(_), Some(_)) => Err(Failure::relation("a webhook cannot refer to messages")),
        }
    }

    /// See [`Client::find`]. A webhook tells nothing of what is in its room.
    pub async fn find(
        &self,
        room: &RoomAddress,
        txn: &TxnId,
        relation: Option<&Relation>,
        since: Timestamp,
    ) -> Result<Option<String>, Failure> {
        match self {
            Self::HomeServer(client) => client.find(room, txn, relation, since).await,
            Self::Hook(_) => Ok(None),
        }
    }

    /// Joins the room, which only a user of a homeserver can.
    pub async fn join(&self, room: &RoomAddress) -> bool {
        match self {
            Self::HomeServer(client) => client.join(room).await.is_ok(),
            Self::Hook(_) => false,
        }
    }

    /// See [`Client::set_token`]. A webhook has none.
    pub fn set_token(&self, token: SecretString) -> bool {
        match self {
            Self::HomeServer(client) => client.set_token(token),
            Self::Hook(_) => false,
        }
    }

    /// See [`Client::invites`]. A webhook is in its room already.
    pub async fn invites(&self, since: Option<String>) -> Result<Invites, Failure> {
        match self {
            Self::HomeServer(client) => client.invites(since).await,
            Self::Hook(_) => Ok(Invites::default()),
        }
    }

    /// See [`Client::follows_keys`]. A webhook encrypts nothing.
    pub async fn follows_keys(&self) {
        match self {
            Self::HomeServer(client) => client.follows_keys().await,
            Self::Hook(_) => std::future::pending().await,
        }
    }

    /// See [`Client::follow_keys`].
    pub async fn follow_keys(&self) -> Result<(), Failure> {
        match self {
            Self::HomeServer(client) => client.follow_keys().await,
            Self::Hook(_) => Ok(()),
        }
    }

    /// See [`Client::resolve`]. A webhook has no rooms.
    pub async fn resolve(&self, room: &RoomAddress) -> Option<OwnedRoomId> {
        match self {
            Self::HomeServer(client) => client.resolve(room).await.ok(),
            Self::Hook(_) => None,
        }
    }

    /// The client of a homeserver, which a webhook has none of.
    pub fn client(&self) -> Option<&Client> {
        match self {
            Self::HomeServer(client) => Some(client),
            Self::Hook(_) => None,
        }
    }

    /// Whether somebody answers at the other end.
    pub async fn probe(&self) -> Result<(), Failure> {
        match self {
            Self::HomeServer(client) => client.whoami().await.map(|_| ()),
            Self::Hook(hook) => hook.probe().await,
        }
    }

    /// See [`Client::check`].
    pub async fn check(&self, rooms: &[RoomAddress], mentioned: &[RoomAddress]) -> Vec<Finding> {
        match self {
            Self::HomeServer(client) => client.check(rooms, mentioned).await,
            Self::Hook(hook) => hook.check().await,
        }
    }
}
