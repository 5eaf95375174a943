//! A text of more than one event, in parts: between blocks where that is possible, each part numbered.

use pulldown_cmark::Event;

use super::super::words::spoken;
use super::super::{html, plain};
use super::{BudgetSteps, CONTENT_LIMIT};
use crate::message::{Announced, MENTIONED, Mentions, RenderedMessage};
use crate::text::escape_html;

/// A template that writes more than these many messages has a mistake; the rest is counted and cut.
pub(super) const MOST_PARTS: usize = 5;

/// Splits a document between its top-level blocks; `template` has everything but the text, of which `bytes_cut` are gone
/// already.
pub(in crate::render) fn split(
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
