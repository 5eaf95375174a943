//! Who is mentioned by a message beyond those whom its template named, and how many that can be.
//!
//! Guarantees: everybody who is mentioned is named in the text, as a pill where there is HTML, so that everybody in the room sees
//! who was called: in the last line of a short message, and right after the first line of one that a phone does not show
//! whole. The list always leaves room for the text beside it.

use std::collections::HashSet;
use std::fmt::Write as _;

use ruma::UserId;

use super::words::{english, spoken};
use super::{Mentions, RenderedMessage};
use crate::text::escape_html;

/// Bytes of user IDs that a message mentions at most: more than any team has.
pub const MENTIONED: usize = 4 * 1024;
/// Bytes of names that are shown at most; those beyond are mentioned all the same.
const SHOWN: usize = 2 * 1024;

impl Mentions {
    /// What the list takes in an event, in bytes.
    pub fn size(&self) -> usize {
        self.user_ids.iter().map(|user| size(user)).sum()
    }

    /// Keeps as many people as one message can mention, and says how many those are that it cannot.
    pub fn cut(&mut self) -> usize {
        let mut bytes = 0;
        let fits = |user: &&String| {
            bytes += size(user);
            bytes <= MENTIONED
        };
        let kept = self.user_ids.iter().take_while(fits).count();
        self.user_ids.split_off(kept).len()
    }

    /// Adds those who are not in it yet.
    pub fn add(&mut self, others: &Self) {
        self.room |= others.room;
        let mut known: HashSet<&str> = self.user_ids.iter().map(String::as_str).collect();
        let new = others.user_ids.iter().filter(|user| known.insert(user));
        let new: Vec<String> = new.cloned().collect();
        self.user_ids.extend(new);
    }
}

/// With quotes and comma.
fn size(user: &str) -> usize {
    user.len() + 3
}

/// The word about those who are too many.
const TOO_MANY: &str = "too_many_people";

/// The word of this rendering about those who are too many, for a message that may be put together later; empty for English.
pub(crate) fn too_many_people() -> String {
    let words = spoken();
    let word = words.get(TOO_MANY);
    if english().get(TOO_MANY).is_some_and(|english| english == word) {
        return String::new();
    }
    word.to_owned()
}

impl RenderedMessage {
    /// Mentions `wanted` as well, and names those of them whom the text does not name yet, in a line of their own.
    pub fn mention(&mut self, wanted: &Mentions) {
        if wanted.user_ids.is_empty() && !wanted.room {
            return;
        }
        self.mentions.add(wanted);
        let unmentioned = self.mentions.cut();
        let mut line = Line::default();
        if wanted.room && !self.body.contains("@room") {
            line.add("@room", "@room");
        }
        for user in self
            .mentions
            .user_ids
            .iter()
            .filter(|user| wanted.user_ids.contains(user))
        {
            // What is no user ID mentions nobody either; the settings refuse it long before.
            let Ok(id) = <&UserId>::try_from(user.as_str()) else {
                continue;
            };
            let pill = format!("<a href=\"{}\">", escape_html(&id.matrix_to_uri().to_string()));
            if !self.formatted_body.contains(&pill) {
                line.add(user, &format!("{pill}{}</a>", escape_html(user)));
            }
        }
        if unmentioned > 0 {
            let sentence = self.too_many(unmentioned);
            line.write(&sentence, &escape_html(&sentence));
        }
        line.end(self);
    }

    /// The sentence about those who are too many, in the language of the message.
    fn too_many(&self, people: usize) -> String {
        let said = Some(self.too_many_people.as_str()).filter(|said| !said.is_empty());
        let said = said.unwrap_or_else(|| english().get(TOO_MANY).map_or("", String::as_str));
        said.replace("{count}", &people.to_string())
    }
}

/// What a phone shows of a message without scrolling: so many lines of so many characters.
const SCREEN: (usize, usize) = (10, 45);

fn fits_on_screen(body: &str) -> bool {
    let (lines, width) = SCREEN;
    let on_screen = |line: &str| line.chars().count().div_ceil(width).max(1);
    body.len() <= lines * width * 4 && body.lines().map(on_screen).sum::<usize>() <= lines
}

/// The line about those who are called, as plain text and as HTML.
#[derive(Default)]
struct Line {
    plain: String,
    html: String,
}

impl Line {
    fn add(&mut self, plain: &str, html: &str) {
        if self.html.len() + html.len() <= SHOWN {
            self.write(plain, html);
        }
    }

    fn write(&mut self, plain: &str, html: &str) {
        let gap = if self.plain.is_empty() { "" } else { " " };
        let _ = write!(self.plain, "{gap}{plain}");
        let _ = write!(self.html, "{gap}{html}");
    }

    fn end(self, message: &mut RenderedMessage) {
        if self.plain.is_empty() {
            return;
        }
        if fits_on_screen(&message.body) {
            let _ = write!(message.body, "\n{}", self.plain);
            if !message.formatted_body.is_empty() {
                let _ = write!(message.formatted_body, "<p>{}</p>", self.html);
            }
            return;
        }
        let first = message.body.find('\n').unwrap_or(message.body.len());
        message.body.insert_str(first, &format!("\n{}", self.plain));
        match end_of_first_line(&message.formatted_body) {
            Some((at, true)) => message.formatted_body.insert_str(at, &format!("<br />{}", self.html)),
            Some((at, false)) => message.formatted_body.insert_str(at, &format!("<p>{}</p>", self.html)),
            None if message.formatted_body.is_empty() => {}
            None => {
                let _ = write!(message.formatted_body, "<p>{}</p>", self.html);
            }
        }
    }
}

