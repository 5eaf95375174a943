//! The lines of a digest: which notifications share one, and how it reads.
//!
//! Guarantees: every notification is in exactly one line, those too that were joined while they waited, and the lines
//! follow the order in which they waited. It knows of a headline only that its parts are set apart by `·`.

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

/// One headline. Of several that were joined only the first has a time: it is the one that was waiting already.
struct Named<'a> {
    headline: &'a str,
    at: Option<Timestamp>,
}

/// The same headline so many times, one after the other: a flapping alert, which one line with a count tells better.
struct Same<'a> {
    headline: &'a str,
    run: &'a [Named<'a>],
}

/// When the first and the last of them were, as far as that is known.
fn ends<'a>(mut named: impl DoubleEndedIterator<Item = &'a Named<'a>>) -> Option<(Timestamp, Timestamp)> {
    let first = named.by_ref().find_map(|one| one.at)?;
    Some((first, named.rev().find_map(|one| one.at).unwrap_or(first)))
}

/// One line of a digest.
pub(super) struct Line {
    pub(super) text: String,
    /// When that was, in brackets; empty where nothing is said about it.
    pub(super) when: String,
}

/// What a waiting delivery is named by.
pub(super) fn headlines(waiting: &Waiting) -> impl Iterator<Item = &str> {
    waiting.headline.split('\n')
}

/// The lines, without their marks.
pub(super) fn lines(waiting: &[Waiting], rung: Rung, stamp: &Stamp<'_>) -> Vec<Line> {
    let of_one = |one| {
        headlines(one).enumerate().map(|(number, headline)| Named {
            headline,
            at: (number == 0).then_some(one.accepted_at),
        })
    };
    let named: Vec<Named<'_>> = waiting.iter().flat_map(of_one).collect();
    let same: Vec<Same<'_>> = named
        .chunk_by(|a, b| a.headline == b.headline)
        .map(|run| Same {
            headline: run[0].headline,
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
    let time = |at| {
        if is_full { stamp.with_zone(at) } else { stamp.short(at) }
    };
    let when = match (one.run.len(), ends(one.run.iter())) {
        // Where every byte counts, the title's time has to do.
        (1, Some((at, _))) if rung.piece >= 60 => format!("({})", time(at)),
        (1, _) => String::new(),
        (times, Some((first, last))) if first != last => format!("({} to {}, {times} times)", time(first), time(last)),
        (times, Some((at, _))) => format!("({}, {times} times)", time(at)),
        (times, None) => format!("({times} times)"),
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
    let times = ends(same.iter().flat_map(|one| one.run)).map(|(first, last)| (stamp.short(first), stamp.short(last)));
    let when = match times {
        Some((from, to)) if from != to => format!("({from} to {to})"),
        Some((at, _)) => format!("({at})"),
        None => String::new(),
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
