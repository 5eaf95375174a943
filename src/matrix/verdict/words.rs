//! Verdicts in words, for logs, `check` and the outbox's operator.
//!
//! Guarantees: a fragment of a sentence on one line, without anything from outside. It decides nothing.

use std::fmt;

use super::{MessageTrouble, RoomTrouble, TokenTrouble, Verdict};

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RateLimited {
                retry_after: Some(wait),
            } => write!(f, "rate limited for {:.1} s", wait.as_secs_f64()),
            Self::RateLimited { retry_after: None } => f.write_str("rate limited"),
            Self::Transient => f.write_str("homeserver unavailable"),
            Self::Bridge => f.write_str("the bridge could not bring the message into the room"),
            Self::Room(trouble) => trouble.fmt(f),
            Self::Token(trouble) => trouble.fmt(f),
            Self::Message(trouble) => trouble.fmt(f),
            Self::Relation => f.write_str("the event that the message refers to is gone or takes no reference"),
            Self::OtherRelay => f.write_str("the room is encrypted, and another relay sends there"),
        }
    }
}

impl fmt::Display for RoomTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJoined => "the account is not in the room",
            Self::NoPower => "the account lacks the power to send in the room",
            Self::Forbidden => "the room is closed to the account",
            Self::Unknown => "there is no such room or alias",
            Self::OtherWay => "the message was accepted for an account or webhook that is not set now",
            Self::Encrypted => "the room is encrypted, so plain text was not sent",
            Self::NoKeys => "the room is encrypted, and the relay has no keys to encrypt with",
        })
    }
}

impl fmt::Display for TokenTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown { .. } => "the homeserver does not accept the access token",
            Self::Missing => "the access token did not reach the homeserver",
            Self::Locked => "the account is locked",
            Self::Suspended => "the account is suspended",
            Self::Deactivated => "the account is deactivated",
            Self::Consent => "the account has not agreed to the homeserver's terms",
            Self::ServerLimit => "the homeserver reached a limit",
            Self::UserLimit => "the account reached a limit",
            Self::WrongHook => "there is no webhook at the webhook URL",
            Self::WrongAddress => "no Matrix homeserver answers at the homeserver URL",
        })
    }
}

impl fmt::Display for MessageTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the message is too large",
            Self::Rejected => "the homeserver rejects the message",
        })
    }
}
