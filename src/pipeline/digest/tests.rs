//! What a digest tells, by what waited.

use super::*;
use crate::outbox::DeliveryId;
use crate::render::{self, Isolation};

const START: i64 = 1_795_166_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(START + 60 * minute).unwrap()
}

fn alert_of(id: &str, firing: bool, minute: i64) -> AnnouncedAlert {
    AnnouncedAlert {
        id: id.to_owned(),
        name: id.to_owned(),
        firing,
        labels: [("severity", "warning"), ("host", "db-2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        text: format!("{id} needs you"),
        link: Some(("Rule".to_owned(), format!("https://grafana.example.org/{id}"))),
        starts_at: Some(at(minute)),
        ..AnnouncedAlert::default()
    }
}

fn begins(id: &str, minute: i64) -> AnnouncedAlert {
    AnnouncedAlert {
        begins: true,
        ..alert_of(id, true, minute)
    }
}

fn waiting(minute: i64, alerts: Vec<AnnouncedAlert>) -> Waiting {
    Waiting {
        id: DeliveryId(minute),
        headline: format!("headline {minute}"),
        announced: Announced {
            alerts,
            ..Announced::default()
        },
        is_root: false,
        accepted_at: at(minute),
        starts_at: None,
        msgtype: MsgType::Text,
        mentions: Mentions::default(),
    }
}

fn renderer(templates: &[(&str, &str)]) -> (tempfile::TempDir, Renderer) {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in templates {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let settings = render::Settings {
        templates_dir: Some(folder.path().to_owned()),
        time_zone: jiff::tz::TimeZone::UTC,
        language: None,
        isolation: Isolation::None,
    };
    let renderer = Renderer::open(&settings);
    (folder, renderer)
}

fn body(waiting: &[Waiting]) -> String {
    let (_folder, renderer) = renderer(&[]);
    let rendered = compose(&renderer, waiting, at(14));
    assert_eq!((rendered.messages.len(), rendered.problem), (1, None));
    rendered.messages[0].body.clone()
}

#[test]
fn what_fires_comes_worst_first_and_what_came_and_went_in_one_line() {
    let mut worst = begins("DiskFull", 4);
    worst.labels.insert("severity".to_owned(), "critical".to_owned());
    let mut all = [
        waiting(0, vec![alert_of("Before", false, -60)]),
        waiting(1, vec![begins("Flaps", 1), begins("HighCPU", 1)]),
        waiting(2, vec![alert_of("Flaps", false, 1)]),
        waiting(3, vec![begins("Flaps", 3), begins("Short", 3)]),
        waiting(4, vec![alert_of("Flaps", false, 3), alert_of("Short", false, 3), worst]),
        waiting(5, Vec::new()),
    ];
    all[4].announced.cut_off = 37;
    let expected = "\
📬 Delayed messages, 09:13–09:27 UTC · 2 firing (1 critical) · 2 came and went · 1 resolved
host=db-2
🔥 critical · DiskFull · DiskFull needs you · since 09:17
🟠 warning · HighCPU · HighCPU needs you · since 09:14
also: Flaps (2 times), Short
✅ RESOLVED: Before
✂️ at least 37 more were left out by the sender, their state is unknown
• headline 5";
    assert_eq!(body(&all), expected);
}

#[test]
fn what_the_room_never_heard_of_came_and_went() {
    let mut root = waiting(0, vec![alert_of("A", false, -60)]);
    assert!(body(&[root.clone(), waiting(1, Vec::new())]).contains("1 resolved"));
    root.is_root = true;
    assert_eq!(
        body(&[root, waiting(1, Vec::new())]),
        "📬 Delayed messages, 09:13–09:27 UTC · 1 came and went\nA\n• headline 1"
    );
}

#[test]
fn every_rule_is_named_in_order_however_many_fire() {
    let all: Vec<Waiting> = (0..100)
        .map(|n| waiting(n / 10, vec![begins(&format!("Alert{n:03}"), 0)]))
        .collect();
    let body = body(&all);
    let places = (0..100).map(|n| body.find(&format!("Alert{n:03}")));
    let places: Vec<usize> = places.map(|place| place.expect("a name is missing")).collect();
    assert!(places.is_sorted(), "{body}");
    assert!(body.contains("… and 90 more firing: Alert010, Alert011"), "{body}");
    assert!(body.lines().count() < 16, "{body}");
}

#[test]
fn it_is_as_loud_as_its_members_and_mentions_whom_they_would_have() {
    let (_folder, renderer) = renderer(&[]);
    let mut all: Vec<Waiting> = (0..3).map(|n| waiting(n, vec![begins(&format!("A{n}"), n)])).collect();
    for one in &mut all {
        one.msgtype = MsgType::Notice;
        one.mentions.user_ids = vec!["@quiet:example.org".to_owned()];
    }
    let quiet = compose(&renderer, &all, at(14)).messages.remove(0);
    assert_eq!((quiet.msgtype, quiet.mentions), (MsgType::Notice, Mentions::default()));
    all[1].msgtype = MsgType::Text;
    all[1].mentions.user_ids = vec!["@ana:example.org".to_owned()];
    let loud = compose(&renderer, &all, at(14)).messages.remove(0);
    assert_eq!(loud.msgtype, MsgType::Text);
    assert_eq!(loud.mentions.user_ids, ["@ana:example.org"]);
    assert!(loud.body.contains("@ana:example.org"), "{}", loud.body);
}

#[test]
fn as_much_as_one_digest_stands_for_is_one_event() {
    let mut all: Vec<Waiting> = (0..250)
        .map(|n| waiting(n, vec![begins(&format!("NameOfARule{n:04}"), n)]))
        .collect();
    for one in &mut all {
        let alert = &mut one.announced.alerts[0];
        alert.text = "\"<é ".repeat(40);
        alert.link = Some(("Rule".to_owned(), format!("https://e.org/{}", "x".repeat(900))));
    }
    let body = body(&all);
    assert!(body.contains("NameOfARule0249"), "{body}");
}

#[test]
fn severities_of_alerts_that_no_message_names_are_counted_and_one_moment_is_said_once() {
    let mut all = [waiting(0, vec![begins("A", 0)])];
    all[0].announced.more_firing = [("critical".to_owned(), 3), ("warning".to_owned(), 148)].into();
    let (_folder, renderer) = renderer(&[]);
    let rendered = compose(&renderer, &all, at(0));
    let body = &rendered.messages[0].body;
    assert!(
        body.starts_with("📬 Delayed messages, 09:13 UTC · 152 firing (3 critical)\n"),
        "{body}"
    );
}

#[test]
fn a_template_of_ones_own_is_used_and_one_that_fails_costs_no_alert() {
    let all = [waiting(0, vec![begins("A", 0)]), waiting(1, vec![begins("B", 1)])];
    let (_folder, own) = renderer(&[(
        "digest.md.j2",
        "{{ digest.count.messages }} von {{ digest.from | time }}",
    )]);
    let rendered = compose(&own, &all, at(14));
    assert_eq!(rendered.problem, None);
    let body = &rendered.messages[0].body;
    assert!(body.starts_with("2 von 09:13 UTC"), "{body}");
    for broken in ["{{ digest.form }}", "{{ nobody }}", &"much ".repeat(12_000)] {
        let (_folder, broken) = renderer(&[("digest.md.j2", broken)]);
        let rendered = compose(&broken, &all, at(14));
        let body = &rendered.messages[0].body;
        assert_eq!(rendered.messages.len(), 1);
        assert!(body.starts_with("📬 Delayed messages") && body.contains('⚠'), "{body}");
        assert!(rendered.problem.is_some());
    }
}
