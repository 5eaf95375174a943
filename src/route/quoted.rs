//! Texts in double quotes, as Go writes its strings: how long one is, and what it means.
//!
//! Guarantees: what it means is UTF-8, also where it was written byte by byte; everything else is refused with the place.

/// Why a text in quotes means nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Byte of the text.
    pub(super) at: usize,
    /// What is wrong there.
    pub(super) reason: &'static str,
}

/// What a text, quotes included, means.
pub(super) fn meaning(raw: &str) -> Result<String, Unreadable> {
    let refuse = |at, reason| Err(Unreadable { at, reason });
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    let (mut bytes, mut rest) = (Vec::with_capacity(raw.len()), inner);
    while let Some(c) = rest.chars().next() {
        let here = 1 + inner.len() - rest.len();
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' => return refuse(here, "a line break inside quotes is written `\\n`"),
            '\\' => match escape(rest, &mut bytes) {
                Some(length) => rest = &rest[length..],
                None => return refuse(here, "this escape is unknown; a backslash is written twice: `\\\\`"),
            },
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).or_else(|_| refuse(0, "the bytes written here are not UTF-8"))
}

/// Length of a text in quotes, both of them included.
pub(super) fn length(text: &str) -> Option<usize> {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at + 1)
}

/// Adds what an escape means, and says how long it is without its backslash.
fn escape(text: &str, bytes: &mut Vec<u8>) -> Option<usize> {
    let kind = text.chars().next()?;
    let simple = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => return digits(text, 1, 2, 16).and_then(|(value, length)| byte(value, length, bytes)),
        '0'..='7' => return digits(text, 0, 3, 8).and_then(|(value, length)| byte(value, length, bytes)),
        'u' | 'U' => {
            let (value, length) = digits(text, 1, if kind == 'u' { 4 } else { 8 }, 16)?;
            bytes.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(length);
        }
        _ => return None,
    };
    bytes.push(simple);
    Some(1)
}

fn byte(value: u32, length: usize, bytes: &mut Vec<u8>) -> Option<usize> {
    bytes.push(u8::try_from(value).ok()?);
    Some(length)
}

/// Exactly `count` digits after `skipped` characters, and the length of both.
fn digits(text: &str, skipped: usize, count: usize, base: u32) -> Option<(u32, usize)> {
    let digits = text.get(skipped..skipped + count)?;
    let all = digits.chars().all(|c| c.is_digit(base));
    let value = all.then(|| u32::from_str_radix(digits, base).ok())??;
    Some((value, skipped + count))
}
