//! The documentation as a book: every page is listed, and every link leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages of the book by their path in it, and what else of the repository people read.
pub(super) fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![root().join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                pages.insert(path, text);
            }
        }
    }
    let readme = root().join("README.md");
    pages.insert(readme.clone(), fs::read_to_string(readme).unwrap());
    assert!(pages.len() > 40, "{:?}", pages.keys());
    pages
}

/// Where the links and pictures of a page lead, and the anchors of its headings.
fn links_and_anchors(text: &str) -> (Vec<String>, BTreeSet<String>) {
    let (mut links, mut anchors, mut heading) = (Vec::new(), BTreeSet::new(), None);
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => links.push(dest_url.to_string()),
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|text| anchor(&text))),
            _ => {}
        }
    }
    (links, anchors)
}

/// The anchor of a heading, as mdBook and forges make it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// What is wrong with a link of a page.
fn fault(page: &Path, link: &str, anchors: &BTreeMap<PathBuf, BTreeSet<String>>) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        page.to_owned()
    } else {
        normal(&page.parent().unwrap().join(file))
    };
    if !target.exists() {
        return Some(format!("{}: {link} is not there", page.display()));
    }
    // In the book are only its pages and pictures.
    let book = root().join("docs/src");
    if page.starts_with(&book) && !target.starts_with(&book) {
        return Some(format!("{}: {link} is not in the book", page.display()));
    }
    let has_anchor = fragment.is_empty() || anchors.get(&target).is_some_and(|known| known.contains(fragment));
    (!has_anchor).then(|| format!("{}: {link} has no such heading", page.display()))
}

/// The path without `..`, following no link: the pages that come from elsewhere are links.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let read: BTreeMap<_, _> = pages
        .iter()
        .map(|(path, text)| (path.clone(), links_and_anchors(text)))
        .collect();
    let anchors = read
        .iter()
        .map(|(path, (_, anchors))| (path.clone(), anchors.clone()))
        .collect();
    let faults: Vec<String> = read
        .iter()
        .flat_map(|(page, (links, _))| links.iter().map(move |link| (page, link)))
        .filter_map(|(page, link)| fault(page, link, &anchors))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let pages = pages();
    let book = root().join("docs/src");
    let summary = book.join("SUMMARY.md");
    let (listed, _) = links_and_anchors(&pages[&summary]);
    let mut listed: Vec<PathBuf> = listed.iter().map(|link| book.join(link)).collect();
    listed.sort();
    let mut written: Vec<PathBuf> = pages
        .into_keys()
        .filter(|page| page.starts_with(&book) && *page != summary)
        .collect();
    written.sort();
    assert_eq!(listed, written);
}

#[test]
fn the_readme_is_short_and_has_the_two_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let lines = readme.lines().count();
    assert!(lines <= 150, "{lines} lines");
    for command in ["cargo run --release -- demo", "make test"] {
        assert!(readme.lines().any(|line| line.starts_with(command)), "{command}");
    }
}
