//! Any text at all as a template: no panic, and what comes out is bounded and in Matrix's subset of HTML, and the text of
//! an alert is text in it unless the template says otherwise.
#![no_main]

mod html;

use std::sync::LazyLock;

use grafana_matrix_relay::alert::Notification;
use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{CONTENT_LIMIT, Diagnostic, Draft, Isolation, Renderer, Settings, content_size};
use grafana_matrix_relay::samples;
use jiff::{Timestamp, tz::TimeZone};
use libfuzzer_sys::{Corpus, fuzz_target};

static RENDERER: LazyLock<Renderer> = LazyLock::new(|| {
    Renderer::open(&Settings {
        templates_dir: None,
        time_zone: TimeZone::UTC,
        language: None,
        isolation: Isolation::None,
    })
});
static NOTIFICATIONS: LazyLock<Vec<Notification>> = LazyLock::new(|| {
    let parsed = ["hostile", "mixed"].map(|name| {
        let sample = samples::find(name).expect("a sample");
        parse::notification(sample.body.as_bytes()).expect("a notification")
    });
    parsed.into()
});
static NOW: LazyLock<Timestamp> = LazyLock::new(|| samples::NOW.parse().expect("a time"));

/// More messages than this are never made of one notification.
const MOST_MESSAGES: usize = 5;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(source) = std::str::from_utf8(bytes) else {
        return Corpus::Reject;
    };
    let template = TemplateName::default();
    let draft = Draft {
        file: &template.file_name(),
        source,
    };
    let desk = RENDERER.with_drafts(&[draft]);
    for notification in NOTIFICATIONS.iter() {
        let preview = desk.preview(&template, notification, *NOW);
        let is_endless = |one: &Diagnostic| one.problem.message.contains("was ended");
        assert!(!preview.diagnostics.iter().any(is_endless), "a template without end");
        let messages = &preview.rendered.messages;
        assert!(
            (1..=MOST_MESSAGES).contains(&messages.len()),
            "{} messages",
            messages.len()
        );
        for message in messages {
            html::check(&message.formatted_body);
            if !is_raw(source) {
                only_text(&message.formatted_body);
            }
            assert!(
                content_size(message) <= CONTENT_LIMIT,
                "{} bytes",
                content_size(message)
            );
        }
    }
    Corpus::Keep
});

/// The label `instance` and the summary of the sample `hostile` would be this, if anything read them as Markdown.
const READ: [&str; 4] = ["<strong>bold</strong> <em>it</em>", ">🖼 i</a>", "<h1>heading", "<del>x</del> "];

/// A template can only say so itself: it calls a value Markdown, or switches escaping off.
fn is_raw(source: &str) -> bool {
    source.contains("safe") || source.contains("autoescape")
}

fn only_text(formatted: &str) {
    for markup in READ {
        assert!(!formatted.contains(markup), "`{markup}` in: {formatted}");
    }
}
