//! What is committed beside the code says what the code does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn relay(arguments: &[&str]) -> std::process::Output {
    let binary = env!("CARGO_BIN_EXE_grafana-matrix-relay");
    let empty = tempfile::tempdir().unwrap();
    Command::new(binary)
        .args(arguments)
        .env_clear()
        .current_dir(empty.path())
        .output()
        .unwrap()
}

#[test]
fn the_openapi_document_is_what_the_program_prints() {
    let printed = relay(&["openapi"]);
    let committed = fs::read_to_string(root().join("openapi/openapi.yaml")).unwrap();
    assert!(
        String::from_utf8(printed.stdout).unwrap() == committed,
        "run `make openapi` and commit the result"
    );
}

#[test]
fn the_example_configuration_names_every_setting_and_only_those() {
    let help = String::from_utf8(relay(&["--help"]).stdout).unwrap();
    let known: Vec<&str> = help
        .split("[env: ")
        .skip(1)
        .filter_map(|rest| rest.split(['=', ']']).next())
        .collect();
    assert!(known.len() > 20, "{known:?}");
    let example = fs::read_to_string(root().join(".env.example")).unwrap();
    let settings = example.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
    let named: Vec<&str> = settings
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect();
    for name in &known {
        assert!(named.contains(name), "{name} is not in .env.example");
    }
    for name in &named {
        assert!(
            known.contains(name) || *name == "RUST_LOG",
            "{name} is in .env.example but no setting"
        );
    }
    let parsed: Result<Vec<_>, _> = dotenvy::from_path_iter(root().join(".env.example")).unwrap().collect();
    parsed.unwrap();
}

#[test]
fn the_readme_lists_every_setting() {
    let help = String::from_utf8(relay(&["--help"]).stdout).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for name in help
        .split("[env: ")
        .skip(1)
        .filter_map(|rest| rest.split(['=', ']']).next())
    {
        assert!(readme.contains(name), "{name} is not in README.md");
    }
}

#[test]
fn without_configuration_it_does_not_start_and_says_what_is_missing() {
    let output = relay(&[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for word in [
        "MATRIX_HOME_SERVER_URL",
        "--access-token",
        "MATRIX_DEFAULT_ROOM",
        "grafana-matrix-relay demo",
    ] {
        assert!(said.contains(word), "{word} is missing in\n{said}");
    }
}
