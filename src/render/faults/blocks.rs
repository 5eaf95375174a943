//! Which blocks are not closed, and which ends close nothing.

use crate::render::problem::{nearest, remedies};
use crate::render::syntax::{Kind, Tag};

/// Words that open a block.
const OPENING: [&str; 8] = ["for", "if", "with", "filter", "macro", "call", "block", "autoescape"];

/// Words that stand alone or within a block.
const OTHERS: [&str; 12] = [
    "set", "else", "elif", "include", "extends", "import", "from", "do", "break", "continue", "raw", "endraw",
];

/// A block that was opened.
struct Open<'s> {
    word: &'s str,
    line: usize,
}

pub(super) fn unpaired<'t>(tags: impl Iterator<Item = &'t Tag>, source: &str) -> Vec<(usize, String)> {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut found = Vec::new();
    for tag in tags.filter(|tag| tag.kind == Kind::Statement && tag.is_closed) {
        let text = source[tag.inside.clone()].trim();
        let word = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default();
        let line = tag.line;
        let is_set_block = word == "set" && !has_assignment(text);
        if OPENING.contains(&word) || is_set_block {
            open.push(Open { word, line });
        } else if let Some(closed) = word
            .strip_prefix("end")
            .filter(|word| *word != "raw" && !word.is_empty())
        {
            close(&mut open, closed, line, &mut found);
        } else if matches!(word, "else" | "elif") {
            let fits = |open: &Open<'_>| open.word == "if" || (word == "else" && open.word == "for");
            match open.last() {
                Some(block) if fits(block) => {}
                Some(Open { word: block, line: at }) => {
                    found.push((line, format!("`{{% {word} %}}` stands in the `{{% {block} %}}` of line {at}, which takes none; an `{{% end{block} %}}` may be missing before it")));
                }
                None => found.push((line, format!("`{{% {word} %}}` without an `{{% if %}}`"))),
            }
        } else if !OTHERS.contains(&word) {
            found.push((line, unknown_word(word)));
        }
    }
    found.extend(open.into_iter().map(|block| (block.line, not_closed(&block))));
    found
}

fn close(open: &mut Vec<Open<'_>>, closed: &str, line: usize, found: &mut Vec<(usize, String)>) {
    match open.iter().rposition(|block| block.word == closed) {
        Some(at) => {
            let inner = open.split_off(at + 1);
            found.extend(inner.iter().map(|block| (block.line, not_closed(block))));
            open.pop();
        }
        None if OPENING.contains(&closed) || closed == "set" => {
            found.push((
                line,
                format!("`{{% end{closed} %}}` closes nothing: there is no `{{% {closed} %}}` before it"),
            ));
        }
        None => found.push((line, unknown_word(&format!("end{closed}")))),
    }
}

fn not_closed(block: &Open<'_>) -> String {
    let Open { word, line } = block;
    format!("`{{% {word} %}}` of line {line} is not closed (expected `{{% end{word} %}}`)")
}

fn unknown_word(word: &str) -> String {
    if let Some(remedy) = remedies::of_statement(word) {
        return remedy;
    }
    let mut known = OPENING.iter().chain(&OTHERS).copied();
    let ends = OPENING.map(|word| format!("end{word}"));
    let known: Vec<&str> = known.by_ref().chain(ends.iter().map(String::as_str)).collect();
    match nearest(word, &mut known.into_iter()) {
        Some(known) => format!("`{{% {word} %}}` is not known; did you mean `{{% {known} %}}`?"),
        None => format!(
            "`{{% {word} %}}` is not known (expected `{{% if %}}`, `{{% for %}}`, `{{% set %}}` or `{{% include %}}`)"
        ),
    }
}

/// Whether a `set` gives a value, as opposed to taking the text up to its end.
fn has_assignment(text: &str) -> bool {
    let target = text.split('|').next().unwrap_or(text);
    target.contains('=')
}
