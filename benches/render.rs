//! What rendering costs, beside what it cannot do without in the same run: bare minijinja on the default template's own
//! text, and bare pulldown-cmark on the Markdown that came out.
//!
//! The limit is handed every fact about the alerts as data, and turns it into the engine's values; its filters only put
//! text together. So the ratio is what the relay adds: the facts, escaping, what bounds a template, the check of
//! everything that Matrix does not allow, the plain body, the size of the event. That both write the same text is asserted.
//! For thousands of alerts the limit is none: it takes in all of them, and the relay only those that it shows. So a second
//! table tells the growth of what is done for every alert, shown or not: parsing the body, and everything up to the message.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "a bench may fail loudly, it prints, and the engine hands arguments over by value"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use grafana_matrix_relay::alert::{Alert, AlertStatus, Notification};
use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{Isolation, Renderer, Settings};
use grafana_matrix_relay::{alert::parse, samples};
use jiff::{Timestamp, tz::TimeZone};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, State, Value};
use pulldown_cmark::{Options, Parser, html::push_html};
use serde_json::{Map, json};

/// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each figure is measured, taking turns with its limit, for another's load comes and goes; the median counts.
const ROUNDS: usize = 21;
/// How long one measurement lasts.
const ROUND: Duration = Duration::from_millis(40);

fn main() {
    let renderer = Renderer::open(&Settings {
        templates_dir: None,
        time_zone: TimeZone::UTC,
        language: None,
        isolation: Isolation::None,
    });
    let now: Timestamp = samples::NOW.parse().unwrap();
    let bare = Bare::new(&renderer);
    println!("\n| alerts | render | per alert | bare minijinja + pulldown-cmark | ratio |");
    println!("|---:|---:|---:|---:|---:|");
    for alerts in [1, 20, 200, 5_000] {
        let notification = parse::notification(samples::group_of(alerts).as_bytes()).unwrap();
        let context = context(&notification, now);
        let template = TemplateName::default();
        let markdown = renderer.render(&template, &notification, now).markdown.to_string();
        assert_eq!(
            bare.markdown(&context).trim(),
            markdown,
            "the limit writes another text"
        );

        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(time(|| renderer.render(&template, &notification, now)));
            limit.push(time(|| (bare.markdown(&context), html(&markdown))));
        }
        let (ours, limit) = (median(ours), median(limit));
        println!(
            "| {alerts} | {:.0} µs | {:.2} µs | {:.0} µs | {:.2} |",
            ours * 1e6,
            ours * 1e6 / f64::from(u32::try_from(alerts).unwrap()),
            limit * 1e6,
            ours / limit
        );
    }
    growth(&renderer, now);
}

/// From the bytes of a request to its message.
fn growth(renderer: &Renderer, now: Timestamp) {
    println!("\n| alerts | parse and render | per alert | of that, parse |");
    println!("|---:|---:|---:|---:|");
    for alerts in [200, 1_000, 5_000, 20_000] {
        let body = samples::group_of(alerts);
        let parsed = || parse::notification(body.as_bytes()).unwrap();
        let (mut all, mut parsing) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            all.push(time(|| renderer.render(&TemplateName::default(), &parsed(), now)));
            parsing.push(time(parsed));
        }
        let (all, parsing) = (median(all), median(parsing));
        println!(
            "| {alerts} | {:.1} ms | {:.2} µs | {:.0} % |",
            all * 1e3,
            all * 1e6 / f64::from(u32::try_from(alerts).unwrap()),
            parsing / all * 100.0
        );
    }
}

