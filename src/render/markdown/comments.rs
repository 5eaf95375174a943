//! Takes comments out of raw HTML, which comes line by line while a comment may be several of them.

use std::borrow::Cow;

/// Whether a comment has begun that goes on in the next line.
#[derive(Debug, Default)]
pub(super) struct Comments {
    is_open: bool,
}

impl Comments {
    /// The next piece of HTML without what is comment in it.
    pub(super) fn cut<'h>(&mut self, html: &'h str) -> Cow<'h, str> {
        if !self.is_open && !html.contains("<!--") {
            return Cow::Borrowed(html);
        }
        let (mut out, mut rest) = (String::new(), html);
        while !rest.is_empty() {
            let sign = if self.is_open { "-->" } else { "<!--" };
            let (before, after) = rest
                .split_once(sign)
                .map_or((rest, None), |(before, after)| (before, Some(after)));
            if !self.is_open {
                out.push_str(before);
            }
            self.is_open ^= after.is_some();
            rest = after.unwrap_or_default();
        }
        Cow::Owned(out)
    }
}
