//! What the tests of the client stand on: a stand-in homeserver with a bot, and a client of that bot.

use std::time::Duration;

use grafana_matrix_relay::matrix::{Client, EncryptionSettings, Failure, Level, Settings, Verdict};
use grafana_matrix_relay::message::{Mentions, MsgType, Relation, RenderedMessage, RoomAddress, TxnId};
use grafana_matrix_relay::standin::{Fault, Homeserver, NewRoom, RunningHomeserver, Scope, When};

/// A homeserver with a bot that has a device, and a client of that bot.
pub(crate) struct Stage {
    pub(crate) running: RunningHomeserver,
    pub(crate) token: String,
    pub(crate) client: Client,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|homeserver| homeserver.login("bot", "RELAY"), Duration::from_secs(30)).await
    }

    pub(crate) async fn with(login: impl FnOnce(&Homeserver) -> String, timeout: Duration) -> Self {
        let homeserver = Homeserver::new("example.org");
        let token = login(&homeserver);
        let running = homeserver.start().await.unwrap();
        let client = client(&running.base_url, &token, timeout);
        Self { running, token, client }
    }

    pub(crate) fn homeserver(&self) -> &Homeserver {
        &self.running.homeserver
    }

    pub(crate) fn room(&self, room: &NewRoom) -> (String, RoomAddress) {
        let id = self.homeserver().create_room(room);
        let address = address(&id);
        (id, address)
    }

    pub(crate) async fn send(&self, room: &RoomAddress) -> Result<String, Failure> {
        self.relate(room, "hello", None).await
    }

    pub(crate) async fn relate(
        &self,
        room: &RoomAddress,
        text: &str,
        relation: Option<&Relation>,
    ) -> Result<String, Failure> {
        let txn = TxnId::generate();
        self.client.send(room, &txn, &message(text), relation).await
    }

    pub(crate) async fn verdict_with(&self, fault: Fault) -> Verdict {
        let (id, room) = self.room(&NewRoom::named("ops").member("bot"));
        self.homeserver().plan(Scope::SendsTo(id), When::Next(1), fault);
        self.send(&room).await.unwrap_err().verdict
    }

    pub(crate) async fn lines(&self, rooms: &[RoomAddress]) -> Vec<(Level, String)> {
        let findings = self.client.check(rooms, &[]).await;
        findings
            .into_iter()
            .map(|finding| (finding.level, finding.line))
            .collect()
    }
}

pub(crate) fn client(base_url: &str, token: &str, timeout: Duration) -> Client {
    let settings = Settings {
        home_server: base_url.to_owned(),
        access_token: token.to_owned().into(),
        request_timeout: timeout,
        encryption: EncryptionSettings::default(),
    };
    Client::new(&settings).unwrap()
}

pub(crate) fn address(text: &str) -> RoomAddress {
    text.parse().unwrap()
}

pub(crate) fn message(body: &str) -> RenderedMessage {
    RenderedMessage {
        body: body.to_owned(),
        formatted_body: format!("<b>{body}</b>"),
        msgtype: MsgType::Text,
        mentions: Mentions::default(),
        headline: body.to_owned(),
        ..RenderedMessage::default()
    }
}