/// Seconds that one call takes.
fn time<T>(call: impl Fn() -> T) -> f64 {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < ROUND {
        black_box(call());
        calls += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut html = String::with_capacity(1024);
    push_html(
        &mut html,
        Parser::new_ext(markdown, options | Options::ENABLE_FOOTNOTES),
    );
    html
}

/// The default template's own text in an engine without limits, escaping and records: filters that only put text together.
struct Bare(Environment<'static>);

impl Bare {
    fn new(renderer: &Renderer) -> Self {
        let mut env = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build();
        env.set_syntax(syntax.unwrap());
        env.add_filter("bold", |text: &str| format!("**{text}**"));
        env.add_filter("colored", |text: &str, color: &str| {
            format!("<span data-mx-color=\"{color}\">{text}</span>")
        });
        env.add_filter("duration", |seconds: i64| format!("{} min", seconds / 60));
        env.add_filter("time", |time: Value| time);
        env.add_filter("readings", readings);
        env.add_filter("joined", joined);
        env.add_filter("labels", labels);
        env.add_filter("links", links);
        env.add_filter("top", |list: &Value, count: usize| -> Result<Vec<Value>, Error> {
            Ok(list.try_iter()?.take(count).collect())
        });
        env.add_function("more", |state: &mut State<'_, '_>| {
            let hidden = |name, shown: usize| {
                let list = state.lookup(name);
                list.and_then(|list| list.len()).unwrap_or(0).saturating_sub(shown)
            };
            let (firing, resolved) = (hidden("firing", 25), hidden("resolved", 10));
            match firing + resolved {
                0 => String::new(),
                all => format!(
                    "… and **{all} more** ({firing} firing, {resolved} resolved): \
                     [open in Grafana](https://grafana.example.org/alerting/groups)"
                ),
            }
        });
        for file in renderer.files() {
            env.add_template_owned(file.clone(), renderer.source(&file).unwrap())
                .or_else(|_| env.add_template_owned(file, String::new()))
                .unwrap();
        }
        Self(env)
    }

    fn markdown(&self, context: &serde_json::Value) -> String {
        self.0
            .get_template("alert.md.j2")
            .unwrap()
            .render(Value::from(Serde(context)))
            .unwrap()
    }
}

fn joined(list: &Value) -> Result<String, Error> {
    let mut out = String::new();
    for part in list.try_iter()?.filter(Value::is_true) {
        if !out.is_empty() {
            out.push_str(" · ");
        }
        let _ = write!(out, "{part}");
    }
    Ok(out)
}

fn labels(list: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let names = kwargs.get::<Option<bool>>("names")?.unwrap_or(true);
    let mut parts = Vec::new();
    for entry in list.try_iter()? {
        let (name, value) = (entry.get_attr("name")?, entry.get_attr("value")?);
        parts.push(if names {
            format!("{name} `{value}`")
        } else {
            format!("`{value}`")
        });
    }
    Ok(parts.join(" · "))
}

fn readings(list: &Value) -> Result<String, Error> {
    let mut parts = Vec::new();
    for entry in list.try_iter()? {
        parts.push(format!("{} = {}", entry.get_attr("name")?, entry.get_attr("value")?));
    }
    Ok(parts.join(", "))
}

fn links(list: &Value) -> Result<String, Error> {
    let mut parts = Vec::new();
    for entry in list.try_iter()? {
        parts.push(format!("[{}]({})", entry.get_attr("text")?, entry.get_attr("url")?));
    }
    Ok(parts.join(" · "))
}

/// What the template looks at, worked out beforehand and for every alert, as a caller of bare minijinja would hand it in.
fn context(notification: &Notification, now: Timestamp) -> serde_json::Value {
    let alone = notification.alerts.len() == 1;
    let mut alerts: Vec<&Alert> = notification.alerts.iter().collect();
    // Those that fire: the worst first, then the newest; the others all ended at once and stay as they came.
    alerts.sort_by_key(|alert| {
        let is_firing = alert.status == AlertStatus::Firing;
        std::cmp::Reverse(is_firing.then(|| (alert.labels["severity"] == "critical", alert.starts_at)))
    });
    let (firing, resolved): (Vec<&Alert>, Vec<&Alert>) = alerts
        .into_iter()
        .partition(|alert| alert.status == AlertStatus::Firing);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in &firing {
        *counts.entry(&alert.labels["severity"]).or_default() += 1;
    }
    let worst = &firing[0].labels["severity"];
    let own =
        |list: Vec<&Alert>| -> Vec<serde_json::Value> { list.into_iter().map(|one| alert(one, alone, now)).collect() };
    let first = &firing[0];
    let silence_all = "https://grafana.example.org/alerting/silence/new?alertmanager=grafana\
                       &matcher=alertname%3DNodeNotReady&matcher=cluster%3Deu-west&matcher=grafana_folder%3DKubernetes";
    let mut links = vec![
        json!({"text": "Rule", "url": first.generator_url}),
        json!({"text": "Runbook", "url": first.annotations["runbook_url"]}),
    ];
    links.push(if alone {
        json!({"text": "Silence", "url": first.silence_url})
    } else {
        json!({"text": "Silence all", "url": silence_all})
    });
    let mut shared = vec![json!({"name": "cluster", "value": "eu-west"})];
    shared.extend(alone.then(|| json!({"name": "node", "value": first.labels["node"]})));
    let count = json!({
        "total": notification.alerts.len(), "firing": firing.len(), "resolved": resolved.len(), "not_recovered": 0,
        "error": 0, "no_data": 0,
    });
    let mut states = vec![
        json!({"kind": "firing", "count": firing.len(), "text": "firing", "word": "FIRING",
        "emoji": emoji(worst), "color": color(worst)}),
    ];
    states.extend((!resolved.is_empty()).then(|| {
        json!({"kind": "resolved", "count": resolved.len(), "text": "resolved", "word": "RESOLVED", "emoji": "✅",
            "color": "#1f9d55"})
    }));
    let mut context = json!({
        "kind": "firing", "word": "FIRING", "emoji": emoji(worst), "color": color(worst), "name": "NodeNotReady",
        "names": ["NodeNotReady"], "severity": worst, "folder": "Kubernetes", "truncatedAlerts": 0, "sender": "Grafana",
        "severities": counts.iter().map(|(name, count)| json!({"severity": name, "count": count})).collect::<Vec<_>>(),
        "count": count, "states": states, "shared": shared, "links": links,
        "commonAnnotations": notification.common_annotations,
    });
    context["alerts"] = if alone { own(firing.clone()).into() } else { json!([]) };
    context["firing"] = own(firing).into();
    context["resolved"] = own(resolved).into();
    context
}

fn alert(alert: &Alert, alone: bool, now: Timestamp) -> serde_json::Value {
    let is_firing = alert.status == AlertStatus::Firing;
    let severity = &alert.labels["severity"];
    let starts_at = alert.starts_at.unwrap();
    let end = alert.ends_at.unwrap_or(now);
    let links = if is_firing && !alone {
        json!([{"text": "Silence", "url": alert.silence_url}])
    } else {
        json!([])
    };
    let computed = json!({
        "name": "NodeNotReady", "kind": alert.status.as_str(), "emoji": if is_firing { emoji(severity) } else { "✅" },
        "severity": severity, "summary": alert.annotations["summary"], "description": "", "error": "", "note": "",
        "since": starts_at.strftime("%H:%M UTC").to_string(), "duration": end.as_second() - starts_at.as_second(),
        "differing": [{"name": "node", "value": alert.labels["node"]}], "readings": [{"name": "A", "value": 0}], "links": links,
    });
    let mut all = serde_json::to_value(alert).unwrap();
    let computed: Map<_, _> = computed.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(computed);
    all
}

fn emoji(severity: &str) -> &'static str {
    if severity == "critical" { "🔥" } else { "🟠" }
}

fn color(severity: &str) -> &'static str {
    if severity == "critical" { "#e5484d" } else { "#d97706" }
}
