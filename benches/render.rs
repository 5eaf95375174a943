//! What rendering costs, beside what it cannot do without in the same run: bare minijinja on a template that writes about as
//! much, and bare pulldown-cmark on what that wrote.
//!
//! The limit is handed the notification as it came. So the ratio is what the relay adds: the facts, escaping, what bounds a
//! template, the check of everything that Matrix does not allow, the plain body, the size of the event.
//! For thousands of alerts the limit is none: it takes in all of them, and the relay only those that it shows. So a second
//! table tells the growth of what is done for every alert, shown or not: parsing the body, and everything up to the message.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench may fail loudly, and it prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{Isolation, Renderer, Settings};
use grafana_matrix_relay::samples;
use jiff::{Timestamp, tz::TimeZone};
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use pulldown_cmark::{Parser, html::push_html};

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
    let mut bare = Environment::new();
    bare.add_template("alert", include_str!("limit/template.md.j2"))
        .unwrap();
    let bare = bare.get_template("alert").unwrap();
    println!("\n| alerts | render | per alert | bare minijinja + pulldown-cmark | ratio |");
    println!("|---:|---:|---:|---:|---:|");
    for alerts in [1, 20, 200, 5_000] {
        let body = samples::group_of(alerts);
        let notification = parse::notification(body.as_bytes()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let template = TemplateName::default();
        let of_limit = || html(&bare.render(Value::from(Serde(&json))).unwrap());
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(time(|| renderer.render(&template, &notification, now)));
            limit.push(time(of_limit));
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
    let mut html = String::with_capacity(1024);
    push_html(&mut html, Parser::new(markdown));
    html
}
