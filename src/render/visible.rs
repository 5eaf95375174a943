//! Whether a message shows anything: a template may write nothing but signs that have no shape, or structure around nothing,
//! and a room would show an empty bubble.

/// Whether a text has a character that can be seen.
pub(super) fn in_text(text: &str) -> bool {
    text.chars().any(is_visible)
}

/// The same of the HTML that the writer or the sanitizer made: its text, or a picture.
pub(super) fn in_html(html: &str) -> bool {
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        if in_text(&rest[..at]) {
            return true;
        }
        rest = &rest[at..];
        if rest.starts_with("<img") {
            return true;
        }
        rest = if rest.starts_with('<') {
            after_tag(rest)
        } else {
            match rest.strip_prefix("&nbsp;") {
                Some(after) => after,
                // Any other stands for a sign.
                None => return true,
            }
        };
    }
    in_text(rest)
}

/// What follows a tag, whose attributes may hold its end in quotes.
fn after_tag(html: &str) -> &str {
    let mut is_quoted = false;
    let end = html.bytes().position(|byte| {
        is_quoted ^= byte == b'"';
        byte == b'>' && !is_quoted
    });
    end.map_or("", |end| &html[end + 1..])
}

/// Neither white space nor what Unicode says is to be ignored where it is not understood; nor signs that are blank by
/// design, such as the empty pattern of Braille.
fn is_visible(c: char) -> bool {
    let is_ignorable = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    !(c.is_whitespace() || c.is_control() || is_ignorable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_shape_is_told_from_what_has() {
        for blank in [
            "",
            " \n\t\u{a0}\u{3000}",
            "\u{feff}\u{200b}\u{ad}\u{2800}\u{2060}\u{fe0f}\u{e0041}",
            "<h1></h1>\n<blockquote>\n</blockquote>",
            "<p>&nbsp;<br /><span data-mx-color=\"#ff0000\"> </span></p>",
            "<a href=\"https://e.org/>x\"></a><hr />",
        ] {
            assert!(!in_html(blank), "{blank:?}");
        }
        for shown in [
            "<p>\u{200b}x</p>",
            "&nbsp;&lt;",
            "<p><img src=\"mxc://e.org/a\" alt=\"\" /></p>",
            "🔥",
            "☐",
            "<a href=\"https://e.org/\">é</a>",
        ] {
            assert!(in_html(shown), "{shown:?}");
        }
    }
}
