//! What every module does to a text in the same way: hash it, escape it, cut it.
//!
//! Guarantees: pure; a text is cut between characters and never inside one.

use sha2::{Digest, Sha256};

/// A SHA-256 of these parts in hexadecimal digits. Each goes in with its length, so that no two lists of parts are alike.
pub fn hash<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    hex::encode(digest(parts))
}

/// The bytes of the same.
pub fn digest<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_ref().len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A text as HTML, in quotes too; its line ends stay.
pub fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\n', "<br />")
}

/// The beginning of a text: at most so many characters.
pub fn beginning(text: &str, characters: usize) -> &str {
    match text.char_indices().nth(characters) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// The text, or its beginning and an ellipsis; at most so many characters in all.
pub fn truncated(text: &str, characters: usize) -> String {
    if beginning(text, characters).len() == text.len() {
        return text.to_owned();
    }
    format!("{}…", beginning(text, characters.saturating_sub(1)).trim_end())
}

/// Whether a character is not seen, or turns the direction of those after it.
pub fn is_unseen(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(hash(["ab", "c"]), hash(["a", "bc"]));
        assert_eq!(hash(["ab", "c"]).len(), 64);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(beginning("äöü", 2), "äö");
        assert_eq!(
            (truncated("äöü", 2), truncated("äöü", 3)),
            ("ä…".to_owned(), "äöü".to_owned())
        );
    }
}
