//! The settings as a page and as a file to fill in, both from their declarations.

use std::fmt::Write as _;

use super::cell;
use crate::config::declared::{self, Setting};

/// Characters of a line of `.env.example`.
const WIDTH: usize = 118;

/// What a relay needs at least, or should have: not commented out.
const TO_FILL_IN: [&str; 4] = ["home_server_url", "access_token", "default_room", "relay_token"];

const INTRODUCTION: &str = "\
# Settings

Each setting is a flag and a variable. A flag beats the variable, the variable beats the file `.env` in the working directory,
`.env` beats the routes file, and that beats the default. An empty value counts as unset. `grafana-matrix-relay config` prints
the settings that hold, and where each of them comes from.

- **Durations** are written `90s`, `24h` or `7d`. **Switches** are `on` or `off`.
- **Secrets** can come from files: a variable that ends in `_FILE` names the file. A variable and its `_FILE` that are both set are
  an error. A secret that is given as a flag beats an inherited `_FILE` variable, and the reverse. See
  [Secrets](../operate/secrets.md).
- In **`.env`**, put a value with `$`, a backslash or a blank into single quotes: `RELAY_TOKEN='pa$s word'`. The relay refuses a
  line that it could misread. It removes quotes that `docker run --env-file` keeps around a value.
- **Misspelt names**: at the start and in `check`, the relay names unknown variables that begin with `RELAY_` or `MATRIX_`, with the
  nearest setting. It ignores what Kubernetes sets for a Service called `relay` (`RELAY_PORT=tcp://…`).
- The original relay's spellings with underscores work too: `--home_server_url`, `--access_token` and so on.

";

/// What to read about the settings under a heading.
const SECTIONS: [(&str, &str); 7] = [
    (
        "Matrix",
        "[A token that lasts](../start/token.md), [routes](../routes.md), [encrypted rooms](../encrypted.md) and \
         [Hookshot](../start/hookshot.md) say more.",
    ),
    ("HTTP", ""),
    (
        "Access and limits",
        "[Who may post](../operate/access.md) explains credentials and proxies.",
    ),
    (
        "Messages",
        "[Messages](../messages.md) and [templates](../templates.md) say more.",
    ),
    (
        "Delivery",
        "[The outbox](../operate/outbox.md) and [several relays](../operate/replicas.md) say more.",
    ),
    ("Silence", "[Silence](../operate/silence.md) says more."),
    ("Logging", "[Log](log.md) says more."),
];

const OPENING: &str = "\
# Settings of grafana-matrix-relay. Copy this file to `.env` and fill in what has no `#` before it.
# Flags beat the environment, the environment beats this file. An empty value counts as unset.
# Put a value that holds `$`, `\\`, a blank or a double quote into single quotes: NAME='value'. Docker Compose reads them in
# the same way. Switches are on or off. A file that holds a secret may replace it.
";

/// The settings under each heading, in the order of the help; a secret comes before the file that may hold it.
fn sections() -> Vec<(&'static str, Vec<&'static Setting>)> {
    let mut sections: Vec<(&str, Vec<&Setting>)> = Vec::new();
    for setting in declared::all().iter().filter(|setting| setting.is_shown) {
        match sections.iter_mut().find(|(name, _)| *name == setting.section) {
            Some((_, settings)) => settings.push(setting),
            None => sections.push((&setting.section, vec![setting])),
        }
    }
    sections
}

/// The page of the reference.
pub(super) fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for (name, settings) in sections() {
        let lead = SECTIONS.iter().find(|(section, _)| *section == name);
        let lead = lead.map(|(_, lead)| *lead).filter(|lead| !lead.is_empty());
        let lead = lead.map(|lead| format!("{lead}\n\n")).unwrap_or_default();
        let _ = write!(
            page,
            "## {name}\n\n{lead}| variable and flag | default | meaning |\n|---|---|---|\n"
        );
        for setting in settings.iter().filter(|setting| !setting.is_file_of_secret()) {
            let file = setting.is_secret.then(|| format!(", `{}_FILE`", setting.variable));
            let example = setting.example.as_ref().filter(|_| !setting.is_secret);
            let example = example.map(|example| format!(" Example: `{example}`"));
            let _ = writeln!(
                page,
                "| `{}`{}<br>`{}` | {} | {}{} |",
                setting.variable,
                file.unwrap_or_default(),
                setting.flag,
                setting
                    .default
                    .as_ref()
                    .map(|default| format!("`{default}`"))
                    .unwrap_or_default(),
                cell(&setting.about),
                cell(&example.unwrap_or_default()),
            );
        }
        page.push('\n');
    }
    page
}

/// The file to fill in.
pub(super) fn example() -> String {
    let mut file = String::from(OPENING);
    for (name, settings) in sections() {
        let _ = write!(file, "\n# --- {name} {}\n", "-".repeat(WIDTH - 7 - name.len()));
        for setting in settings {
            if !setting.is_file_of_secret() {
                file.push('\n');
                for line in wrapped(&setting.about, WIDTH - 2) {
                    let _ = writeln!(file, "# {line}");
                }
            }
            let value = setting.default.as_ref().or(setting.example.as_ref());
            let is_open = TO_FILL_IN.contains(&setting.id.as_str());
            let mark = if is_open { "" } else { "#" };
            let value = value.map(|value| quoted(value)).unwrap_or_default();
            let _ = writeln!(file, "{mark}{}={value}", setting.variable);
        }
    }
    file
}

/// In double quotes where a reader of the file could take a part of it for a comment.
fn quoted(value: &str) -> String {
    if value.contains(['#', ' ']) {
        format!("\"{value}\"")
    } else {
        value.to_owned()
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
