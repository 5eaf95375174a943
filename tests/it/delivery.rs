//! The promise under faults: accepted = in the room or named in a digest, once, in order.

use std::time::Duration;

use grafana_matrix_relay::message::Mode;
use grafana_matrix_relay::outbox::DeliveryState;
use grafana_matrix_relay::outbox::Filter;
use grafana_matrix_relay::standin::{Fault, Limit, NewRoom, Scope, When};

use crate::night::{Make, Night, body};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn notifications_arrive_in_order() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    night.accept_many(&room, 25).await;
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
    assert_eq!(night.bodies(&room).len(), 25);
}

#[tokio::test]
async fn a_burst_of_100_against_the_default_limit_is_current_within_twelve_sends() {
    let mut night = Night::new().await;
    let room = night.open_room();
    night.homeserver.homeserver.limit_messages(Some(Limit::SYNAPSE));
    night.homeserver.homeserver.stop_clock();
    night.accept_many(&room, 100).await;
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
    // Ten pass, the eleventh was tried and so goes out as itself, one digest names the other 89.
    assert_eq!(night.bodies(&room).len(), 12);
}

#[tokio::test]
async fn after_an_outage_the_room_is_current_within_two_sends() {
    let mut night = Night::new().await;
    let room = night.open_room();
    night.homeserver.refuse().await;
    night.accept(&room).await;
    night.work_for(Duration::from_mins(10)).await;
    night.accept_many(&room, 50).await;
    night.work_for(Duration::from_mins(10)).await;
    assert_eq!(night.waiting().await, 51);
    night.homeserver.accept_again().await;
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
    assert_eq!(night.bodies(&room).len(), 2);
}

#[tokio::test]
async fn a_rate_limit_by_a_clock_that_is_hours_ahead_is_waited_out_as_long_as_meant() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    let limit = Fault::RateLimitedUntil {
        wait: 5,
        ahead: 2 * 3600,
    };
    night.homeserver.homeserver.plan(Scope::Sends, When::Next(1), limit);
    night.accept(&room).await;
    assert_eq!(night.step().await, 1);
    night.pass(Duration::from_secs(10));
    night.step().await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn a_room_that_is_refused_after_an_outage_waits_seconds_and_not_minutes() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    let server = &night.homeserver.homeserver;
    server.plan(Scope::Sends, When::Next(4), Fault::InternalError);
    // Once more after the join that follows a refusal.
    server.plan(Scope::Sends, When::Next(2), Fault::Forbidden);
    night.accept(&room).await;
    let forbidden = loop {
        night.step().await;
        match night.room_troubles().await.pop() {
            Some((_, trouble)) if trouble.contains("M_FORBIDDEN") => break trouble,
            trouble => assert!(trouble.is_some(), "it is not delivered before"),
        }
        night.pass(Duration::from_secs(5));
    };
    // In the words of the log, and kept with the wait: a process that starts now knows it.
    let wait = night.stats().await.rooms.remove(0).wait.unwrap();
    assert_eq!(wait.reason, forbidden);
    night.pass(Duration::from_secs(20));
    night.step().await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn a_lost_reply_is_not_a_second_message() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    let lost = When::Chance {
        probability: 0.3,
        seed: 7,
    };
    night.homeserver.homeserver.plan(Scope::Sends, lost, Fault::DropReply);
    night.accept_many(&room, 60).await;
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
    assert!(
        night.homeserver.homeserver.sends_seen(room.as_str()) > 60,
        "no reply was lost"
    );
}

#[tokio::test]
async fn pages_hangs_and_broken_connections_only_delay() {
    for fault in [
        Fault::BadGateway,
        Fault::Hang,
        Fault::DropRequest,
        Fault::InternalError,
        Fault::Page(503),
    ] {
        let mut night = Night::without_digests().await;
        let room = night.open_room();
        night.accept_many(&room, 3).await;
        let id = night.homeserver.homeserver.plan(Scope::Everything, When::Always, fault);
        for _ in 0..3 {
            night.step().await;
            night.pass(Duration::from_secs(5));
        }
        assert!(night.bodies(&room).is_empty());
        night.homeserver.homeserver.heal(id);
        night.until_delivered(HOUR).await;
        night.assert_promise_kept();
    }
}

