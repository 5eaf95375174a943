//! How a text that waits takes up a newer one of the same group, so that an outage ends with a message for each group
//! and not with one for each change.
//!
//! Guarantees: the newest state is what is shown, every line is named, whoever was to be woken is woken, nobody twice. It is only asked about
//! rows that were never tried: what was tried may be in the room already.

use crate::message::{MsgType, RenderedMessage};

/// Bytes that joined lines may have as body and HTML together; then a new line begins.
const JOINED: usize = 16 * 1024;

/// And how many of them: a digest names each, and one row's names have to fit into it with room to spare.
const JOINED_LINES: usize = 50;

/// The newer text of a message that nobody has seen yet. It stays as loud as it was.
pub(super) fn replaced(old: &RenderedMessage, new: &RenderedMessage) -> RenderedMessage {
    let mut message = new.clone();
    raise(&mut message, old);
    message
}

/// Lets `message` ring and ping as `other` would have, too.
pub(super) fn raise(message: &mut RenderedMessage, other: &RenderedMessage) {
    if other.msgtype == MsgType::Text {
        message.msgtype = MsgType::Text;
    }
    message.ping(&other.mentions);
}

/// Lets an edit that stands for a head of which nobody has heard ring and ping as that would have.
pub(super) fn speak_for(edit: &mut RenderedMessage, unheard: Option<&str>) {
    // What cannot be read of the head has nobody to wake.
    if let Some(head) = unheard.and_then(|text| serde_json::from_str(text).ok()) {
        raise(edit, &head);
    }
}

/// One text of two lines, or `None` where that would be too long, or one of them is plain text. It has the headlines of
/// both, one below the other, because a digest is made of headlines alone.
pub(super) fn joined(old: &RenderedMessage, new: &RenderedMessage) -> Option<RenderedMessage> {
    let texts = [&old.body, &old.formatted_body, &new.body, &new.formatted_body];
    let is_plain = |message: &RenderedMessage| message.formatted_body.is_empty();
    let headline = format!("{}\n{}", old.headline, new.headline);
    let too_long = texts.iter().map(|text| text.len()).sum::<usize>() > JOINED
        || headline.len() > JOINED
        || headline.lines().count() > JOINED_LINES;
    if too_long || is_plain(old) || is_plain(new) {
        return None;
    }
    let mut message = RenderedMessage {
        body: format!("{}\n{}", old.body, new.body),
        formatted_body: format!("{}\n{}", old.formatted_body, new.formatted_body),
        headline,
        ..new.clone()
    };
    raise(&mut message, old);
    Some(message)
}
