//! Log lines as people read them: one event, one line, first what happened, last the request or delivery that it belongs to.
//!
//! Guarantees: whatever a field or a message holds, it neither ends its line nor moves the cursor, changes colours or turns
//! the direction of the text, because what alerts say is in some of them; none is longer than its limit.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::spans;
use crate::mask;
use crate::text::{is_unseen, truncated};

/// Characters of a field; what is longer says no more to a reader.
pub(super) const LONGEST_FIELD: usize = 1_000;
/// Characters of a message.
pub(super) const LONGEST_MESSAGE: usize = 8_000;

/// Writes time, level, message, ` name=value` for each field, and the same for those of the spans round it.
pub(super) struct Human;

impl<S, N> FormatEvent<S, N> for Human
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        if writer.has_ansi_escapes() {
            writer.write_str("\x1b[2m")?;
            SystemTime.format_time(&mut writer)?;
            write!(writer, "\x1b[0m \x1b[{}m{level:>5}\x1b[0m ", colour(level))?;
        } else {
            SystemTime.format_time(&mut writer)?;
            write!(writer, " {level:>5} ")?;
        }
        let around = spans::around(context, event);
        let mut line = Line::new(writer.by_ref());
        event.record(&mut line);
        line.result?;
        for (name, value) in around {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            line.put(name, &format_args!("{text}"))?;
        }
        writeln!(writer)
    }
}

/// As `tracing_subscriber` colours levels.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

impl<'w> FormatFields<'w> for Human {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line::new(writer);
        fields.record(&mut line);
        line.result
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    begun: bool,
    result: fmt::Result,
}

impl<'w> Line<'w> {
    fn new(writer: Writer<'w>) -> Self {
        Self {
            writer,
            begun: false,
            result: Ok(()),
        }
    }

    fn put(&mut self, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
        // What the facade of the crate `log` adds is said by the start of the line.
        if name.starts_with("log.") {
            return Ok(());
        }
        if std::mem::replace(&mut self.begun, true) {
            self.writer.write_char(' ')?;
        }
        if name == "message" {
            return write!(self.writer, "{}", Shown(value, LONGEST_MESSAGE));
        }
        if self.writer.has_ansi_escapes() {
            write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?;
        } else {
            write!(self.writer, "{name}=")?;
        }
        write!(self.writer, "{}", Shown(value, LONGEST_FIELD))
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.result.is_ok() {
            self.result = match masked(field, value) {
                Some(text) => self.put(field.name(), &format_args!("{text}")),
                None => self.put(field.name(), value),
            };
        }
    }
}

/// What a notification says of itself, such as its group key, may hold a secret: without it. `None` for other fields.
pub(super) fn masked(field: &Field, value: &dyn fmt::Debug) -> Option<String> {
    // Some more than is shown, so that no secret is cut before it is recognised.
    let text = || mask::text(&truncated(&format!("{value:?}"), 4 * LONGEST_FIELD));
    field.name().starts_with("alert.").then(text)
}

/// What `Debug` writes, escaped and cut at so many characters.
struct Shown<'a>(&'a dyn fmt::Debug, usize);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaped = Escaped { out: f, left: self.1 };
        let written = write!(escaped, "{:?}", self.0);
        match (escaped.left, written) {
            // It is an error only because nothing more is wanted.
            (0, Err(_)) => f.write_char('…'),
            (_, written) => written,
        }
    }
}

struct Escaped<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    left: usize,
}

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            match character {
                '\n' => self.out.write_str("\\n")?,
                '\r' => self.out.write_str("\\r")?,
                '\t' => self.out.write_str("\\t")?,
                character if misleads(character) => write!(self.out, "{}", character.escape_unicode())?,
                character => self.out.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Control characters, line ends that are none in ASCII, and what turns the direction of text or is not seen.
fn misleads(character: char) -> bool {
    character.is_control() || is_unseen(character)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(ansi: bool, say: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(ansi)
            .event_format(Human)
            .fmt_fields(Human)
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_reads_as_usual() {
        let line = logged(false, || {
            tracing::info!(alert.count = 2, alert.group_key = %"{}:{a=\"b\"}", text = "q\"", "notification {}", "accepted");
        });
        assert!(
            line.ends_with(" INFO notification accepted alert.count=2 alert.group_key={}:{a=\"b\"} text=\"q\\\"\"\n"),
            "{line}"
        );
        let coloured = logged(true, || tracing::info!(a = 1, "m"));
        assert!(coloured.contains("\x1b[3ma\x1b[0m\x1b[2m=\x1b[0m1"), "{coloured:?}");
    }

    #[test]
    fn nothing_in_a_field_or_message_can_pretend_to_be_another_line() {
        let forged =
            "k\r\n2026-11-20T09:14:10Z ERROR forged\u{1b}[31m\u{202e}\u{2066}\u{2028}\u{85}\u{9b}2J\u{7f}\u{200b}é🔥";
        for ansi in [false, true] {
            let line = logged(ansi, || {
                tracing::warn!(alert.group_key = %forged, debug = ?forged, plain = forged, "said {forged}");
            });
            assert_eq!(line.lines().count(), 1, "{line}");
            let own = ["\x1b[0m", "\x1b[2m", "\x1b[3m", "\x1b[33m"];
            let rest = own
                .iter()
                .fold(line.trim_end().to_owned(), |line, code| line.replace(code, ""));
            assert!(!rest.chars().any(misleads), "{rest:?}");
            assert!(
                rest.contains(r"said k\r\n2026-11-20T09:14:10Z ERROR forged\u{1b}[31m\u{202e}"),
                "{rest}"
            );
            assert!(rest.contains("é🔥"), "{rest}");
        }
    }

    #[test]
    fn a_line_has_an_end() {
        let line = logged(false, || {
            let long = "ä".repeat(1_000_000);
            tracing::info!(field = %long, exact = %"x".repeat(LONGEST_FIELD), "{long}");
        });
        let count = line.chars().filter(|character| *character == 'ä').count();
        assert_eq!(count, LONGEST_FIELD + LONGEST_MESSAGE);
        assert_eq!(line.matches('…').count(), 2, "what just fits is whole");
    }
}
