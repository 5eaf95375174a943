//! The outbox in one SQLite file: nothing to set up, for one relay.
//!
//! Guarantees: one thread writes, and what is asked while it commits shares its next fsync; readers never wait for it.
//! No request waits for a disk that hangs, and what a storm took of the disk is given back when its rows are pruned.
//! The directory is locked, so a claim that is found at the start belongs to a process that is dead. Several relays
//! cannot share it: that is what PostgreSQL is for.

pub(super) mod backup;
mod files;
mod identity;
mod session;
mod soundness;
mod writer;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;

use self::identity::Identity;
use self::session::{SqliteSession, done};
use self::writer::Writer;
use super::delivery::Claims;
use super::store::{AskedGroup, Keep, Lead, PreparedAcceptance, Store, millis_of, within};
use super::{
    Acceptance, Delivery, DeliveryId, DigestPolicy, Ended, Enqueued, Filter, KnownGroup, NewRecording, OutboxError,
    Outcome, OwedEdit, Recorded, Recording, RecordingId, Retried, RoomWait, Scheduled, Settings, Sign, Stats,
};
use super::{accept, claim, edits, encrypted, known, operator, read, record, recording, row, run, sign, switch};
use crate::message::{RenderedMessage, RoomAddress, TxnId};

const VOID_CLAIMS: &str = "UPDATE outbox_room SET owner = NULL, lease_until = 0 WHERE owner IS NOT NULL";
const PROBE: &str = "UPDATE outbox_probe SET count = count + 1";

/// How long an acceptance, a probe or a look may take before the disk counts as gone; one that hangs says nothing.
const PATIENCE: Duration = Duration::from_secs(10);
const LATE: &str = "the disk did not answer in time";

/// The store.
pub(super) struct Sqlite {
    /// For what each acceptance asks: it waits for no long read, nor for another one where there are threads for both.
    lookups: [Mutex<Connection>; 2],
    reader: Arc<Mutex<Connection>>,
    /// Closed last: whoever writes and is alone moves the log into the file then.
    writer: Writer,
    directory: PathBuf,
    files: Arc<Identity>,
    keep: Keep,
}

/// The one that claims: the directory has no other.
const OWNER: &str = "relay";

impl Sqlite {
    /// For the relay: takes the directory, migrates, voids the claims of whoever was there before.
    pub(super) fn open(settings: &Settings) -> Result<Self, OutboxError> {
        let lock = files::take_directory(&settings.data_dir)?;
        let mut connection = files::open_writer(&settings.data_dir)?;
        files::migrate(&mut connection)?;
        connection.execute(VOID_CLAIMS, [])?;
        Self::start(connection, lock, settings)
    }

    /// For a command, beside a relay that may be running.
    pub(super) fn open_for_operator(settings: &Settings) -> Result<Self, OutboxError> {
        let file = settings.data_dir.join(files::FILE);
        if !file.exists() {
            return Err(OutboxError::Missing(file));
        }
        let connection = files::open_writer(&settings.data_dir)?;
        files::check_version(&connection)?;
        Self::start(connection, (), settings)
    }

    fn start(connection: Connection, guard: impl Send + 'static, settings: &Settings) -> Result<Self, OutboxError> {
        Ok(Self {
            lookups: [
                Mutex::new(files::open_lookup(&settings.data_dir)?),
                Mutex::new(files::open_lookup(&settings.data_dir)?),
            ],
            reader: Arc::new(Mutex::new(files::open_reader(&settings.data_dir)?)),
            writer: Writer::start(connection, guard, still)?,
            files: Arc::new(Identity::of(&settings.data_dir)),
            directory: settings.data_dir.clone(),
            keep: Keep::of(settings),
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteSession<'_>) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let reader = Arc::clone(&self.reader);
        let read = move || {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut SqliteSession(&reader))
        };
        let read = async { tokio::task::spawn_blocking(read).await.map_err(OutboxError::bug)? };
        within(PATIENCE, OutboxError::unavailable(LATE), read).await
    }
}

/// While the disk hung nothing could be accepted or come again: the time of recognition stood still.
fn still(connection: &Connection, hung: Duration) -> Result<(), OutboxError> {
    const LATER: &str = "UPDATE outbox_repeat SET accepted_at = accepted_at + ?1";
    connection.prepare_cached(LATER)?.execute([millis_of(hung)])?;
    Ok(())
}

#[async_trait]
impl Store for Sqlite {
    async fn groups(&self, asked: Vec<AskedGroup>) -> Result<Vec<Option<KnownGroup>>, OutboxError> {
        // A few rows by their keys cost less than a walk to another thread and back, which every acceptance would pay. One
        // thread for requests stays out of it, because a disk that hangs holds up whoever reads.
        let others = tokio::runtime::Handle::current().metrics().num_workers() - 1;
        let mut lookups = self.lookups.iter().take(others);
        if let Some(lookup) = lookups.find_map(|lookup| lookup.try_lock().ok()) {
            return done(known::known(&mut SqliteSession(&lookup), &asked));
        }
        self.read(move |s| done(known::known(s, &asked))).await
    }

