//! One homeserver of either kind, so that the stand-in is held to what a real Synapse does.

use std::time::Duration;

use grafana_matrix_relay::matrix::{Client, Failure};
use grafana_matrix_relay::message::{Relation, RoomAddress, TxnId};
use grafana_matrix_relay::standin::{Homeserver, NewRoom, RunningHomeserver};

use super::stage::{address, client, message};
use crate::support::matrix::{Account, User};
use crate::support::synapse::Synapse;

/// A bot's client, a person who reads, and two rooms that both are in.
pub(crate) struct Home {
    pub(crate) client: Client,
    pub(crate) person: User,
    /// Reached as the bot itself, past the relay's client.
    pub(crate) bot: User,
    pub(crate) room: RoomAddress,
    pub(crate) other: RoomAddress,
    kind: Kind,
}

enum Kind {
    StandIn(RunningHomeserver),
    Real(Box<Synapse>),
}

impl Home {
    pub(crate) async fn stand_in() -> Self {
        let homeserver = Homeserver::new("example.org");
        let account = |name: &str| {
            let token = homeserver.login(name, "DEVICE");
            Account::new(homeserver.user_id(name), token, "DEVICE")
        };
        let (bot, person) = (account("bot"), account("person"));
        let room = |name: &str| {
            let room = NewRoom::named(name).member("bot").member("person");
            address(&homeserver.create_room(&room))
        };
        let (room, other) = (room("ops"), room("other"));
        let running = homeserver.start().await.unwrap();
        let person = User::new(person, &running.base_url);
        let bot = User::new(bot, &running.base_url);
        Self {
            client: client(&running.base_url, &bot.access_token, Duration::from_secs(30)),
            person,
            bot,
            room,
            other,
            kind: Kind::StandIn(running),
        }
    }

    pub(crate) async fn real() -> Self {
        let synapse = Synapse::start().await;
        Self {
            client: client(&synapse.base_url, &synapse.bot.access_token, Duration::from_mins(1)),
            person: synapse.person.clone(),
            bot: synapse.bot.clone(),
            room: address(&synapse.rooms.default.room_id),
            other: address(&synapse.rooms.second.room_id),
            kind: Kind::Real(Box::new(synapse)),
        }
    }

    /// Sends as the relay does.
    pub(crate) async fn send(&self, text: &str, relation: Option<&Relation>) -> Result<String, Failure> {
        let txn = TxnId::generate();
        self.client.send(&self.room, &txn, &message(text), relation).await
    }

    pub(crate) async fn redact(&self, event: &str) {
        match &self.kind {
            Kind::StandIn(running) => running.homeserver.redact(self.room.as_str(), event),
            Kind::Real(synapse) => synapse.person.redact(self.room.as_str(), event).await,
        }
    }

    pub(crate) async fn purge_before(&self, event: &str) {
        match &self.kind {
            Kind::StandIn(running) => running.homeserver.purge_before(self.room.as_str(), event),
            Kind::Real(synapse) => synapse.admin.purge_before(self.room.as_str(), event).await,
        }
    }
}
