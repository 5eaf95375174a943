//! Nothing that stands in an alert is ever anything but text, whatever it is.

use grafana_matrix_relay::alert::{Alert, AlertStatus, Fingerprint, GroupKey, Labels, Notification, Source};
use grafana_matrix_relay::message::{Mentions, RenderedMessage};
use grafana_matrix_relay::render::{CONTENT_LIMIT, Renderer, content_size, reference};
use grafana_matrix_relay::{alert, group};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;
use tempfile::TempDir;

use super::{built_in, folder, now};

// Written from the specification, and shared with the fuzz targets; it shares nothing with what it judges.
#[path = "../../../fuzz/fuzz_targets/html.rs"]
mod html;

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
        4 => prop::collection::vec(piece.clone(), 0..12).prop_map(|pieces| pieces.concat()),
        4 => any::<String>(),
        4 => "[a-zA-Z0-9 .:/_-]{0,40}",
        // Long enough for the ladder, and now and then for a split.
        1 => (prop::collection::vec(piece, 1..12), 1..2_000_usize).prop_map(|(pieces, times)| pieces.concat().repeat(times)),
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
            enrichments: None,
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
            payload: None,
            route_labels: Labels::new(),
            route: String::new(),
        })
    })
}

fn check_html(formatted: &str) {
    html::check(formatted);
    assert!(
        !formatted.chars().any(|c| ('\u{10ff00}'..='\u{10ff7f}').contains(&c)),
        "{formatted}"
    );
    let mut depth = 0_usize;
    for tag in formatted
        .split('<')
        .skip(1)
        .filter(|tag| !tag.starts_with("br") && !tag.starts_with("hr"))
    {
        depth = if tag.starts_with('/') { depth - 1 } else { depth + 1 };
        assert!(depth <= 50, "{depth} levels in {formatted}");
    }
}

fn check(message: &RenderedMessage) {
    check_html(&message.formatted_body);
    assert_eq!(message.mentions, Mentions::default());
    let size = content_size(message);
    assert!(size <= CONTENT_LIMIT, "{size} bytes");
    assert!(
        !message.headline.contains('\n') && message.headline.chars().count() <= 310,
        "{:?}",
        message.headline
    );
    assert!(!message.body.is_empty());
    assert!(
        !message.body.contains(['\u{202e}', '\u{10ff2a}', '\r']),
        "{:?}",
        message.body
    );
}

