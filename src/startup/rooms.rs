//! Looks after the rooms: says at the start what an operator has to do about homeserver, token and rooms, lets a room that
//! is well again have its messages at once, and joins one that the account is invited to.
//!
//! Guarantees: a room whose wait was recorded, by this process or one before it, is tried as soon as a check finds that it takes
//! messages. While the account is missing in a room, the homeserver is asked to tell of invitations, by one request at a time;
//! an invitation is accepted within seconds, and no join is tried without one, because joins are limited. It never sends, and
//! it decides no retry: an attempt that fails again waits as the policy says.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rand::seq::SliceRandom as _;
use ruma::OwnedRoomId;
use secrecy::SecretString;

use super::room_names;
use crate::matrix::{Finding, Level, Transport};
use crate::message::RoomAddress;
use crate::outbox::{Outbox, OutboxError};

/// How often rooms that wait are looked at.
const LOOK: Duration = Duration::from_mins(1);
/// A room that is tried again sooner need not be looked at.
const SOON: Duration = Duration::from_secs(5);
/// How many rooms are looked at together: some requests each, to a homeserver that may not be well.
const AT_ONCE: usize = 8;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon the homeserver is asked again for invitations after it had some, and after it failed; doubled up to `LOOK`.
const ASK: Duration = Duration::from_secs(1);
/// How often it is looked whether a room is missing.
const MISSING: Duration = Duration::from_secs(2);
/// How often in a row an invitation is tried to be accepted.
const TRIES: u8 = 10;

/// What is needed to look at rooms; cheap to clone.
#[derive(Clone)]
pub(super) struct Rooms {
    transport: Transport,
    outbox: Outbox,
    data_dir: Arc<Path>,
    unsettled: Arc<Mutex<Unsettled>>,
}

/// The rooms that are not known to take messages, or to be closed for another reason than a missing invitation.
#[derive(Default)]
struct Unsettled {
    rooms: BTreeMap<RoomAddress, Why>,
    /// The lines of the last reports about them, which need not be said again.
    said: HashSet<String>,
    /// The rooms in which everybody is mentioned.
    mentioned: HashSet<RoomAddress>,
}

/// What they wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// An invitation.
    Absent,
    /// A homeserver that answers.
    Unchecked,
}

impl Rooms {
    /// The names of rooms are kept in `data_dir`.
    pub(super) fn new(transport: &Transport, outbox: &Outbox, data_dir: &Path) -> Self {
        Self {
            transport: transport.clone(),
            outbox: outbox.clone(),
            data_dir: Arc::from(data_dir),
            unsettled: Arc::default(),
        }
    }

    /// See [`Transport::set_token`].
    pub(super) fn set_token(&self, token: SecretString) -> bool {
        self.transport.set_token(token)
    }

    /// Says what an operator has to do about homeserver, token and these rooms. In those of `mentioned` the account needs the power
    /// to mention everybody, too.
    pub(super) async fn report(&self, rooms: Vec<RoomAddress>, mentioned: Vec<RoomAddress>) {
        self.unsettled().mentioned.extend(mentioned.iter().cloned());
        let findings = self.transport.check(&rooms, &mentioned).await;
        self.note(&rooms, &findings);
        self.keep_names(findings.clone()).await;
        for finding in self.news(&findings) {
            match finding.level {
                Level::Error => tracing::error!("{}", finding.line),
                Level::Warn => tracing::warn!("{}", finding.line),
                Level::Info => tracing::info!("{}", finding.line),
            }
        }
        self.wake(&findings).await;
    }

    async fn keep_names(&self, findings: Vec<Finding>) {
        let data_dir = Arc::clone(&self.data_dir);
        let keep = tokio::task::spawn_blocking(move || room_names::keep(&data_dir, &findings));
        // Nobody misses a name that could not be kept.
        drop(keep.await);
    }

    /// Notes which of these rooms are unsettled now.
    fn note(&self, rooms: &[RoomAddress], findings: &[Finding]) {
        let mut unsettled = self.unsettled();
        let is_open = findings.iter().any(|finding| finding.is_open);
        for room in rooms {
            if findings.iter().any(|finding| finding.absent.as_ref() == Some(room)) {
                unsettled.rooms.insert(room.clone(), Why::Absent);
            } else if is_open && !findings.iter().any(|finding| finding.ready.as_ref() == Some(room)) {
                unsettled.rooms.insert(room.clone(), Why::Unchecked);
            } else {
                unsettled.rooms.remove(room);
            }
        }
    }

