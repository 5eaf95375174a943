//! The plain message that goes out where the homeserver refuses the formatted one.
//!
//! Guarantees: it says that something is missing and why, keeps the mentions, and is small enough for any homeserver.

use crate::matrix::{Failure, MessageTrouble, Verdict};
use crate::message::RenderedMessage;

/// Bytes of text that are kept; a homeserver that refuses so little refuses everything.
const KEPT_BYTES: usize = 8 * 1024;

/// Whether a message is such a fallback already.
pub(super) fn is_plain(message: &RenderedMessage) -> bool {
    message.formatted_body.is_empty()
}

/// `message` as plain text with a last line about what happened.
pub(super) fn plain(message: &RenderedMessage, failure: &Failure) -> RenderedMessage {
    let reason = match failure.verdict {
        Verdict::Message(MessageTrouble::TooLarge) => "the homeserver refused the full message as too large",
        _ => "the homeserver refused the formatted message",
    };
    let kept = truncated(&message.body, KEPT_BYTES);
    let cut = if kept.len() < message.body.len() { "…\n" } else { "\n" };
    RenderedMessage {
        body: format!("{kept}{cut}\n({reason})"),
        formatted_body: String::new(),
        msgtype: message.msgtype,
        mentions: message.mentions.clone(),
        headline: message.headline.clone(),
    }
}

fn truncated(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_too_large_message_is_cut_and_says_so() {
        let message = RenderedMessage {
            body: "ä".repeat(40_000),
            formatted_body: "<b>x</b>".to_owned(),
            msgtype: crate::message::MsgType::Text,
            mentions: crate::message::Mentions {
                user_ids: vec!["@oncall:example.org".to_owned()],
                room: false,
            },
            headline: "h".to_owned(),
        };
        let verdict = Verdict::Message(MessageTrouble::TooLarge);
        let failure = Failure {
            verdict,
            status: Some(413),
            errcode: None,
            detail: String::new(),
        };
        let plain = plain(&message, &failure);
        assert!(is_plain(&plain) && !is_plain(&message));
        assert!(plain.body.len() < KEPT_BYTES + 100 && plain.body.ends_with("too large)"));
        assert_eq!(plain.mentions, message.mentions);
    }
}
