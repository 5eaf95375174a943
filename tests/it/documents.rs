//! What is committed beside the code says what the code does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

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
fn the_pages_that_are_made_of_the_code_are_what_the_program_prints() {
    for (page, file) in [
        ("settings", "docs/src/reference/settings.md"),
        ("metrics", "docs/src/reference/metrics.md"),
        ("environment", ".env.example"),
    ] {
        let printed = relay(&["document", page]);
        let committed = fs::read_to_string(root().join(file)).unwrap();
        assert!(
            String::from_utf8(printed.stdout).unwrap() == committed,
            "{file}: run `make reference` and commit the result"
        );
    }
}

#[test]
fn the_example_configuration_names_every_setting_once_and_can_be_loaded() {
    let help = String::from_utf8(relay(&["serve", "--help"]).stdout).unwrap();
    let known: Vec<&str> = help
        .split("[env: ")
        .skip(1)
        .filter_map(|rest| rest.split(['=', ']']).next())
        .collect();
    assert!(known.len() > 40, "{known:?}");
    let example = fs::read_to_string(root().join(".env.example")).unwrap();
    let settings = example.lines().map(|line| line.strip_prefix('#').unwrap_or(line));
    let mut named: Vec<&str> = settings
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect();
    let mut known = known;
    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, known);
    // With every line in force the relay takes it, but for what excludes each other: `config` reads all of it and finds nothing
    // that is no value.
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<&str> = example
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|line| line.starts_with(char::is_uppercase))
                .unwrap_or(line)
        })
        .filter(|line| !line.contains("_FILE=") && !line.starts_with("MATRIX_HOOK_URL"))
        .collect();
    fs::write(folder.path().join(".env"), all.join("\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
        .args(["config", "--json"])
        .env_clear()
        .current_dir(folder.path())
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = report["problems"].as_array().unwrap();
    assert!(
        problems.len() == 1 && problems[0].as_str().unwrap().contains("MATRIX_ACCESS_TOKEN"),
        "{problems:#?}"
    );
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

/// What the program says to these variables, and its exit code.
fn refusal(variables: &[(&str, &str)], folder: &Path) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder)
        .output()
        .unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
fn a_setting_that_cannot_be_used_is_named_and_an_empty_one_is_unset() {
    let folder = tempfile::tempdir().unwrap();
    let good = [
        ("MATRIX_HOME_SERVER_URL", "https://matrix.example.org"),
        ("MATRIX_ACCESS_TOKEN", "s3cr3t"),
        ("MATRIX_DEFAULT_ROOM", "#alerts:example.org"),
    ];
    for (name, value) in [
        ("MATRIX_HOME_SERVER_URL", "https://user:s3cr3t@matrix.example.org"),
        ("MATRIX_ACCESS_TOKEN", "s3cr3t and more"),
        ("MATRIX_DEFAULT_ROOM", "alerts"),
        ("MATRIX_ACCESS_TOKEN_FILE", "nowhere"),
        ("RELAY_DATABASE_URL", "mysql://user:s3cr3t@db/relay"),
        ("RELAY_DATABASE_URL", "s3cr3t"),
        ("ECS_LOGGING", "maybe"),
        ("RELAY_WORKSHOP", "sometimes"),
        ("RELAY_BASIC_AUTH", "s3cr3t"),
        ("RELAY_TRUSTED_PROXIES", "proxy"),
        ("RELAY_MAX_BODIES_BYTES", "5"),
        ("RELAY_MAX_CONNECTIONS", "0"),
    ] {
        let mut variables = good.to_vec();
        variables.push((name, value));
        let (said, code) = refusal(&variables, folder.path());
        assert!(said.contains(name) && !said.contains("s3cr3t"), "{name}: {said}");
        assert_eq!(code, Some(2), "{said}");
    }
    let empty = ["MATRIX_ACCESS_TOKEN_FILE", "RELAY_TOKEN_FILE", "RUST_LOG", "RELAY_PORT"].map(|name| (name, ""));
    let (said, code) = refusal(&empty, folder.path());
    assert!(said.contains("missing --access-token (MATRIX_ACCESS_TOKEN)"), "{said}");
    assert_eq!((code, said.contains("_FILE")), (Some(2), false), "{said}");
}

#[test]
fn a_secret_given_as_a_flag_beats_a_file_that_a_variable_names() {
    let folder = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let (token, file) = (("RELAY_TOKEN", "a"), ("RELAY_TOKEN_FILE", "nowhere"));
    let contradiction = "are both set";
    assert!(said(&[], &[token, file]).contains(contradiction));
    assert!(said(&["--relay-token=a", "--relay-token-file=nowhere"], &[]).contains(contradiction));
    let flag = said(&["--relay-token=a"], &[file]);
    assert!(
        !flag.contains("RELAY_TOKEN") && flag.contains("MATRIX_DEFAULT_ROOM"),
        "{flag}"
    );
    let after = said(&["serve", "--relay-token=a"], &[file]);
    assert!(!after.contains("RELAY_TOKEN"), "{after}");
    let other = said(&["--relay-token-file=nowhere"], &[token]);
    assert!(!other.contains(contradiction) && other.contains("nowhere"), "{other}");
    let hook = ("MATRIX_HOOK_URL", "https://hooks.example.org/webhook/s3cret");
    let other = said(&["--hook-url-file=nowhere"], &[hook]);
    assert!(!other.contains(contradiction) && other.contains("nowhere"), "{other}");
}

#[test]
fn only_the_env_file_of_the_working_folder_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join(".env"),
        "MATRIX_DEFAULT_ROOM='#alerts:example.org'\n",
    )
    .unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let missing = |folder: &Path| {
        refusal(&[], folder)
            .0
            .contains("missing --default-room (MATRIX_DEFAULT_ROOM)")
    };
    assert!(!missing(folder.path()), "it is not read where it is");
    assert!(missing(&inner), "one further up is read");
}

