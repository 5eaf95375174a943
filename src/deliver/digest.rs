//! One message for a backlog: names every notification that waited, in order.
//!
//! Guarantees: each waiting message that it takes has its line, what it does not take stays waiting, and the event stays
//! far below the size limit. It rings if any of them would have, and pings whom they would have pinged.

use jiff::Timestamp;

use crate::message::{Mentions, MsgType, RenderedMessage};
use crate::outbox::{Digest, Waiting};

/// Bytes of lines in one digest as JSON, HTML and plain text together; leaves room for an event of 64 KiB.
const BUDGET: usize = 40 * 1024;
/// Longest headline that is kept, in characters.
const HEADLINE: usize = 200;

/// Composes the digest of the first `taken` of `waiting`, at least one.
pub(super) fn compose(waiting: &[Waiting]) -> Digest {
    let lines = Lines::of(waiting);
    let since = lines
        .first
        .map_or_else(String::new, |first| format!(" since {}", clock_time(first)));
    let title = format!("📬 {} notifications waited{since} and are sent together", lines.taken);
    let digest = RenderedMessage {
        body: format!("{title}\n{}", lines.plain),
        formatted_body: format!("<p><strong>{title}</strong></p><ul>{}</ul>", lines.html),
        msgtype: if lines.loud { MsgType::Text } else { MsgType::Notice },
        mentions: lines.mentions,
        headline: title,
    };
    Digest {
        message: digest,
        taken: lines.taken,
    }
}

#[derive(Default)]
struct Lines {
    plain: String,
    html: String,
    bytes: usize,
    taken: usize,
    loud: bool,
    mentions: Mentions,
    first: Option<Timestamp>,
}

impl Lines {
    fn of(waiting: &[Waiting]) -> Self {
        let mut lines = Self {
            first: waiting.first().map(|one| one.accepted_at),
            ..Self::default()
        };
        // The same line again and again is a flapping alert: one line with a count says it better.
        for run in waiting.chunk_by(|a, b| a.headline == b.headline) {
            let headline: String = run[0].headline.chars().take(HEADLINE).collect();
            let times = match run {
                [one] => clock_time(one.accepted_at),
                [one, .., last] => format!(
                    "{} to {}, {} times",
                    clock_time(one.accepted_at),
                    clock_time(last.accepted_at),
                    run.len()
                ),
                [] => continue,
            };
            let html = format!("<li>{} <em>({times})</em></li>", escape(&headline));
            let plain = format!("• {headline} ({times})\n");
            let bytes = lines.bytes + json_size(&html) + json_size(&plain);
            if bytes > BUDGET && lines.taken > 0 {
                break;
            }
            lines.bytes = bytes;
            lines.plain.push_str(&plain);
            lines.html.push_str(&html);
            lines.taken += run.len();
            for one in run {
                lines.ping(one);
            }
        }
        lines
    }

    fn ping(&mut self, one: &Waiting) {
        self.loud |= one.msgtype == MsgType::Text;
        self.mentions.room |= one.mentions.room;
        for user in &one.mentions.user_ids {
            if !self.mentions.user_ids.contains(user) {
                self.mentions.user_ids.push(user.clone());
            }
        }
    }
}

/// Bytes in the event, where a quote or a backslash takes two: a digest that is refused as too large would lose names.
fn json_size(text: &str) -> usize {
    serde_json::Value::from(text).to_string().len()
}

fn clock_time(time: Timestamp) -> String {
    time.strftime("%H:%M UTC").to_string()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::DeliveryId;

    fn waiting(at: i64, headline: &str) -> Waiting {
        let accepted_at = Timestamp::from_second(1_795_166_000 + at).unwrap();
        let (msgtype, mentions) = (MsgType::Notice, Mentions::default());
        Waiting {
            id: DeliveryId(at),
            headline: headline.to_owned(),
            accepted_at,
            starts_at: None,
            msgtype,
            mentions,
        }
    }

    #[test]
    fn every_waiting_notification_is_named_in_order_and_escaped() {
        let mut backlog = vec![
            waiting(0, "🔥 <A>"),
            waiting(60, "✅ B"),
            waiting(120, "✅ B"),
            waiting(180, "🔥 <A>"),
        ];
        backlog[1].msgtype = MsgType::Text;
        let digest = compose(&backlog);
        assert_eq!(digest.taken, 4);
        assert_eq!(digest.message.msgtype, MsgType::Text);
        let lines: Vec<&str> = digest.message.body.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "• 🔥 <A> (09:13 UTC)",
                "• ✅ B (09:14 UTC to 09:15 UTC, 2 times)",
                "• 🔥 <A> (09:16 UTC)"
            ]
        );
        assert!(digest.message.formatted_body.contains("<li>🔥 &lt;A&gt; <em>"));
    }

    #[test]
    fn a_digest_of_the_worst_characters_still_fits_into_an_event() {
        let backlog: Vec<Waiting> = (0..1000)
            .map(|at| waiting(at, &format!("{at}{}", "\\\"\u{1}".repeat(80))))
            .collect();
        let digest = compose(&backlog);
        assert!(digest.taken > 1);
        let event = serde_json::to_string(&digest.message).unwrap();
        assert!(event.len() < 50_000, "{}", event.len());
    }

    #[test]
    fn a_digest_takes_only_what_fits_and_at_least_one() {
        let backlog: Vec<Waiting> = (0..1000)
            .map(|at| waiting(at, &format!("{at} {}", "x".repeat(300))))
            .collect();
        let digest = compose(&backlog);
        assert!(digest.taken > 50 && digest.taken < 200, "{}", digest.taken);
        assert_eq!(digest.message.body.lines().count(), digest.taken + 1);
        assert!(digest.message.body.len() + digest.message.formatted_body.len() < 45_000);
        assert_eq!(compose(&backlog[..1]).taken, 1);
    }
}
