//! What a digest holds, by the size of the backlog.

use std::cell::Cell;

use super::*;
use crate::matrix;
use crate::outbox::DeliveryId;

const START: i64 = 1_795_166_000;

fn waiting(at: i64, headline: &str) -> Waiting {
    let (msgtype, mentions) = (MsgType::Notice, Mentions::default());
    Waiting {
        id: DeliveryId(at),
        headline: headline.to_owned(),
        accepted_at: Timestamp::from_second(START + at).unwrap(),
        starts_at: None,
        msgtype,
        mentions,
    }
}

fn compose(waiting: &[Waiting]) -> Digest {
    let now = Timestamp::from_second(START + 2_000).unwrap();
    let digest = super::compose(waiting, &TimeZone::UTC, now, &bytes);
    assert!(bytes(&digest.message) <= CONTENT_LIMIT, "{}", bytes(&digest.message));
    digest
}

fn bytes(message: &RenderedMessage) -> usize {
    matrix::event(message).to_string().len()
}

fn backlog(headline: impl Fn(i64) -> String) -> Vec<Waiting> {
    let count = i64::try_from(crate::outbox::DIGEST_AT_MOST).unwrap();
    (0..count).map(|at| waiting(at, &headline(at))).collect()
}

#[test]
fn every_waiting_notification_is_named_in_order_and_escaped() {
    let mut backlog = vec![
        waiting(0, "🔥 <A>"),
        waiting(60, "✅ B"),
        waiting(120, "✅ B"),
        waiting(180, "🔥 <A>"),
    ];
    backlog[1].msgtype = MsgType::Text;
    let digest = compose(&backlog);
    assert_eq!(digest.taken, 4);
    assert_eq!(digest.message.msgtype, MsgType::Text);
    let lines: Vec<&str> = digest.message.body.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "• 🔥 <A> (09:13 UTC)",
            "• ✅ B (09:14 UTC to 09:15 UTC, 2 times)",
            "• 🔥 <A> (09:16 UTC)"
        ]
    );
    assert!(digest.message.formatted_body.contains("<li>🔥 &lt;A&gt; <em>(09:13"));
}

#[test]
fn what_was_joined_while_it_waited_is_named_line_by_line() {
    let backlog = [
        waiting(
            0,
            "🔥 NEWLY FIRING 1 · DiskFull\n✅ RESOLVED 1 · DiskFull\n✅ RESOLVED 1 · DiskFull",
        ),
        waiting(60, "✅ RESOLVED 1 · DiskFull"),
        waiting(120, "🔥 X"),
    ];
    let digest = compose(&backlog);
    let lines: Vec<&str> = digest.message.body.lines().collect();
    assert!(lines[0].starts_with("📬 5 notifications waited"), "{lines:?}");
    assert_eq!(
        lines[1..],
        [
            "• 🔥 NEWLY FIRING 1 · DiskFull (09:13 UTC)",
            "• ✅ RESOLVED 1 · DiskFull (09:14 UTC, 3 times)",
            "• 🔥 X (09:15 UTC)"
        ]
    );
    let many: Vec<_> = (0..1_000)
        .map(|row| {
            waiting(
                row,
                &(0..50)
                    .map(|n| format!("Row{row:03} {n}"))
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        })
        .collect();
    let digest = compose(&many);
    assert!(digest.taken > 1);
    for row in &many[..digest.taken] {
        let named = row
            .headline
            .lines()
            .all(|headline| digest.message.body.contains(headline));
        assert!(named, "{}", row.headline);
    }
}

#[test]
fn times_are_those_of_the_zone_with_a_date_where_it_is_not_today() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let backlog = [waiting(0, "A"), waiting(1, "B")];
    let now = backlog[0].accepted_at;
    let body = super::compose(&backlog, &berlin, now, &bytes).message.body;
    assert!(
        body.contains("waited since 10:13 CET and") && body.contains("• A (10:13 CET)"),
        "{body}"
    );
    // Before midnight in London, after midnight in Berlin.
    let late = now + jiff::SignedDuration::from_hours(14);
    let body = super::compose(&backlog, &berlin, late, &bytes).message.body;
    assert!(body.contains("• A (2026-11-20 10:13 CET)"), "{body}");
}

