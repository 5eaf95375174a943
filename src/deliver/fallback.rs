//! The plain message that goes out where the homeserver refuses the formatted one, or a bridge fails with it.
//!
//! A digest stands for others, so it first goes out plain and whole, which halves it; only if even that is too large is it
//! cut, and then says how many it stood for and where all of them are named.
//!
//! Guarantees: it says that something is missing and why, keeps the mentions as far as they fit, and is smaller than what was refused. Text
//! is cut only where the size was the trouble, so a digest that is refused for another reason still names all it stands for.

use crate::matrix::{Failure, MessageTrouble, Verdict};
use crate::message::RenderedMessage;
use crate::message::words::spoken;

/// Bytes of text that are kept of what was too large; a homeserver that refuses so little refuses everything.
const KEPT_BYTES: usize = 8 * 1024;

/// Room for the last line of a message that was cut.
const NOTE: usize = 512;

/// How many people are mentioned at most by what was too large: the list itself may have been what was.
const KEPT_MENTIONS: usize = 50;

/// Whether there is nothing simpler than this message: it is plain, and short where the size is the trouble.
pub(super) fn is_last(message: &RenderedMessage, failure: &Failure) -> bool {
    is_plain(message) && !(may_be_too_large(failure) && message.body.len() > KEPT_BYTES + NOTE)
}

/// Whether the size is the trouble, or may be: a bridge does not say.
fn may_be_too_large(failure: &Failure) -> bool {
    matches!(
        failure.verdict,
        Verdict::Message(MessageTrouble::TooLarge) | Verdict::Bridge
    ) || (failure.is_refused_by_proxy() && failure.status == Some(413))
}

fn is_plain(message: &RenderedMessage) -> bool {
    message.formatted_body.is_empty()
}

/// `message`, a digest of `members` or of none, as plain text with a last line about what happened.
pub(super) fn plain(message: &RenderedMessage, members: u32, failure: &Failure) -> RenderedMessage {
    let mut mentions = message.mentions.clone();
    let words = spoken();
    let refused = match failure.verdict {
        Verdict::Bridge => "bridge_failed",
        Verdict::Message(MessageTrouble::TooLarge) => "refused_as_too_large",
        _ if failure.is_refused_by_proxy() => "refused_by_proxy",
        _ => "refused",
    };
    let reason = |what: &str| words.say(refused, &[("what", &words.get(what))]);
    let first = members > 0 && !is_plain(message);
    let (kept, reason) = if !may_be_too_large(failure) || first {
        (message.body.as_str(), reason("formatted_message"))
    } else {
        mentions.user_ids.truncate(KEPT_MENTIONS);
        let kept = &message.body[..message.body.floor_char_boundary(KEPT_BYTES)];
        let reason = if members == 0 {
            reason("full_message")
        } else {
            let command = "`grafana-matrix-relay outbox list --state combined`";
            let rest = words.say("list_is_cut", &[("count", &members), ("command", &command)]);
            format!("{}: {rest}", reason("full_list"))
        };
        (kept, reason)
    };
    let cut = if kept.len() < message.body.len() { "…\n" } else { "\n" };
    RenderedMessage {
        body: format!("{kept}{cut}\n({reason})"),
        formatted_body: String::new(),
        msgtype: message.msgtype,
        mentions,
        headline: message.headline.clone(),
        ..RenderedMessage::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::words;

    fn refused(trouble: MessageTrouble) -> (RenderedMessage, RenderedMessage) {
        let message = RenderedMessage {
            body: "ä".repeat(10_000),
            formatted_body: "<b>x</b>".to_owned(),
            msgtype: crate::message::MsgType::Text,
            mentions: crate::message::Mentions {
                user_ids: (0..2_000).map(|n| format!("@oncall{n}:example.org")).collect(),
                room: false,
            },
            headline: "h".to_owned(),
            ..RenderedMessage::default()
        };
        let failure = Failure {
            verdict: Verdict::Message(trouble),
            status: Some(400),
            errcode: None,
            detail: String::new(),
        };
        let plain = plain(&message, 0, &failure);
        (message, plain)
    }

    #[test]
    fn a_message_is_cut_only_for_its_size() {
        let (message, plain) = refused(MessageTrouble::Rejected);
        assert!(plain.body.starts_with(&message.body) && plain.body.ends_with("formatted message)"));
    }

    #[test]
    fn a_too_large_message_is_cut_and_says_so() {
        let (message, plain) = refused(MessageTrouble::TooLarge);
        assert!(is_plain(&plain) && !is_plain(&message));
        assert!(plain.body.len() < KEPT_BYTES + 100 && plain.body.ends_with("too large)"));
        assert_eq!(plain.mentions.user_ids[..], message.mentions.user_ids[..KEPT_MENTIONS]);
    }

    #[test]
    fn why_it_is_plain_is_said_in_the_words_of_the_room() {
        let mut german = words::english().clone();
        german.insert("refused".to_owned(), "{what} wurde abgelehnt".to_owned());
        german.insert("formatted_message".to_owned(), "die formatierte Nachricht".to_owned());
        let german = Arc::new(words::Words::new(german));
        let (_, plain) = words::with(&german, || refused(MessageTrouble::Rejected));
        assert!(
            plain.body.ends_with("(die formatierte Nachricht wurde abgelehnt)"),
            "{}",
            plain.body
        );
    }

    #[test]
    fn what_a_bridge_fails_with_is_cut_in_case_it_was_too_large() {
        let (message, _) = refused(MessageTrouble::Rejected);
        let failure = Failure {
            verdict: Verdict::Bridge,
            status: Some(500),
            errcode: None,
            detail: String::new(),
        };
        let cut = plain(&message, 0, &failure);
        assert!(cut.body.len() < KEPT_BYTES + NOTE && is_last(&cut, &failure) && !is_last(&message, &failure));
        assert!(
            cut.body.ends_with("(the bridge failed with the full message)"),
            "{}",
            cut.body
        );
    }

    #[test]
    fn a_too_large_digest_loses_its_formatting_first_and_then_says_what_is_cut() {
        let (message, _) = refused(MessageTrouble::TooLarge);
        let failure = Failure {
            verdict: Verdict::Message(MessageTrouble::TooLarge),
            status: Some(413),
            errcode: None,
            detail: String::new(),
        };
        let whole = plain(&message, 900, &failure);
        assert!(whole.body.starts_with(&message.body) && !is_last(&whole, &failure));
        let cut = plain(&whole, 900, &failure);
        assert!(cut.body.len() < KEPT_BYTES + NOTE && is_last(&cut, &failure));
        assert!(cut.body.contains("not all of its 900") && cut.body.contains("outbox list --state combined"));
    }
}
