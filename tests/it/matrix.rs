//! The Matrix client against the stand-in homeserver, over HTTP.

mod check;
mod home;
mod relations;
mod search;
mod stage;

use std::time::Duration;

use grafana_matrix_relay::matrix::{MessageTrouble, RoomTrouble, TokenTrouble, Verdict};
use grafana_matrix_relay::message::TxnId;
use grafana_matrix_relay::standin::{Fault, Limit, NewRoom, Scope, When};
use serde_json::json;

use self::stage::{Stage, address, message};

#[tokio::test]
async fn message_arrives_with_both_bodies_and_mentions() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    let event_id = stage.send(&room).await.unwrap();
    let messages = stage.homeserver().messages(&id);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].event_id, event_id);
    assert_eq!(messages[0].sender, "@bot:example.org");
    let mut content = messages[0].content.clone();
    let transaction = content
        .as_object_mut()
        .unwrap()
        .remove("grafana-matrix-relay.transaction");
    assert_eq!(transaction.unwrap().as_str(), messages[0].txn.as_deref());
    assert_eq!(
        content,
        json!({
            "msgtype": "m.text", "body": "hello",
            "format": "org.matrix.custom.html", "formatted_body": "<b>hello</b>",
            "m.mentions": {}, "com.beeper.linkpreviews": [],
        })
    );
}

#[tokio::test]
async fn room_without_domain_and_alias_are_reached() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot").alias("ops").without_domain());
    assert!(!id.contains(':'));
    stage.send(&room).await.unwrap();
    stage.send(&address("#ops:example.org")).await.unwrap();
    assert_eq!(stage.homeserver().messages(&id).len(), 2);
}

#[tokio::test]
async fn repeated_transaction_after_a_lost_reply_is_one_event() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    let txn = TxnId::generate();
    stage
        .homeserver()
        .plan(Scope::SendsTo(id.clone()), When::Next(1), Fault::DropReply);
    let lost = stage
        .client
        .send(&room, &txn, &message("hello"), None)
        .await
        .unwrap_err();
    assert_eq!(lost.verdict, Verdict::Transient);
    let event_id = stage.client.send(&room, &txn, &message("hello"), None).await.unwrap();
    let messages = stage.homeserver().messages(&id);
    assert_eq!(
        messages.iter().map(|event| &event.event_id).collect::<Vec<_>>(),
        [&event_id]
    );
    assert_eq!(messages[0].txn.as_deref(), Some(txn.as_str()));
}

#[tokio::test]
async fn plain_text_never_goes_into_a_room_that_is_encrypted_later() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    stage.send(&room).await.unwrap();
    stage.homeserver().encrypt(&id);
    let refused = Verdict::Room(RoomTrouble::Encrypted);
    assert_eq!(stage.send(&room).await.unwrap_err().verdict, refused);
    // Not even if the homeserver says afterwards that it is not.
    let denial = Fault::Refused(404, "M_NOT_FOUND");
    stage.homeserver().plan(Scope::Room(id.clone()), When::Next(1), denial);
    assert_eq!(stage.send(&room).await.unwrap_err().verdict, refused);
    assert_eq!(stage.homeserver().messages(&id).len(), 1);
}

#[tokio::test]
async fn not_found_page_of_a_proxy_does_not_pass_for_unencrypted() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot").encrypted());
    stage
        .homeserver()
        .plan(Scope::Room(id.clone()), When::Next(1), Fault::Page(404));
    assert_eq!(stage.send(&room).await.unwrap_err().verdict, Verdict::Transient);
    assert_eq!(stage.homeserver().sends_seen(&id), 0);
}

#[tokio::test]
async fn moved_alias_is_followed_once_its_old_room_gives_trouble() {
    let stage = Stage::new().await;
    let (old, _) = stage.room(&NewRoom::named("old").member("bot").alias("ops"));
    let (new, _) = stage.room(&NewRoom::named("new").member("bot"));
    let room = address("#ops:example.org");
    stage.send(&room).await.unwrap();
    stage.homeserver().point_alias("ops", &new);
    stage.homeserver().set_membership(&old, "bot", "leave");
    assert!(matches!(stage.send(&room).await.unwrap_err().verdict, Verdict::Room(_)));
    stage.send(&room).await.unwrap();
    assert_eq!(stage.homeserver().messages(&new).len(), 1);
}

#[tokio::test]
async fn rate_limit_tells_how_long_to_wait() {
    let stage = Stage::new().await;
    let limited = |ms| Verdict::RateLimited {
        retry_after: Some(Duration::from_millis(ms)),
    };
    // The header counts whole seconds and goes before the body.
    assert_eq!(stage.verdict_with(Fault::RateLimited(4783)).await, limited(5000));
    assert_eq!(stage.verdict_with(Fault::RateLimitedInBody(4783)).await, limited(4783));
    assert_eq!(stage.verdict_with(Fault::RateLimitedInHeader(7)).await, limited(7000));
}

