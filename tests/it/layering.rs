//! The architecture as a test: which module may import which, read from the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What each module may import; those not listed are edges and may import everything.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("alert", &[][..]),
        ("message", &[]),
        ("mask", &[]),
        ("route", &["alert", "message"]),
        // What changes in a group is said by a template, too.
        ("render", &["alert", "message", "group", "watch"]),
        ("group", &["alert"]),
        ("outbox", &["message"]),
        ("pipeline", &["alert", "message", "group", "route", "render", "outbox"]),
        // Of `message` only the name of a template that a caller may choose.
        ("intake", &["alert", "mask", "message", "pipeline", "outbox"]),
        ("matrix", &["message"]),
        ("deliver", &["outbox", "matrix", "message"]),
        ("listen", &["matrix"]),
        // Of `matrix` the making of HTTP clients, and delayed events.
        ("silence", &["matrix", "message", "outbox", "pipeline"]),
        (
            "config",
            // Of `route` the table that the routes file becomes.
            &[
                "deliver",
                "intake",
                "matrix",
                "message",
                "outbox",
                "render",
                "route",
                "silence",
                "telemetry",
                "watch",
            ],
        ),
        ("telemetry", &["mask"]),
        // A second way in beside `intake`, for people: it shows what the modules of the flow know, and so reads them, but
        // none of them knows it. Of `matrix` it may use the form of an event alone, so that a preview is what is sent; of
        // `pipeline` the dry run alone, so that a sequence reads as it would be in a room; of `route` the rooms that a test
        // may be sent to.
        (
            "workshop",
            &[
                "alert", "intake", "mask", "matrix", "message", "outbox", "pipeline", "render", "route", "samples",
                "web",
            ],
        ),
        // Outside the flow: they know nothing of it.
        ("samples", &[]),
        ("standin", &[]),
        ("web", &[]),
        ("text", &[]),
        ("watch", &[]),
        ("demo", &["standin", "web"]),
    ])
}

#[test]
fn imports_run_one_way() {
    let broken = broken(sources());
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The imports that no line of the list allows.
fn broken(sources: impl IntoIterator<Item = (String, String, String)>) -> Vec<String> {
    let allowed = allowed();
    let mut broken = Vec::new();
    for (file, module, text) in sources {
        let Some(may) = allowed.get(module.as_str()) else {
            continue;
        };
        // What is done to texts is everybody's, and imports nothing.
        let is_allowed = |import: &str| import == module || import == "text" || may.contains(&import);
        for import in imports(&file, &text).iter().filter(|import| !is_allowed(import)) {
            broken.push(format!("{file}: {module} imports {import}"));
        }
    }
    broken
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

/// The modules at the root that a file names, its tests included: in trees of `use`, in paths inside code and macros, by
/// `crate::`, by `super::` as far as it leads there, and by the crate's own name.
fn imports(file: &str, text: &str) -> BTreeSet<String> {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut found = BTreeSet::new();
    walk(tokens, depth(file), &mut found);
    found
}

/// How many modules deep a file is: `intake/auth/routes.rs` is three.
fn depth(file: &str) -> usize {
    match file {
        "lib.rs" | "main.rs" => 0,
        _ => file.split('/').count(),
    }
}

fn walk(tokens: TokenStream, depth: usize, found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                // What is in the braces of a module is one deeper.
                let is_module = at >= 2 && is_word(&tokens[at - 2], "mod") && group.delimiter() == Delimiter::Brace;
                walk(group.stream(), depth + usize::from(is_module), found);
            }
            TokenTree::Ident(word) => {
                let is_begun = at < 2 || !(is_sign(&tokens[at - 1], ':') && is_sign(&tokens[at - 2], ':'));
                let (mut next, mut left) = (at, None);
                if *word == "crate" || *word == "grafana_matrix_relay" {
                    left = Some(0);
                } else if *word == "super" {
                    left = Some(depth);
                }
                if let Some(mut left) = left.filter(|_| is_begun) {
                    while is_word(&tokens[next], "super") && left > 0 {
                        left -= 1;
                        if left > 0 && next + 3 < tokens.len() && is_word(&tokens[next + 3], "super") {
                            next += 3;
                        } else {
                            break;
                        }
                    }
                    if left == 0 {
                        roots(&tokens[next + 1..], found);
                    }
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

/// What follows the root: `::name…`, `::{name…, name…}` or `::*`.
fn roots(rest: &[TokenTree], found: &mut BTreeSet<String>) {
    let [first, second, what, ..] = rest else { return };
    if !(is_sign(first, ':') && is_sign(second, ':')) {
        return;
    }
    match what {
        TokenTree::Ident(name) => drop(found.insert(name.to_string())),
        TokenTree::Group(group) => {
            let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
            for tree in tokens.split(|token| is_sign(token, ',')) {
                match tree.first() {
                    Some(TokenTree::Ident(name)) => drop(found.insert(name.to_string())),
                    Some(other) => drop(found.insert(other.to_string())),
                    None => {}
                }
            }
        }
        // All of them.
        other => drop(found.insert(other.to_string())),
    }
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let seen = |file: &str, text: &str| imports(file, text).into_iter().collect::<Vec<_>>().join(" ");
    for (file, text, expected) in [
        ("route.rs", "use crate::alert::Alert;", "alert"),
        (
            "route.rs",
            "use crate::{alert::{Alert, Labels}, cli, r#matrix};",
            "alert cli r#matrix",
        ),
        (
            "route.rs",
            "use crate::{\n    alert,\n    outbox::{self, Outbox},\n};",
            "alert outbox",
        ),
        ("route.rs", "fn f() { let x = crate::outbox::open(); }", "outbox"),
        (
            "route.rs",
            "fn f() { tracing::info!(x = %crate::config::name(), \"…\"); }",
            "config",
        ),
        (
            "route.rs",
            "pub(crate) fn f(a: &dyn crate::deliver::Clock) -> Vec<crate::matrix::Failure> {}",
            "deliver matrix",
        ),
        (
            "route.rs",
            "#[cfg(test)]\nmod tests { use crate::standin::Homeserver; }\nuse crate::outbox::Outbox;",
            "outbox standin",
        ),
        ("route.rs", "use super::outbox;", "outbox"),
        (
            "route.rs",
            "mod tests { use super::*; use super::super::outbox; }",
            "outbox",
        ),
        (
            "intake/auth/routes.rs",
            "use super::super::compat; use super::super::super::outbox;",
            "outbox",
        ),
        ("route.rs", "use crate::*;", "*"),
        ("main.rs", "use grafana_matrix_relay::{cli, render};", "cli render"),
        (
            "route.rs",
            "// crate::outbox\n/// [`crate::outbox`]\nfn f() -> &'static str { \"crate::outbox\" }",
            "",
        ),
        (
            "route.rs",
            "use serde::de; fn f() { poem::crate_name::x(); super_::x(); }",
            "",
        ),
    ] {
        assert_eq!(seen(file, text), expected, "{text}");
    }
    // The rule is broken by any of them.
    let broken = broken([(
        "route.rs".to_owned(),
        "route".to_owned(),
        "mod a {} fn f() { crate::cli::x() }".to_owned(),
    )]);
    assert_eq!(broken, ["route.rs: route imports cli"]);
}

/// All sources: path, module at the root, text.
pub(crate) fn sources() -> Vec<(String, String, String)> {
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
