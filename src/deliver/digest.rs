//! One message for a backlog: names every notification that waited, in order.
//!
//! ```text
//! full lines → shorter lines → lines that differ in one word joined → plain text only → words cut → the first of them
//! ```
//!
//! Guarantees: each waiting message that it takes has its place in it, what it does not take stays waiting, and the event
//! stays below the size limit, by its real size. A backlog of as many as a digest is ever asked for fits into one, unless
//! its headlines have nothing in common and are all long. It rings if any of them would have, and mentions whom they would
//! have mentioned. It reads no clock.

mod lines;

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::lines::{Line, Stamp, headlines, lines};
use crate::message::{Mentions, MsgType, RenderedMessage};
use crate::outbox::{Digest, Waiting};
use crate::text::escape_html;

/// Bytes of the content as JSON: Matrix's 65,536 less what servers add to it.
const CONTENT_LIMIT: usize = 60_000;

/// How much is said of each notification: a step of the ladder.
#[derive(Debug, Clone, Copy)]
struct Rung {
    /// Bytes of a headline, or of the word by which it differs from those that it is joined with.
    piece: usize,
    /// Whether headlines that differ in one word share a line.
    joined: bool,
    /// Whether there is HTML beside the plain text, which costs the same again.
    html: bool,
}

const LADDER: [Rung; 8] = [
    rung(800, false, true),
    rung(120, false, true),
    rung(120, true, true),
    rung(120, true, false),
    rung(80, true, false),
    rung(60, true, false),
    rung(50, true, false),
    rung(40, true, false),
];

/// What is left when none of them is short enough.
const LAST: Rung = rung(30, true, false);

const fn rung(piece: usize, joined: bool, html: bool) -> Rung {
    Rung { piece, joined, html }
}

/// Composes the digest of the first `taken` of `waiting`, at least one, as it reads in `zone` at `now`. `bytes` measures
/// a message as it goes to its room: not every way carries as much.
pub(super) fn compose(
    waiting: &[Waiting],
    zone: &TimeZone,
    now: Timestamp,
    bytes: &dyn Fn(&RenderedMessage) -> usize,
) -> Digest {
    let stamp = Stamp { zone, now };
    let mut taken = waiting;
    // How many fit is found out on the last rung, so that most is written once or twice and not once for each rung.
    let mut last = written(taken, LAST, &stamp);
    loop {
        let size = bytes(&last);
        if size <= CONTENT_LIMIT || taken.len() <= 1 {
            break;
        }
        let fit = (taken.len() * CONTENT_LIMIT / size).min(taken.len() * 4 / 5);
        taken = &taken[..fit.max(1)];
        last = written(taken, LAST, &stamp);
    }
    let mut better = LADDER.iter().map(|rung| written(taken, *rung, &stamp));
    Digest {
        message: better.find(|message| bytes(message) <= CONTENT_LIMIT).unwrap_or(last),
        taken: taken.len(),
    }
}

fn written(waiting: &[Waiting], rung: Rung, stamp: &Stamp<'_>) -> RenderedMessage {
    let since = waiting.first().map_or_else(String::new, |first| {
        format!(" since {}", stamp.with_zone(first.accepted_at))
    });
    let count: usize = waiting.iter().map(|one| headlines(one).count()).sum();
    let title = format!("📬 {count} notifications waited{since} and are sent together");
    let lines = lines(waiting, rung, stamp);
    let mut body = title.clone();
    let mut formatted_body = String::new();
    for Line { text, when } in &lines {
        let gap = if when.is_empty() { "" } else { " " };
        let _ = write!(body, "\n• {text}{gap}{when}");
        if rung.html && when.is_empty() {
            let _ = write!(formatted_body, "<li>{}</li>", escape_html(text));
        } else if rung.html {
            let _ = write!(
                formatted_body,
                "<li>{} <em>{}</em></li>",
                escape_html(text),
                escape_html(when)
            );
        }
    }
    if rung.html {
        formatted_body = format!(
            "<p><strong>{}</strong></p><ul>{formatted_body}</ul>",
            escape_html(&title)
        );
    }
    let loud = waiting.iter().any(|one| one.msgtype == MsgType::Text);
    let mut message = RenderedMessage {
        body,
        formatted_body,
        msgtype: if loud { MsgType::Text } else { MsgType::Notice },
        mentions: Mentions::default(),
        headline: title,
    };
    message.mention(&mentions(waiting));
    message
}

/// Whom they would have mentioned.
fn mentions(waiting: &[Waiting]) -> Mentions {
    Mentions {
        user_ids: waiting
            .iter()
            .flat_map(|one| one.mentions.user_ids.iter().cloned())
            .collect(),
        room: waiting.iter().any(|one| one.mentions.room),
    }
}

#[cfg(test)]
mod tests;
