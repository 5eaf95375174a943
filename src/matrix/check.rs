//! The start-up check: can this account send to these rooms, and if not, what has to be done?
//!
//! Guarantees: each finding is one line that reads alone and says what to do; rooms that the account is invited to, or
//! that are public, are joined. It never fails and never sends a message; a homeserver that is down is a warning.

mod finding;
mod trouble;

use ruma::UserId;
use ruma::api::client::discovery::get_supported_versions;
use ruma::api::client::state::get_state_event_for_key::v3 as state_event;
use ruma::events::room::create::RoomCreateEventContent;
use ruma::events::room::member::MembershipState;
use ruma::events::room::power_levels::{RoomPowerLevels, RoomPowerLevelsEventContent, RoomPowerLevelsSource};
use ruma::events::{MessageLikeEventType, StateEventType};
use ruma::{OwnedRoomId, OwnedUserId, RoomId, RoomVersionId};
use serde::Deserialize;

pub use self::finding::{Finding, Level};
use self::trouble::{no_power_to_mention, room_trouble, whose_token};
#[cfg(feature = "encryption")]
use super::encryption::WithoutKey;
use super::verdict::{RequestKind, RoomTrouble, TokenTrouble, Verdict};
use super::{Client, Failure};
use crate::message::RoomAddress;

/// How many devices without a key are named.
#[cfg(feature = "encryption")]
const NAMED_DEVICES: usize = 20;

impl Client {
    /// Checks the homeserver, the token and the rooms, in this order; stops where the rest cannot be known. In the rooms
    /// of `mentioned` the account needs the power to mention everybody, too.
    pub async fn check(&self, rooms: &[RoomAddress], mentioned: &[RoomAddress]) -> Vec<Finding> {
        if let Err(failure) = self
            .call(RequestKind::Account, get_supported_versions::Request::new())
            .await
        {
            return vec![self.account_trouble(&failure)];
        }
        let me = match self.whoami().await {
            Ok(me) => me,
            Err(failure) => return vec![self.account_trouble(&failure)],
        };
        let mut findings = whose_token(&me);
        for room in rooms {
            let mentions = mentioned.contains(room);
            if let Err(finding) = self.check_room(room, mentions, &me.user_id, &mut findings).await {
                findings.push(finding);
            }
        }
        #[cfg(feature = "encryption")]
        findings.extend(self.check_identity().await);
        findings
    }

    /// Whether the relay's device is vouched for, where that matters: once it has encrypted something.
    #[cfg(feature = "encryption")]
    async fn check_identity(&self) -> Option<Finding> {
        if !self.encryption().is_used() || self.encryption().is_opening() {
            return None;
        }
        match self.identity().await {
            Ok(identity) if identity.is_signed || !identity.has_keys => None,
            Ok(identity) => Some(Finding::new(
                Level::Warn,
                format!(
                    "nobody vouches for device {} of {}: clients warn of the relay's messages in encrypted rooms, or hide them; \
                     `grafana-matrix-relay identity show` says more",
                    identity.device_id, identity.user_id
                ),
            )),
            Err(error) => Some(Finding::open(
                Level::Warn,
                format!("cannot find out whether somebody vouches for the relay's device: {error}"),
            )),
        }
    }

    /// Which devices of the members cannot read the room's messages.
    #[cfg(feature = "encryption")]
    fn check_devices(&self, room: &RoomAddress, id: &RoomId) -> Option<Finding> {
        let devices = self.encryption().devices_without_keys(id);
        let named = |one: &WithoutKey| format!("{} of {} ({})", one.device, one.user, one.why());
        let names: Vec<String> = devices.iter().take(NAMED_DEVICES).map(named).collect();
        let more = match devices.len().saturating_sub(NAMED_DEVICES) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let noun = if devices.len() == 1 {
            "device has"
        } else {
            "devices have"
        };
        (!devices.is_empty()).then(|| {
            Finding::new(
                Level::Warn,
                format!(
                    "{} {noun} no key to read {room}: {}{more}",
                    devices.len(),
                    names.join("; ")
                ),
            )
        })
    }