#[tokio::test]
async fn one_bad_room_of_three_delays_no_other() {
    let mut night = Night::without_digests().await;
    let (good, also_good) = (night.open_room(), night.open_room());
    let forbidden = night.room(&NewRoom::named("closed").member("bot").read_only());
    for _ in 0..5 {
        for room in [&good, &forbidden, &also_good] {
            night.accept(room).await;
        }
    }
    night.work_for(Duration::from_mins(1)).await;
    assert_eq!((night.bodies(&good).len(), night.bodies(&also_good).len()), (5, 5));
    assert!(night.bodies(&forbidden).is_empty());
    assert_eq!(night.waiting().await, 5);
    assert_eq!(night.room_troubles().await[0].0, forbidden);

    let levels = serde_json::json!({"events_default": 0, "users_default": 0});
    night
        .homeserver
        .homeserver
        .set_state(forbidden.as_str(), "m.room.power_levels", "", levels);
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
    assert!(night.room_troubles().await.is_empty());
}

#[tokio::test]
async fn an_invited_room_is_joined_and_then_gets_its_messages() {
    let mut night = Night::without_digests().await;
    let room = night.room(&NewRoom::named("new").invite_only().invited("bot"));
    night.accept_many(&room, 2).await;
    night.until_delivered(Duration::from_mins(1)).await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn an_invitation_is_taken_up_after_an_outage_and_however_late_it_comes() {
    let mut night = Night::without_digests().await;
    let room = night.room(&NewRoom::named("new").invite_only());
    night.homeserver.refuse().await;
    night.accept_many(&room, 2).await;
    night.work_for(Duration::from_mins(2)).await;
    night.homeserver.accept_again().await;
    night.work_for(Duration::from_mins(20)).await;
    assert!(night.room_troubles().await[0].1.contains("not in the room"));
    let server = &night.homeserver.homeserver;
    server.set_membership(room.as_str(), "bot", "invite");
    night.until_delivered(Duration::from_mins(6)).await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn an_encrypted_room_gets_nothing_in_plain_text_and_loses_nothing() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    night.accept(&room).await;
    night.until_delivered(HOUR).await;
    night.homeserver.homeserver.encrypt(room.as_str());
    night.accept(&room).await;
    night.work_for(HOUR).await;
    let sent = night.homeserver.homeserver.events_as_sent(room.as_str());
    let of_kind = |kind: &str| sent.iter().filter(|event| event.kind == kind).count();
    assert_eq!((of_kind("m.room.message"), of_kind("m.room.encrypted")), (1, 1));
    assert_eq!(night.waiting().await, 0);
}

#[tokio::test]
async fn a_refused_token_keeps_everything_until_it_works_again() {
    let mut night = Night::without_digests().await;
    let rooms = [night.open_room(), night.open_room()];
    night.homeserver.homeserver.revoke(&night.token);
    for _ in 0..5 {
        for room in &rooms {
            night.accept(room).await;
        }
    }
    night.work_for(48 * HOUR).await;
    assert_eq!(night.waiting().await, 10);
    assert!(night.trouble().unwrap().contains("access token"));
    let tried = night.homeserver.homeserver.sends_seen(rooms[0].as_str());
    assert!(tried < 20, "{tried} attempts with a token that does not work");

    night.homeserver.homeserver.restore(&night.token);
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
    assert_eq!((night.trouble(), night.room_troubles().await), (None, vec![]));
}

#[tokio::test]
async fn a_message_that_is_refused_goes_out_plain_and_says_so() {
    for fault in [Fault::TooLarge, Fault::Refused(400, "M_BAD_JSON")] {
        let mut night = Night::without_digests().await;
        let room = night.open_room();
        night.homeserver.homeserver.plan(Scope::Sends, When::Next(1), fault);
        night.accept_many(&room, 2).await;
        night.until_delivered(HOUR).await;
        night.assert_promise_kept();
        assert!(
            night.bodies(&room)[0].contains("the homeserver refused the"),
            "{:?}",
            night.bodies(&room)
        );
    }
}

#[tokio::test]
async fn what_is_given_up_stays_readable_and_can_be_sent_again() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    night
        .homeserver
        .homeserver
        .plan(Scope::Sends, When::Next(2), Fault::Refused(400, "M_BAD_JSON"));
    let first = night.accept(&room).await.receipts[0].id;
    night.accept(&room).await;
    night.until_delivered(HOUR).await;
    // The room went on without it.
    assert_eq!(night.bodies(&room).len(), 1);
    let dead = night.outbox.show(first).await.unwrap().unwrap();
    assert_eq!(dead.state, DeliveryState::Dead);
    assert!(dead.last_error.unwrap().contains("M_BAD_JSON"));

    night.outbox.retry(&[first], night.now.wall).await.unwrap();
    night.until_delivered(HOUR).await;
    assert_eq!(night.bodies(&room).len(), 2);
    assert!(night.bodies(&room)[1].contains("Alert00001"));
}

