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