    async fn check_room(
        &self,
        room: &RoomAddress,
        mentions: bool,
        me: &UserId,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Finding> {
        let trouble = |failure: Failure| room_trouble(room, me, &failure);
        let id = self.resolve(room).await.map_err(trouble)?;
        if self.enter(room, &id, me).await.map_err(trouble)? {
            findings.push(Finding::new(Level::Info, format!("{me} joined {room}")));
        }
        if let Some(next) = self.replacement(&id).await.map_err(trouble)? {
            findings.push(Finding::new(
                Level::Warn,
                format!("{room} was upgraded, its people moved to {next}: use that room instead"),
            ));
        }
        let is_encrypted = self.encrypted(&id).await.map_err(trouble)?;
        if is_encrypted {
            self.encryption().must_be_on().map_err(trouble)?;
        }
        #[cfg(feature = "encryption")]
        findings.extend(self.check_devices(room, &id));
        let power = self.power(&id).await.map_err(trouble)?;
        let (kind, how) = if is_encrypted {
            (MessageLikeEventType::RoomEncrypted, " encrypted messages")
        } else {
            (MessageLikeEventType::RoomMessage, "")
        };
        if !power.user_can_send_message(me, kind) {
            return Err(room_trouble(room, me, &Failure::room(RoomTrouble::NoPower, "")));
        }
        if mentions && !power.user_can_trigger_room_notification(me) {
            findings.push(no_power_to_mention(room, me, power.notifications.room.into()));
        }
        findings.push(Finding {
            ready: Some(room.clone()),
            names: Some(self.names(&id).await),
            ..Finding::new(Level::Info, format!("{room} is ready: {me} can send{how} there"))
        });
        Ok(())
    }

    /// Joins unless the account is in the room; says whether it had to.
    async fn enter(&self, room: &RoomAddress, id: &RoomId, me: &UserId) -> Result<bool, Failure> {
        match self.state(id, StateEventType::RoomMember, me.as_str()).await {
            Ok(raw) if parse::<Member>(raw.get())?.membership == MembershipState::Join => return Ok(false),
            // Who is not in the room may not read its state, so a refusal is the usual answer here.
            Ok(_)
            | Err(Failure {
                verdict: Verdict::Room(_),
                ..
            }) => {}
            Err(failure) => return Err(failure),
        }
        self.join(room).await.map(|()| true)
    }

    async fn replacement(&self, id: &RoomId) -> Result<Option<OwnedRoomId>, Failure> {
        match self.state(id, StateEventType::RoomTombstone, "").await {
            Ok(raw) => Ok(parse::<Tombstone>(raw.get())
                .ok()
                .map(|tombstone| tombstone.replacement_room)),
            Err(failure) if failure.is(404, "M_NOT_FOUND") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Who may do what in a room.
    async fn power(&self, id: &RoomId) -> Result<RoomPowerLevels, Failure> {
        let levels = match self.state(id, StateEventType::RoomPowerLevels, "").await {
            Ok(raw) => RoomPowerLevelsSource::Original(parse::<RoomPowerLevelsEventContent>(raw.get())?),
            Err(failure) if failure.is(404, "M_NOT_FOUND") => RoomPowerLevelsSource::None,
            Err(failure) => return Err(failure),
        };
        // Since room version 12 the creators stand above all levels without being listed.
        let mut request = state_event::Request::new(id.to_owned(), StateEventType::RoomCreate, String::new());
        request.format = state_event::StateEventFormat::Event;
        let raw = self.call(RequestKind::Room, request).await?.event_or_content;
        let (version, creators) = parse::<Create>(raw.get()).map_or((RoomVersionId::V11, Vec::new()), Create::creators);
        let rules = version
            .rules()
            .unwrap_or(ruma::room_version_rules::RoomVersionRules::V11);
        Ok(RoomPowerLevels::new(levels, &rules.authorization, creators))
    }

    fn account_trouble(&self, failure: &Failure) -> Finding {
        let (place, cause) = (self.address(), failure.cause());
        match &failure.verdict {
            Verdict::Token(TokenTrouble::WrongAddress) => Finding::open(
                Level::Error,
                format!(
                    "no Matrix homeserver answers at {place} ({cause}): set MATRIX_HOME_SERVER_URL to the address \
                     under which /_matrix/client/versions answers, or to the bare server name"
                ),
            ),
            Verdict::Token(TokenTrouble::Unknown { .. } | TokenTrouble::Missing) => Finding::open(
                Level::Error,
                format!(
                    "{place} does not accept the access token ({cause}): log the bot in again, set \
                     MATRIX_ACCESS_TOKEN to the new token and do not log that session out"
                ),
            ),
            Verdict::Token(_) => Finding::open(
                Level::Error,
                format!("{place} does not let the account send ({cause}): ask the homeserver's administrator"),
            ),
            // It does not pass by itself.
            _ if failure.says_what_to_do() => Finding::open(
                Level::Error,
                format!("{place} does not work ({cause}): correct it; alerts are accepted and wait meanwhile"),
            ),
            _ => Finding::open(
                Level::Warn,
                format!(
                    "{place} does not answer as it should ({cause}): alerts are accepted and wait until it does; if this \
                     lasts, check MATRIX_HOME_SERVER_URL and the network"
                ),
            ),
        }
    }
}

#[derive(Deserialize)]
struct Member {
    membership: MembershipState,
}

#[derive(Deserialize)]
struct Tombstone {
    replacement_room: OwnedRoomId,
}

#[derive(Deserialize)]
struct Create {
    sender: OwnedUserId,
    content: RoomCreateEventContent,
}

impl Create {
    fn creators(self) -> (RoomVersionId, Vec<OwnedUserId>) {
        let mut creators = self.content.additional_creators;
        creators.push(self.sender);
        (self.content.room_version, creators)
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::unreadable(200, &error.to_string()))
}
