//! Formats of times, and what to write where they are those of another language.

use jiff::Zoned;

use crate::render::words::Words;

/// A field of a format can be up to 255 characters wide, so a short one bounds what it makes.
pub(super) const LONGEST_FORMAT: usize = 200;

/// Pieces of formats of other languages with what they are here; the longer ones first.
const ELSEWHERE: [(&str, &str); 30] = [
    ("2006", "%Y"),
    ("yyyy", "%Y"),
    ("YYYY", "%Y"),
    ("January", "%B"),
    ("Monday", "%A"),
    ("MMMM", "%B"),
    ("EEEE", "%A"),
    ("MST", "%Z"),
    ("Jan", "%b"),
    ("Mon", "%a"),
    ("MMM", "%b"),
    ("-0700", "%z"),
    ("15", "%H"),
    ("04", "%M"),
    ("05", "%S"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("06", "%y"),
    ("PM", "%p"),
    ("yy", "%y"),
    ("YY", "%y"),
    ("dd", "%d"),
    ("DD", "%d"),
    ("HH", "%H"),
    ("hh", "%I"),
    ("MM", "%m"),
    ("mm", "%M"),
    ("ss", "%S"),
    ("zzz", "%Z"),
];

/// Why a format prints itself instead of a time.
pub(crate) fn check_format(format: &str) -> Result<(), String> {
    if format.contains('%') {
        return Ok(());
    }
    Err(match translated(format) {
        // Without what it is: that may be an alert's.
        Some(here) => format!("invalid time format: it holds no field (expected `{here}`)"),
        None => "invalid time format: it holds no field (expected fields such as %H:%M)".to_owned(),
    })
}

/// A format of Go, Java or moment.js as it is written here, if it is one.
pub(crate) fn translated(format: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = format;
    let mut found = false;
    while let Some(first) = rest.chars().next() {
        match ELSEWHERE.iter().find(|(theirs, _)| rest.starts_with(theirs)) {
            Some((theirs, ours)) => {
                out.push_str(ours);
                rest = &rest[theirs.len()..];
                found = true;
            }
            None if first.is_alphanumeric() && first != 'T' => return None,
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    found.then_some(out)
}

/// A format with the names of days and months in these words: `%A`, `%a`, `%B` and `%b`, also as `%^A` in capitals.
pub(super) fn named(format: &str, at: &Zoned, words: &Words) -> String {
    let mut out = String::with_capacity(format.len() + 16);
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let field = after.trim_start_matches(['-', '_', '^', '#']);
        let flags = &after[..after.len() - field.len()];
        let Some(letter) = field.chars().next() else {
            out.push('%');
            rest = after;
            break;
        };
        rest = &field[letter.len_utf8()..];
        match name_of(letter, at, words) {
            Some(name) if flags.contains('^') => out.push_str(&name.to_uppercase()),
            Some(name) => out.push_str(name),
            None => {
                out.push('%');
                out.push_str(flags);
                out.push(letter);
            }
        }
    }
    out.push_str(rest);
    out
}

fn name_of<'w>(letter: char, at: &Zoned, words: &'w Words) -> Option<&'w str> {
    let day = usize::from(at.weekday().to_monday_zero_offset().unsigned_abs());
    let month = usize::from((at.month() - 1).unsigned_abs());
    let (list, index) = match letter {
        'A' => ("weekdays", day),
        'a' => ("weekdays_short", day),
        'B' => ("months", month),
        'b' | 'h' => ("months_short", month),
        _ => return None,
    };
    Some(words.list(list, index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::words::Vocabulary;

    #[test]
    fn the_names_of_days_and_months_are_those_of_the_language() {
        let at: Zoned = "2026-03-02T10:00[Europe/Berlin]".parse().unwrap();
        let german = Vocabulary::built_in().words(Some("de"));
        for (format, expected) in [
            ("%A, %-d. %B %Y", "Montag, %-d. März %Y"),
            ("%a %b %h %^A", "Mo Mär Mär MONTAG"),
            ("100 %% of %A, %", "100 %% of Montag, %"),
            ("ä %ü", "ä %ü"),
        ] {
            assert_eq!(named(format, &at, &german), expected);
        }
    }
}
