//! The architecture as a test: which room may import which, read from the code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const ROOMS: [&str; 20] = [
    "alert",
    "message",
    "group",
    "intake",
    "pipeline",
    "route",
    "render",
    "outbox",
    "deliver",
    "matrix",
    "samples",
    "standin",
    "web",
    "demo",
    "workshop",
    "cli",
    "config",
    "startup",
    "telemetry",
    "main",
];

/// What each room may import; those not listed are edges and may import everything.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("alert", &[][..]),
        ("message", &[]),
        ("route", &["alert", "message"]),
        // What changes in a group is said by a template, too.
        ("render", &["alert", "message", "group"]),
        ("group", &["alert"]),
        ("outbox", &["message"]),
        ("pipeline", &["alert", "message", "group", "route", "render", "outbox"]),
        // Of `message` only the name of a template that a caller may choose.
        ("intake", &["alert", "message", "pipeline", "outbox"]),
        ("matrix", &["message"]),
        ("deliver", &["outbox", "matrix", "message"]),
        (
            "config",
            // Of `route` the table that the routes file becomes.
            &["deliver", "intake", "matrix", "message", "outbox", "render", "route"],
        ),
        ("telemetry", &[]),
        // A second door beside `intake`, for people: it shows what the rooms of the flow know, and so reads them, but
        // none of them knows it. Of `matrix` it may use the form of an event alone, so that a preview is what is sent; of
        // `pipeline` the rehearsal alone, so that a sequence is told as it would be in a room.
        (
            "workshop",
            &[
                "alert", "intake", "matrix", "message", "outbox", "pipeline", "render", "samples", "web",
            ],
        ),
        // Outside the flow: they know nothing of it.
        ("samples", &[]),
        ("standin", &[]),
        ("web", &[]),
        ("demo", &["standin", "web"]),
    ])
}

#[test]
fn imports_run_one_way() {
    let allowed = allowed();
    let mut broken = Vec::new();
    for (file, room, text) in sources() {
        let Some(may) = allowed.get(room.as_str()) else {
            continue;
        };
        for import in imports(&text) {
            if import != room && !may.contains(&import.as_str()) {
                broken.push(format!("{file}: {room} imports {import}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_file_opens_with_its_charter() {
    let without: Vec<_> = sources()
        .into_iter()
        .filter(|(.., text)| !text.starts_with("//! "))
        .collect();
    assert!(
        without.is_empty(),
        "{:?}",
        without.iter().map(|(file, ..)| file).collect::<Vec<_>>()
    );
}

/// The rooms that a file names by `crate::…`, its tests left out.
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = Vec::new();
    for line in lines {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let list = rest
                .strip_prefix('{')
                .map_or(rest, |list| list.split('}').next().unwrap_or_default());
            let names = if rest.starts_with('{') {
                list.split(',').collect()
            } else {
                vec![list]
            };
            for name in names {
                let name: String = name
                    .trim()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if ROOMS.contains(&name.as_str()) {
                    found.push(name);
                }
            }
        }
    }
    found
}

/// All sources: path, room, text.
fn sources() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let inside = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                let belongs_to = inside.split(['/', '.']).next().unwrap().to_owned();
                sources.push((inside, belongs_to, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 30 && sources.iter().any(|(_, room, _)| room == "deliver"));
    sources
}
