//! The reference says something of everything there is, and of nothing else.

use grafana_matrix_relay::render::reference::{self, Entry};

use super::body;

fn names(entries: &[Entry]) -> Vec<&'static str> {
    let mut names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names
}

fn sorted(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[test]
fn every_filter_function_and_test_is_explained_once() {
    assert_eq!(names(reference::filter_entries()), sorted(reference::filters()));
    assert_eq!(names(reference::function_entries()), sorted(reference::functions()));
    assert_eq!(names(reference::test_entries()), sorted(reference::tests()));
    let filters: Vec<&str> = reference::filters().collect();
    let asked = format!("{{% for name in {filters:?} if name is not filter %}}{{{{ name }}}} {{% endfor %}}.");
    assert_eq!(body(&asked, "firing"), ".");
}

#[test]
fn every_variable_is_explained_with_what_it_holds() {
    let tables = reference::variable_tables();
    let told = |from: usize, to: usize| -> Vec<String> {
        let mut names: Vec<String> = tables[from..to]
            .iter()
            .flat_map(|(.., variables)| variables.iter().map(|one| one.name.clone()))
            .collect();
        names.sort();
        names
    };
    let known = |names: Vec<&'static str>| -> Vec<String> { names.into_iter().map(str::to_owned).collect() };
    assert_eq!(told(0, 2), known(sorted(reference::variables())));
    assert_eq!(told(2, 3), known(sorted(reference::alert_fields())));
    let (_, changes) = reference::nested().find(|(path, _)| *path == "change").unwrap();
    assert_eq!(told(3, 4), known(sorted(changes.iter().copied())));
    let (_, digest) = reference::nested().find(|(path, _)| *path == "digest").unwrap();
    assert_eq!(told(4, 5), known(sorted(digest.iter().copied())));
    let holds = |name: &str| {
        let mut all = tables.iter().flat_map(|(.., variables)| variables);
        all.find(|one| one.name == name).unwrap().holds.clone()
    };
    for (name, kind) in [
        ("alerts", "list of alerts"),
        ("alert", "alert"),
        ("commonLabels", "names with values"),
        ("now", "time"),
        ("payload", "record or list of anything"),
        ("names", "list of texts"),
        ("over", "true or false"),
        ("truncatedAlerts", "number"),
        ("links", "list of `text`, `url`"),
    ] {
        assert_eq!(holds(name), kind, "{name}");
    }
    // Each record inside of others is told where it stands.
    let is_told_apart = |path: &str| ["change", "digest"].iter().any(|root| path.starts_with(root));
    for (path, names) in reference::nested().filter(|(path, _)| !is_told_apart(path)) {
        let parent = path.trim_end_matches("[]").trim_start_matches("alert.");
        for name in names {
            assert!(
                holds(parent).contains(&format!("`{name}`")),
                "{path}: {name} in {}",
                holds(parent)
            );
        }
    }
}
