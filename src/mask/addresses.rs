//! Names and passwords in addresses: `scheme://user:password@host`, with or without a scheme, whatever the password has in it.

use super::MASK;

/// Behind these a colon is followed by an address of somebody.
const OF_PEOPLE: [&str; 5] = ["mailto", "sip", "sips", "xmpp", "acct"];

/// Masks them.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| !ends_word(c)) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (word, after) = rest.split_at(rest.find(ends_word).unwrap_or(rest.len()));
        match word
            .rfind('@')
            .and_then(|last| secret(word, last).map(|start| (start, last)))
        {
            Some((start, last)) => {
                out.push_str(&word[..start]);
                out.push_str(MASK);
                out.push_str(&word[last..]);
            }
            None => out.push_str(word),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '<' | '>' | '`')
}

/// Where the secret in a word begins that ends at its last `@`.
fn secret(word: &str, last: usize) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = word[from..last].find("://") {
        let start = from + at + 3;
        let rest = word.get(start..last)?;
        // All three are near: the next scheme has them in it.
        let path = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        // An address of IPv6 has colons of its own.
        let six = rest
            .bytes()
            .take(48)
            .position(|byte| byte == b']')
            .filter(|_| rest.starts_with('['));
        let user = six.unwrap_or(0);
        let colon = rest[user..path.max(user)].find(':').map(|at| user + at);
        let is_name = path == rest.len() || rest[..path].contains('@');
        if is_name || colon.is_some_and(|colon| !is_port(&word[..from + at], rest, colon, path)) {
            return Some(start);
        }
        from = start;
    }
    if from > 0 {
        return None;
    }
    without_scheme(word, last)
}

/// `host:8080/…@…`: a path with an `@` in it behind a port, and no password with a slash in it.
fn is_port(before: &str, rest: &str, colon: usize, path: usize) -> bool {
    let (host, port) = (&rest[..colon], &rest[colon + 1..path]);
    let is_web = ["http", "https", "ws", "wss"]
        .iter()
        .any(|scheme| before.ends_with(scheme));
    let is_host = host.contains('.') || host.ends_with(']') || host == "localhost";
    is_web && is_host && (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// `user:password@host`, and no Matrix ID, digest, time or mail address.
fn without_scheme(word: &str, last: usize) -> Option<usize> {
    let colon = word[..last].find(':')?;
    let (user, password) = (&word[..colon], &word[colon + 1..last]);
    let name = user.rsplit(['=', '(', ',', '/', '[', '{']).next().unwrap_or_default();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let is_other = name.is_empty()
        || user.contains(['@', '!', '#', '$'])
        || OF_PEOPLE.iter().any(|scheme| name.eq_ignore_ascii_case(scheme))
        || (digits(name) && digits(password))
        || word[last + 1..].starts_with("sha256:");
    (!is_other && !password.is_empty()).then_some(colon + 1)
}