#[tokio::test]
async fn default_limit_of_synapse_lets_ten_messages_pass_at_once() {
    let stage = Stage::new().await;
    stage.homeserver().limit_messages(Some(Limit::SYNAPSE));
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    for _ in 0..10 {
        stage.send(&room).await.unwrap();
    }
    let Verdict::RateLimited {
        retry_after: Some(wait),
    } = stage.send(&room).await.unwrap_err().verdict
    else {
        panic!("the eleventh passed");
    };
    assert!(wait <= Duration::from_secs(5), "{wait:?}");
    assert_eq!(stage.homeserver().messages(&id).len(), 10);
    stage.homeserver().advance(wait);
    stage.send(&room).await.unwrap();
}

#[tokio::test]
async fn broken_server_network_and_proxy_are_transient() {
    let stage = Stage::new().await;
    for fault in [
        Fault::InternalError,
        Fault::BadGateway,
        Fault::Page(404),
        Fault::DropRequest,
        Fault::DropReply,
    ] {
        assert_eq!(stage.verdict_with(fault.clone()).await, Verdict::Transient, "{fault:?}");
    }
}

#[tokio::test]
async fn refusals_have_their_verdict() {
    let stage = Stage::new().await;
    let table = [
        (Fault::Forbidden, Verdict::Room(RoomTrouble::Forbidden)),
        (
            Fault::UnknownToken,
            Verdict::Token(TokenTrouble::Unknown { soft_logout: false }),
        ),
        (Fault::TooLarge, Verdict::Message(MessageTrouble::TooLarge)),
        (
            Fault::Refused(400, "M_BAD_JSON"),
            Verdict::Message(MessageTrouble::Rejected),
        ),
        (Fault::Page(302), Verdict::Token(TokenTrouble::WrongAddress)),
        (Fault::Page(200), Verdict::Transient),
    ];
    for (fault, verdict) in table {
        assert_eq!(stage.verdict_with(fault.clone()).await, verdict, "{fault:?}");
    }
}

#[tokio::test]
async fn hung_homeserver_is_given_up_after_the_timeout() {
    let stage = Stage::with(|homeserver| homeserver.login("bot", "RELAY"), Duration::from_millis(50)).await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    stage.homeserver().plan(Scope::Room(id), When::Always, Fault::Hang);
    let failure = stage.send(&room).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Transient);
    assert!(failure.detail.starts_with("no answer within"), "{failure}");
}

#[tokio::test]
async fn refused_connections_are_transient_until_the_server_listens_again() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    stage.send(&room).await.unwrap();
    stage.running.refuse().await;
    // The first attempt may still go into the broken connection, the second needs a new one.
    assert_eq!(stage.send(&room).await.unwrap_err().verdict, Verdict::Transient);
    let failure = stage.send(&room).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Transient);
    assert!(failure.detail.contains("refused"), "{failure}");
    stage.running.accept_again().await;
    stage.send(&room).await.unwrap();
    assert_eq!(stage.homeserver().messages(&id).len(), 2);
}

#[tokio::test]
async fn too_large_message_is_message_trouble_by_its_real_size() {
    let stage = Stage::new().await;
    let (_, room) = stage.room(&NewRoom::named("ops").member("bot"));
    let sent = stage
        .client
        .send(&room, &TxnId::generate(), &message(&"ä".repeat(20_000)), None)
        .await;
    assert_eq!(sent.unwrap_err().verdict, Verdict::Message(MessageTrouble::TooLarge));
}

#[tokio::test]
async fn revoked_token_is_token_trouble_until_it_is_restored() {
    let stage = Stage::new().await;
    let (_, room) = stage.room(&NewRoom::named("ops").member("bot"));
    stage.homeserver().revoke(&stage.token);
    let failure = stage.send(&room).await.unwrap_err();
    assert_eq!(
        failure.verdict,
        Verdict::Token(TokenTrouble::Unknown { soft_logout: false })
    );
    assert!(!failure.to_string().contains(&stage.token));
    stage.homeserver().restore(&stage.token);
    stage.send(&room).await.unwrap();
}

#[tokio::test]
async fn join_works_when_invited_and_is_refused_when_not() {
    let stage = Stage::new().await;
    let (_, invited) = stage.room(&NewRoom::named("ops").invite_only().invited("bot"));
    let (_, closed) = stage.room(&NewRoom::named("secret").invite_only());
    assert_eq!(
        stage.send(&invited).await.unwrap_err().verdict,
        Verdict::Room(RoomTrouble::NotJoined)
    );
    stage.client.join(&invited).await.unwrap();
    stage.send(&invited).await.unwrap();
    assert_eq!(
        stage.client.join(&closed).await.unwrap_err().verdict,
        Verdict::Room(RoomTrouble::Forbidden)
    );
}

#[tokio::test]
async fn whoami_tells_user_and_device() {
    let stage = Stage::new().await;
    let me = stage.client.whoami().await.unwrap();
    assert_eq!(me.user_id, "@bot:example.org");
    assert_eq!(me.device_id.unwrap(), "RELAY");
    assert!(!format!("{:?}", stage.client).contains(&stage.token));
}
