//! Keeps a message below Matrix's limit without losing anything in silence.
//!
//! The ladder, each rung only if the one before did not suffice: long labels and annotations are cut; fewer alerts are
//! shown, with a line that counts the others and leads to them; the text is split over several messages.
//!
//! Guarantees: every message fits, by the real size of its event; the work is bounded however many alerts there are.

mod split;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use self::split::MOST_PARTS;
pub(super) use self::split::split;
use super::context::Limits;
use super::shield;
use crate::message::{Mentions, MsgType, RenderedMessage};

/// Matrix's limit for a whole event, in bytes of its JSON.
const EVENT_LIMIT: usize = 65_536;

/// What servers add to the content: IDs, hashes, signatures, the events it follows.
const HEAD_ROOM: usize = 5_536;

/// An edit carries its text twice, and any message may be edited later.
const COPIES_IN_AN_EDIT: usize = 2;

/// What is left of the content where the room is encrypted, or becomes so before the message is sent: the ciphertext is written
/// with four characters for three bytes, and comes with some hundred bytes of keys and names.
const fn encryptable(bytes: usize) -> usize {
    (bytes - 1_300) / 4 * 3
}

/// The most bytes that one message's content may take.
pub const CONTENT_LIMIT: usize = encryptable(EVENT_LIMIT - HEAD_ROOM) / COPIES_IN_AN_EDIT;

/// No message holds more alerts than this, so no more are ever rendered.
pub(super) const MOST_ALERTS: usize = 150;

/// Bytes of Markdown that so many messages could hold at the very most, each with the text once; more is not read.
pub(super) const MOST_TEXT: usize = MOST_PARTS * CONTENT_LIMIT;

/// Which rungs of the ladder were needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Object)]
#[oai(rename = "Budget")]
pub struct BudgetSteps {
    /// Whether long labels and annotations were cut.
    pub labels_truncated: bool,
    /// Alerts that are counted instead of shown, by the template's choice or for want of room.
    pub alerts_hidden: usize,
    /// Messages beyond the first one.
    pub extra_messages: usize,
    /// Bytes of text that not even several messages could hold.
    pub bytes_cut: usize,
}

impl BudgetSteps {
    /// The rungs by name, each with whether it was needed.
    pub fn taken(&self) -> [(&'static str, bool); 4] {
        [
            ("labels_truncated", self.labels_truncated),
            ("alerts_hidden", self.alerts_hidden > 0),
            ("split", self.extra_messages > 0),
            ("cut", self.bytes_cut > 0),
        ]
    }
}

impl Limits {
    /// Everything is shown.
    pub(crate) const NONE: Self = Self {
        alerts: MOST_ALERTS,
        truncate_labels: false,
        marks_nothing: false,
    };

    /// So little that no sensible template is overtaxed by it.
    pub(super) fn least(self) -> Self {
        Self {
            alerts: self.alerts.min(20),
            truncate_labels: true,
            ..self
        }
    }

    /// The next rung, or `None` if only splitting is left. `size` is what these limits led to.
    pub(super) fn tighter(self, size: usize) -> Option<Self> {
        if !self.truncate_labels {
            return Some(Self {
                truncate_labels: true,
                ..self
            });
        }
        // In proportion, a little less; and always by a fifth at least, since part of a text is not about alerts.
        let fitting = self.alerts * CONTENT_LIMIT / size.max(1) * 9 / 10;
        let alerts = fitting.min(self.alerts * 4 / 5);
        (self.alerts > 1).then_some(Self {
            alerts: alerts.max(1),
            ..self
        })
    }
}

/// The size of a message's content as it goes over the wire.
pub fn content_size(message: &RenderedMessage) -> usize {
    #[derive(Serialize)]
    struct Content<'a> {
        body: &'a str,
        format: &'static str,
        formatted_body: &'a str,
        #[serde(rename = "m.mentions")]
        mentions: &'a Mentions,
        msgtype: MsgType,
        /// Every event says that it has none.
        #[serde(rename = "com.beeper.linkpreviews")]
        previews: [(); 0],
    }
    let content = Content {
        body: &message.body,
        format: "org.matrix.custom.html",
        formatted_body: &message.formatted_body,
        mentions: &message.mentions,
        msgtype: message.msgtype,
        previews: [],
    };
    let mut size = Size(0);
    serde_json::to_writer(&mut size, &content).map_or(usize::MAX, |()| size.0)
}

/// Counts what is written to it.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Cuts Markdown to what messages can hold; returns how many bytes of the text that was meant are gone.
pub(super) fn cut(markdown: &mut String) -> usize {
    let length = shield::restored_length(markdown);
    if length <= MOST_TEXT {
        return 0;
    }
    let mut kept = 0;
    let mut chars = markdown.char_indices();
    let end = chars.find(|(_, c)| {
        kept += shield::restored_bytes(*c);
        kept > MOST_TEXT
    });
    markdown.truncate(end.map_or(markdown.len(), |(at, _)| at));
    length - shield::restored_length(markdown)
}

#[cfg(test)]
mod tests;
