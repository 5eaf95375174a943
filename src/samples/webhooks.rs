//! Bodies of programs that are neither Grafana nor Alertmanager, each with the template that is for it and what the rules that
//! stand in that template say of it.

use super::Sample;

const FILES: &[(&str, &str, &str, &str)] = &[
    (
        "curl",
        "webhook",
        "`curl -d '{\"text\": \"hi\"}'`",
        include_str!("webhooks/curl.json"),
    ),
    (
        "job",
        "webhook",
        "a job with a title, a text and a level",
        include_str!("webhooks/job.json"),
    ),
    (
        "fields",
        "webhook",
        "a body of which nobody knows what it means",
        include_str!("webhooks/fields.json"),
    ),
    (
        "hostile-body",
        "webhook",
        "texts full of Markdown, HTML and worse",
        include_str!("webhooks/hostile-body.json"),
    ),
    (
        "uptime-kuma",
        "uptime-kuma",
        "Uptime Kuma: a monitor is down",
        include_str!("webhooks/uptime-kuma.json"),
    ),
    (
        "uptime-kuma-up",
        "uptime-kuma",
        "Uptime Kuma: it is up again",
        include_str!("webhooks/uptime-kuma-up.json"),
    ),
    (
        "uptime-kuma-test",
        "uptime-kuma",
        "Uptime Kuma: the button Test",
        include_str!("webhooks/uptime-kuma-test.json"),
    ),
    (
        "gitea-push",
        "gitea",
        "Gitea: a push",
        include_str!("webhooks/gitea-push.json"),
    ),
    (
        "gitea-pull-request",
        "gitea",
        "Gitea: a pull request",
        include_str!("webhooks/gitea-pull-request.json"),
    ),
    (
        "gitea-issue",
        "gitea",
        "Gitea: a comment",
        include_str!("webhooks/gitea-issue.json"),
    ),
    (
        "gitea-release",
        "gitea",
        "Gitea: a release",
        include_str!("webhooks/gitea-release.json"),
    ),
    (
        "proxmox",
        "proxmox",
        "Proxmox VE: a backup failed",
        include_str!("webhooks/proxmox.json"),
    ),
    (
        "healthchecks",
        "healthchecks",
        "healthchecks.io: a check is down",
        include_str!("webhooks/healthchecks.json"),
    ),
    (
        "grafana-legacy",
        "grafana-legacy",
        "an alert of Grafana before 8",
        include_str!("webhooks/grafana-legacy.json"),
    ),
    (
        "alertmanager-json",
        "alertmanager-json",
        "almost what Alertmanager sends",
        include_str!("webhooks/alertmanager-json.json"),
    ),
];

/// Every body of any shape.
pub fn webhooks() -> Vec<Sample> {
    let sample = |(name, template, title, body): &(&'static str, &'static str, &'static str, &str)| Sample {
        name,
        title,
        body: (*body).to_owned(),
        offered: false,
        template: Some(template),
    };
    FILES.iter().map(sample).collect()
}