#[test]
fn a_flag_without_a_value_does_not_swallow_the_command() {
    let printed = relay(&["--ecs-logging", "openapi"]);
    assert!(printed.stdout.starts_with(b"openapi:"), "{printed:?}");
}

#[test]
fn the_committed_editor_is_built_from_the_committed_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/workshop/editor");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    // In the order of build.sh: what is written here, what it needs, how it is built.
    let mut hash = Sha256::new();
    for ending in ["js", "json", "sh"] {
        for file in files
            .iter()
            .filter(|file| file.extension().is_some_and(|end| end == ending))
        {
            hash.update(fs::read(file).unwrap());
        }
    }
    let built = fs::read_to_string(folder.join("../page/editor.js")).unwrap();
    let first = built.lines().next().unwrap();
    let sources = hex::encode(hash.finalize());
    assert!(
        first.contains(&format!("from {sources}.")),
        "run `make editor`: {first}, and the sources are {sources}"
    );
}

/// The words behind `key` in the lines of a file that begin with it, `- ` aside.
fn values_of(file: &str, key: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    let values = lines.filter_map(|line| line.strip_prefix(key));
    values.map(|value| value.trim().to_owned()).collect()
}

#[test]
fn what_is_built_from_is_named_by_its_content() {
    let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut actions = values_of(".github/workflows/ci.yml", "uses:");
    actions.extend(values_of(".github/workflows/release.yml", "uses:"));
    assert!(actions.len() > 8, "{actions:?}");
    for action in &actions {
        let (commit, tag) = action.split_once('@').unwrap().1.split_once(" # v").unwrap();
        assert!(is_hex(commit, 40) && !tag.is_empty(), "{action}");
    }
    let images = values_of("Dockerfile", "FROM ");
    assert_eq!(images.len(), 2, "{images:?}");
    for image in images.iter().filter(|image| *image != "scratch") {
        let digest = image.split_once("@sha256:").unwrap().1;
        assert!(is_hex(digest.split_once(' ').unwrap().0, 64), "{image}");
    }
}
