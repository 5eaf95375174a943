//! What the relay says of itself in a room, in the room's language and zone.

use std::time::Duration;

use jiff::Timestamp;

use super::Pipeline;
use crate::message::words;
use crate::message::{MsgType, RenderedMessage, RoomAddress};
use crate::render::duration_text;
use crate::text::escape_html;

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayNews {
    /// It gives no sign of life for so long. Nobody knows when that is read.
    Silent {
        /// How long.
        after: Duration,
    },
    /// It gives signs of life again.
    Back {
        /// When it gave the last one before.
        from: Timestamp,
        /// Whether it ran all the time.
        ran: bool,
    },
}

impl Pipeline {
    /// The message; what is over notifies nobody.
    pub fn relay_message(&self, room: &RoomAddress, news: RelayNews, now: Timestamp) -> RenderedMessage {
        let renderer = self.tools.in_room(&self.router.locale(room));
        let words = renderer.words();
        let (sign, title, why, msgtype) = match news {
            RelayNews::Silent { after } => {
                let duration = words::with(&words, || duration_text(after.as_secs_f64()));
                let title = words.say("relay_silent", &[("duration", &duration)]);
                ("🔇", title, words.get("relay_silent_why").to_owned(), MsgType::Text)
            }
            RelayNews::Back { from, ran } => {
                let [time, from] = [now, from].map(|at| renderer.time_text(at, now));
                let word = if ran { "relay_reaches" } else { "relay_back" };
                let title = words.say(word, &[("time", &time)]);
                let why = words.say(&format!("{word}_why"), &[("from", &from)]);
                ("✅", title, why, MsgType::Notice)
            }
        };
        RenderedMessage {
            body: format!("{sign} {title}\n{why}"),
            formatted_body: format!(
                "{sign} <strong>{}</strong><br />{}",
                escape_html(&title),
                escape_html(&why)
            ),
            msgtype,
            headline: title,
            ..RenderedMessage::default()
        }
    }
}
