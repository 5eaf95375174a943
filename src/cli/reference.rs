//! The reference of everything that a template can use, as a page: what is said of each name, its type, and what its
//! example gives when it is run.
//!
//! Guarantees: every example was run while the page was written, by the code that renders messages.

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::alert::parse;
use crate::message::TemplateName;
use crate::render::reference::{self, Entry};
use crate::render::{Draft, Isolation, Renderer, Settings};
use crate::samples;

/// The sample that examples are about.
const SAMPLE: &str = "firing";

/// Stands between examples that are run together.
const MARK: &str = "§§§";

/// The page.
pub(super) fn page(isolation: &Isolation) -> anyhow::Result<String> {
    let mut page = String::from(INTRODUCTION);
    for (title, lead, variables) in reference::variable_tables() {
        let _ = write!(
            page,
            "\n## {title}\n\n{lead}\n\n| name | type | what it is |\n|---|---|---|\n"
        );
        for one in variables {
            let _ = writeln!(page, "| `{}` | {} | {} |", one.name, one.holds, cell(one.about));
        }
    }
    let sections = [
        ("Filters", FILTERS, reference::filter_entries()),
        (
            "Functions",
            "They stand in `{{ … }}` or in an expression.",
            reference::function_entries(),
        ),
        (
            "Tests",
            "They stand behind `is` or `is not`, and as names in `select`, `reject`, `selectattr` and `rejectattr`.",
            reference::test_entries(),
        ),
    ];
    let examples: Vec<&str> = sections
        .iter()
        .flat_map(|(.., entries)| entries.iter().map(|entry| entry.example))
        .collect();
    let mut results = run(&examples, isolation)?.into_iter();
    for (title, lead, entries) in sections {
        let _ = write!(
            page,
            "\n## {title}\n\n{lead}\n\n| name | types | what it does | example | gives |\n|---|---|---|---|---|\n"
        );
        for entry in entries {
            let result = results.next().unwrap_or_default();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                cell(&signature(entry)),
                entry.types,
                cell(entry.about),
                code(entry.example),
                code(&result)
            );
        }
    }
    let _ = write!(page, "\n## Units\n\nThe units that `number` knows by Grafana's names: ");
    let units: Vec<String> = reference::units().map(|unit| format!("`{unit}`")).collect();
    let _ = writeln!(page, "{}.", units.join(", "));
    Ok(page)
}

const INTRODUCTION: &str = "\
# Reference of templates

Everything that a template can use, written by `grafana-matrix-relay templates reference`. README.md explains how templates
work, and COOKBOOK.md shows whole ones. The examples were run with the sample `firing`.

**Nothing stays nothing.** What an alert does not have is the empty text. It prints nothing and counts as false. A
calculation with it gives nothing. A comparison with it by `<`, `<=`, `>`, `>=` or `in` is false both ways. Filters of
numbers leave it as it is, `max`, `min` and `sum` pass over it, `sort` puts it last. It equals only the empty text.
`default` gives it a value: `alert.values.A | default(0)`. `check` names where `<`, `<=`, `>` or `>=` met one.

A text that is a number counts as one beside a number, since all labels are texts. Times can be compared, and subtracted:
`now - alert.startsAt` is a number of seconds.
";

const FILTERS: &str = "\
They stand behind `|`. In brackets: the arguments with their defaults; those with a name can be given by it. What reads
`→ Markdown` is taken as Markdown, everything else as the text that it is. minijinja's other filters work as well, and so do
Python's methods: `name.startswith(\"Disk\")`.";

fn signature(entry: &Entry) -> String {
    if entry.arguments.is_empty() {
        entry.name.to_owned()
    } else {
        format!("{}({})", entry.name, entry.arguments)
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Code in a cell of a table.
fn code(text: &str) -> String {
    let text = text.trim_end().replace('\n', "⏎");
    if text.is_empty() {
        return String::new();
    }
    let fence = if text.contains('`') { "``" } else { "`" };
    format!("{fence}{}{fence}", cell(&text))
}

/// What each example gives.
fn run(examples: &[&str], isolation: &Isolation) -> anyhow::Result<Vec<String>> {
    let mut source = String::new();
    for example in examples {
        let code = if example.starts_with("{%") {
            (*example).to_owned()
        } else {
            format!("{{{{ {example} }}}}")
        };
        let _ = write!(source, "\n\n{MARK}\n\n{code}");
    }
    let renderer = Renderer::open(&Settings {
        templates_dir: None,
        time_zone: TimeZone::UTC,
        language: None,
        isolation: isolation.clone(),
    });
    let sample = samples::find(SAMPLE).context("the sample is not there")?;
    let notification = parse::notification(sample.body.as_bytes())?;
    let draft = Draft {
        file: "reference.md.j2",
        source: &source,
    };
    let template: TemplateName = "reference".parse()?;
    let now: Timestamp = samples::NOW.parse()?;
    let shown = renderer
        .with_drafts(&[draft])
        .preview(&template, &notification, now)
        .rendered;
    if let Some(problem) = shown.problem {
        anyhow::bail!("an example does not work: {problem}");
    }
    let bodies: Vec<String> = shown.messages.into_iter().map(|message| message.body).collect();
    let text = bodies.join("\n");
    let results: Vec<String> = text.split(MARK).skip(1).map(|one| one.trim().to_owned()).collect();
    ensure!(results.len() == examples.len(), "an example does not work");
    Ok(results)
}
