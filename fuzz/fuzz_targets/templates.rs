//! Any text at all as a template: no panic, and what comes out is bounded and in Matrix's subset of HTML.
#![no_main]

mod html;

use std::sync::LazyLock;

use grafana_matrix_relay::alert::Notification;
use grafana_matrix_relay::intake::parse;
use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{CONTENT_LIMIT, Draft, Renderer, Settings, content_size};
use grafana_matrix_relay::samples;
use jiff::{Timestamp, tz::TimeZone};
use libfuzzer_sys::{Corpus, fuzz_target};

static RENDERER: LazyLock<Renderer> = LazyLock::new(|| {
    Renderer::open(&Settings {
        templates_dir: None,
        time_zone: TimeZone::UTC,
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
    for notification in NOTIFICATIONS.iter() {
        let preview = RENDERER.preview(&[draft], &template, notification, *NOW);
        let messages = &preview.rendered.messages;
        assert!(
            (1..=MOST_MESSAGES).contains(&messages.len()),
            "{} messages",
            messages.len()
        );
        for message in messages {
            html::check(&message.formatted_body);
            assert!(
                content_size(message) <= CONTENT_LIMIT,
                "{} bytes",
                content_size(message)
            );
        }
    }
    Corpus::Keep
});
