//! A fresh place for an outbox, and short words for what the facts say again and again.

use std::path::Path;
use std::time::Duration;

use grafana_matrix_relay::message::{Mentions, MsgType, RenderedMessage, RoomAddress};
use grafana_matrix_relay::outbox::{
    Acceptance, Delivery, DeliveryId, DigestPolicy, Enqueued, NewDelivery, Outbox, Outcome, Recorded, Settings,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tempfile::TempDir;

use crate::support::postgres;

pub(crate) const WINDOW: Duration = Duration::from_mins(1);
pub(crate) const KEEP: Duration = Duration::from_hours(1);

/// Where one test's outbox lives; gone with the test.
pub(crate) struct Place {
    directory: TempDir,
    database_url: Option<String>,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            database_url: None,
        }
    }

    pub(crate) async fn postgresql() -> Self {
        Self {
            database_url: Some(postgres::database().await),
            ..Self::sqlite()
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(self.directory.path(), self.database_url.clone())
    }

    pub(crate) fn is_postgresql(&self) -> bool {
        self.database_url.is_some()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn database_url(&self) -> &str {
        self.database_url.as_deref().unwrap()
    }

    /// The same database under another address, such as a proxy's.
    pub(crate) fn through(&self, database_url: String) -> Settings {
        settings(self.directory.path(), Some(database_url))
    }

    pub(crate) async fn open(&self) -> Outbox {
        Outbox::open(&self.settings()).await.unwrap()
    }

    /// Makes the database refuse any message that holds the word.
    pub(crate) async fn refuse(&self, word: &str) {
        if let Some(url) = &self.database_url {
            let refuse = format!("ALTER TABLE outbox_news ADD CHECK (message NOT LIKE '%{word}%')");
            let mut connection = postgres::connect(url).await;
            sqlx::raw_sql(sqlx::AssertSqlSafe(refuse))
                .execute(&mut connection)
                .await
                .unwrap();
        } else {
            let file = rusqlite::Connection::open(self.directory().join("outbox.db")).unwrap();
            let refuse = format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON outbox_news WHEN new.message LIKE '%{word}%'
                 BEGIN SELECT raise(ABORT, 'refused'); END"
            );
            file.execute_batch(&refuse).unwrap();
        }
    }

    /// Does by hand to the tables what no relay does.
    pub(crate) async fn by_hand(&self, statement: &str) {
        if let Some(url) = &self.database_url {
            let mut connection = postgres::connect(url).await;
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
                .execute(&mut connection)
                .await
                .unwrap();
        } else {
            let file = rusqlite::Connection::open(self.directory().join("outbox.db")).unwrap();
            file.busy_timeout(Duration::from_secs(5)).unwrap();
            file.execute_batch(statement).unwrap();
        }
    }

    /// Ends a relay as a crash does, with claims outstanding, and starts the next one when its leases are over.
    pub(crate) async fn reopen(&self, outbox: Outbox) -> Outbox {
        drop(outbox);
        self.expire_leases().await;
        self.open().await
    }

    /// Lets the database's clock have gone on; SQLite goes by the time that the caller gives.
    pub(crate) async fn expire_leases(&self) {
        if let Some(url) = &self.database_url {
            let mut connection = postgres::connect(url).await;
            let expire = "UPDATE outbox_room SET lease_until = 0";
            sqlx::query(expire).execute(&mut connection).await.unwrap();
        }
    }
}

pub(crate) fn settings(directory: &Path, database_url: Option<String>) -> Settings {
    Settings {
        data_dir: directory.to_owned(),
        database_url: database_url.map(SecretString::from),
        repeat_window: WINDOW,
        keep_delivered: KEEP,
        keep_groups: Duration::from_hours(30 * 24),
    }
}

/// Seconds after an arbitrary beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap() + SignedDuration::from_secs(seconds)
}

pub(crate) fn room(name: &str) -> RoomAddress {
    format!("!{name}:example.org").parse().unwrap()
}

pub(crate) fn message(text: &str) -> RenderedMessage {
    RenderedMessage {
        body: text.to_owned(),
        formatted_body: format!("<b>{text}</b>"),
        msgtype: MsgType::Text,
        mentions: Mentions::default(),
        headline: text.to_owned(),
        ..RenderedMessage::default()
    }
}

