//! `templates/README.md` and the code name the same things.

use std::fs;
use std::path::Path;

use grafana_matrix_relay::render::reference;

use super::body;

#[test]
fn the_reference_names_everything_there_is() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/README.md")).unwrap();
    let section = |title: &str| {
        let start = text.find(&format!("## {title}")).unwrap();
        text[start..].split("\n## ").next().unwrap().to_owned()
    };
    let (variables, alert) = (section("Variables"), section("An alert"));
    let changes = section("What has changed");
    let (filters, functions) = (section("Filters"), section("Functions"));
    let missing = |names: &mut dyn Iterator<Item = &'static str>, section: &str| -> Vec<&str> {
        let is_missing = |name: &&str| {
            !["`", "(", "."]
                .iter()
                .any(|end| section.contains(&format!("`{name}{end}")))
        };
        names.filter(is_missing).collect()
    };
    assert_eq!(missing(&mut reference::variables(), &variables), [""; 0]);
    assert_eq!(missing(&mut reference::alert_fields(), &alert), [""; 0]);
    assert_eq!(missing(&mut reference::filters(), &filters), [""; 0]);
    assert_eq!(missing(&mut reference::functions(), &functions), [""; 0]);
    // What is inside of others stands in the line of the name that leads to it.
    for (path, names) in reference::nested() {
        assert!(!names.is_empty(), "{path}");
        let parent = path.trim_end_matches("[]");
        let (section, parent) = match parent.strip_prefix("alert.") {
            Some(parent) => (&alert, parent),
            None if parent.starts_with("change") => (&changes, parent),
            None => (&variables, parent),
        };
        let lines = section
            .lines()
            .filter(|line| line.contains(&format!("`{parent}`")) || line.contains(&format!("`{parent}.")));
        let lines: Vec<_> = lines.collect();
        for name in names {
            let forms = [format!("`{name}`"), format!("`{parent}.{name}`")];
            assert!(
                lines.iter().any(|line| forms.iter().any(|form| line.contains(form))),
                "`{name}` of `{path}` in {lines:#?}"
            );
        }
        let start = format!("`{parent}.");
        let named = lines.iter().flat_map(|line| line.split(start.as_str()).skip(1));
        let invented: Vec<_> = named
            .filter_map(|rest| rest.split('`').next())
            .filter(|name| !names.contains(&name.split('.').next().unwrap()))
            .collect();
        assert_eq!(invented, [""; 0], "{path}");
    }
    let first_cells = |section: &str| -> Vec<String> {
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.map(|line| line.trim_start_matches("| ").split(" |").next().unwrap().to_owned());
        cells
            .flat_map(|cell| {
                cell.split(", ")
                    .map(|name| name.trim_matches('`').to_owned())
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let known = |names: &[&'static str], cell: &String| names.contains(&cell.split('(').next().unwrap());
    let invented: Vec<_> = [
        (first_cells(&variables), reference::variables().collect::<Vec<_>>()),
        (first_cells(&alert), reference::alert_fields().collect()),
        (first_cells(&filters), reference::filters().collect()),
        (first_cells(&functions), reference::functions().collect()),
    ]
    .into_iter()
    .flat_map(|(cells, names)| cells.into_iter().filter(move |cell| !known(&names, cell)))
    .collect();
    assert_eq!(invented, [""; 0]);
    for filter in reference::filters() {
        assert_eq!(
            body(&format!("{{{{ \"{filter}\" is filter }}}}"), "firing"),
            "true",
            "{filter}"
        );
    }
}
