//! Any bytes at all as a request body, through every shipped template: no panic, and what comes out is a message that
//! Matrix takes, in its subset of HTML, and that pings nobody.
#![no_main]

mod html;

use std::sync::LazyLock;

use grafana_matrix_relay::alert::payload::{self, Declared};
use grafana_matrix_relay::alert::{Notification, parse};
use grafana_matrix_relay::message::{Mentions, TemplateName};
use grafana_matrix_relay::render::{CONTENT_LIMIT, Isolation, Renderer, Settings, content_size};
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
static TEMPLATES: LazyLock<Vec<TemplateName>> = LazyLock::new(|| RENDERER.names());
static NOW: LazyLock<Timestamp> = LazyLock::new(|| samples::NOW.parse().expect("a time"));

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // The same bytes as a route with `input = "json"` takes them, by whatever declaration.
    let declared = [Declared::Json, Declared::Form, Declared::Text][bytes.len() % 3];
    if let Ok(tree) = payload::tree(bytes, declared) {
        let meaning = payload::Meaning {
            state: ["", "firing", "resolved"][bytes.len() / 3 % 3].to_owned(),
            ..payload::Meaning::default()
        };
        check(&payload::notification(tree, &meaning));
    }
    let Ok(mut notification) = parse::notification(bytes) else {
        return Corpus::Keep;
    };
    // Few inputs of a fuzzer's size hold enough alerts for the budget's ladder; one in eight gets there by copying.
    if bytes.len().is_multiple_of(8) {
        notification.alerts = notification.alerts.iter().cycle().take(200).cloned().collect();
    }
    check(&notification);
    Corpus::Keep
});

fn check(notification: &Notification) {
    for template in TEMPLATES.iter() {
        let rendered = RENDERER.render(template, notification, *NOW);
        // A template for one program's bodies may give way for those of another, and for alerts.
        let is_meant = match &notification.payload {
            Some(_) => *template == TemplateName::webhook(),
            None => !RENDERER.takes_payload(template),
        };
        if is_meant {
            assert_eq!(rendered.problem, None, "{template} gave way");
        }
        assert!(!rendered.messages.is_empty());
        for message in &rendered.messages {
            html::check(&message.formatted_body);
            assert!(
                content_size(message) <= CONTENT_LIMIT,
                "{} bytes",
                content_size(message)
            );
            assert_eq!(message.mentions, Mentions::default());
            assert!(!message.body.is_empty() && !message.headline.contains('\n'));
        }
    }
}
