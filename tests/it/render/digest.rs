//! What is sent in place of many messages that waited, as people will see it.

use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::pipeline::dry_run;
use grafana_matrix_relay::samples;
use jiff::SignedDuration;

use super::{built_in, now, page};

#[test]
fn every_digest_looks_as_before() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/render");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let sequences = samples::SEQUENCES
        .iter()
        .map(|sequence| (sequence.name, sequence.steps));
    let alone: [(&str, &[&str]); 4] = [
        ("storm", &["storm"]),
        ("mixed", &["mixed"]),
        ("truncated", &["truncated"]),
        (
            "many",
            &[
                "firing",
                "mixed",
                "no-data",
                "datasource-error",
                "not-recovered",
                "resolved",
                "truncated",
            ],
        ),
    ];
    let renderer = built_in();
    settings.bind(|| {
        for (name, steps) in sequences.chain(alone) {
            let waiting: Vec<_> = (0..)
                .zip(steps)
                .map(|(step, sample)| {
                    let body = samples::find(sample).unwrap().body;
                    let notification = parse::notification(body.as_bytes()).unwrap();
                    (notification, now() + SignedDuration::from_mins(5) * step)
                })
                .collect();
            let preview = dry_run::preview(&renderer.with_drafts(&[]), &TemplateName::digest(), &waiting);
            assert_eq!(
                (preview.diagnostics.as_slice(), preview.rendered.messages.len()),
                (&[][..], 1),
                "{name}"
            );
            insta::assert_snapshot!(format!("digest@{name}"), page(&preview.rendered));
        }
    });
}
