//! The words of an action of Go, and whether a text is one.

/// Whether a tag can only be Go's.
pub(super) fn is_go(text: &str) -> bool {
    let text = text.trim();
    let word = first_word(text);
    if text.starts_with("/*") {
        return true;
    }
    let is_word_of_go = matches!(
        word,
        "range" | "template" | "define" | "with" | "if" | "printf" | "eq" | "ne" | "index" | "len" | "block"
    );
    if is_word_of_go && has_operand(&text[word.len()..]) {
        return true;
    }
    let bytes = text.as_bytes();
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => quote = None,
            (None, b'"' | b'\'' | b'`') => quote = Some(*byte),
            (None, b'$') => return true,
            (None, b':') if bytes.get(at + 1) == Some(&b'=') => return true,
            (None, b'.') => {
                let before = at.checked_sub(1).map_or(b' ', |at| bytes[at]);
                let after = bytes.get(at + 1).copied().unwrap_or(b' ');
                let is_bare = matches!(before, b' ' | b'(' | b'|') && (after.is_ascii_alphabetic() || after == b' ');
                if is_bare {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether what follows a word is what it is applied to, as Go writes it: a blank, then a value. Jinja has brackets, a filter or
/// an operator there: `range(3)`, `index | upper`, `len is defined`.
pub(super) fn has_operand(rest: &str) -> bool {
    let operand = rest.trim_start();
    let is_operator = matches!(first_word(operand), "and" | "or" | "in" | "is" | "not" | "if" | "else");
    let is_value = operand.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '$' | '"' | '`'));
    operand.len() < rest.len() && is_value && !is_operator
}

pub(super) fn first_word(text: &str) -> &str {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// What stands in the first quotes.
pub(super) fn quoted(text: &str) -> Option<&str> {
    text.split(['"', '`']).nth(1)
}

/// The words of a pipeline: texts, brackets with what is in them, and `|` are words of their own.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut depth, mut quote) = (String::new(), 0_usize, None);
    for c in text.chars() {
        if let Some(open) = quote {
            word.push(c);
            if c == open {
                quote = None;
            }
            continue;
        }
        match c {
            '"' | '`' => {
                quote = Some(c);
                word.push(c);
            }
            '(' => {
                depth += 1;
                word.push(c);
            }
            ')' => {
                depth = depth.checked_sub(1)?;
                word.push(c);
            }
            c if depth == 0 && (c.is_whitespace() || c == '|') => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if c == '|' {
                    words.push("|".to_owned());
                }
            }
            c => word.push(c),
        }
    }
    if quote.is_some() || depth > 0 {
        return None;
    }
    if !word.is_empty() {
        words.push(word);
    }
    Some(words)
}
