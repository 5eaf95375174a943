//! What is shipped beside the program, checked by the programs that will read it.

mod book;
mod compose;
mod kubernetes;
mod monitoring;
mod packages;
mod shell;
mod snippets;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file or folder under `packaging/`.
fn packaging(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(path)
}

/// What a tool prints; panics with what it says where it finds fault.
fn run(tool: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{tool} does not start: {error}. `make setup` installs what the tests need."));
    let said = said(&output);
    assert!(output.status.success(), "{tool} {arguments:?}:\n{said}");
    said
}

/// Both outputs of a program that has ended.
fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat()
}
