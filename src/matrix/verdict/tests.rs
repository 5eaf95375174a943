//! One line for each status and errcode that a homeserver or a proxy is known to answer.

use super::*;
use crate::matrix::answer::tests::answer;

const UNKNOWN: Verdict = Verdict::Token(TokenTrouble::Unknown { soft_logout: false });

fn of(kind: RequestKind, status: u16, errcode: &str) -> Verdict {
    said(kind, status, errcode, "because")
}

fn said(kind: RequestKind, status: u16, errcode: &str, text: &str) -> Verdict {
    let body = serde_json::json!({"errcode": errcode, "error": text}).to_string();
    judge(kind, &answer(status, &[], &body))
}

fn page(kind: RequestKind, status: u16) -> Verdict {
    let headers = [("content-type", "text/html")];
    judge(kind, &answer(status, &headers, "<html>Bad Gateway</html>"))
}

#[test]
fn token_errcodes_are_token_trouble_whatever_was_asked() {
    let table = [
        (401, "M_UNKNOWN_TOKEN", TokenTrouble::Unknown { soft_logout: false }),
        (401, "M_MISSING_TOKEN", TokenTrouble::Missing),
        (401, "M_USER_LOCKED", TokenTrouble::Locked),
        (403, "M_USER_SUSPENDED", TokenTrouble::Suspended),
        (403, "M_USER_DEACTIVATED", TokenTrouble::Deactivated),
        (401, "M_USER_DEACTIVATED", TokenTrouble::Deactivated),
        (403, "M_CONSENT_NOT_GIVEN", TokenTrouble::Consent),
        (403, "M_RESOURCE_LIMIT_EXCEEDED", TokenTrouble::ServerLimit),
        (403, "M_USER_LIMIT_EXCEEDED", TokenTrouble::UserLimit),
    ];
    for (status, errcode, trouble) in table {
        for kind in [RequestKind::Account, RequestKind::Room, RequestKind::Send] {
            assert_eq!(of(kind, status, errcode), Verdict::Token(trouble), "{errcode} {kind:?}");
        }
    }
}

#[test]
fn soft_logout_is_told() {
    let body = r#"{"errcode":"M_UNKNOWN_TOKEN","error":"expired","soft_logout":true}"#;
    let verdict = judge(RequestKind::Send, &answer(401, &[], body));
    assert_eq!(verdict, Verdict::Token(TokenTrouble::Unknown { soft_logout: true }));
}

#[test]
fn forbidden_is_told_apart_by_its_text_where_that_helps() {
    let table = [
        ("User @bot:hs not in room !r (None)", RoomTrouble::NotJoined),
        ("You are not joined to the room", RoomTrouble::NotJoined),
        (
            "You don't have permission to post that to the room. user_level (0) < send_level (50)",
            RoomTrouble::NoPower,
        ),
        ("You are banned from this room", RoomTrouble::Forbidden),
        ("", RoomTrouble::Forbidden),
    ];
    for (text, trouble) in table {
        assert_eq!(
            said(RequestKind::Send, 403, "M_FORBIDDEN", text),
            Verdict::Room(trouble),
            "{text}"
        );
    }
    assert_eq!(
        of(RequestKind::Room, 403, "M_FORBIDDEN"),
        Verdict::Room(RoomTrouble::Forbidden)
    );
    assert_eq!(of(RequestKind::Account, 403, "M_FORBIDDEN"), UNKNOWN);
    assert_eq!(of(RequestKind::Send, 401, "M_FORBIDDEN"), UNKNOWN);
    assert_eq!(of(RequestKind::Send, 401, "M_UNAUTHORIZED"), UNKNOWN);
}

