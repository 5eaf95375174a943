//! The lines of a digest: which notifications share one, and how it reads.
//!
//! Guarantees: every notification is in exactly one line, and the lines follow the order in which they waited. It knows of a
//! headline only that its parts are set apart by `·`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Rung;
use crate::outbox::Waiting;

const SEPARATOR: &str = " · ";

/// Writes times for people who read the digest now.
pub(super) struct Stamp<'a> {
    pub(super) zone: &'a TimeZone,
    pub(super) now: Timestamp,
}

impl Stamp<'_> {
    /// As in a message: the date only where it is not today's.
    pub(super) fn with_zone(&self, at: Timestamp) -> String {
        self.format(at, "%H:%M %Z", "%Y-%m-%d %H:%M %Z")
    }

    fn short(&self, at: Timestamp) -> String {
        self.format(at, "%H:%M", "%m-%d %H:%M")
    }

    fn format(&self, at: Timestamp, today: &str, otherwise: &str) -> String {
        let (at, now) = (at.to_zoned(self.zone.clone()), self.now.to_zoned(self.zone.clone()));
        let format = if at.date() == now.date() { today } else { otherwise };
        at.strftime(format).to_string()
    }
}

/// The same headline so many times, one after the other: a flapping alert, which one line with a count tells better.
struct Same<'a> {
    headline: &'a str,
    run: &'a [Waiting],
}

/// One line of a digest.
pub(super) struct Line {
    pub(super) text: String,
    /// When that was, in brackets; empty where nothing is said about it.
    pub(super) when: String,
}

/// The lines, without their marks.
pub(super) fn lines(waiting: &[Waiting], rung: Rung, stamp: &Stamp<'_>) -> Vec<Line> {
    let same: Vec<Same<'_>> = waiting
        .chunk_by(|a, b| a.headline == b.headline)
        .map(|run| Same {
            headline: &run[0].headline,
            run,
        })
        .collect();
    let mut lines = Vec::new();
    let mut rest = same.as_slice();
    while !rest.is_empty() {
        let shared = if rung.joined { joinable(rest) } else { None };
        let (line, next) = match shared {
            Some((at, count)) => (joined(&rest[..count], at, rung, stamp), count),
            None => (alone(&rest[0], rung, stamp), 1),
        };
        lines.push(line);
        rest = &rest[next..];
    }
    lines
}

/// Which part the first few headlines differ in, if it is one and the same, and how many they are.
fn joinable(same: &[Same<'_>]) -> Option<(usize, usize)> {
    let [first, second, rest @ ..] = same else { return None };
    let at = differs_in(first.headline, second.headline)?;
    let further = rest
        .iter()
        .take_while(|one| differs_in(first.headline, one.headline) == Some(at));
    Some((at, 2 + further.count()))
}

/// The one part in which two headlines differ that have others in common.
fn differs_in(a: &str, b: &str) -> Option<usize> {
    let (mut a, mut b) = (a.split(SEPARATOR), b.split(SEPARATOR));
    let (mut found, mut shared) = (None, false);
    for at in 0.. {
        match (a.next(), b.next()) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => shared = true,
            (Some(_), Some(_)) if found.is_none() => found = Some(at),
            _ => return None,
        }
    }
    found.filter(|_| shared)
}

fn alone(one: &Same<'_>, rung: Rung, stamp: &Stamp<'_>) -> Line {
    let text = cut(one.headline, rung.piece);
    let is_full = rung.piece == super::LADDER[0].piece;
    let time = |waiting: &Waiting| {
        if is_full {
            stamp.with_zone(waiting.accepted_at)
        } else {
            stamp.short(waiting.accepted_at)
        }
    };
    let when = match one.run {
        [first, .., last] => format!("({} to {}, {} times)", time(first), time(last), one.run.len()),
        // Where every byte counts, the title's time has to do.
        [single] if rung.piece >= 60 => format!("({})", time(single)),
        _ => String::new(),
    };
    Line { text, when }
}

fn joined(same: &[Same<'_>], at: usize, rung: Rung, stamp: &Stamp<'_>) -> Line {
    let words = same.iter().map(|one| {
        let word = cut(one.headline.split(SEPARATOR).nth(at).unwrap_or_default(), rung.piece);
        match one.run.len() {
            1 => word,
            times => format!("{word} ×{times}"),
        }
    });
    let words = words.collect::<Vec<_>>().join(", ");
    let parts = same[0].headline.split(SEPARATOR).enumerate();
    let parts = parts.map(|(number, part)| {
        if number == at {
            words.clone()
        } else {
            cut(part, rung.piece)
        }
    });
    let text = parts.collect::<Vec<_>>().join(SEPARATOR);
    let ends = [
        same.first().and_then(|one| one.run.first()),
        same.last().and_then(|one| one.run.last()),
    ];
    let when = match ends.map(|end| end.map(|one| stamp.short(one.accepted_at))) {
        [Some(from), Some(to)] if from != to => format!("({from} to {to})"),
        [Some(at), _] => format!("({at})"),
        _ => String::new(),
    };
    Line { text, when }
}

/// At most so many bytes as JSON, where some characters take more than themselves.
fn cut(text: &str, most: usize) -> String {
    let mut bytes = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        bytes += match c {
            '"' | '\\' | '\n' | '\t' => 2,
            c if c.is_control() => 6,
            c => c.len_utf8(),
        };
        (bytes > most).then_some(at)
    });
    match end {
        Some(end) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}
