//! What is said of an account or a room that is not as it has to be.

use ruma::UserId;

use super::super::verdict::{RoomTrouble, Verdict};
use super::super::{Failure, WhoAmI};
use super::{Finding, Level};
use crate::message::RoomAddress;

pub(super) fn whose_token(me: &WhoAmI) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &me.device_id {
        Some(device) => findings.push(Finding::new(
            Level::Info,
            format!("the access token belongs to {} (device {device})", me.user_id),
        )),
        None => findings.push(Finding::new(
            Level::Warn,
            format!(
                "the access token of {} has no device, so the homeserver recognises a repeated message only for a \
                 short while: use a token from a login, which has one",
                me.user_id
            ),
        )),
    }
    if me.is_guest {
        findings.push(Finding::new(
            Level::Warn,
            format!(
                "{} is a guest, and most rooms are closed to guests: register an account",
                me.user_id
            ),
        ));
    }
    findings
}

pub(super) fn no_power_to_mention(room: &RoomAddress, me: &UserId, needed: i64) -> Finding {
    Finding::new(
        Level::Warn,
        format!(
            "routes or templates mention everybody in {room}, but {me} lacks the power for it: raise its power level there \
             to {needed}, or lower the one for notifying everybody; until then nobody is mentioned by it"
        ),
    )
}

pub(super) fn room_trouble(room: &RoomAddress, me: &UserId, failure: &Failure) -> Finding {
    let cause = failure.cause();
    let (level, line) = match &failure.verdict {
        Verdict::Room(RoomTrouble::NotJoined | RoomTrouble::Forbidden) => (
            Level::Error,
            format!("{me} is not in {room} and cannot join it ({cause}): invite {me} there, and it joins by itself"),
        ),
        Verdict::Room(RoomTrouble::Unknown) if room.is_alias() => (
            Level::Error,
            format!("{room} leads to no room ({cause}): check its spelling, or use the room ID (`!…`)"),
        ),
        Verdict::Room(RoomTrouble::Unknown) => (
            Level::Error,
            format!("{room} is not a room that {me} can find ({cause}): check the ID and invite {me} there"),
        ),
        Verdict::Room(RoomTrouble::NoPower) => (
            Level::Error,
            format!("{me} may not send in {room}: raise its power level there, or lower the one for messages"),
        ),
        Verdict::Room(RoomTrouble::Encrypted) => (
            Level::Error,
            format!(
                "{room} is encrypted, and plain text does not go into an encrypted room ({cause}); the encryption of a \
                 room cannot be switched off again"
            ),
        ),
        Verdict::Room(RoomTrouble::NoKeys) => (
            Level::Error,
            format!("{room} is encrypted, and its messages wait: {cause}"),
        ),
        _ => (Level::Warn, format!("cannot check {room}: {failure}")),
    };
    let is_absent = matches!(
        &failure.verdict,
        Verdict::Room(RoomTrouble::NotJoined | RoomTrouble::Forbidden | RoomTrouble::Unknown)
    );
    Finding {
        absent: is_absent.then(|| room.clone()),
        is_open: !matches!(&failure.verdict, Verdict::Room(_)),
        ..Finding::new(level, line)
    }
}
