//! No statement walks over what waits.

use jiff::Timestamp;

use super::session::{RUN, done};
use super::*;
use crate::message::{Mentions, MsgType, RenderedMessage};
use crate::outbox::prepared::PreparedAcceptance;
use crate::outbox::store::AskedGroup;
use crate::outbox::{
    Acceptance, DigestPolicy, GroupMessage, GroupQuery, GroupUpdate, KnownAlert, NewLine, Outcome, Root, accept, claim,
    known,
};

fn message(text: &str) -> RenderedMessage {
    RenderedMessage {
        body: text.to_owned(),
        formatted_body: format!("<b>{text}</b>"),
        msgtype: MsgType::Text,
        mentions: Mentions::default(),
        headline: text.to_owned(),
        ..RenderedMessage::default()
    }
}

fn update(version: i64, root: Root) -> Acceptance {
    let line = NewLine {
        message: message("line"),
        starts_at: None,
    };
    let alert = KnownAlert {
        name: version.to_string(),
        firing: true,
        data: "{}".to_owned(),
        is_new: true,
    };
    Acceptance {
        deliveries: Vec::new(),
        groups: vec![GroupUpdate {
            room: "!a:example.org".parse().unwrap(),
            key: "g".to_owned(),
            expected: version,
            memory: "{}".to_owned(),
            alerts: vec![alert],
            message: Some(GroupMessage {
                text: message("text"),
                rest: vec![message("rest")],
                loud: true,
                mentions: Mentions::default(),
            }),
            root,
            starts_at: None,
            live: true,
            lines: vec![line.clone(), line],
        }],
        repeat_key: Some(version.to_string()),
        request_key: None,
        at: Timestamp::UNIX_EPOCH,
    }
}

fn accept_now(session: &mut SqliteSession<'_>, acceptance: Acceptance) {
    let acceptance = PreparedAcceptance::new(acceptance).unwrap();
    done(async {
        let mut rooms = accept::lock_rooms(session, acceptance.rooms()).await?;
        accept::accept(session, &acceptance, &mut rooms, 1).await?;
        rooms.write(session).await
    })
    .unwrap();
}

/// With 100,000 rows waiting, a statement that walks over them would cost every acceptance and claim milliseconds.
#[test]
fn no_statement_of_an_acceptance_or_a_delivery_walks_over_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let _lock = files::take_directory(directory.path()).unwrap();
    let mut connection = files::open_writer(directory.path()).unwrap();
    files::migrate(&mut connection).unwrap();
    let session = &mut SqliteSession(&connection);
    let policy = DigestPolicy {
        threshold: 3,
        ..DigestPolicy::never()
    };
    let now = Timestamp::UNIX_EPOCH;
    for version in 0..8 {
        let root = if version % 4 == 0 { Root::Begin } else { Root::Keep };
        accept_now(session, update(version, root));
        for round in 0..9 {
            let claims = done(claim::claim_due(session, OWNER, now, 9, &policy, true)).unwrap();
            let mut claimed = claims.deliveries;
            while let Some(delivery) = claimed.pop() {
                done(claim::renew(session, OWNER, &[delivery.id], now)).unwrap();
                let (event_id, error) = (format!("${version}-{round}"), "refused".to_owned());
                let outcome = if round == 3 && delivery.relation.is_some() {
                    Outcome::Detached { error }
                } else {
                    Outcome::Delivered { event_id }
                };
                let next = (round % 2 == 0).then_some(&policy);
                let recorded = claim::end(session, OWNER, delivery.id, &outcome, now, next);
                claimed.extend(done(recorded).unwrap().1.deliveries);
            }
        }
    }
    for others in [true, false] {
        let asked = AskedGroup::new(&GroupQuery {
            room: &"!a:example.org".parse().unwrap(),
            key: "g",
            alerts: vec!["1".to_owned()],
            others,
        });
        assert!(done(known::known(session, &[asked.unwrap()])).unwrap()[0].is_some());
    }
    let run = RUN.take();
    assert!(run.len() > 40, "{}", run.len());
    for statement in run {
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let parameters = vec![0; explained.parameter_count()];
        let plan = explained.query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail"));
        let plan: Vec<String> = plan.unwrap().map(Result::unwrap).collect();
        // Rooms are walked over, and the list that is handed in.
        let walks = |step: &&String| {
            step.starts_with("SCAN")
                && !matches!(
                    step.as_str(),
                    "SCAN r USING INDEX outbox_room_turn" | "SCAN outbox_room"
                )
                && !step.contains("json_each")
                && !step.contains("CONSTANT")
        };
        assert_eq!(plan.iter().find(walks), None, "{statement}\n{plan:#?}");
        // However many alerts a group remembers, those that are asked for are found by their names.
        if statement.contains("name IN (SELECT value") {
            assert!(
                plan.iter().any(|step| step.contains("name=?")),
                "{statement}\n{plan:#?}"
            );
        }
    }
}