    async fn stopped(&self) {
        self.writer.stopped().await;
    }

    async fn enqueue(&self, acceptance: Acceptance) -> Result<Enqueued, OutboxError> {
        let acceptance = PreparedAcceptance::new(acceptance)?;
        let window = self.keep.keys;
        let files = Arc::clone(&self.files);
        let enqueue = move |s: &mut SqliteSession<'_>| {
            files.check()?;
            done(async {
                let mut rooms = accept::lock_rooms(s, acceptance.rooms()).await?;
                let enqueued = accept::accept(s, &acceptance, &mut rooms, window).await?;
                rooms.write(s).await?;
                Ok(enqueued)
            })
        };
        self.writer.run_within(PATIENCE, enqueue).await
    }

    async fn claim_due(
        &self,
        now: Timestamp,
        limit: usize,
        policy: &DigestPolicy,
        encrypted_too: bool,
    ) -> Result<Claims, OutboxError> {
        let policy = *policy;
        self.writer
            .run(move |s| done(claim::claim_due(s, OWNER, now, limit, &policy, encrypted_too)))
            .await
    }

    async fn mark_encrypted(&self, room: &RoomAddress, id: String) -> Result<(), OutboxError> {
        let room = room.clone();
        self.writer.run(move |s| done(encrypted::mark(s, &room, &id))).await
    }

    async fn encrypted_rooms(&self) -> Result<Vec<String>, OutboxError> {
        self.read(|s| done(encrypted::all(s))).await
    }

    async fn wake_encrypted(&self) -> Result<(), OutboxError> {
        self.writer.run(|s| done(encrypted::wake(s))).await
    }