#[tokio::test]
async fn transient_failures_end_at_the_horizon_and_only_for_what_was_tried() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    let id = night
        .homeserver
        .homeserver
        .plan(Scope::Sends, When::Always, Fault::BadGateway);
    night.accept_many(&room, 2).await;
    night.work_for(25 * HOUR).await;
    assert_eq!((night.stats().await.dead, night.waiting().await), (1, 1));
    night.homeserver.homeserver.heal(id);
    night.until_delivered(HOUR).await;
    assert!(night.bodies(&room)[0].contains("Alert00002"));
}

#[tokio::test]
async fn trouble_with_a_room_ends_with_the_delivery_that_is_given_up() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    let server = &night.homeserver.homeserver;
    server.plan(Scope::Sends, When::Next(1), Fault::BadGateway);
    server.plan(Scope::Sends, When::Next(2), Fault::Refused(400, "M_BAD_JSON"));
    night.accept(&room).await;
    night.step().await;
    assert_eq!(night.room_troubles().await.len(), 1);
    night.until_delivered(HOUR).await;
    assert_eq!(night.stats().await.dead, 1);
    assert_eq!(night.room_troubles().await, []);
}

#[tokio::test]
async fn days_in_which_nothing_was_tried_do_not_count_towards_the_horizon() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    night.homeserver.refuse().await;
    night.accept(&room).await;
    assert_eq!(night.step().await, 1);
    // The host is off over the weekend, and on Monday the relay is there before the homeserver.
    night.pass(72 * HOUR);
    night = night.crash().await;
    night.work_for(20 * HOUR).await;
    night.homeserver.accept_again().await;
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn a_clock_that_jumps_does_not_count_towards_the_horizon() {
    for (jump, back) in [(72 * HOUR, false), (72 * HOUR, true)] {
        let mut night = Night::without_digests().await;
        let room = night.open_room();
        let server = &night.homeserver.homeserver;
        server.plan(Scope::Sends, When::Next(3), Fault::BadGateway);
        night.accept(&room).await;
        assert_eq!(night.step().await, 1);
        night.now.wall = if back {
            night.now.wall - jump
        } else {
            night.now.wall + jump
        };
        night.until_delivered(HOUR).await;
        night.assert_promise_kept();
    }
}

#[tokio::test]
async fn a_wait_begins_when_the_answer_is_there_or_not_to_come() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    let server = &night.homeserver.homeserver;
    // Given up after half a second; and the wait for the room is half a second at least, so one from the start would be over.
    let hang = server.plan(Scope::Sends, When::Always, Fault::Hang);
    night.accept(&room).await;
    night.step().await;
    let wait = night.outbox.room_due(&room, night.now.wall).await.unwrap().unwrap();
    assert!(wait.until >= night.now.wall + Duration::from_millis(999), "{wait:?}");

    let server = &night.homeserver.homeserver;
    server.heal(hang);
    server.plan(Scope::Sends, When::Next(1), Fault::RateLimited(2_000));
    server.plan(Scope::Sends, When::Next(1), Fault::Latency(Duration::from_millis(400)));
    night.pass(Duration::from_mins(1));
    assert_eq!(night.step().await, 1);
    // Jitter adds a quarter of a second at most.
    night.pass(Duration::from_millis(2_300));
    assert_eq!(night.step().await, 0, "the rate limit lasts from the answer on");
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn days_without_a_token_do_not_count_towards_the_horizon() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    night.homeserver.homeserver.revoke(&night.token);
    night.accept(&room).await;
    night.work_for(Duration::from_mins(1)).await;
    night.pass(30 * HOUR);
    night.work_for(Duration::from_mins(2)).await;
    night.homeserver.homeserver.restore(&night.token);
    let server = &night.homeserver.homeserver;
    server.plan(Scope::Everything, When::Next(1), Fault::BadGateway);
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_not_sent_twice_however_late_it_is_sent_again() {
    for off in [true, false] {
        let mut night = Night::without_digests().await;
        let room = night.open_room();
        let server = &night.homeserver.homeserver;
        server.plan(Scope::Sends, When::Next(1), Fault::DropReply);
        night.accept_many(&room, 2).await;
        assert_eq!(night.step().await, 1);
        if off {
            night.pass(72 * HOUR);
            night = night.crash().await;
        } else {
            // The relay runs on, and its last attempt is always a moment ago.
            night.homeserver.homeserver.revoke(&night.token);
            night.work_for(48 * HOUR).await;
            night.homeserver.homeserver.restore(&night.token);
        }
        night.until_delivered(HOUR).await;
        assert_eq!(night.bodies(&room).len(), 2);
        night.assert_promise_kept();
    }
}