#[test]
fn message_that_is_refused_for_its_content_is_message_trouble_only_when_one_was_sent() {
    for errcode in [
        "M_BAD_JSON",
        "M_NOT_JSON",
        "M_INVALID_PARAM",
        "M_MISSING_PARAM",
        "M_UNKNOWN",
        "M_DUPLICATE_ANNOTATION",
    ] {
        let rejected = Verdict::Message(MessageTrouble::Rejected);
        assert_eq!(of(RequestKind::Send, 400, errcode), rejected, "{errcode}");
    }
    for (status, errcode) in [(413, "M_TOO_LARGE"), (400, "M_TOO_LARGE"), (413, "M_UNKNOWN")] {
        assert_eq!(
            of(RequestKind::Send, status, errcode),
            Verdict::Message(MessageTrouble::TooLarge),
            "{status} {errcode}"
        );
    }
    for errcode in ["M_INVALID_PARAM", "M_UNKNOWN"] {
        assert_eq!(
            of(RequestKind::Room, 400, errcode),
            Verdict::Room(RoomTrouble::Unknown),
            "{errcode}"
        );
    }
}

#[test]
fn a_relation_that_is_refused_is_no_trouble_of_message_or_room() {
    // As Synapse says it, and as others may.
    let refused = [
        (400, "M_UNKNOWN", "Can't send relation to unknown event"),
        (400, "M_UNKNOWN", "Relations must be in the same room"),
        (400, "M_UNKNOWN", "Cannot start threads from an event with a relation"),
        (400, "M_INVALID_PARAM", "Invalid relation"),
        (404, "M_NOT_FOUND", "Event not found."),
    ];
    for kind in [RequestKind::Related, RequestKind::Event] {
        for (status, errcode, text) in refused {
            assert_eq!(
                said(kind, status, errcode, text),
                Verdict::Relation,
                "{kind:?} {errcode} {text}"
            );
        }
    }
    let hidden = "You don't have permission to access that event.";
    assert_eq!(said(RequestKind::Event, 403, "M_FORBIDDEN", hidden), Verdict::Relation);
    assert_eq!(of(RequestKind::Event, 404, "M_UNRECOGNIZED"), Verdict::Relation);
}

#[test]
fn other_trouble_of_a_message_with_a_relation_is_what_it_is_without() {
    for kind in [RequestKind::Related, RequestKind::Event] {
        assert_eq!(of(kind, 401, "M_UNKNOWN_TOKEN"), UNKNOWN);
        assert_eq!(
            of(kind, 429, "M_LIMIT_EXCEEDED"),
            Verdict::RateLimited { retry_after: None }
        );
        assert_eq!(of(kind, 500, "M_UNKNOWN"), Verdict::Transient);
        assert_eq!(page(kind, 404), Verdict::Transient);
        assert_eq!(
            said(kind, 403, "M_FORBIDDEN", "User @bot:hs not in room !r (None)"),
            Verdict::Room(RoomTrouble::NotJoined)
        );
    }
    let level = "You don't have permission to post that to the room. user_level (0) < send_level (50)";
    assert_eq!(
        said(RequestKind::Related, 403, "M_FORBIDDEN", level),
        Verdict::Room(RoomTrouble::NoPower)
    );
    assert_eq!(
        of(RequestKind::Related, 413, "M_TOO_LARGE"),
        Verdict::Message(MessageTrouble::TooLarge)
    );
    assert_eq!(
        of(RequestKind::Related, 400, "M_BAD_JSON"),
        Verdict::Message(MessageTrouble::Rejected)
    );
}

#[test]
fn unknown_room_alias_and_endpoint_are_told_apart() {
    for kind in [RequestKind::Room, RequestKind::Send] {
        assert_eq!(of(kind, 404, "M_NOT_FOUND"), Verdict::Room(RoomTrouble::Unknown));
        assert_eq!(of(kind, 404, "M_UNKNOWN"), Verdict::Room(RoomTrouble::Unknown));
        assert_eq!(
            of(kind, 404, "M_UNRECOGNIZED"),
            Verdict::Token(TokenTrouble::WrongAddress)
        );
        assert_eq!(
            of(kind, 405, "M_UNRECOGNIZED"),
            Verdict::Token(TokenTrouble::WrongAddress)
        );
    }
    assert_eq!(
        of(RequestKind::Account, 404, "M_NOT_FOUND"),
        Verdict::Token(TokenTrouble::WrongAddress)
    );
    assert_eq!(page(RequestKind::Send, 405), Verdict::Token(TokenTrouble::WrongAddress));
}

