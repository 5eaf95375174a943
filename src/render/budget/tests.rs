//! What fits into an event, and how a longer text is split.

use super::*;

#[test]
fn parts_hold_as_much_as_an_event_does_whatever_their_blocks() {
    let template = RenderedMessage {
        body: String::new(),
        formatted_body: String::new(),
        msgtype: MsgType::Text,
        mentions: Mentions::default(),
        headline: "\"<é".repeat(100),
        ..RenderedMessage::default()
    };
    for block in [
        "x\n\n".to_owned(),
        format!("{}\n\n", "\"<é ".repeat(1_000)),
        "word ".repeat(40_000),
    ] {
        let text = block.repeat((200_000 / block.len()).max(1));
        let document = crate::render::markdown::parse(&text);
        let (messages, steps) = split(&document.events, false, &template, 0);
        assert_eq!(messages.len(), MOST_PARTS);
        assert!(steps.bytes_cut > 0);
        for message in &messages[..MOST_PARTS - 1] {
            let size = content_size(message);
            assert!(
                (CONTENT_LIMIT / 2..=CONTENT_LIMIT).contains(&size),
                "{size} bytes of {block:.20}"
            );
        }
    }
}

#[test]
fn what_so_many_messages_could_hold_is_read_in_full() {
    let shielded = shield::shield("-");
    for (piece, bytes) in [("a", 1), ("é", 2), ("🔥", 4), (shielded.as_str(), 1)] {
        let whole = piece.repeat(MOST_TEXT / bytes);
        let mut text = whole.clone();
        assert_eq!((cut(&mut text), &text), (0, &whole), "{piece}");
        text.push_str(piece);
        text.push_str("more");
        assert_eq!((cut(&mut text), &text), (bytes + 4, &whole), "{piece}");
    }
}

#[test]
fn what_was_not_read_is_counted_also_where_the_rest_fits() {
    let template = RenderedMessage {
        body: String::new(),
        formatted_body: String::new(),
        msgtype: MsgType::Text,
        mentions: Mentions::default(),
        headline: "h".to_owned(),
        ..RenderedMessage::default()
    };
    for (times, parts) in [(1, 2), (40_000, MOST_PARTS)] {
        let text = "word ".repeat(times);
        let document = crate::render::markdown::parse(&text);
        let (messages, steps) = split(&document.events, false, &template, 77);
        assert_eq!(messages.len(), parts);
        assert!(steps.bytes_cut >= 77);
        let last = &messages[parts - 1].body;
        assert!(last.contains(&format!("{} more bytes", steps.bytes_cut)), "{last}");
    }
}

#[test]
fn a_template_that_writes_nothing_but_mentions_is_still_a_message() {
    let mut template = RenderedMessage {
        body: "🔥 FIRING · A".to_owned(),
        formatted_body: String::new(),
        msgtype: MsgType::Text,
        mentions: Mentions {
            user_ids: (0..2_000).map(|n| format!("@user{n}:example.org")).collect(),
            room: false,
        },
        headline: "🔥 FIRING · A".to_owned(),
        ..RenderedMessage::default()
    };
    assert!(content_size(&template) > CONTENT_LIMIT);
    let unmentioned = template.mentions.cut();
    assert_eq!(unmentioned + template.mentions.user_ids.len(), 2_000);
    assert!(content_size(&template) < CONTENT_LIMIT / 4 && template.mentions.user_ids.len() > 100);
    let (messages, _) = split(&[], false, &template, 0);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].body, template.headline);
}