#[tokio::test]
async fn what_never_reached_the_room_is_sent_after_days() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    let server = &night.homeserver.homeserver;
    server.plan(Scope::Sends, When::Next(1), Fault::DropRequest);
    night.accept_many(&room, 2).await;
    night.step().await;
    night.pass(72 * HOUR);
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn where_it_cannot_be_looked_whether_a_message_is_there_it_is_sent_all_the_same_after_a_while() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    let server = &night.homeserver.homeserver;
    server.plan(Scope::Sends, When::Next(1), Fault::DropRequest);
    server.plan(Scope::Reads(room.to_string()), When::Always, Fault::InternalError);
    night.accept(&room).await;
    night.step().await;
    night.pass(72 * HOUR);
    night.work_for(HOUR / 2).await;
    assert_eq!(night.waiting().await, 1);
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_nothing() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    night
        .homeserver
        .homeserver
        .plan(Scope::Sends, When::Next(4), Fault::BadGateway);
    night.accept_many(&room, 5).await;
    night.work_for(Duration::from_secs(10)).await;
    night.now.wall -= 12 * HOUR;
    night.accept_many(&room, 5).await;
    night.until_delivered(2 * HOUR).await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn a_crash_between_sending_and_recording_doubles_nothing() {
    let mut night = Night::without_digests().await;
    let room = night.open_room();
    night.accept_many(&room, 20).await;
    for round in 0..20 {
        // Odd rounds: the event is in the room, but the relay dies before it hears of it.
        if round % 2 == 1 {
            night
                .homeserver
                .homeserver
                .plan(Scope::Sends, When::Next(1), Fault::DropReply);
        }
        night.step().await;
        night = night.crash().await;
        night.pass(Duration::from_secs(2));
    }
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
}

#[tokio::test]
async fn what_another_device_has_sent_without_hearing_of_it_is_not_sent_again() {
    for (is_encrypted, crashes) in [(false, true), (true, true), (false, false)] {
        let make = Make {
            is_encrypted,
            ..Make::without_digests()
        };
        let mut night = Night::made(make).await;
        let room = night.open_room();
        night.accept(&room).await;
        night.until_delivered(HOUR).await;
        let server = &night.homeserver.homeserver;
        server.plan(Scope::Sends, When::Next(1), Fault::DropReply);
        let next = server.login("bot", "NEXT");
        night.accept_many(&room, 2).await;
        assert_eq!(night.step().await, 1);
        if crashes {
            night.token = next;
            night = night.crash().await;
        } else {
            assert!(night.client.set_token(next.into()));
        }
        night.until_delivered(HOUR).await;
        assert_eq!(
            night.bodies(&room).len(),
            3,
            "encrypted: {is_encrypted}, crashes: {crashes}"
        );
        night.assert_promise_kept();
    }
}

#[tokio::test]
async fn a_repetition_is_recognised_and_a_genuine_repeat_comes_through() {
    let mut night = Night::without_digests().await;
    night.policy.mode = Mode::New;
    let room = night.open_room();
    let same = body("Alert00001");
    assert!(!night.accept_body(&room, &same).await.recognised);
    night.pass(Duration::from_secs(30));
    assert!(night.accept_body(&room, &same).await.recognised);
    night.pass(4 * HOUR);
    assert!(!night.accept_body(&room, &same).await.recognised);
    night.until_delivered(HOUR).await;
    assert_eq!(night.bodies(&room).len(), 2);
}

#[tokio::test]
async fn what_a_digest_names_stays_in_the_outbox() {
    let mut night = Night::new().await;
    let room = night.open_room();
    night.accept_many(&room, 30).await;
    night.pass(Duration::from_mins(1));
    night.until_delivered(HOUR).await;
    night.assert_promise_kept();
    assert_eq!(night.bodies(&room).len(), 1);
    let filter = Filter {
        state: Some(DeliveryState::Combined),
        limit: 100,
        ..Filter::default()
    };
    assert_eq!(night.outbox.list(filter).await.unwrap().len(), 30);
}
