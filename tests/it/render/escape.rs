//! Nothing that stands in an alert is ever anything but text, whatever it is.

use grafana_matrix_relay::alert::{Alert, AlertStatus, Fingerprint, GroupKey, Labels, Notification, Source};
use grafana_matrix_relay::message::{Mentions, RenderedMessage};
use grafana_matrix_relay::render::{CONTENT_LIMIT, Renderer, content_size};
use jiff::Timestamp;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::{built_in, now};

const TAGS: &str = "del h1 h2 h3 h4 h5 h6 blockquote p a ul ol sup sub li b i u strong em s code hr br div table thead \
                    tbody tr th td caption pre span img details summary";

/// Strings that Markdown, HTML and templates would like to read, and any others.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("*"),
        Just("_"),
        Just("`"),
        Just("```\n"),
        Just("|"),
        Just("\n"),
        Just("\n\n"),
        Just("<b>"),
        Just("</span>"),
        Just("<script>alert(1)</script>"),
        Just("<img src=x onerror=y>"),
        Just("[x](javascript:a)"),
        Just("![x](https://e.org/x)"),
        Just("@room"),
        Just("@eve:e.org"),
        Just("\u{202e}"),
        Just("{{ name }}"),
        Just("{% if %}"),
        Just("# "),
        Just("> "),
        Just("- [ ] "),
        Just("1. "),
        Just("---\n"),
        Just("~~"),
        Just("\\"),
        Just("&lt;"),
        Just("\u{10ff2a}"),
        Just("<!--"),
        Just("[^1]: "),
        Just("<https://e.org>"),
        Just("    "),
        Just("\""),
        Just("'"),
        Just("a"),
        Just("ü"),
        Just(" "),
    ];
    prop_oneof![
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
        any::<String>(),
        "[a-zA-Z0-9 .:/_-]{0,40}",
    ]
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map(text(), text(), 0..5)
}

prop_compose! {
    fn alert(name: String)(
        labels in labels(),
        annotations in labels(),
        summary in text(),
        description in text(),
        severity in text(),
        url in prop_oneof![text(), Just("javascript:alert(1)".to_owned()), Just("https://e.org/a?b=\"c\" d)".to_owned())],
        reason in prop_oneof![text(), Just("MissingSeries".to_owned()), Just(String::new())],
        firing in any::<bool>(),
        value in any::<f64>(),
    ) -> Alert {
        let mut alert = Alert {
            status: if firing { AlertStatus::Firing } else { AlertStatus::Resolved },
            labels,
            annotations,
            starts_at: Timestamp::from_second(1_795_160_000).ok(),
            ends_at: (!firing).then(|| Timestamp::from_second(1_795_165_000).unwrap()),
            generator_url: url.clone(),
            fingerprint: Fingerprint("f".to_owned()),
            silence_url: url.clone(),
            dashboard_url: url.clone(),
            panel_url: url,
            rule_uid: String::new(),
            values: Some([("A".to_owned(), value)].into()),
            last_values: None,
            departed: None,
            value_string: String::new(),
            image_url: String::new(),
            org_id: None,
        };
        alert.labels.insert("alertname".to_owned(), name.clone());
        alert.labels.insert("severity".to_owned(), severity);
        alert.annotations.insert("summary".to_owned(), summary);
        alert.annotations.insert("description".to_owned(), description);
        alert.annotations.insert("grafana_state_reason".to_owned(), reason);
        alert
    }
}

fn notification() -> impl Strategy<Value = Notification> {
    (text(), text(), 1..5_usize, 0..2_u64).prop_flat_map(|(name, key, count, truncated)| {
        prop::collection::vec(alert(name), count).prop_map(move |alerts| Notification {
            source: Source::Grafana,
            receiver: key.clone(),
            status: alerts[0].status,
            alerts,
            group_labels: Labels::new(),
            common_labels: Labels::new(),
            common_annotations: Labels::new(),
            external_url: key.clone(),
            group_key: GroupKey(key.clone()),
            truncated_alerts: truncated,
            org_id: None,
            version: String::new(),
            app_version: String::new(),
            title: key.clone(),
            state: String::new(),
            message: key.clone(),
            notification_reason: String::new(),
            route_labels: Labels::new(),
        })
    })
}

