//! Takes comments out of raw HTML, which comes line by line while a comment may be several of them.

use std::borrow::Cow;

/// Whether a comment has begun that goes on in the next line.
#[derive(Debug, Default)]
pub(super) struct Comments {
    is_open: bool,
}

impl Comments {
    /// The piece of HTML has ended, and with it whatever was left open.
    pub(super) fn end(&mut self) {
        self.is_open = false;
    }

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
            // The shortest comments are complete: `<!-->` and `<!--->`.
            let short = ["->", ">"].into_iter().find_map(|end| rest.strip_prefix(end));
            if let Some(after) = short.filter(|_| self.is_open) {
                (self.is_open, rest) = (false, after);
            }
        }
        Cow::Owned(out)
    }
}
