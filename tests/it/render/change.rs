//! How the lines read that tell what has changed in a group, and what happens where their template is wrong.

use grafana_matrix_relay::alert::{Alert, AlertStatus, Notification};
use grafana_matrix_relay::group::{self, Compared};
use grafana_matrix_relay::message::MsgType;
use grafana_matrix_relay::render::Rendered;
use grafana_matrix_relay::{alert, samples};
use jiff::{SignedDuration, Timestamp};

use super::{built_in, folder, now, page};

fn parsed(sample: &str) -> Notification {
    let body = samples::find(sample).unwrap().body;
    alert::parse::notification(body.as_bytes()).unwrap()
}

fn later() -> Timestamp {
    now() + SignedDuration::from_mins(10)
}

/// What a notification changes after another one of its group.
fn after(before: Notification, then: Notification) -> Compared {
    let known = group::compare(None, before, now()).state;
    group::compare(Some(known), then, later())
}

/// The first so many of a notification's firing alerts.
fn first(sample: &str, count: usize) -> Notification {
    let mut notification = parsed(sample);
    notification.alerts.retain(|alert| alert.status == AlertStatus::Firing);
    notification.alerts.truncate(count);
    notification
}

/// The first that fires, and those that are over later.
fn firing_so_far(sample: &str) -> Notification {
    let mut before = first(sample, 1);
    let over = parsed(sample).alerts.into_iter();
    let over = over.filter(|alert| alert.status == AlertStatus::Resolved);
    before.alerts.extend(over.map(|alert| Alert {
        status: AlertStatus::Firing,
        values: None,
        ..alert
    }));
    before
}

/// All of it is over.
fn over(sample: &str) -> Notification {
    let mut notification = parsed(sample);
    for alert in &mut notification.alerts {
        alert.status = AlertStatus::Resolved;
        alert.ends_at = Some(later());
    }
    notification
}

fn stories() -> Vec<(&'static str, Compared)> {
    vec![
        ("starts", after(firing_so_far("mixed"), parsed("mixed"))),
        ("over", after(parsed("firing"), over("firing"))),
        ("many-start", after(firing_so_far("many"), parsed("many"))),
        ("many-over", after(parsed("many"), over("many"))),
        ("not-recovered", {
            let mut before = parsed("not-recovered");
            before.alerts[0].status = AlertStatus::Firing;
            after(before, parsed("not-recovered"))
        }),
        ("gone", after(parsed("many"), first("many", 12))),
        ("hostile", after(parsed("hostile"), over("hostile"))),
        ("reminder", after(parsed("firing"), parsed("firing"))),
    ]
}

fn lines(compared: &Compared) -> Rendered {
    built_in().render_change(&compared.notification, &compared.change, later())
}

#[test]
fn changes_read_as_before() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/render");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, compared) in stories() {
            let seen = lines(&compared);
            assert_eq!(seen.problem, None, "{name}");
            assert_eq!(
                seen.messages[0].msgtype == MsgType::Text,
                name.contains("start"),
                "{name}"
            );
            insta::assert_snapshot!(format!("update@{name}"), page(&seen));
        }
    });
}

#[test]
fn a_broken_template_of_changes_is_replaced_and_says_so() {
    let compared = after(first("mixed", 1), parsed("mixed"));
    let (_dir, renderer) = folder(&[("update.md.j2", "{{ change.startin }}")]);
    assert_eq!(renderer.problems().len(), 1);
    let seen = renderer.render_change(&compared.notification, &compared.change, later());
    let built_in = lines(&compared);
    let [message, built_in] = [&seen, &built_in].map(|seen| &seen.messages[0]);
    assert_eq!(message.headline, built_in.headline);
    let line = format!("so the built-in one was used: {}", renderer.problems()[0].message);
    assert!(
        message.body.starts_with(&built_in.body) && message.body.contains(&line),
        "{}",
        message.body
    );
    assert_eq!(seen.problem.as_ref(), renderer.problems().first());
    // One that only fails for what no trial foresaw.
    let text = "{% if name == \"DiskFilling\" %}{{ 1 // 0 }}{% endif %}";
    let (_dir, renderer) = folder(&[("update.md.j2", text)]);
    assert_eq!(renderer.problems(), []);
    let seen = renderer.render_change(&compared.notification, &compared.change, later());
    let problem = seen.problem.unwrap();
    assert!(
        seen.messages[0]
            .body
            .contains(&format!("so the built-in one was used: {}", problem.message)),
        "{problem}"
    );
}

#[test]
fn ones_own_template_of_changes_is_used() {
    let text = "{{ change.kind }} {{ change.count.starting }}+{{ change.count.ended }}+{{ change.count.gone }} \
                {{ change.over }} {{ change.ended[0].last_values.A if change.ended }}";
    let (_dir, renderer) = folder(&[("update.md.j2", text)]);
    let line = |compared: &Compared| {
        let seen = renderer.render_change(&compared.notification, &compared.change, later());
        assert_eq!(seen.problem, None);
        seen.messages[0].body.clone()
    };
    assert_eq!(
        line(&after(parsed("firing"), over("firing"))),
        "changed 0+1+0 true 2.4137"
    );
    assert_eq!(line(&after(parsed("firing"), parsed("firing"))), "reminder 0+0+0 false");
}