#[test]
fn thousand_notifications_are_one_digest_that_names_each() {
    let digest = compose(&backlog(|at| {
        format!("🔥 FIRING · DiskAlmostFullOnNode{at:04} · critical · Production")
    }));
    assert_eq!(digest.taken, 1_000);
    let names = (0..1_000).map(|at| digest.message.body.find(&format!("Node{at:04}")));
    let places: Vec<usize> = names.map(|place| place.expect("a name is missing")).collect();
    assert!(places.is_sorted());
    let lines = digest.message.body.lines().count();
    assert_eq!(lines, 2, "what they share is said once");
}

#[test]
fn formatting_stays_as_long_as_there_is_room() {
    let digest = compose(&backlog(|at| format!("✅ RESOLVED · Node{at:04}Down · warning"))[..800]);
    assert_eq!(digest.taken, 800);
    assert!(digest.message.formatted_body.contains("Node0799Down"));
}

#[test]
fn alerts_that_share_no_line_are_named_all_the_same() {
    let flapping = |at: i64| {
        let (word, team) = if at % 2 == 0 {
            ("🔥 FIRING", "Search")
        } else {
            ("✅ RESOLVED", "Payments")
        };
        format!(
            "{word} · LatencyOfBackend{at:04} · critical · {team} of a company with a name that is longer than it should be"
        )
    };
    let digest = compose(&backlog(flapping));
    assert_eq!(digest.taken, 1_000);
    for at in 0..1_000 {
        assert!(
            digest.message.body.contains(&format!("LatencyOfBackend{at:04}")),
            "{at}"
        );
    }
}

#[test]
fn worst_characters_still_fit_into_an_event() {
    let digest = compose(&backlog(|at| format!("{at}{}", "\\\"\u{1}".repeat(80))));
    assert!(digest.taken > 500, "{}", digest.taken);
    assert_eq!(digest.message.body.lines().count(), digest.taken + 1);
    assert_eq!(compose(&[waiting(0, &"\u{1}".repeat(20_000))]).taken, 1);
}

#[test]
fn mentions_are_those_of_all_as_far_as_one_message_can_mention() {
    let mut backlog = backlog(|at| format!("🔥 FIRING · A{at}"));
    for (at, one) in backlog.iter_mut().enumerate() {
        one.mentions.user_ids = vec![
            format!("@oncall{}:{}.example.org", at / 2, "x".repeat(40)),
            "@lead:example.org".to_owned(),
        ];
    }
    backlog[7].mentions.room = true;
    let digest = compose(&backlog);
    let mentions = &digest.message.mentions;
    assert!(mentions.room && mentions.user_ids.contains(&"@lead:example.org".to_owned()));
    let unmentioned = 501 - mentions.user_ids.len();
    assert!(
        unmentioned > 0
            && digest
                .message
                .body
                .contains(&format!("and {unmentioned} more people than one message can mention"))
    );
}

/// It is composed inside a claim, while nobody else can write to the outbox.
#[test]
fn most_of_a_backlog_that_fits_into_no_event_is_written_once() {
    let rows = backlog(|row| {
        let headlines = (0..50).map(|n| format!("{row:03} has something {n} of its own to say"));
        headlines.collect::<Vec<_>>().join("\n")
    });
    let (written, times) = (Cell::new(0), Cell::new(0));
    let count = |message: &RenderedMessage| {
        times.set(times.get() + 1);
        written.set(written.get() + message.body.lines().count());
        bytes(message)
    };
    let digest = super::compose(&rows, &TimeZone::UTC, Timestamp::from_second(START).unwrap(), &count);
    assert!(
        digest.taken > 20 && times.get() < 15,
        "{} in {}",
        digest.taken,
        times.get()
    );
    assert!(written.get() < 50_000 * 3 / 2, "{} lines", written.get());
}
