//! What an answer of the homeserver means for the message that was to be sent: one pure table.
//!
//! Guarantees: [`judge`] is total; whatever a homeserver or a proxy before it answers gets exactly one [`Verdict`],
//! and an answer that did not come from a homeserver (no errcode) condemns no message, no room and no token. It does not wait, retry or
//! read a clock: how long and how often is the worker's policy.
//!
//! The errcode goes before the HTTP status, but for `M_UNKNOWN`, which says nothing by itself
//! (client-server API, "Standard error response").

mod words;

use std::time::Duration;

use super::answer::Answer;

/// What to do with a delivery whose attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Too many requests of this account: wait as long as it says, then the same transaction again. Only what shares the
    /// limit (the account, so every room) waits.
    RateLimited {
        /// How long the homeserver asks to wait; already clamped to what is sane, may be zero. `None`: it did not say.
        retry_after: Option<Duration>,
    },
    /// Homeserver or network are down for the moment: the same transaction again, with a growing pause.
    Transient,
    /// The bridge behind a webhook took the message and failed with it, and does not say whether it, the room or the
    /// homeserver is the trouble: as [`Transient`](Self::Transient), but if it lasts a simpler message may get through.
    Bridge,
    /// This room does not take the message; other rooms are not concerned. Park the room and keep its queue.
    Room(RoomTrouble),
    /// The account or the address of the homeserver is the trouble, so no room can be reached. Keep everything, say
    /// so loudly, try again slowly.
    Token(TokenTrouble),
    /// This very message is refused and will be refused again: change it, or give it up visibly.
    Message(MessageTrouble),
    /// The message is good, but what it refers to is gone, is not what it was taken for, or takes no such relation:
    /// send the same message without the relation.
    Relation,
    /// Another relay on the same outbox sends this, or will.
    OtherRelay,
}

/// Why a room does not take messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoomTrouble {
    /// The account is not in the room. Worth one join, which succeeds if it was invited or the room is public.
    NotJoined,
    /// The account is in the room, but has not the power to send there. Joining does not help; also seen when a
    /// room was upgraded, which raises the power levels of the old one.
    NoPower,
    /// Refused without saying why (banned, closed, not invited, not found by this account). Worth one join.
    Forbidden,
    /// No such room or alias. For an alias: it may have moved, so it is resolved again at the next attempt.
    Unknown,
    /// The message was accepted for the other way in: for a webhook, and there is an account now, or the reverse. Nothing
    /// was sent, because it would have come to a room that it is not meant for.
    OtherWay,
    /// The room is end-to-end encrypted, and encryption is off. Nothing was sent.
    Encrypted,
    /// The room is end-to-end encrypted, and the device's keys cannot be used. Nothing was sent.
    NoKeys,
}

/// Why nothing can be sent to any room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenTrouble {
    /// The access token is unknown: logged out, expired, or never valid. The operator gives a new one.
    Unknown {
        /// The homeserver would take the same device back; says nothing under an OAuth authentication service.
        soft_logout: bool,
    },
    /// The homeserver saw no access token (a proxy that strips the header).
    Missing,
    /// The account is locked by an administrator; it may be unlocked with the same token.
    Locked,
    /// The account is suspended: it may read but not send.
    Suspended,
    /// The account is gone for good.
    Deactivated,
    /// The account has to agree to the homeserver's terms first.
    Consent,
    /// The homeserver as a whole reached a limit (monthly users); its administrator has to act.
    ServerLimit,
    /// The account reached a limit of its own.
    UserLimit,
    /// What answers is not the client-server API of a homeserver: a wrong address, a redirect, a proxy that does
    /// not pass the method.
    WrongAddress,
    /// The webhook is not there: a wrong URL, or it was removed or has expired.
    WrongHook,
}

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageTrouble {
    /// The event is larger than 65,536 bytes or than a proxy lets through: shorten it.
    TooLarge,
    /// The homeserver refuses the content: send it plainer, once.
    Rejected,
}

/// What was asked for: the same status means another thing for another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// About the homeserver or the account (versions, whoami).
    Account,
    /// About a room (alias, join, state).
    Room,
    /// To send a message into a room.
    Send,
    /// To send a message that refers to an event of the room.
    Related,
    /// To see an event that a message is to refer to.
    Event,
}

impl Verdict {
    /// The word for metrics and log fields.
    pub fn label(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limited",
            Self::Transient => "transient",
            Self::Bridge => "bridge",
            Self::Room(_) => "room",
            Self::Token(_) => "token",
            Self::Message(_) => "message",
            Self::Relation => "relation",
            Self::OtherRelay => "other_relay",
        }
    }
}

/// The verdict on an answer that is not a success.
pub fn judge(kind: RequestKind, answer: &Answer) -> Verdict {
    match answer.errcode.as_deref() {
        Some("M_LIMIT_EXCEEDED") => rate_limited(answer),
        // A failing server may attach any errcode to its 5xx; only the limit and the token are believed then.
        Some(errcode) => token(errcode, answer)
            .or_else(|| {
                let known = || relation(kind, errcode, answer).or_else(|| by_errcode(kind, errcode, answer));
                (answer.status < 500).then(known)?
            })
            .unwrap_or_else(|| by_status(kind, answer)),
        None => without_errcode(answer),
    }
}

fn rate_limited(answer: &Answer) -> Verdict {
    Verdict::RateLimited {
        retry_after: answer.retry_after,
    }
}

