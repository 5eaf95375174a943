//! What is owed to rooms. Two kinds of thing are, and they differ in kind:
//!
//! - **News** (`outbox_news`): a message, a group's first message (its *root*), a line in the thread of one. It is ordered, goes
//!   out exactly once, and its text is fixed when it is accepted. A root takes its text when it is first tried.
//! - **A group's message** (`outbox_group`) is a value: only its newest text matters. Acceptance overwrites what it should say
//!   (`wanted`, counted by `wanted_rev`) and appends news. Where the root is in the room, the worker edits it to that.
//!
//! ```text
//! news:   accept ─→ Pending ─claim─→ InFlight ─record─→ Delivered
//!                      │    ←─Wait, Rewrite─┘    └────→ Dead ─retry─→ Pending
//!                      └─ Combined: sent as one with others, which name the row that is sent in their place
//! edit:   wanted_rev > shown_rev, root in the room ─claim─→ tried, tried_rev ─record─→ shown_rev = tried_rev
//! ```
//!
//! Who writes what: *acceptance* writes `version` (compare and swap), `memory`, `wanted`, `wanted_rev`, `live`, `root_news` of a new
//! root, and news; *claiming* writes the attempt, `tried` and `tried_rev`, and makes one row of a run of news; *recording* writes
//! `root_event`, `latest_event`, `shown_rev` and how a row ended. Each is one transaction under the lock of its room, so a
//! process may be killed at any point: what was tried and has not ended (`current` of the room) is tried again first, unchanged,
//! under the same transaction ID. That of an edit is made of its group's and the revision.
//!
//! What follows from that: what waits is replaced by what is newer, because it is a value; a root that nobody has seen says
//! what is the case when it is sent, and wakes whom it would have woken before; a root that is not in the room any more is owed
//! once more, quietly, and no line goes before it; a digest that names roots has shown them to the room, and the next notification of
//! each brings the message; what was given up is left alone until an operator retries it or a notification changes the group.
//!
//! Guarantees: what [`Outbox::enqueue`] has returned is on disk, and stays there until it is delivered, or is named in exactly
//! one digest, or an operator drops it; a room is worked by one relay and at one thing at a time (a lease in its row; on
//! PostgreSQL it goes by the database's clock); after ten news in a row an edit that is owed has its turn. Nothing is loaded
//! whole: memory does not grow with the backlog, and an acceptance costs what it changes.
//!
//! The rules are written once, over `session::Session`, which each database has its own of. It does not know Matrix, alerts or
//! templates, it sends nothing and decides no retry, and it never reads a clock: `now` is a parameter everywhere.

mod accept;
mod claim;
mod claimed;
mod columns;
mod databases;
mod delivery;
mod digest;
mod edits;
mod encrypted;
mod error;
mod failure;
mod group;
mod known;
mod lost_root;
mod opening;
mod operations;
mod operator;
mod outcome;
#[cfg(feature = "postgres")]
mod postgres;
mod prepared;
mod read;
mod record;
mod recording;
mod report;
mod row;
mod run;
mod session;
mod sign;
mod soundness;
mod sqlite;
mod store;
mod stored;
mod switch;
mod text;
mod upkeep;
mod working;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Notify;

pub use self::databases::WITHOUT_POSTGRES;
use self::databases::{Opener, directory_of, open_store};
pub use self::delivery::{
    Acceptance, Delivery, DeliveryId, DeliveryIdError, DeliveryState, DeliveryStateError, Enqueued, NewDelivery, Part,
    Receipt,
};
pub use self::digest::{DIGEST_AT_MOST, DigestPolicy, Waiting};
pub use self::error::OutboxError;
pub use self::failure::Failure;
pub use self::group::{GroupMessage, GroupUpdate, KnownAlert, KnownGroup, NewLine, Root, RootState};
use self::opening::Slot;
pub use self::outcome::{Outcome, Recorded};
pub use self::recording::{NewRecording, Recording, RecordingId};
pub use self::report::{Ended, Filter, OwedEdit, Retried, RetryResult, RoomStats, RoomWait, Stats};
pub use self::sign::Sign;
use self::soundness::Soundness;
pub use self::store::Lead;
use self::store::{AskedGroup, Store};
pub use self::switch::{Scheduled, ScheduledState};
use crate::message::RoomAddress;

/// Where the outbox lives and how long it remembers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of the SQLite file; made if it is missing.
    pub data_dir: PathBuf,
    /// A `postgres://` URL: the outbox lives there instead.
    pub database_url: Option<SecretString>,
    /// How long a repeat key is recognised.
    pub repeat_window: Duration,
    /// How long delivered rows stay readable.
    pub keep_delivered: Duration,
    /// How long it is remembered what is known of a group, after its last notification.
    pub keep_groups: Duration,
}

