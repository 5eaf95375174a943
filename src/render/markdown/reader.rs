//! Takes the parser's events one by one and keeps what Matrix allows.

use std::borrow::Cow;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, LinkType, Tag, TagEnd};

use super::comments::Comments;
use super::{Document, MAX_DEPTH, Note, is_allowed};
use crate::render::html::is_color;
use crate::render::shield::{restore, restore_in_html};
use crate::text::truncated;

/// How many characters of an address a remark quotes.
const LONGEST_QUOTED: usize = 200;

/// The state of reading; see the module.
#[derive(Default)]
pub(super) struct Reader<'a> {
    pub(super) document: Document<'a>,
    pub(super) at: usize,
    /// For every open container whether it was kept; those too deep or not allowed are left out, their content stays.
    open: Vec<bool>,
    depth: usize,
    in_link: bool,
    in_code_block: bool,
    /// Colours that have begun, with the number of containers that were open, and whether they were kept.
    spans: Vec<(usize, bool)>,
    comments: Comments,
    /// The mark of a footnote, waiting for the paragraph that it belongs in front of.
    footnote: Option<String>,
    /// Whether a picture's description is still to come.
    picture_without_text: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn read(&mut self, event: Event<'a>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Text(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.text(text),
            Event::Code(code) => self.push_text_event(Event::Code, restored(code)),
            // In a chat, a new line in the template is meant as a new line in the room.
            Event::SoftBreak | Event::HardBreak => self.push(Event::HardBreak),
            Event::Rule => self.push(Event::Rule),
            Event::TaskListMarker(done) => self.push(Event::Text(if done { "☑ " } else { "☐ " }.into())),
            Event::FootnoteReference(label) => self.push(Event::Text(format!("[{}]", restore(&label)).into())),
            Event::InlineHtml(html) | Event::Html(html) => self.html(&html),
        }
    }

    fn push(&mut self, event: Event<'a>) {
        self.document.events.push(event);
    }

    fn note(&mut self, message: impl Into<String>) {
        self.document.notes.push(Note {
            at: self.at,
            message: message.into(),
        });
    }

    fn push_text_event(&mut self, make: impl Fn(CowStr<'a>) -> Event<'a>, text: CowStr<'a>) {
        self.picture_without_text = false;
        self.push(make(text));
    }

    /// Text from a value may hold line breaks of its own.
    fn text(&mut self, text: CowStr<'a>) {
        let text = restored(text);
        if self.in_code_block || !text.contains('\n') {
            return self.push_text_event(Event::Text, text);
        }
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.push(Event::HardBreak);
            }
            self.push_text_event(Event::Text, line.to_owned().into());
        }
    }

    fn html(&mut self, html: &str) {
        let html = self.comments.cut(html);
        let tag = html.trim().to_ascii_lowercase();
        if tag.is_empty() {
            return;
        }
        if matches!(tag.as_str(), "<br>" | "<br/>" | "<br />") {
            return self.push(Event::HardBreak);
        }
        match self.color(&tag) {
            Some(false) => return,
            Some(true) => {}
            None => {
                self.document.raw_html = true;
                self.document.tags.push((self.at, tag));
            }
        }
        self.push(Event::InlineHtml(restore_in_html(&html).into()));
    }

    /// Coloured text is common and easily checked, so it costs no sanitizing if it begins and ends in one block. `None`
    /// is something else; `Some(false)` is nested too deep and left out.
    fn color(&mut self, tag: &str) -> Option<bool> {
        if tag == "</span>" {
            let (open, kept) = self.spans.pop()?;
            self.depth -= usize::from(kept);
            return (open == self.open.len()).then_some(kept);
        }
        let color = tag
            .strip_prefix("<span data-mx-color=\"")
            .and_then(|rest| rest.strip_suffix("\">"))?;
        is_color(color).then(|| {
            let kept = self.depth < MAX_DEPTH;
            self.depth += usize::from(kept);
            self.spans.push((self.open.len(), kept));
            kept
        })
    }

    fn start(&mut self, tag: Tag<'a>) {
        if self.depth >= MAX_DEPTH {
            if self.open.last() != Some(&false) {
                self.note(format!(
                    "more than {MAX_DEPTH} levels of nesting: the inner ones are flattened"
                ));
            }
            self.open.push(false);
            if matches!(tag, Tag::Image { .. }) {
                // The end of a picture closes two: see `image`.
                self.open.push(false);
            }
            return;
        }
        let kept = self.allowed(tag);
        self.depth += usize::from(kept.is_some());
        self.open.push(kept.is_some());
        let opens_paragraph = matches!(kept, Some(Tag::Paragraph));
        if let Some(tag) = kept {
            self.push(Event::Start(tag));
        }
        if opens_paragraph && let Some(mark) = self.footnote.take() {
            self.push(Event::Text(mark.into()));
        }
    }

    /// The tag as Matrix may have it, or `None` if only its content stays.
    fn allowed(&mut self, tag: Tag<'a>) -> Option<Tag<'a>> {
        match tag {
            Tag::Heading { level, .. } => Some(Tag::Heading {
                level,
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            }),
            Tag::BlockQuote(_) => Some(Tag::BlockQuote(None)),
            Tag::CodeBlock(kind) => {
                self.in_code_block = true;
                Some(Tag::CodeBlock(language(&kind)))
            }
            Tag::Table(columns) => {
                self.note("phones show tables badly; a list with bold names reads everywhere");
                Some(Tag::Table(vec![pulldown_cmark::Alignment::None; columns.len()]))
            }
            Tag::FootnoteDefinition(label) => {
                self.footnote = Some(format!("[{}] ", restore(&label)));
                None
            }
            Tag::Link {
                link_type,
                dest_url,
                id,
                ..
            } => self.link(link_type, &dest_url, id),
            Tag::Image { dest_url, id, .. } => self.image(&dest_url, id),
            Tag::HtmlBlock | Tag::MetadataBlock(_) => None,
            kept => Some(kept),
        }
    }

    fn link(&mut self, link_type: LinkType, url: &str, id: CowStr<'a>) -> Option<Tag<'a>> {
        let url = match link_type {
            LinkType::Email => format!("mailto:{}", restore(url)),
            _ => restore(url).into_owned(),
        };
        if !is_allowed(&url) {
            let url = truncated(&url, LONGEST_QUOTED);
            self.note(format!(
                "link to `{url}` left out: no client opens it (expected https, http or ftp with a host, mailto or magnet)"
            ));
            return None;
        }
        self.in_link = true;
        Some(Tag::Link {
            link_type: LinkType::Inline,
            dest_url: url.into(),
            title: "".into(),
            id,
        })
    }

    fn image(&mut self, url: &str, id: CowStr<'a>) -> Option<Tag<'a>> {
        let url = restore(url).into_owned();
        if url.starts_with("mxc://") {
            return Some(Tag::Image {
                link_type: LinkType::Inline,
                dest_url: url.into(),
                title: "".into(),
                id,
            });
        }
        self.note("clients do not load pictures from the web: shown as a link");
        let link = if self.in_link || !is_allowed(&url) {
            None
        } else {
            self.link(LinkType::Inline, &url, id)
        };
        self.picture_without_text = true;
        if let Some(tag) = link.clone() {
            self.push(Event::Start(tag));
        }
        self.push(Event::Text("🖼 ".into()));
        self.picture_without_text = true;
        // The start is written already, in front of the sign; the end has to follow if there was one.
        self.open.push(link.is_some());
        None
    }

    fn end(&mut self, end: TagEnd) {
        // A colour that does not end where it began is for the sanitizer to mend.
        while let Some((_, kept)) = self.spans.pop_if(|(open, _)| *open >= self.open.len()) {
            self.document.raw_html = true;
            self.depth -= usize::from(kept);
        }
        let kept = self.open.pop().unwrap_or(false);
        match end {
            TagEnd::HtmlBlock => self.comments.end(),
            TagEnd::Image => self.end_image(kept),
            TagEnd::CodeBlock => {
                self.in_code_block = false;
                self.close(kept, TagEnd::CodeBlock);
            }
            TagEnd::Link => {
                self.in_link = false;
                self.close(kept, TagEnd::Link);
            }
            other => self.close(kept, other),
        }
    }

    fn close(&mut self, kept: bool, end: TagEnd) {
        if kept {
            self.depth -= 1;
            self.push(Event::End(end));
        }
    }

    fn end_image(&mut self, kept: bool) {
        if kept {
            return self.close(true, TagEnd::Image);
        }
        if std::mem::take(&mut self.picture_without_text) {
            self.push(Event::Text("picture".into()));
        }
        if self.open.pop().unwrap_or(false) {
            self.in_link = false;
            self.push(Event::End(TagEnd::Link));
        }
    }
}

fn restored(text: CowStr<'_>) -> CowStr<'_> {
    match restore(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(restored) => restored.into(),
    }
}

fn language(kind: &CodeBlockKind<'_>) -> CodeBlockKind<'static> {
    let CodeBlockKind::Fenced(info) = kind else {
        return CodeBlockKind::Indented;
    };
    let word = restore(info);
    let word: String = word
        .split([' ', ','])
        .next()
        .unwrap_or("")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    if word.is_empty() {
        CodeBlockKind::Indented
    } else {
        CodeBlockKind::Fenced(word.into())
    }
}