/// Where the first line of some HTML ends, and whether that is in the middle of a block.
fn end_of_first_line(html: &str) -> Option<(usize, bool)> {
    const BLOCKS: [&str; 9] = [
        "</p>", "</h1>", "</h2>", "</h3>", "</h4>", "</h5>", "</h6>", "</li>", "</div>",
    ];
    let end = BLOCKS.iter().filter_map(|end| Some((html.find(end)?, end.len()))).min();
    match (html.find("<br"), end) {
        (Some(line), Some((block, _))) if line < block => Some((line, true)),
        (Some(line), None) => Some((line, true)),
        (_, Some((block, length))) => Some((block + length, false)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MsgType;

    fn message(formatted_body: &str) -> RenderedMessage {
        RenderedMessage {
            body: "FIRING".to_owned(),
            formatted_body: formatted_body.to_owned(),
            msgtype: MsgType::Text,
            mentions: Mentions::default(),
            headline: String::new(),
            ..RenderedMessage::default()
        }
    }

    fn people(users: &[&str], room: bool) -> Mentions {
        let user_ids = users.iter().map(|&user| user.to_owned()).collect();
        Mentions { user_ids, room }
    }

    const ADA: &str = "<a href=\"https://matrix.to/#/@a:e.org\">@a:e.org</a>";

    #[test]
    fn whoever_is_pinged_is_named_once() {
        let mut message = message("<p>FIRING</p>");
        message.mention(&people(&["@a:e.org", "@a:e.org"], true));
        message.mention(&people(&["@a:e.org"], true));
        assert_eq!(message.body, "FIRING\n@room @a:e.org");
        assert_eq!(message.formatted_body, format!("<p>FIRING</p><p>@room {ADA}</p>"));
        assert_eq!(message.mentions, people(&["@a:e.org"], true));
    }

    #[test]
    fn whom_the_template_named_is_not_named_again() {
        let text = format!("<p>FIRING {ADA}</p>");
        let mut message = message(&text);
        message.mentions = people(&["@a:e.org"], false);
        message.mention(&people(&["@a:e.org", "@a:e.org.au"], false));
        assert_eq!(message.body, "FIRING\n@a:e.org.au");
        assert_eq!(message.mentions, people(&["@a:e.org", "@a:e.org.au"], false));
    }

    #[test]
    fn in_a_message_that_is_longer_than_a_screen_they_stand_after_the_first_line() {
        let body = format!("FIRING{}", "\nx".repeat(10));
        for (html, expected) in [
            ("<p>FIRING<br />\nx</p>", format!("<p>FIRING<br />{ADA}<br />\nx</p>")),
            (
                "<h1>FIRING</h1>\n<p>x</p>",
                format!("<h1>FIRING</h1><p>{ADA}</p>\n<p>x</p>"),
            ),
            ("FIRING", format!("FIRING<p>{ADA}</p>")),
            ("", String::new()),
        ] {
            let mut message = message(html);
            message.body.clone_from(&body);
            message.mention(&people(&["@a:e.org"], false));
            assert!(message.body.starts_with("FIRING\n@a:e.org\nx\n"), "{}", message.body);
            assert_eq!(message.formatted_body, expected);
        }
        let mut wide = message("");
        wide.body = format!("FIRING\n{}", "x".repeat(500));
        wide.mention(&people(&["@a:e.org"], false));
        assert!(wide.body.starts_with("FIRING\n@a:e.org\n"), "{}", wide.body);
    }

    #[test]
    fn a_plain_message_names_them_in_plain_text() {
        let mut message = message("");
        message.mention(&people(&["@a:e.org"], false));
        assert_eq!(
            (message.body.as_str(), message.formatted_body.as_str()),
            ("FIRING\n@a:e.org", "")
        );
    }

    #[test]
    fn people_beyond_the_most_are_counted_in_the_language_of_the_message() {
        let mut german = super::super::words::Words::default();
        german.set(TOO_MANY, "… und {count} Personen <mehr>");
        let mut message = message("<p>ALARM</p>");
        assert_eq!(too_many_people(), "");
        message.too_many_people = super::super::words::with(&std::sync::Arc::new(german), too_many_people);
        // Later, where nobody knows the language any more.
        let user_ids: Vec<String> = (0..2_000).map(|n| format!("@user{n}:example.org")).collect();
        message.mention(&Mentions { user_ids, room: false });
        assert!(message.body.ends_with("Personen <mehr>"), "{}", message.body);
        assert!(message.formatted_body.ends_with("Personen &lt;mehr&gt;</p>"));
    }

    #[test]
    fn more_people_than_one_message_can_mention_are_counted() {
        let mut message = message("<p>FIRING</p>");
        let user_ids: Vec<String> = (0..2_000).map(|n| format!("@user{n}:example.org")).collect();
        message.mention(&Mentions { user_ids, room: false });
        let mentioned = message.mentions.user_ids.len();
        assert!(mentioned > 100 && message.mentions.size() <= MENTIONED, "{mentioned}");
        let more = 2_000 - mentioned;
        let said = format!("… and {more} more people than one message can mention");
        assert!(message.body.ends_with(&said), "{}", message.body);
        assert!(message.body.len() + message.formatted_body.len() < 3 * SHOWN);
    }
}
