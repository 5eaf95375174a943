//! What follows which failures in a row.

use jiff::Timestamp;
use secrecy::SecretString;

use super::*;
use crate::deliver;
use crate::matrix::{self, Client, RoomTrouble};
use crate::message::{Mentions, MsgType, RenderedMessage, TxnId};
use crate::outbox::{DeliveryId, DeliveryState, Part};

fn sender() -> Sender {
    let settings = matrix::Settings {
        home_server: "http://127.0.0.1:1".to_owned(),
        access_token: SecretString::from("token"),
        request_timeout: Duration::from_secs(1),
        encryption: matrix::EncryptionSettings::default(),
    };
    let horizon = Duration::from_hours(24);
    Sender::new(Client::new(&settings).unwrap(), deliver::Settings { horizon })
}

fn delivery(id: i64, attempts: u32) -> Delivery {
    Delivery {
        id: DeliveryId(id),
        room: "!room:example.org".parse().unwrap(),
        txn_id: TxnId::generate(),
        message: RenderedMessage {
            body: "Text".to_owned(),
            formatted_body: "<b>Text</b>".to_owned(),
            msgtype: MsgType::default(),
            mentions: Mentions::default(),
            headline: "Text".to_owned(),
            ..RenderedMessage::default()
        },
        digest_of: None,
        accepted_at: Timestamp::UNIX_EPOCH,
        starts_at: None,
        attempts,
        first_attempt_at: None,
        last_attempt_at: None,
        last_error: None,
        failures: Vec::new(),
        state: DeliveryState::InFlight,
        finished_at: None,
        event_id: None,
        combined_into: None,
        members: 0,
        part: Part::Message,
        group: None,
        relation: None,
    }
}

/// How many failures of this kind it takes until the message goes out plain, after seven of another kind.
fn patience(failure: &Failure, before: Option<&Failure>) -> usize {
    let (sender, now) = (sender(), Time::now());
    let earlier = std::iter::repeat_n(before, 7).flatten();
    let fails = |(number, failure): (u32, &Failure)| {
        let outcome = sender.failed(&delivery(1, number), failure, now, Duration::ZERO);
        matches!(outcome, Outcome::Rewrite { .. })
    };
    let all = earlier.chain(std::iter::repeat_n(failure, 20));
    let failures = (1..).zip(all).take_while(|one| !fails(*one)).count() + 1;
    failures - before.map_or(0, |_| 7)
}

#[test]
fn only_failures_of_one_kind_in_a_row_make_a_message_plain() {
    let of = |verdict, status, errcode: Option<&str>| Failure {
        verdict,
        status,
        errcode: errcode.map(str::to_owned),
        detail: String::new(),
    };
    let refused = of(Verdict::Transient, None, None);
    let bridge = of(Verdict::Bridge, Some(500), None);
    let by_proxy = of(Verdict::Transient, Some(403), None);
    let by_server = of(Verdict::Room(RoomTrouble::Forbidden), Some(403), Some("M_FORBIDDEN"));
    for before in [None, Some(&refused), Some(&by_server)] {
        assert_eq!(patience(&bridge, before), 8, "{before:?}");
        assert_eq!(patience(&by_proxy, before), 4, "{before:?}");
    }
}

#[test]
fn a_wait_grows_with_the_refusals_in_a_row_and_not_with_what_failed_before() {
    let sender = sender();
    let of = |verdict| Failure {
        verdict,
        status: None,
        errcode: None,
        detail: String::new(),
    };
    let (down, closed) = (of(Verdict::Transient), of(Verdict::Room(RoomTrouble::NoPower)));
    let (mut now, mut attempts) = (Time::now(), 0);
    let mut waits = |failure: &Failure| {
        attempts += 1;
        now = now.after(Duration::from_secs(1));
        let outcome = sender.failed(&delivery(1, attempts), failure, now, Duration::ZERO);
        let Outcome::Wait { until, reason, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(reason, failure.to_string());
        until.duration_since(now.wall).as_secs()
    };
    for _ in 0..20 {
        waits(&down);
    }
    assert!(waits(&down) >= 30);
    assert!(
        (7..=15).contains(&waits(&closed)),
        "the first refusal, however often the network failed"
    );
    assert!((15..=30).contains(&waits(&closed)));
    assert!(waits(&down) <= 1);
}

#[test]
fn what_another_message_failed_with_is_not_counted() {
    let (sender, now) = (sender(), Time::now());
    let bridge = Failure {
        verdict: Verdict::Bridge,
        status: Some(500),
        errcode: None,
        detail: String::new(),
    };
    for id in [1, 2] {
        for attempt in 1..8 {
            let outcome = sender.failed(&delivery(id, attempt), &bridge, now, Duration::ZERO);
            assert!(matches!(outcome, Outcome::Wait { .. }), "{id}, {attempt}");
        }
    }
}