    async fn lead(&self) -> Result<Option<Box<dyn Lead>>, OutboxError> {
        Ok(Some(Box::new(encrypted::Alone)))
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn renew(&self, ids: &[DeliveryId], now: Timestamp) -> Result<(), OutboxError> {
        let ids = ids.to_vec();
        self.writer.run(move |s| done(claim::renew(s, OWNER, &ids, now))).await
    }

    async fn release(&self, ids: &[DeliveryId]) -> Result<(), OutboxError> {
        let ids = ids.to_vec();
        self.writer.run(move |s| done(claim::release(s, OWNER, &ids))).await
    }

    async fn record(
        &self,
        id: DeliveryId,
        outcome: Outcome,
        now: Timestamp,
        next: Option<&DigestPolicy>,
    ) -> Result<(Recorded, Claims), OutboxError> {
        let next = next.copied();
        let record = move |s: &mut SqliteSession<'_>| done(record::record(s, OWNER, id, &outcome, now, next.as_ref()));
        self.writer.run(record).await
    }

    async fn set_digest(&self, id: DeliveryId, message: RenderedMessage) -> Result<Recorded, OutboxError> {
        let set = move |s: &mut SqliteSession<'_>| done(run::set_digest(s, OWNER, id, &message));
        self.writer.run(set).await
    }

    async fn room_due(&self, room: &RoomAddress, now: Timestamp) -> Result<Option<RoomWait>, OutboxError> {
        let room = room.clone();
        self.read(move |s| done(read::room_due(s, &room, now))).await
    }

    async fn set_room_due(
        &self,
        room: &RoomAddress,
        wait: Option<RoomWait>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let room = room.clone();
        let set = move |s: &mut SqliteSession<'_>| done(record::set_room_due(s, &room, wait.as_ref(), now));
        self.writer.run(set).await
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, OutboxError> {
        self.read(move |s| done(read::stats(s, now))).await
    }

    async fn probe(&self) -> Result<(), OutboxError> {
        let files = Arc::clone(&self.files);
        let probe = move |s: &mut SqliteSession<'_>| {
            files.check()?;
            Ok(s.0.prepare_cached(PROBE)?.execute([]).map(drop)?)
        };
        self.writer.run_within(PATIENCE, probe).await
    }

    async fn inspect(&self) -> Result<(), OutboxError> {
        soundness::inspect(self.directory.clone()).await
    }

    async fn rebuild(&self) -> Result<(), OutboxError> {
        let directory = self.directory.clone();
        let rebuild = tokio::task::spawn_blocking(move || soundness::rebuild(&directory));
        rebuild.await.map_err(OutboxError::bug)?
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, OutboxError> {
        let keep = self.keep;
        let mut removed = 0;
        loop {
            match self
                .writer
                .run(move |s| done(operator::prune_step(s, now, keep)))
                .await?
            {
                0 => break,
                step => removed += step,
            }
        }
        while self.writer.run(|s| files::give_back(s.0)).await? {}
        Ok(removed)
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Delivery>, OutboxError> {
        self.read(move |s| done(read::list(s, &filter))).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Delivery>, OutboxError> {
        self.read(move |s| done(row::show(s, id))).await
    }

    async fn retry(&self, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
        let mut retried = Vec::with_capacity(ids.len());
        for &id in ids {
            let result = self.writer.run(move |s| done(operator::retry(s, id, now))).await?;
            retried.push(Retried { id, result });
        }
        Ok(retried)
    }

    async fn dead_of_room(&self, room: &RoomAddress) -> Result<Vec<DeliveryId>, OutboxError> {
        let room = room.clone();
        self.read(move |s| done(operator::dead_of_room(s, &room))).await
    }

    async fn edits(&self, room: Option<RoomAddress>, limit: usize) -> Result<Vec<OwedEdit>, OutboxError> {
        self.read(move |s| done(edits::list(s, room.as_ref(), limit))).await
    }

    async fn edit(&self, id: DeliveryId) -> Result<Option<OwedEdit>, OutboxError> {
        self.read(move |s| done(edits::show(s, id))).await
    }

    async fn give_up(&self, id: DeliveryId, now: Timestamp) -> Result<Ended, OutboxError> {
        self.writer.run(move |s| done(operator::give_up(s, id, now))).await
    }

    async fn delete(&self, id: DeliveryId) -> Result<Ended, OutboxError> {
        self.writer.run(move |s| done(operator::delete(s, id))).await
    }

    async fn keep_recordings(&self, new: Vec<NewRecording>, keep: usize) -> Result<(), OutboxError> {
        self.writer.run(move |s| done(recording::keep(s, &new, keep))).await
    }

    async fn recordings(&self) -> Result<Vec<Recording>, OutboxError> {
        self.read(|s| done(recording::list(s))).await
    }

    async fn recording(&self, id: RecordingId) -> Result<Option<(Recording, String)>, OutboxError> {
        self.read(move |s| done(recording::show(s, id))).await
    }

    async fn note_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<(), OutboxError> {
        self.writer
            .run_within(PATIENCE, move |s| done(sign::note(s, &names, at)))
            .await
    }

    async fn expect_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<Vec<Sign>, OutboxError> {
        self.writer.run(move |s| done(sign::expect(s, &names, at))).await
    }

    async fn scheduled(&self) -> Result<Vec<Scheduled>, OutboxError> {
        self.read(|s| done(switch::list(s))).await
    }

    async fn begin_scheduled(&self, new: Scheduled) -> Result<(), OutboxError> {
        self.writer.run(move |s| done(switch::begin(s, &new))).await
    }

    async fn write_scheduled(&self, one: Scheduled) -> Result<(), OutboxError> {
        self.writer.run(move |s| done(switch::write(s, &one))).await
    }

    async fn forget_scheduled(&self, txn_id: TxnId) -> Result<(), OutboxError> {
        self.writer.run(move |s| done(switch::forget(s, &txn_id))).await
    }
}

#[cfg(test)]
mod tests {
    use super::session::RUN;
    use super::*;
    use crate::message::{Mentions, MsgType, RenderedMessage};
    use crate::outbox::{GroupMessage, GroupQuery, GroupUpdate, KnownAlert, NewLine, Root};

    fn message(text: &str) -> RenderedMessage {
        RenderedMessage {
            body: text.to_owned(),
            formatted_body: format!("<b>{text}</b>"),
            msgtype: MsgType::Text,
            mentions: Mentions::default(),
            headline: text.to_owned(),
            ..RenderedMessage::default()
        }
    }

    fn update(version: i64, root: Root) -> Acceptance {
        let line = NewLine {
            message: message("line"),
            starts_at: None,
        };
        let alert = KnownAlert {
            name: version.to_string(),
            firing: true,
            data: "{}".to_owned(),
            is_new: true,
        };
        Acceptance {
            deliveries: Vec::new(),
            groups: vec![GroupUpdate {
                room: "!a:example.org".parse().unwrap(),
                key: "g".to_owned(),
                expected: version,
                memory: "{}".to_owned(),
                snapshot: None,
                alerts: vec![alert],
                message: Some(GroupMessage {
                    text: message("text"),
                    rest: vec![message("rest")],
                    loud: true,
                    mentions: Mentions::default(),
                }),
                root,
                starts_at: None,
                live: true,
                lines: vec![line.clone(), line],
            }],
            repeat_key: Some(version.to_string()),
            request_key: None,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn accept_now(session: &mut SqliteSession<'_>, acceptance: Acceptance) {
        let acceptance = PreparedAcceptance::new(acceptance).unwrap();
        done(async {
            let mut rooms = accept::lock_rooms(session, acceptance.rooms()).await?;
            accept::accept(session, &acceptance, &mut rooms, 1).await?;
            rooms.write(session).await
        })
        .unwrap();
    }

    /// With 100,000 rows waiting, a statement that walks over them would cost every acceptance and claim milliseconds.
    #[test]
    fn no_statement_of_an_acceptance_or_a_delivery_walks_over_what_waits() {
        let directory = tempfile::tempdir().unwrap();
        let _lock = files::take_directory(directory.path()).unwrap();
        let mut connection = files::open_writer(directory.path()).unwrap();
        files::migrate(&mut connection).unwrap();
        let session = &mut SqliteSession(&connection);
        let policy = DigestPolicy {
            threshold: 3,
            ..DigestPolicy::never()
        };
        let now = Timestamp::UNIX_EPOCH;
        for version in 0..8 {
            let root = if version % 4 == 0 { Root::Begin } else { Root::Keep };
            accept_now(session, update(version, root));
            for round in 0..9 {
                let claims = done(claim::claim_due(session, OWNER, now, 9, &policy, true)).unwrap();
                let mut claimed = claims.deliveries;
                while let Some(delivery) = claimed.pop() {
                    done(claim::renew(session, OWNER, &[delivery.id], now)).unwrap();
                    let (event_id, error) = (format!("${version}-{round}"), "refused".to_owned());
                    let outcome = if round == 3 && delivery.relation.is_some() {
                        Outcome::Detached { error }
                    } else {
                        Outcome::Delivered { event_id }
                    };
                    let next = (round % 2 == 0).then_some(&policy);
                    let recorded = record::record(session, OWNER, delivery.id, &outcome, now, next);
                    claimed.extend(done(recorded).unwrap().1.deliveries);
                }
            }
        }
        for others in [true, false] {
            let asked = AskedGroup::new(&GroupQuery {
                room: &"!a:example.org".parse().unwrap(),
                key: "g",
                alerts: vec!["1".to_owned()],
                others,
            });
            assert!(done(known::known(session, &[asked.unwrap()])).unwrap()[0].is_some());
        }
        let run = RUN.take();
        assert!(run.len() > 40, "{}", run.len());
        for statement in run {
            let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let parameters = vec![0; explained.parameter_count()];
            let plan = explained.query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail"));
            let plan: Vec<String> = plan.unwrap().map(Result::unwrap).collect();
            // Rooms are walked over, and the list that is handed in.
            let walks = |step: &&String| {
                step.starts_with("SCAN")
                    && !matches!(step.as_str(), "SCAN r" | "SCAN outbox_room")
                    && !step.contains("json_each")
                    && !step.contains("CONSTANT")
            };
            assert_eq!(plan.iter().find(walks), None, "{statement}\n{plan:#?}");
            // However many alerts a group remembers, those that are asked for are found by their names.
            if statement.contains("name IN (SELECT value") {
                assert!(
                    plan.iter().any(|step| step.contains("name=?")),
                    "{statement}\n{plan:#?}"
                );
            }
        }
    }
}
