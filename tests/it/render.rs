//! How notifications read: every shipped template over every sample, as people will see it.

use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{Rendered, Renderer, Settings, content_size};
use grafana_matrix_relay::{intake, samples};
use jiff::Timestamp;
use jiff::tz::TimeZone;

mod escape;
mod templates;

/// A renderer with nothing but the built-in templates.
fn built_in() -> Renderer {
    Renderer::open(&Settings {
        templates_dir: None,
        time_zone: TimeZone::UTC,
    })
}

fn now() -> Timestamp {
    samples::NOW.parse().unwrap()
}

fn render(renderer: &Renderer, template: &str, body: &str) -> Rendered {
    let notification = intake::parse::notification(body.as_bytes()).unwrap();
    renderer.render(&template.parse::<TemplateName>().unwrap(), &notification, now())
}

/// Everything about a rendering on one page.
fn page(rendered: &Rendered) -> String {
    let mut page = String::new();
    for message in &rendered.messages {
        let (msgtype, bytes) = (message.msgtype, content_size(message));
        page.push_str(&format!("headline: {}\n{msgtype:?}, {bytes} bytes, ", message.headline));
        page.push_str(&format!("{:?}\n\n--- body\n{}\n", rendered.budget, message.body));
        page.push_str(&format!("\n--- formatted_body\n{}\n", message.formatted_body));
    }
    page.push_str(&format!("\n--- markdown\n{}\n", rendered.markdown));
    page
}

#[test]
fn every_template_shows_every_sample_as_before() {
    let renderer = built_in();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/render");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for template in ["alert", "compact", "detailed"] {
            for sample in samples::all() {
                let rendered = render(&renderer, template, &sample.body);
                assert_eq!(rendered.problem, None, "{template} {}", sample.name);
                insta::assert_snapshot!(format!("{template}@{}", sample.name), page(&rendered));
            }
        }
    });
}
