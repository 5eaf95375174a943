//! Crashes: what was acknowledged is there, and the next relay goes on where the last one stood.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::on_every_store;
use super::place::{Place, accept, acceptance, at, claim_one, drain, settings};
use grafana_matrix_relay::outbox::{DigestPolicy, Outbox};

on_every_store!(
    delivery_in_flight_at_a_crash_is_sent_again_under_its_transaction_id,
    claim_lost_in_this_process_returns
);

async fn delivery_in_flight_at_a_crash_is_sent_again_under_its_transaction_id(place: Place) {
    let outbox = place.open().await;
    accept(&outbox, "a", "1", at(0)).await;
    accept(&outbox, "a", "2", at(0)).await;
    let before = claim_one(&outbox, at(1)).await;
    let outbox = place.reopen(outbox).await;
    let after = claim_one(&outbox, at(1)).await;
    assert_eq!(
        (after.id, &after.txn_id, after.attempts),
        (before.id, &before.txn_id, 2)
    );
    outbox.release(&[after.id]).await.unwrap();
    assert_eq!(drain(&outbox, at(1)).await, ["1", "2"]);
}

async fn claim_lost_in_this_process_returns(place: Place) {
    let outbox = place.open().await;
    let id = accept(&outbox, "a", "1", at(0)).await;
    claim_one(&outbox, at(0)).await;
    place.expire_leases().await;
    assert_eq!(claim_one(&outbox, at(61)).await.id, id);
}

const DIRECTORY: &str = "OUTBOX_CRASH_TEST_DIRECTORY";

/// Not a test: the process that the test below kills. It accepts and delivers as fast as it can, and says what it did.
#[tokio::test]
#[ignore = "run by killed_process_keeps_every_acknowledged_row"]
async fn child_that_is_killed() {
    let directory = std::env::var(DIRECTORY).unwrap();
    let outbox = Outbox::open(&settings(Path::new(&directory), None)).await.unwrap();
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
    };
    let accepting = async {
        for n in 0.. {
            let text = format!("{n:06}");
            outbox.enqueue(acceptance("a", &text, at(0))).await.unwrap();
            say(format!("accepted {text}"));
        }
    };
    let delivering = async {
        loop {
            for delivery in outbox.claim_due(at(1), 1, &DigestPolicy::never()).await.unwrap() {
                super::place::record(&outbox, delivery.id, super::place::delivered(), at(1)).await;
                say(format!("delivered {}", delivery.message.body));
            }
            tokio::task::yield_now().await;
        }
    };
    let ((), ()) = tokio::join!(accepting, delivering);
}

#[tokio::test]
async fn killed_process_keeps_every_acknowledged_row() {
    for lines_before_death in [1, 7, 60, 300] {
        let place = Place::sqlite();
        let said = run_and_kill(place.directory(), lines_before_death);
        let of = |verb: &str| -> Vec<String> {
            said.iter()
                .filter_map(|line| line.strip_prefix(verb))
                .map(str::to_owned)
                .collect()
        };
        let (accepted, delivered) = (of("accepted "), of("delivered "));
        let outbox = place.open().await;
        let from = usize::try_from(outbox.stats(at(2)).await.unwrap().delivered).unwrap();
        let rest = drain(&outbox, at(2)).await;
        // One more may have been delivered, and one more accepted, than there was time to say.
        let said = delivered.len();
        assert!(from == said || from == said + 1, "{from} delivered, {said} said so");
        let expected: Vec<String> = (from..from + rest.len()).map(|n| format!("{n:06}")).collect();
        assert_eq!(rest, expected, "unbroken and in order");
        let total = from + rest.len();
        assert!(
            total == accepted.len() || total == accepted.len() + 1,
            "{total} of {}",
            accepted.len()
        );
    }
}

fn run_and_kill(directory: &Path, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "outbox::crash::child_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_word = |line: &String| line.starts_with("accepted ") || line.starts_with("delivered ");
    let mut said: Vec<String> = out.by_ref().map_while(Result::ok).filter(is_word).take(lines).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    said.extend(out.map_while(Result::ok).filter(is_word));
    assert!(said.len() >= lines);
    said
}