/// What can be seen of a text: letters, digits and signs in their order, up to what is shown as something else.
fn visible(text: &str) -> String {
    let shown = text
        .chars()
        .take_while(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    shown.filter(char::is_ascii_graphic).take(60).collect()
}

/// The first line of the first message names the rule, as does the line for the lock screen.
fn check_name(messages: &[RenderedMessage], notification: &Notification) {
    let name = &notification.alerts[0].labels["alertname"];
    // Of a longer one only the beginning is shown.
    let name = visible(&name.trim().chars().take(150).collect::<String>());
    for line in [messages[0].body.lines().next().unwrap(), &messages[0].headline] {
        let line: String = line.chars().filter(char::is_ascii_graphic).collect();
        assert!(line.contains(&name), "{name:?} in {line:?}");
    }
}

proptest! {
    // What fails is made smaller for so long only, since the largest of these take a second to render.
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn text_from_alerts_is_only_ever_text(notification in notification()) {
        static RENDERER: LazyLock<Renderer> = LazyLock::new(built_in);
        for template in ["alert", "compact", "detailed"] {
            let seen = RENDERER.render(&template.parse().unwrap(), &notification, now());
            prop_assert_eq!(&seen.problem, &None);
            seen.messages.iter().for_each(check);
            check_name(&seen.messages, &notification);
        }
    }

    #[test]
    fn text_from_alerts_is_only_text_in_what_has_changed(before in notification(), then in notification()) {
        static RENDERER: LazyLock<Renderer> = LazyLock::new(built_in);
        let known = group::compare(None, before, now()).state;
        let later = now() + SignedDuration::from_mins(10);
        let compared = group::compare(Some(known.clone()), then, later);
        let seen = RENDERER.render_change(&compared.notification, &compared.change, later);
        prop_assert_eq!(&seen.problem, &None);
        seen.messages.iter().for_each(check);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn text_from_alerts_is_only_text_wherever_a_template_puts_it(value in text()) {
        static OWN: LazyLock<(TempDir, Renderer)> = LazyLock::new(|| folder(&[("t.md.j2", &everywhere())]));
        let renderer = &OWN.1;
        assert_eq!(renderer.problems(), []);
        let mut notification = alert::parse::notification(super::body_of("firing").as_bytes()).unwrap();
        notification.alerts[0].labels.insert("service".to_owned(), value);
        let seen = renderer.render(&"t".parse().unwrap(), &notification, now());
        prop_assert_eq!(&seen.problem, &None);
        seen.messages.iter().for_each(check);
    }
}

/// A template that prints a label in every place where Markdown and HTML have one, and through every filter.
fn everywhere() -> String {
    let mut text = String::from(
        "{% set v = alerts[0].labels.service %}
# {{ v }}

{{ v }}
===

`{{ v }}` **{{ v }}** ~~{{ v }}~~ [{{ v }}](https://e.org/{{ v }}?{{ v }}) [x]({{ v }}) <https://e.org/{{ v }}>
![{{ v }}](https://e.org/{{ v }}.png) ![{{ v }}](mxc://e.org/{{ v }})

> {{ v }}

- {{ v }}
  1. [ ] {{ v }}

| {{ v }} | b |
|---|---|
| {{ v }} | {{ v | code }} |

```{{ v }}
{{ v }}
```

    {{ v }}

<span data-mx-color=\"#ff0000\">{{ v }}</span> <b>{{ v }}</b> <span data-mx-spoiler=\"{{ v }}\">s</span>
<a href=\"{{ v }}\">l</a> <a href=\"https://e.org/{{ v }}\" target='{{ v }}'>m</a> <!-- {{ v }} -->

<div data-mx-maths=\"{{ v }}\">
{{ v }}
</div>

[^1]: {{ v }}

",
    );
    for filter in expressions() {
        text.push_str(&filter);
        text.push_str("\n\n");
    }
    text
}

#[test]
fn huge_texts_fit_into_an_event() {
    let renderer = built_in();
    let body = grafana_matrix_relay::samples::find("firing").unwrap().body;
    for filler in ["word ", "*", "<b>", "x\n", "é", "\u{202e}"] {
        let huge = serde_json::to_string(&format!("CheckoutSlow{}", filler.repeat(40_000))).unwrap();
        let body = body
            .replace("\"Checkout answers in 2.4 s (p99)\"", &huge)
            .replace("\"CheckoutSlow\"", &huge)
            .replace("\"critical\"", &huge)
            .replace("\"Shop\"", &huge)
            .replace("\"checkout\"", &huge);
        for template in ["alert", "compact", "detailed"] {
            let seen = super::render(&renderer, template, &body);
            assert!(
                seen.budget.labels_truncated && seen.messages.len() == 1,
                "{filler:?} {template}"
            );
            assert!(content_size(&seen.messages[0]) <= CONTENT_LIMIT);
            assert!(seen.messages[0].body.contains("CheckoutSlow"));
            assert!(seen.messages[0].headline.chars().count() <= 300);
        }
    }
}

/// Names and addresses of a megabyte, which no rule has, but which whoever posts can send.
#[test]
fn huge_names_fit_into_an_event() {
    let renderer = built_in();
    let huge = "<!--<img src=x>".repeat(80_000);
    for status in ["firing", "resolved"] {
        let mut body: Value = serde_json::from_str(&super::body_of("firing")).unwrap();
        for name in ["receiver", "externalURL", "groupKey", "title", "version", "message"] {
            body[name] = json!(huge);
        }
        let alert = &mut body["alerts"][0];
        alert["status"] = json!(status);
        for name in ["generatorURL", "silenceURL", "dashboardURL", "panelURL", "fingerprint"] {
            alert[name] = json!(huge);
        }
        for name in ["grafana_state_reason", "runbook_url", "summary", &huge] {
            alert["annotations"][name] = json!(huge);
        }
        alert["labels"][&huge] = json!(huge);
        alert["values"] = json!({&huge: 2.5, "B": 1});
        for template in ["alert", "compact", "detailed"] {
            let seen = super::render(&renderer, template, &body.to_string());
            assert_eq!(seen.problem, None, "{template} {status}");
            assert!(content_size(&seen.messages[0]) <= CONTENT_LIMIT);
            assert!(seen.messages[0].body.contains("CheckoutSlow"));
        }
    }
}

#[test]
fn names_that_fill_a_message_leave_room_for_its_parts() {
    let name = format!("Name{}", "\"é<".repeat(100_000));
    let body = super::body_of("firing").replace("\"CheckoutSlow\"", &serde_json::to_string(&name).unwrap());
    let (_dir, renderer) = folder(&[("t.md.j2", "{% for i in range(300) %}{{ name }}\n\n{% endfor %}")]);
    let seen = super::render(&renderer, "t", &body);
    assert_eq!(seen.problem, None);
    assert!(seen.messages.len() > 2, "{}", seen.messages.len());
    seen.messages.iter().for_each(check);
    assert!(seen.messages[1].body.starts_with("(2/"));
}

/// Text that would be a link and bold, if anything read it.
const MARKUP: &str = "[login](https://evil.example) **x**";

/// An expression with each filter, each method and each way to put texts together, that prints `v` through it.
#[expect(clippy::too_many_lines, reason = "a table of uses")]
fn expressions() -> Vec<String> {
    // Those for which `{{ text | filter }}` says little or does not work; `safe` is the way around, and says so.
    let uses = [
        ("abs", "{{ -1 | abs }}{{ v }}"),
        ("batch", "{{ [v] | batch(2, v) }}"),
        ("bold", "{{ v | bold }}"),
        ("color", "{{ v | color }}{{ v }}"),
        ("colored", "{{ v | colored('#ff0000') }}"),
        ("default", "{{ '' | default(v) }}"),
        ("dictsort", "{{ dict(a=v) | dictsort }}"),
        ("duration", "{{ 1 | duration }}{{ v }}"),
        ("emoji", "{{ v | emoji }}{{ v }}"),
        ("first", "{{ [v] | first }}"),
        ("float", "{{ '1' | float }}{{ v }}"),
        ("format", "{{ '%s' | format(v) }}"),
        ("groupby", "{{ [dict(a=v)] | groupby('a') }}"),
        ("int", "{{ '1' | int }}{{ v }}"),
        ("items", "{{ dict(a=v) | items }}{{ alerts[0].labels | items }}"),
        ("join", "{{ [v, v] | join(v) }}"),
        ("joined", "{{ [v, v] | joined }}{{ [1, 2] | joined(v) }}"),
        (
            "labels",
            "{{ alerts[0].labels | labels }}{{ [dict(name=v, value=v)] | labels }}{{ alerts[0].labels | labels(v) }}",
        ),
        ("last", "{{ [v] | last }}"),
        ("length", "{{ v | length }}{{ v }}"),
        ("link", "{{ 'https://e.org' | link(v) }}"),
        (
            "links",
            "{{ [dict(text=v, url='https://e.org')] | links }}{{ ([dict(text=1, url='https://e.org')] * 2) | links(v) }}",
        ),
        ("list", "{{ [v] | list }}"),
        ("map", "{{ [v] | map('upper') }}{{ [v] | map('tojson') | join }}"),
        ("max", "{{ [v] | max }}"),
        ("min", "{{ [v] | min }}"),
        ("number", "{{ 1 | number(v) }}"),
        ("pluralize", "{{ 2 | pluralize(v, v) }}"),
        (
            "by_severity",
            "{% for s, a in [dict(severity=v)] | by_severity %}{{ s }}{{ a }}{% endfor %}",
        ),
        ("combine", "{{ dict(a=v) | combine(dict(b=v)) }}"),
        ("filesizeformat", "{{ 1 | filesizeformat }}{{ v }}"),
        ("humanize", "{{ 1 | humanize }}{{ v }}"),
        ("humanize1024", "{{ 1 | humanize1024 }}{{ v }}"),
        ("humanizeDuration", "{{ 1 | humanizeDuration }}{{ v }}"),
        ("humanizePercentage", "{{ 1 | humanizePercentage }}{{ v }}"),
        ("humanizeTimestamp", "{{ now | humanizeTimestamp }}{{ v }}"),
        ("reReplaceAll", "{{ v | reReplaceAll('qqq', v) }}"),
        ("regex_findall", "{{ v | regex_findall('(?s).+') }}"),
        ("regex_replace", "{{ v | regex_replace('qqq', v) }}"),
        ("regex_search", "{{ v | regex_search('(?s).+') }}"),
        ("sort_severity", "{{ [dict(severity=v)] | sort_severity }}"),
        ("strftime", "{{ now | strftime }}{{ v }}"),
        ("stripDomain", "{{ v | stripDomain }}{{ v }}"),
        ("ternary", "{{ true | ternary(v, v) }}"),
        ("readings", "{{ [dict(name=v, value=1)] | readings }}"),
        ("reject", "{{ [v] | reject('none') | list }}"),
        ("rejectattr", "{{ [dict(a=v)] | rejectattr('a', 'none') | list }}"),
        ("replace", "{{ v | replace('x', v) }}"),
        ("reverse", "{{ v | reverse | reverse }}{{ [v] | reverse }}"),
        ("round", "{{ 1.5 | round }}{{ v }}"),
        ("safe", "{{ v }}"),
        ("select", "{{ [v] | select | list }}"),
        ("selectattr", "{{ [dict(a=v)] | selectattr('a') | list }}"),
        ("slice", "{{ [v] | slice(1) | list }}"),
        ("sort", "{{ [v, v] | sort }}"),
        ("split", "{{ v | split('!') }}"),
        ("sum", "{{ [1] | sum }}{{ v }}"),
        ("time", "{{ now | time }}{{ v }}"),
        ("top", "{{ [v] | top(1) }}"),
        ("unique", "{{ [v] | unique | list }}"),
        ("urlencode", "{{ v | urlencode }}{{ v }}"),
        ("without", "{{ alerts[0].labels | without('job') }}"),
        ("zip", "{{ [v] | zip([v]) | list }}"),
    ];
    let plain = reference::filters().map(|filter| (filter, format!("{{{{ v | {filter} }}}}")));
    let mut texts: Vec<String> = plain
        .map(|(filter, text)| {
            uses.iter()
                .find(|(name, _)| *name == filter)
                .map_or(text, |(_, text)| (*text).to_owned())
        })
        .collect();
    let methods = [
        "v.upper()",
        "v.lower()",
        "v.strip()",
        "v.lstrip()",
        "v.rstrip()",
        "v.title()",
        "v.capitalize()",
        "v.split('!')",
        "v.splitlines()",
        "v.replace('x', v)",
        "'{}'.format(v)",
        "v.join([v, v])",
        "v[:]",
        "dict(a=v).items()",
        "dict(a=v).values()",
        "dict(a=v).get('a')",
        "alerts[0].labels.get('service')",
        "v ~ v",
        "v + v",
        "v * 2",
        "[v]",
        "debug(v)",
        "mention(v)",
        "msgtype('m.text') ~ v",
        "dict(a=v)",
        "range(1) | join(v)",
        "'a' if false else v",
    ];
    texts.extend(methods.map(|method| format!("{{{{ {method} }}}}{{{{ v }}}}")));
    texts.push("{% set w %}{{ v }}{% endset %}{{ w }}{{ w | upper }}{{ w ~ v }}".to_owned());
    texts.push("{% macro m(x) %}{{ x }}{{ caller() }}{% endmacro %}{% call m(v) %}{{ v }}{% endcall %}".to_owned());
    texts.push("{% filter upper %}{{ v }}{% endfilter %}".to_owned());
    texts
}

#[test]
fn no_filter_and_no_method_makes_more_of_a_text_than_text() {
    let body = super::body_of("firing").replace("\"checkout\"", &serde_json::to_string(MARKUP).unwrap());
    for text in expressions() {
        let text = format!("{{% set v = alerts[0].labels.service %}}{text}");
        let (_dir, renderer) = folder(&[("t.md.j2", &text)]);
        let seen = super::render(&renderer, "t", &body);
        assert_eq!(seen.problem, None, "{text}");
        let html = seen.messages[0].formatted_body.to_lowercase();
        assert!(html.contains("login") || html.contains("nigol"), "{text}: {html}");
        assert!(
            !html.contains("href=\"https://evil") && !html.contains("<strong>x<"),
            "{text}: {html}"
        );
        check_html(&seen.messages[0].formatted_body);
    }
}

#[test]
fn no_error_quotes_an_alert() {
    const SECRET: &str = "hunter2hunter2";
    let body = super::body_of("firing").replace("\"checkout\"", &format!("\"{SECRET}\""));
    let filters = reference::filters().flat_map(|filter| {
        [
            format!("{{{{ v | {filter}(v) }}}}"),
            format!("{{{{ 1 | {filter}(v, v) }}}}"),
            format!("{{{{ [v] | {filter}(v) }}}}"),
            format!("{{{{ dict(a=v) | {filter}(v) }}}}"),
        ]
    });
    let functions = reference::functions().map(|function| format!("{{{{ {function}(v) }}}}"));
    let others = [
        "{{ now | time(v) }}",
        "{{ now | time(tz=v) }}",
        "{{ now | time('%q' ~ v) }}",
        "{{ v | time }}",
        "{{ v.nonsense }}",
        "{{ v[v].a }}",
        "{{ v[v]() }}",
        "{{ alerts[0][v] }}",
        "{{ alerts[0].labels[v].a.b }}",
        "{{ alerts[v] }}",
        "{{ dict(a=1)[v].b }}",
        "{{ v.upper(v) }}",
        "{{ v.format(v, v) }}",
        "{{ '{a}'.format(v) }}",
        "{{ v() }}",
        "{{ 1 + v }}",
        "{{ v // 2 }}",
        "{{ -v }}",
        "{{ 1 in 1 }}{{ v }}",
        "{% include v %}",
        "{% extends v %}",
        "{% import v as x %}{{ x.y }}",
        "{% from v import y %}",
        "{% set a, b = v %}",
        "{% for a, b in [v] %}{% endfor %}",
        "{% for a in 1 %}{{ v }}{% endfor %}",
        "{{ [v] | map(attribute=v) | list }}",
        "{{ [dict(a=v)] | selectattr('a', v) | list }}",
        "{{ [v] | select(v) | list }}",
        "{{ '%d' | format(v) }}",
        "{{ v | format(v) }}",
        "{{ range(v) }}",
        "{{ loop(v) }}",
    ];
    let others = others.into_iter().map(str::to_owned);
    let mut failed = 0;
    for text in filters.chain(functions).chain(others) {
        let text =
            format!("{{% if name == 'CheckoutSlow' %}}{{% set v = alerts[0].labels.service %}}{text}{{% endif %}}");
        let (_dir, renderer) = folder(&[("t.md.j2", &text)]);
        if let Some(problem) = super::render(&renderer, "t", &body).problem {
            failed += 1;
            assert!(!problem.to_string().contains(SECRET), "{text}: {problem}");
        }
    }
    assert!(failed > 60, "{failed}");
}
