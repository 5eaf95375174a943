//! The published document against the running relay: Schemathesis makes requests from it, and finds nothing.

use std::process::Command;

use crate::support::relay::{Relay, Setup};

const SCHEMATHESIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/stack/schemathesis-venv/bin/st");

#[tokio::test]
async fn what_the_document_says_is_what_the_relay_does() {
    let relay = demo().start().await;
    // Requests that it invents for each operation.
    conforms(&relay, "40", &[]).await;
}

#[tokio::test]
async fn the_document_holds_where_credentials_are_asked_for() {
    let setup = demo().env("RELAY_TOKEN", "a-token-of-the-senders");
    let setup = setup.env("RELAY_PAGE_TOKEN", "a-token-of-the-people");
    // One is refused at the pages, the other where notifications go: that is in the document as well.
    let relay = setup.start().await;
    for token in ["a-token-of-the-senders", "a-token-of-the-people"] {
        conforms(&relay, "10", &["--header", &format!("Authorization: Bearer {token}")]).await;
    }
}

/// One that may save templates, in a folder of its own.
fn demo() -> Setup {
    let setup = Setup::bare().arg("demo").env("RELAY_WORKSHOP", "edit");
    let templates = setup.data_dir().with_file_name("templates").display().to_string();
    setup.env("RELAY_TEMPLATES_DIR", &templates)
}

/// Schemathesis finds nothing; its requests are always the same ones, so that a run is a fact and not a draw of lots.
async fn conforms(relay: &Relay, examples: &str, further: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(SCHEMATHESIS);
    command
        .args([
            "run",
            &format!("{}/openapi.json", relay.base_url),
            "--checks=all",
            "--no-color",
        ])
        // Not everything that is of the right form is taken: a template has to exist, a group needs an alert. And not
        // everything else is refused: a number too large for a field that only adds to an alert must not cost the alert.
        .arg("--exclude-checks=positive_data_acceptance,negative_data_rejection")
        .args([
            "--max-examples",
            examples,
            "--seed=1",
            "--generation-deterministic",
            "--continue-on-failure",
            "--warnings=off",
        ])
        .args(further)
        .current_dir(folder.path())
        .env("NO_PROXY", "127.0.0.1");
    let run = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let run = run.expect("Schemathesis; tests/stack/setup.sh installs it");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    // It really asked.
    assert!(said.contains("generated"), "{said}");
    assert_eq!(relay.get("/health/live").await.status, 200);
    assert!(!relay.log().contains("panicked"), "{}", relay.log());
}
