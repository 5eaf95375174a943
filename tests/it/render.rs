//! How notifications read: every shipped template over every sample, as people will see it.

use std::fs;
use std::path::Path;

use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{Rendered, Renderer, Settings, content_size};
use grafana_matrix_relay::{alert, samples};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tempfile::TempDir;

use crate::support::isolation;

mod change;
mod cookbook;
mod deep;
mod digest;
mod escape;
mod half_typed;
mod idioms;
mod limits;
mod reach;
mod read;
mod reference;
mod reload;
mod sandbox;
mod templates;
mod webhooks;

/// A renderer with nothing but the built-in templates.
fn built_in() -> Renderer {
    Renderer::open(&Settings {
        templates_dir: None,
        time_zone: TimeZone::UTC,
        language: None,
        isolation: isolation(),
    })
}

fn now() -> Timestamp {
    samples::NOW.parse().unwrap()
}

pub(crate) fn render(renderer: &Renderer, template: &str, body: &str) -> Rendered {
    let notification = alert::parse::notification(body.as_bytes()).unwrap();
    renderer.render(&template.parse::<TemplateName>().unwrap(), &notification, now())
}

/// A folder with these templates, and a renderer on it.
pub(crate) fn folder(files: &[(&str, &str)]) -> (TempDir, Renderer) {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        write(dir.path(), name, text);
    }
    let renderer = Renderer::open(&settings(dir.path()));
    (dir, renderer)
}

/// The settings of a relay whose templates are there.
fn settings(dir: &Path) -> Settings {
    Settings {
        templates_dir: Some(dir.to_owned()),
        time_zone: TimeZone::UTC,
        language: None,
        isolation: isolation(),
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(crate) fn body_of(sample: &str) -> String {
    samples::find(sample).unwrap().body
}

/// What the template `t` with this text makes of a sample.
fn rendered(text: &str, sample: &str) -> Rendered {
    let (_dir, renderer) = folder(&[("t.md.j2", text)]);
    render(&renderer, "t", &body_of(sample))
}

/// The plain text of it, if the template works.
fn body(text: &str, sample: &str) -> String {
    let seen = rendered(text, sample);
    assert_eq!(seen.problem, None, "{text}");
    seen.messages[0].body.clone()
}

/// Everything about a rendering on one page.
fn page(seen: &Rendered) -> String {
    let mut parts = Vec::new();
    for message in &seen.messages {
        let (msgtype, bytes) = (message.msgtype, content_size(message));
        parts.push(format!(
            "headline: {}\n{msgtype:?}, {bytes} bytes, {:?}\n",
            message.headline, seen.budget
        ));
        parts.push(format!("--- body\n{}\n", message.body));
        parts.push(format!("--- formatted_body\n{}\n", message.formatted_body));
    }
    parts.push(format!("--- markdown\n{}\n", seen.markdown));
    parts.join("\n")
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
                let seen = render(&renderer, template, &sample.body);
                assert_eq!(seen.problem, None, "{template} {}", sample.name);
                insta::assert_snapshot!(format!("{template}@{}", sample.name), page(&seen));
            }
        }
    });
}