#[test]
fn rooms_that_cannot_be_joined_are_room_trouble() {
    let codes = [
        (403, "M_GUEST_ACCESS_FORBIDDEN"),
        (400, "M_UNABLE_TO_AUTHORISE_JOIN"),
        (403, "M_UNABLE_TO_GRANT_JOIN"),
        (400, "M_UNSUPPORTED_ROOM_VERSION"),
    ];
    for (status, errcode) in codes {
        assert_eq!(
            of(RequestKind::Room, status, errcode),
            Verdict::Room(RoomTrouble::Forbidden),
            "{errcode}"
        );
    }
    let body = r#"{"errcode":"M_INCOMPATIBLE_ROOM_VERSION","error":"old server","room_version":"99"}"#;
    assert_eq!(
        judge(RequestKind::Room, &answer(400, &[], body)),
        Verdict::Room(RoomTrouble::Forbidden)
    );
}

#[test]
fn failing_server_is_transient_and_condemns_no_message() {
    for status in [500, 502, 503, 504, 520, 599] {
        assert_eq!(page(RequestKind::Send, status), Verdict::Transient, "{status}");
        for errcode in [
            "M_UNKNOWN",
            "M_BAD_JSON",
            "M_TOO_LARGE",
            "M_FORBIDDEN",
            "M_NOT_FOUND",
            "ORG.EXAMPLE.ODD",
        ] {
            assert_eq!(
                of(RequestKind::Send, status, errcode),
                Verdict::Transient,
                "{status} {errcode}"
            );
        }
    }
    assert_eq!(
        said(
            RequestKind::Send,
            503,
            "M_UNKNOWN",
            "Unable to introspect the access token"
        ),
        Verdict::Transient
    );
}

#[test]
fn answers_that_are_not_from_a_homeserver_condemn_nothing() {
    for status in [400, 401, 403, 404, 407, 408, 409, 410, 413, 418, 421, 422, 425] {
        for kind in [
            RequestKind::Account,
            RequestKind::Room,
            RequestKind::Send,
            RequestKind::Related,
            RequestKind::Event,
        ] {
            assert_eq!(page(kind, status), Verdict::Transient, "{status} {kind:?}");
        }
    }
    for status in [301, 302, 307, 308] {
        assert_eq!(
            page(RequestKind::Send, status),
            Verdict::Token(TokenTrouble::WrongAddress),
            "{status}"
        );
    }
    for body in ["", "{}", "[]", "null", "\u{0}", "{\"errcode\":5}"] {
        assert_eq!(
            judge(RequestKind::Send, &answer(404, &[], body)),
            Verdict::Transient,
            "{body:?}"
        );
    }
}

#[test]
fn rate_limit_is_recognised_by_errcode_or_status() {
    assert_eq!(
        of(RequestKind::Send, 429, "M_LIMIT_EXCEEDED"),
        Verdict::RateLimited { retry_after: None }
    );
    assert_eq!(
        of(RequestKind::Send, 400, "M_LIMIT_EXCEEDED"),
        Verdict::RateLimited { retry_after: None }
    );
    assert_eq!(
        of(RequestKind::Send, 429, "M_UNKNOWN"),
        Verdict::RateLimited { retry_after: None }
    );
    assert_eq!(page(RequestKind::Send, 429), Verdict::RateLimited { retry_after: None });
}

#[test]
fn labels_are_the_words_of_the_metrics() {
    let labels = [
        (Verdict::RateLimited { retry_after: None }, "rate_limited"),
        (Verdict::Transient, "transient"),
        (Verdict::Room(RoomTrouble::NotJoined), "room"),
        (UNKNOWN, "token"),
        (Verdict::Message(MessageTrouble::TooLarge), "message"),
        (Verdict::Relation, "relation"),
    ];
    for (verdict, label) in labels {
        assert_eq!(verdict.label(), label);
    }
}
