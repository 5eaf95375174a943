//! The plain message that goes out where the homeserver refuses the formatted one.
//!
//! Guarantees: it says that something is missing and why, keeps the mentions, and is smaller than what was refused. Text
//! is cut only where the size was the trouble, so a digest that is refused for another reason still names all it stands for.

use crate::matrix::{Failure, MessageTrouble, Verdict};
use crate::message::RenderedMessage;

/// Bytes of text that are kept of what was too large; a homeserver that refuses so little refuses everything.
const KEPT_BYTES: usize = 8 * 1024;

/// Whether a message is such a fallback already.
pub(super) fn is_plain(message: &RenderedMessage) -> bool {
    message.formatted_body.is_empty()
}

/// `message` as plain text with a last line about what happened.
pub(super) fn plain(message: &RenderedMessage, failure: &Failure) -> RenderedMessage {
    let (kept, reason) = match failure.verdict {
        Verdict::Message(MessageTrouble::TooLarge) => (
            truncated(&message.body, KEPT_BYTES),
            "the homeserver refused the full message as too large",
        ),
        _ => (message.body.as_str(), "the homeserver refused the formatted message"),
    };
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

    fn refused(trouble: MessageTrouble) -> (RenderedMessage, RenderedMessage) {
        let message = RenderedMessage {
            body: "ä".repeat(10_000),
            formatted_body: "<b>x</b>".to_owned(),
            msgtype: crate::message::MsgType::Text,
            mentions: crate::message::Mentions {
                user_ids: vec!["@oncall:example.org".to_owned()],
                room: false,
            },
            headline: "h".to_owned(),
        };
        let failure = Failure {
            verdict: Verdict::Message(trouble),
            status: Some(400),
            errcode: None,
            detail: String::new(),
        };
        let plain = plain(&message, &failure);
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
        assert_eq!(plain.mentions, message.mentions);
    }
}
