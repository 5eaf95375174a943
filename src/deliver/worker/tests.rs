//! What the worker does when a part of the relay fails under it.

use std::sync::Mutex;

use secrecy::SecretString;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::*;
use crate::{deliver, matrix, outbox};

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn count(&self, part: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(part)).count()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Said {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }
}

fn worker(outbox: Outbox) -> Worker {
    let settings = matrix::Settings {
        home_server: "http://127.0.0.1:1".to_owned(),
        access_token: SecretString::from("token"),
        request_timeout: Duration::from_secs(1),
        encryption: matrix::EncryptionSettings::default(),
    };
    let horizon = Duration::from_hours(24);
    let sender = Sender::new(matrix::Client::new(&settings).unwrap(), deliver::Settings { horizon });
    let compose: Composer = Arc::new(|_, _, _| panic!("there are no digests here"));
    Worker::new(
        outbox,
        Arc::new(sender),
        DigestPolicy::never(),
        compose,
        Arc::new(Time::now),
    )
}

#[tokio::test]
async fn a_store_that_fails_is_said_once_and_so_is_its_recovery() {
    let said = Said::default();
    let _logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(said.clone()));
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(&outbox::Settings::in_folder(folder.path())).await.unwrap();
    let table = rusqlite::Connection::open(folder.path().join("outbox.db")).unwrap();
    table.execute_batch("ALTER TABLE outbox_news RENAME TO away").unwrap();

    let stop = CancellationToken::new();
    let running = tokio::spawn(worker(outbox.clone()).run(stop.clone(), Duration::from_secs(1)));
    let room: RoomAddress = "!a:b".parse().unwrap();
    // Each of these wakes the loop.
    while said.count("is still unavailable") < 5 {
        outbox.set_room_due(&room, None, Time::now().wall).await.unwrap();
    }
    table.execute_batch("ALTER TABLE away RENAME TO outbox_news").unwrap();
    while said.count("is available again") == 0 {
        outbox.set_room_due(&room, None, Time::now().wall).await.unwrap();
    }
    stop.cancel();
    running.await.unwrap();
    assert_eq!(said.count("is unavailable: the relay delivers nothing"), 1);
    assert_eq!(said.count("is available again"), 1);
}

#[tokio::test]
async fn an_attempt_that_always_panics_is_given_up_after_a_few() {
    let said = Said::default();
    let _logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(said.clone()));
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(&outbox::Settings::in_folder(folder.path())).await.unwrap();
    let message = RenderedMessage {
        body: "x".to_owned(),
        formatted_body: String::new(),
        msgtype: crate::message::MsgType::Text,
        mentions: crate::message::Mentions::default(),
        headline: "x".to_owned(),
        ..RenderedMessage::default()
    };
    let acceptance = outbox::Acceptance {
        deliveries: vec![outbox::NewDelivery {
            room: "!a:b".parse().unwrap(),
            message,
            starts_at: None,
        }],
        groups: Vec::new(),
        repeat_key: None,
        request_key: None,
        at: Time::now().wall,
    };
    outbox.enqueue(acceptance).await.unwrap();

    let (worker, mut flight) = (worker(outbox.clone()), Flight::default());
    for attempt in 1..=PANICS {
        let now = Time::now().after(AFTER_PANIC * 2 * attempt);
        let claimed = worker.claim(now, 1).await.unwrap().remove(0);
        let defect = std::future::poll_fn(|_| -> std::task::Poll<Landing> { panic!("a defect, on purpose") });
        let (id, task) = (claimed.id, flight.attempts.spawn(defect));
        let claim = Claim {
            delivery: Arc::new(claimed),
            began: now.tick,
            hangs: false,
            cut: CancellationToken::new(),
        };
        flight.claims.insert(task.id(), claim);
        let ended = flight.attempts.join_next_with_id().await.unwrap();
        assert!(worker.landed(&mut flight, ended).await.is_none());
        let delivery = outbox.show(id).await.unwrap().unwrap();
        let is_dead = delivery.state == outbox::DeliveryState::Dead;
        assert_eq!(is_dead, attempt == PANICS, "attempt {attempt}: {delivery:?}");
    }
    assert_eq!(
        said.count("given up after 5 attempts: 5 attempts failed inside the relay"),
        1
    );
}
