//! Keeps a message below Matrix's limit without losing anything in silence.
//!
//! The ladder, each rung only if the one before did not suffice: long labels and annotations are cut; fewer alerts are
//! shown, with a line that counts the others and leads to them; the text is split over several messages.
//!
//! Guarantees: every message fits, by the real size of its event; the work is bounded however many alerts there are.

use poem_openapi::Object;
use pulldown_cmark::Event;
use serde::{Deserialize, Serialize};

use super::context::Limits;
use super::words::spoken;
use super::{html, plain, shield};
use crate::message::{Announced, MENTIONED, Mentions, MsgType, RenderedMessage};
use crate::text::escape_html;

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

/// A template that writes more than these many messages has a mistake; the rest is counted and cut.
const MOST_PARTS: usize = 5;

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

/// Splits a document between its top-level blocks; `template` has everything but the text, of which `bytes_cut` are gone
/// already.
pub(super) fn split(
    events: &[Event<'_>],
    raw_html: bool,
    template: &RenderedMessage,
    bytes_cut: usize,
) -> (Vec<RenderedMessage>, BudgetSteps) {
    let mut steps = BudgetSteps {
        labels_truncated: true,
        bytes_cut,
        ..BudgetSteps::default()
    };
    let mut texts: Vec<(String, String)> = Vec::new();
    // They are mentioned by the first part; which parts that are is only known when all are made.
    let mark = mark(&template.headline, MOST_PARTS, MOST_PARTS);
    let reserved = RESERVED + size(&mark, &escape_html(&mark)) + template.mentions.size().min(MENTIONED);
    let room = CONTENT_LIMIT - reserved;
    let mut taken = 0;
    for block in blocks(events) {
        for (body, formatted) in fitting(block, raw_html, room) {
            // Measured once each, so that many small blocks take no more time than few large ones.
            let more = size("\n", "\n") + size(&body, &formatted);
            match texts.last_mut() {
                Some((last_body, last_formatted)) if taken + more <= room => {
                    taken += more;
                    last_body.push('\n');
                    last_body.push_str(&body);
                    last_formatted.push('\n');
                    last_formatted.push_str(&formatted);
                }
                _ => {
                    taken = more;
                    texts.push((body, formatted));
                }
            }
        }
    }
    if texts.is_empty() {
        // All of its size is something else, such as mentions; no message at all would be silence.
        texts.push((template.headline.clone(), String::new()));
    }
    if texts.len() > MOST_PARTS - usize::from(bytes_cut > 0) {
        let beyond = texts.split_off(MOST_PARTS - 1);
        steps.bytes_cut += beyond.iter().map(|(body, _)| body.len()).sum::<usize>();
    }
    if steps.bytes_cut > 0 {
        let line = spoken().say("too_long", &[("count", &steps.bytes_cut)]);
        texts.push((line.clone(), format!("<p>{}</p>", escape_html(&line))));
    }
    steps.extra_messages = texts.len().saturating_sub(1);
    (numbered(texts, template), steps)
}

fn numbered(texts: Vec<(String, String)>, template: &RenderedMessage) -> Vec<RenderedMessage> {
    let parts = texts.len();
    let messages = texts.into_iter().enumerate().map(|(number, (body, formatted_body))| {
        let mut message = RenderedMessage {
            body,
            formatted_body,
            ..template.clone()
        };
        if parts > 1 {
            message.headline = format!("{} ({}/{parts})", template.headline, number + 1);
        }
        if number > 0 {
            let mark = mark(&template.headline, number + 1, parts);
            message.body = format!("{mark}\n{}", message.body);
            message.formatted_body = format!("<p>{}</p>\n{}", escape_html(&mark), message.formatted_body);
            // Who was mentioned by the first part need not be mentioned again.
            message.mentions = Mentions::default();
            message.announced = Announced::default();
        }
        message
    });
    messages.collect()
}

/// What stands at the beginning of a part that is not the first.
fn mark(headline: &str, part: usize, parts: usize) -> String {
    format!("({part}/{parts}) {headline}")
}

/// Room for everything that is not text.
const RESERVED: usize = 512;

/// What a body and its HTML take up in the JSON of an event.
fn size(body: &str, formatted: &str) -> usize {
    let quoted = |text: &str| serde_json::to_string(text).map_or(usize::MAX / 8, |json| json.len() - 2);
    quoted(body) + quoted(formatted)
}

/// One block as body and HTML; a block that is too large by itself becomes several pieces of plain text.
fn fitting(block: &[Event<'_>], raw_html: bool, room: usize) -> Vec<(String, String)> {
    let (body, formatted) = (plain::write(block), html::write(block, raw_html));
    if size(&body, &formatted) <= room {
        return vec![(body, formatted)];
    }
    let mut pieces = vec![String::new()];
    for c in body.chars() {
        // Six bytes are the most that JSON or HTML makes of one.
        if pieces.last().is_some_and(|piece| piece.len() >= room / 14) {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
        .into_iter()
        .map(|piece| {
            let formatted = format!("<p>{}</p>", escape_html(&piece));
            (piece, formatted)
        })
        .collect()
}

/// The top-level blocks of a document.
fn blocks<'e, 'm>(events: &'e [Event<'m>]) -> Vec<&'e [Event<'m>]> {
    let mut blocks = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            blocks.push(&events[start..=at]);
            start = at + 1;
        }
    }
    if start < events.len() {
        blocks.push(&events[start..]);
    }
    blocks
}

#[cfg(test)]
mod tests;