/// Errcodes about the account, whatever was asked.
fn token(errcode: &str, answer: &Answer) -> Option<Verdict> {
    let trouble = match errcode {
        "M_UNKNOWN_TOKEN" => TokenTrouble::Unknown {
            soft_logout: answer.soft_logout,
        },
        "M_MISSING_TOKEN" => TokenTrouble::Missing,
        "M_USER_LOCKED" => TokenTrouble::Locked,
        "M_USER_SUSPENDED" => TokenTrouble::Suspended,
        "M_USER_DEACTIVATED" => TokenTrouble::Deactivated,
        "M_CONSENT_NOT_GIVEN" => TokenTrouble::Consent,
        "M_RESOURCE_LIMIT_EXCEEDED" => TokenTrouble::ServerLimit,
        "M_USER_LIMIT_EXCEEDED" => TokenTrouble::UserLimit,
        _ => return None,
    };
    Some(Verdict::Token(trouble))
}

/// Errcodes that refuse a relation, not the message. There is no code for that alone; if something else was meant, the
/// same message without the relation will get that answer.
fn relation(kind: RequestKind, errcode: &str, answer: &Answer) -> Option<Verdict> {
    let refused = match kind {
        // Who may not see the event may still send; so may who meets a homeserver without single events.
        RequestKind::Event if errcode == "M_FORBIDDEN" => forbidden(&answer.text) == RoomTrouble::Forbidden,
        RequestKind::Event => matches!(errcode, "M_NOT_FOUND" | "M_INVALID_PARAM" | "M_UNRECOGNIZED"),
        RequestKind::Related => matches!(errcode, "M_NOT_FOUND" | "M_INVALID_PARAM"),
        RequestKind::Account | RequestKind::Room | RequestKind::Send => false,
    };
    (refused && answer.status != 401).then_some(Verdict::Relation)
}

/// Errcodes that mean the same at every status below 500; `None` where the status has to decide.
fn by_errcode(kind: RequestKind, errcode: &str, answer: &Answer) -> Option<Verdict> {
    let verdict = match (errcode, kind) {
        ("M_FORBIDDEN" | "M_GUEST_ACCESS_FORBIDDEN", RequestKind::Account) => {
            Verdict::Token(TokenTrouble::Unknown { soft_logout: false })
        }
        // A 401 is about who asks, not about the room.
        ("M_FORBIDDEN" | "M_UNAUTHORIZED", _) if answer.status == 401 => {
            Verdict::Token(TokenTrouble::Unknown { soft_logout: false })
        }
        ("M_FORBIDDEN", _) => Verdict::Room(forbidden(&answer.text)),
        (
            "M_GUEST_ACCESS_FORBIDDEN"
            | "M_UNABLE_TO_AUTHORISE_JOIN"
            | "M_UNABLE_TO_GRANT_JOIN"
            | "M_UNSUPPORTED_ROOM_VERSION"
            | "M_INCOMPATIBLE_ROOM_VERSION",
            _,
        ) => Verdict::Room(RoomTrouble::Forbidden),
        ("M_UNRECOGNIZED", _) => Verdict::Token(TokenTrouble::WrongAddress),
        ("M_NOT_FOUND", RequestKind::Room | RequestKind::Send) | ("M_INVALID_PARAM", RequestKind::Room) => {
            Verdict::Room(RoomTrouble::Unknown)
        }
        ("M_TOO_LARGE", RequestKind::Send | RequestKind::Related) => Verdict::Message(MessageTrouble::TooLarge),
        (
            "M_BAD_JSON" | "M_NOT_JSON" | "M_INVALID_PARAM" | "M_MISSING_PARAM" | "M_DUPLICATE_ANNOTATION",
            RequestKind::Send | RequestKind::Related,
        ) => Verdict::Message(MessageTrouble::Rejected),
        _ => return None,
    };
    Some(verdict)
}

/// An errcode that says nothing (`M_UNKNOWN`) or that this table does not know.
fn by_status(kind: RequestKind, answer: &Answer) -> Verdict {
    match (answer.status, kind) {
        (429, _) => rate_limited(answer),
        (401, _) => Verdict::Token(TokenTrouble::Unknown { soft_logout: false }),
        (403, RequestKind::Event) | (400 | 404 | 409 | 422, RequestKind::Related | RequestKind::Event) => {
            Verdict::Relation
        }
        (403, RequestKind::Room | RequestKind::Send | RequestKind::Related) => Verdict::Room(RoomTrouble::Forbidden),
        (404, RequestKind::Room | RequestKind::Send) | (400, RequestKind::Room) => Verdict::Room(RoomTrouble::Unknown),
        (404 | 405, _) => Verdict::Token(TokenTrouble::WrongAddress),
        (413, RequestKind::Send | RequestKind::Related) => Verdict::Message(MessageTrouble::TooLarge),
        (400 | 409 | 422, RequestKind::Send) => Verdict::Message(MessageTrouble::Rejected),
        _ => Verdict::Transient,
    }
}

/// No errcode: a proxy, a captive portal or a server that is starting. The homeserver has not seen the request, so nothing
/// is said about the token, the room or the message. Several proxies answer 404 or 400 for all paths while the homeserver
/// behind them restarts, or a login page while their own login is down.
fn without_errcode(answer: &Answer) -> Verdict {
    match answer.status {
        429 => rate_limited(answer),
        300..=399 | 405 => Verdict::Token(TokenTrouble::WrongAddress),
        _ => Verdict::Transient,
    }
}

/// `M_FORBIDDEN` has no finer code, so the human text is a hint; where it gives none, a join is worth trying.
fn forbidden(text: &str) -> RoomTrouble {
    let text = text.to_ascii_lowercase();
    if text.contains("not in room") || text.contains("not joined") || text.contains("not a member") {
        RoomTrouble::NotJoined
    } else if text.contains("permission to post") || text.contains("power level") || text.contains("send_level") {
        RoomTrouble::NoPower
    } else {
        RoomTrouble::Forbidden
    }
}

#[cfg(test)]
mod tests;