    /// What has not been said yet of rooms that are looked at again and again.
    fn news<'f>(&self, findings: &'f [Finding]) -> Vec<&'f Finding> {
        let mut unsettled = self.unsettled();
        let is_new = |finding: &&Finding| !unsettled.said.contains(&finding.line);
        let news: Vec<_> = findings.iter().filter(is_new).collect();
        if unsettled.rooms.is_empty() {
            unsettled.said.clear();
        } else {
            unsettled.said.extend(news.iter().map(|finding| finding.line.clone()));
        }
        news
    }

    /// Reports on the rooms of the start, then looks at those that wait, and for invitations to those that it is missing in, again
    /// and again.
    pub(super) async fn keep(self, rooms: Vec<RoomAddress>, mentioned: Vec<RoomAddress>) {
        self.report(rooms, mentioned).await;
        let waits = async {
            loop {
                tokio::time::sleep(LOOK).await;
                self.look(Timestamp::now()).await;
            }
        };
        tokio::join!(waits, self.keep_invited());
    }

    /// Accepts invitations while there are rooms that wait for one, and checks those that could not be checked.
    async fn keep_invited(&self) {
        let (mut since, mut pause) = (None, ASK);
        let mut invited = BTreeMap::new();
        loop {
            if self.unsettled().rooms.is_empty() {
                // What comes meanwhile is seen all the same: it is asked for from there on.
                tokio::time::sleep(MISSING).await;
                continue;
            }
            match self.transport.invites(since.clone()).await {
                Ok(invites) => {
                    since = invites.next;
                    pause = ASK;
                    invited.extend(invites.rooms.into_iter().map(|room| (room, TRIES)));
                    self.settle(&mut invited).await;
                }
                Err(failure) => {
                    tracing::debug!("cannot see invitations now: {failure}");
                    // The place to go on from may be what is refused.
                    since = None;
                    pause = (pause * 2).min(LOOK);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks again at the rooms that it was invited to, and at those that could not be looked at.
    async fn settle(&self, invited: &mut BTreeMap<OwnedRoomId, u8>) {
        let (rooms, mentioned) = {
            let unsettled = self.unsettled();
            let rooms: Vec<_> = unsettled.rooms.iter().map(|(room, why)| (room.clone(), *why)).collect();
            (rooms, unsettled.mentioned.iter().cloned().collect::<Vec<_>>())
        };
        for (room, why) in rooms {
            let id = self.transport.resolve(&room).await;
            let is_invited = id.as_ref().is_some_and(|id| invited.contains_key(id));
            if is_invited || why == Why::Unchecked {
                let mentioned: Vec<_> = mentioned.iter().filter(|one| **one == room).cloned().collect();
                self.report(vec![room], mentioned).await;
            }
        }
        invited.retain(|_, tries| {
            *tries -= 1;
            *tries > 0
        });
    }

    fn unsettled(&self) -> MutexGuard<'_, Unsettled> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at some of the rooms that wait for longer than a few seconds. Whose turn it is chance decides, so that rooms that
    /// cannot be looked at keep no other from it.
    async fn look(&self, now: Timestamp) {
        let Ok(stats) = self.outbox.stats(now).await else {
            return;
        };
        let waits = stats.rooms.into_iter().filter(|room| {
            let until = room.wait.as_ref().map(|wait| wait.until);
            room.waiting > 0 && until.is_some_and(|until| until > now + SOON)
        });
        let mut rooms: Vec<RoomAddress> = waits.map(|room| room.room).collect();
        rooms.shuffle(&mut rand::rng());
        rooms.truncate(AT_ONCE);
        if rooms.is_empty() {
            return;
        }
        // What has not been answered by then is looked at another time.
        if let Ok(findings) = tokio::time::timeout(PATIENCE, self.transport.check(&rooms, &[])).await {
            self.note(&rooms, &findings);
            self.wake(&findings).await;
        }
    }

    /// Ends the waits of the rooms that were found well.
    async fn wake(&self, findings: &[Finding]) {
        for room in findings.iter().filter_map(|finding| finding.ready.as_ref()) {
            match self.wake_one(room, Timestamp::now()).await {
                Ok(false) => {}
                Ok(true) => tracing::info!(
                    matrix.room_id = %room,
                    "{room} takes messages again: the relay sends what waits"
                ),
                // It is tried when its time comes.
                Err(error) => {
                    tracing::debug!(matrix.room_id = %room, error.message = %error, "cannot end the wait of a room");
                }
            }
        }
    }

    async fn wake_one(&self, room: &RoomAddress, now: Timestamp) -> Result<bool, OutboxError> {
        let waits = self.outbox.room_due(room, now).await?.is_some();
        if waits {
            self.outbox.set_room_due(room, None, now).await?;
        }
        Ok(waits)
    }
}

#[cfg(test)]
mod tests;