pub(crate) fn acceptance(name: &str, text: &str, now: Timestamp) -> Acceptance {
    Acceptance {
        deliveries: vec![NewDelivery {
            room: room(name),
            message: message(text),
            starts_at: None,
        }],
        groups: Vec::new(),
        repeat_key: None,
        request_key: None,
        at: now,
    }
}

pub(crate) fn keyed(name: &str, text: &str, key: &str, now: Timestamp) -> Acceptance {
    Acceptance {
        repeat_key: Some(key.to_owned()),
        ..acceptance(name, text, now)
    }
}

/// Accepts one message and returns its row.
pub(crate) async fn accept(outbox: &Outbox, name: &str, text: &str, now: Timestamp) -> DeliveryId {
    match outbox.enqueue(acceptance(name, text, now)).await.unwrap() {
        Enqueued::Accepted(receipts) => receipts[0].id,
        Enqueued::Recognised(_) | Enqueued::Outdated => panic!("no key was given"),
    }
}

/// Claims whatever is due, without digests.
pub(crate) async fn claim(outbox: &Outbox, now: Timestamp) -> Vec<Delivery> {
    claim_written(outbox, now, 100, &DigestPolicy::never()).await
}

/// Claims the only delivery that is due.
pub(crate) async fn claim_one(outbox: &Outbox, now: Timestamp) -> Delivery {
    let mut claimed = claim(outbox, now).await;
    assert_eq!(claimed.len(), 1, "due: {claimed:?}");
    claimed.remove(0)
}

pub(crate) fn delivered() -> Outcome {
    Outcome::Delivered {
        event_id: "$event".to_owned(),
    }
}

pub(crate) fn dead() -> Outcome {
    Outcome::Dead {
        error: "no more".to_owned(),
    }
}

pub(crate) fn wait(until: Timestamp) -> Outcome {
    Outcome::Wait {
        until,
        reason: "limited".to_owned(),
        error: "429 M_LIMIT_EXCEEDED".to_owned(),
        counts: true,
    }
}

/// Records an outcome that must count.
pub(crate) async fn record(outbox: &Outbox, id: DeliveryId, outcome: Outcome, now: Timestamp) {
    assert_eq!(outbox.record(id, outcome, now).await.unwrap(), Recorded::Done);
}

/// Claims and delivers until nothing is due, and returns the texts in the order of delivery.
pub(crate) async fn drain(outbox: &Outbox, now: Timestamp) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let claimed = claim(outbox, now).await;
        if claimed.is_empty() {
            return texts;
        }
        for delivery in claimed {
            record(outbox, delivery.id, delivered(), now).await;
            texts.push(delivery.message.body);
        }
    }
}

/// Claims what is due, and gives a digest its text as a worker does: it names what waited in a line each.
pub(crate) async fn claim_written(
    outbox: &Outbox,
    now: Timestamp,
    limit: usize,
    policy: &DigestPolicy,
) -> Vec<Delivery> {
    let mut claimed = outbox.claim_due(now, limit, policy).await.unwrap();
    for delivery in &mut claimed {
        write_digest(outbox, delivery).await;
    }
    claimed
}

async fn write_digest(outbox: &Outbox, delivery: &mut Delivery) {
    if let Some(waiting) = delivery.digest_of.take() {
        let lines: Vec<&str> = waiting.iter().map(|one| one.headline.as_str()).collect();
        delivery.message = message(&lines.join("\n"));
        let kept = outbox.set_digest(delivery.id, delivery.message.clone()).await;
        assert_eq!(kept.unwrap(), Recorded::Done);
    }
}

/// Records an outcome that must count, and claims what its room sends next.
pub(crate) async fn record_and_claim(
    outbox: &Outbox,
    id: DeliveryId,
    outcome: Outcome,
    now: Timestamp,
    policy: &DigestPolicy,
) -> Option<Delivery> {
    let (recorded, mut next) = outbox.record_and_claim(id, outcome, now, policy).await.unwrap();
    assert_eq!(recorded, Recorded::Done);
    if let Some(delivery) = &mut next {
        write_digest(outbox, delivery).await;
    }
    next
}

/// A digest of more than three that are older than ten seconds.
pub(crate) fn digest_policy() -> DigestPolicy {
    DigestPolicy {
        threshold: 3,
        min_age: Duration::from_secs(10),
    }
}