/// The tags of HTML that was written by a machine: no comments, no stray brackets.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap_or(""))
        .collect()
}

fn check_html(html: &str) {
    let mut open = Vec::new();
    for tag in tags(html) {
        let (name, attributes) = tag
            .trim_end_matches(" /")
            .split_once(' ')
            .unwrap_or((tag.trim_end_matches(" /"), ""));
        let bare = name.trim_start_matches('/');
        assert!(
            TAGS.split_whitespace().any(|allowed| allowed == bare),
            "tag {tag:?} in {html}"
        );
        match (bare, attributes) {
            (_, "") => {}
            ("a", href) => {
                let url = href
                    .strip_prefix("href=\"")
                    .and_then(|href| href.strip_suffix('"'))
                    .unwrap();
                assert!(
                    !url.contains('"')
                        && ["https:", "http:", "mailto:", "ftp:", "magnet:"]
                            .iter()
                            .any(|s| url.to_lowercase().starts_with(s)),
                    "{url}"
                );
            }
            ("span", color) => assert!(color.starts_with("data-mx-color=\"#") && color.len() == 23, "{color}"),
            other => panic!("attributes {other:?} in {html}"),
        }
        if name.starts_with('/') {
            assert_eq!(open.pop(), Some(bare), "{html}");
        } else if !matches!(bare, "br" | "hr" | "img") {
            open.push(bare);
        }
    }
    assert!(open.is_empty() && open.len() < 50, "{open:?} stay open in {html}");
    assert!(
        !html.chars().any(|c| ('\u{10ff00}'..='\u{10ff7f}').contains(&c)),
        "{html}"
    );
}

fn check(message: &RenderedMessage, notification: &Notification) {
    check_html(&message.formatted_body);
    assert_eq!(message.mentions, Mentions::default());
    assert!(content_size(message) <= CONTENT_LIMIT);
    assert!(!message.headline.contains('\n') && !message.body.is_empty());
    assert!(
        !message.body.contains(['\u{202e}', '\u{10ff2a}', '\r']),
        "{:?}",
        message.body
    );
    // What can be seen of the name is seen: letters and digits in their order.
    let seen = |text: &str| text.split_whitespace().collect::<String>();
    let name = seen(&notification.alerts[0].labels["alertname"]);
    let name: String = name.chars().filter(char::is_ascii_graphic).collect();
    let first_line: String = seen(message.body.lines().next().unwrap())
        .chars()
        .filter(char::is_ascii_graphic)
        .collect();
    if notification.alerts.len() == 1
        && !name.is_empty()
        && !notification.alerts[0].labels["alertname"].contains(['\u{202e}', '\u{10ff2a}'])
    {
        assert!(first_line.contains(&name), "{name:?} in {:?}", message.body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn text_from_alerts_is_only_ever_text(notification in notification()) {
        static RENDERER: LazyLock<Renderer> = LazyLock::new(built_in);
        for template in ["alert", "compact", "detailed"] {
            let seen = RENDERER.render(&template.parse().unwrap(), &notification, now());
            prop_assert_eq!(&seen.problem, &None);
            for message in &seen.messages {
                check(message, &notification);
            }
        }
    }
}

#[test]
fn huge_texts_fit_into_an_event() {
    let renderer = built_in();
    let body = grafana_matrix_relay::samples::find("firing").unwrap().body;
    for filler in ["word ", "*", "<b>", "x\n", "é", "\u{202e}"] {
        let huge = serde_json::to_string(&filler.repeat(40_000)).unwrap();
        let body = body
            .replace("\"Checkout answers in 2.4 s (p99)\"", &huge)
            .replace("\"checkout\"", &huge);
        for template in ["alert", "compact", "detailed"] {
            let seen = super::render(&renderer, template, &body);
            assert!(
                seen.budget.labels_folded && seen.messages.len() == 1,
                "{filler:?} {template}"
            );
            assert!(content_size(&seen.messages[0]) <= CONTENT_LIMIT);
            assert!(seen.messages[0].body.contains("CheckoutSlow"));
        }
    }
}
