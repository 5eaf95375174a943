//! The examples of the documentation: each can be read by what it is for, and each command and address in them exists.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use grafana_matrix_relay::config::routes::RoutesSource;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::book::pages;
use crate::layering::sources;
use crate::render::{body_of, folder, render};

/// A block of code of a page.
struct Snippet {
    page: PathBuf,
    language: String,
    text: String,
}

/// All of them.
fn snippets() -> Vec<Snippet> {
    let mut found = Vec::new();
    for (page, text) in pages() {
        let mut block: Option<Snippet> = None;
        for event in Parser::new(&text) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                    block = Some(Snippet {
                        page: page.clone(),
                        language: language.to_string(),
                        text: String::new(),
                    });
                }
                Event::Text(text) => {
                    if let Some(block) = &mut block {
                        block.text.push_str(&text);
                    }
                }
                Event::End(TagEnd::CodeBlock) => found.extend(block.take()),
                _ => {}
            }
        }
    }
    assert!(found.len() > 60, "{}", found.len());
    found
}

/// What is wrong with the snippets of a language, each with its page.
fn faults(language: &str, least: usize, fault: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let all = snippets();
    let of_language: Vec<&Snippet> = all.iter().filter(|one| one.language == language).collect();
    assert!(of_language.len() >= least, "{language}: {}", of_language.len());
    let named = |one: &&Snippet| Some(format!("{}: {}\n{}", one.page.display(), fault(&one.text)?, one.text));
    of_language.iter().filter_map(named).collect()
}

#[test]
fn every_snippet_says_what_it_is() {
    let known = BTreeSet::from(["jinja", "json", "sh", "text", "toml", "yaml"]);
    for snippet in snippets() {
        assert!(
            known.contains(snippet.language.as_str()),
            "{}: {:?}",
            snippet.page.display(),
            snippet.language
        );
    }
}

#[test]
fn every_toml_can_be_read_and_every_routes_file_is_one_that_a_relay_takes() {
    let source = RoutesSource::default();
    let secret = |_: &str| Some("a-secret-that-is-long-enough".to_owned());
    let fault = |text: &str| {
        if text.contains("[routes.") {
            let routes = source.parse(Path::new("routes.toml"), text, &secret);
            return routes.err().map(|faults| format!("{faults:?}"));
        }
        text.parse::<toml::Table>().err().map(|error| error.to_string())
    };
    let faults = faults("toml", 2, fault);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_yaml_and_json_can_be_read() {
    let fault = |text: &str| {
        let read: Result<serde_json::Value, _> = serde_saphyr::from_str(text);
        read.err().map(|error| error.to_string())
    };
    let faults: Vec<String> = [faults("yaml", 5, fault), faults("json", 0, fault)].concat();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What a shell says of a script that it only reads.
fn shell_fault(text: &str) -> Option<String> {
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_script_can_be_read_by_a_shell() {
    let faults = faults("sh", 20, shell_fault);
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The words of a command line as a shell splits them, without what it does with the output.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '|' | '>' | '#' | ';') => break,
            (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            _ => word.push(character),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[test]
fn every_command_of_the_relay_exists_with_its_flags() {
    let program = env!("CARGO_BIN_EXE_grafana-matrix-relay");
    let mut lines = BTreeSet::new();
    for snippet in snippets().iter().filter(|one| one.language == "sh") {
        let joined = snippet.text.replace("\\\n", " ");
        let calls = joined.lines().map(|line| line.trim().trim_start_matches("exec "));
        lines.extend(
            calls
                .filter_map(|line| line.strip_prefix("grafana-matrix-relay "))
                .map(str::to_owned),
        );
    }
    assert!(lines.len() > 15, "{lines:?}");
    for line in lines {
        let output = Command::new(program)
            .args(words(&line))
            .arg("--help")
            .env_clear()
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}\n{}", super::said(&output));
    }
}

#[test]
fn every_address_of_the_relay_exists() {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.yaml")).unwrap();
    let document: serde_json::Value = serde_saphyr::from_str(&document).unwrap();
    let known: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let served = [
        "/",
        "/docs",
        "/metrics",
        "/workshop/",
        "/health/ready",
        "/health/live",
        "/openapi.json",
    ];
    let is_known = |path: &str| {
        let is_route = path.strip_prefix("/alert/").is_some_and(|route| !route.contains('/'));
        path.is_empty() || served.contains(&path) || is_route || known.iter().any(|one| *one == path)
    };
    let hosts = ["://relay:9042", "://127.0.0.1:9042", "://relay.example.org"];
    let mut found = 0;
    for (page, text) in pages() {
        for host in hosts {
            for (at, _) in text.match_indices(host) {
                let rest = &text[at + host.len()..];
                let path = rest
                    .split(|c: char| c.is_whitespace() || "`)\"',;?|".contains(c))
                    .next()
                    .unwrap_or_default();
                assert!(is_known(path), "{}: {host}{path}", page.display());
                found += 1;
            }
        }
    }
    assert!(found > 8, "{found}");
}

#[test]
fn every_template_of_the_documentation_works() {
    let own = |snippet: &Snippet| {
        let name = snippet.page.file_name().unwrap_or_default();
        // Those of the guide and the cookbook are parts of templates, which other tests render.
        snippet.language == "jinja" && name.to_string_lossy().starts_with("from-")
    };
    let snippets: Vec<Snippet> = snippets().into_iter().filter(own).collect();
    assert_eq!(snippets.len(), 2);
    for snippet in snippets {
        let (_dir, renderer) = folder(&[("mine.md.j2", snippet.text.as_str())]);
        assert_eq!(renderer.problems(), []);
        for sample in ["firing", "mixed", "resolved", "alertmanager"] {
            let seen = render(&renderer, "mine", &body_of(sample));
            assert_eq!(seen.problem, None, "{}", snippet.page.display());
            assert!(!seen.messages[0].body.contains("{{"), "{}", seen.messages[0].body);
        }
    }
}

#[test]
fn troubleshooting_quotes_what_the_relay_really_says() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/start/troubleshooting.md")).unwrap();
    // A text of several lines in the code is one line in the log.
    let code: Vec<String> = sources()
        .into_iter()
        .map(|(_, _, text)| text.lines().map(str::trim_start).collect::<String>().replace('\\', ""))
        .collect();
    // That one is put together of a setting's names, and another test reads it.
    let missing = "--home-server-url (MATRIX_HOME_SERVER_URL)";
    let quoted = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let quoted: Vec<&str> = quoted
        .map(|(text, _)| text)
        .filter(|text| !text.contains(missing))
        .collect();
    assert!(quoted.len() > 12, "{quoted:?}");
    for text in quoted {
        assert!(code.iter().any(|code| code.contains(text)), "nothing says `{text}`");
    }
}