#[cfg(test)]
impl Settings {
    /// For a test, in this folder.
    pub(crate) fn in_folder(folder: &std::path::Path) -> Self {
        Self {
            data_dir: folder.to_owned(),
            database_url: None,
            repeat_window: Duration::from_secs(90),
            keep_delivered: Duration::from_secs(1),
            keep_groups: Duration::from_secs(1),
        }
    }
}

/// A group that is asked for.
#[derive(Debug, Clone)]
pub struct GroupQuery<'a> {
    /// The room in which it is shown.
    pub room: &'a RoomAddress,
    /// Its key.
    pub key: &'a str,
    /// Alerts of it by name.
    pub alerts: Vec<String>,
    /// Whether the others that fire matter too; otherwise they are only counted.
    pub others: bool,
}

/// A handle on the outbox; cheap to clone. The last one to go waits for what is being written.
#[derive(Clone)]
pub struct Outbox {
    slot: Arc<Slot>,
    soundness: Arc<Soundness>,
    work: Arc<Notify>,
    /// Whether what is for encrypted rooms is left to another relay.
    leaves_encrypted: Arc<AtomicBool>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox")
    }
}

impl Outbox {
    /// Opens it for a relay, and migrates it. A second relay on the same directory is refused.
    pub async fn open(settings: &Settings) -> Result<Self, OutboxError> {
        Ok(Self::on(open_store(settings, Opener::Relay).await?))
    }

    /// The same for a relay that starts while its disk is full or its database is down: then it goes on trying, and until it has
    /// succeeded whatever is asked is [`OutboxError::Unavailable`]. What only a person can mend is an error all the same.
    pub async fn open_or_wait(settings: &Settings) -> Result<Self, OutboxError> {
        let work = Arc::<Notify>::default();
        let slot = opening::open_or_wait(settings, Arc::clone(&work)).await?;
        Ok(Self {
            slot,
            soundness: Arc::default(),
            work,
            leaves_encrypted: Arc::default(),
        })
    }

    /// Opens it for a command, beside a relay that may be running: takes no lock, makes and migrates nothing.
    pub async fn open_for_operator(settings: &Settings) -> Result<Self, OutboxError> {
        Ok(Self::on(open_store(settings, Opener::Command).await?))
    }

    /// Writes a copy of it into a new file, beside a relay that may be running.
    pub async fn backup(settings: &Settings, to: PathBuf) -> Result<(), OutboxError> {
        let directory = directory_of(settings)?;
        let backup = tokio::task::spawn_blocking(move || sqlite::backup::backup(&directory, &to));
        backup.await.map_err(OutboxError::bug)?
    }

    /// Puts such a copy in its place, while no relay runs. Returns where the outbox is kept that it replaces.
    pub async fn restore(settings: &Settings, from: PathBuf) -> Result<Option<PathBuf>, OutboxError> {
        let directory = directory_of(settings)?;
        let restore = tokio::task::spawn_blocking(move || sqlite::backup::restore(&directory, &from));
        restore.await.map_err(OutboxError::bug)?
    }

    fn on(store: Box<dyn Store>) -> Self {
        Self {
            slot: Arc::new(Slot::open(store)),
            soundness: Arc::default(),
            work: Arc::default(),
            leaves_encrypted: Arc::default(),
        }
    }

    fn store(&self) -> Result<&dyn Store, OutboxError> {
        self.slot.get()
    }

    /// Waits until this process has accepted, retried or woken something since the last call: a worker's reason to
    /// claim before its next poll. What other processes do, and waits that end, only a poll finds.
    pub async fn work(&self) {
        self.work.notified().await;
    }

    /// What is known of these groups, in their order.
    pub async fn groups(&self, groups: &[GroupQuery<'_>]) -> Result<Vec<Option<KnownGroup>>, OutboxError> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let asked = groups.iter().map(AskedGroup::new);
        self.store()?.groups(asked.collect::<Result<_, _>>()?).await
    }

    /// Waits for the end of whatever writes. It has none while all is well: after it nothing can be accepted, and only a
    /// new process helps.
    pub async fn stopped(&self) {
        self.slot.stopped().await;
    }

    /// Accepts a notification. When it returns they are on disk; concurrent calls share one fsync. If the caller goes away
    /// meanwhile, or the store takes so long that this fails, they may be on disk all the same: that is what repeat keys are
    /// for, which recognise the caller's next try.
    pub async fn enqueue(&self, acceptance: Acceptance) -> Result<Enqueued, OutboxError> {
        self.soundness.must_be_usable()?;
        let enqueued = self.soundness.note(self.store()?.enqueue(acceptance).await)?;
        self.work.notify_one();
        Ok(enqueued)
    }

    /// Whether other relays may be on it, as on PostgreSQL.
    pub fn is_shared(&self) -> Result<bool, OutboxError> {
        Ok(self.store()?.is_shared())
    }
}
