//! The file `.env`: a value is taken as it is written, or its line is refused.
//!
//! Guarantees: no secret is changed on its way in. The parser replaces `$name`, takes backslashes for escapes and ends a
//! value at a blank, as Docker Compose does; where that would make another value than the one that stands there, the line
//! is named, and nothing of its text. What the environment has already is not replaced.

use std::path::Path;

use super::{ConfigError, environment};

/// Reads the file into the environment of the process, before any other thread exists; without one there is nothing to do.
/// On problems nothing of it is taken. Returns the names of what it set.
pub fn load(path: &Path) -> Result<Vec<String>, ConfigError> {
    let name = path.display();
    let problem = |problem: String| ConfigError {
        problems: vec![problem],
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(problem(format!("invalid {name}: cannot read it: {error}"))),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        problem(format!("invalid {name}, line {line}: it is not UTF-8"))
    })?;
    let (lines, problems) = check(&text, &environment::known());
    if !problems.is_empty() {
        let problems = problems.into_iter();
        return Err(ConfigError {
            problems: problems
                .map(|(line, why)| format!("invalid {name}, line {line}{why}"))
                .collect(),
        });
    }
    let names = lines.iter().filter_map(|line| {
        let parsed = dotenvy::from_read_iter(with_end(line).as_bytes()).next()?;
        parsed.ok().map(|(name, _)| name)
    });
    let set: Vec<String> = names.filter(|name| std::env::var_os(name).is_none()).collect();
    for line in lines {
        // That it can be read was seen above.
        dotenvy::from_read(with_end(line).as_bytes())
            .map_err(|_| problem(format!("invalid {name}: cannot read it")))?;
    }
    Ok(set)
}

/// The lines with values, and what is wrong with which line.
fn check<'t>(text: &'t str, known: &[String]) -> (Vec<&'t str>, Vec<(usize, String)>) {
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    let mut names: Vec<(String, usize)> = Vec::new();
    let text = text.trim_start_matches('\u{feff}');
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        match read(line, known) {
            Ok(None) => {}
            Ok(Some(name)) => {
                if let Some((_, first)) = names.iter().find(|(before, _)| *before == name) {
                    problems.push((number, format!(": line {first} sets the same name (expected once)")));
                }
                names.push((name, number));
                lines.push(line);
            }
            Err(why) => problems.push((number, why)),
        }
    }
    (lines, problems)
}

/// The name that a line sets, if it sets one to the value that stands there.
fn read(line: &str, known: &[String]) -> Result<Option<String>, String> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let parsed = dotenvy::from_read_iter(with_end(line).as_bytes()).next();
    let Some((before, raw)) = line.split_once('=') else {
        return Err(": it has no `=` (expected NAME=value, or # before a comment)".to_owned());
    };
    // Only what is known to be a name is repeated: before the first `=` of a key in Base64 stands the key.
    let written = before.trim().trim_start_matches("export ").trim();
    let shown = known.iter().find(|name| *name == written);
    let is_secret = shown.is_some_and(|name| known.contains(&format!("{name}_FILE")));
    match parsed {
        Some(Ok((name, value))) if is_as_written(raw, &value, is_secret) && !raw.contains('\0') => Ok(Some(name)),
        _ => {
            let named = shown.map_or_else(String::new, |name| format!(" ({name})"));
            Err(format!("{named}: {}", reason(raw.trim(), is_secret)))
        }
    }
}

/// The parser reads whole lines.
fn with_end(line: &str) -> String {
    format!("{line}\n")
}

/// Whether this is what stands there: as it is or in quotes, a comment after it or not. A secret without quotes has no
/// comment after it, for that may be a part of it.
fn is_as_written(raw: &str, value: &str, is_secret: bool) -> bool {
    let quoted = ['\'', '"'].map(|quote| format!("{quote}{value}{quote}"));
    let is_comment =
        |rest: &str| rest.trim().is_empty() || (rest.starts_with([' ', '\t']) && rest.trim().starts_with('#'));
    let raw_value = raw.trim_start();
    if quoted
        .iter()
        .any(|text| raw_value.strip_prefix(text.as_str()).is_some_and(is_comment))
    {
        return true;
    }
    // Before an empty value the blanks belong to the comment.
    let bare = if value.is_empty() { raw } else { raw_value };
    let rest = bare.strip_prefix(value);
    rest.is_some_and(|rest| rest.trim().is_empty() || (!is_secret && is_comment(rest)))
}

/// Why the value would become another one, and how to write it.
fn reason(raw: &str, is_secret: bool) -> String {
    let quote = raw.chars().next().filter(|first| matches!(first, '\'' | '"'));
    let why = match quote {
        Some(quote) if raw[1..].find(quote).is_none() => "a quote is opened and not closed on its line",
        Some('\'') => "something stands after the closing quote",
        _ if raw.contains('$') => "`$` would be replaced by the value of a variable",
        _ if raw.contains('\\') => "a backslash would be taken for an escape",
        Some(_) => "something stands after the closing quote",
        None if raw.contains(['\'', '"']) => "a quote in it would be taken off",
        None if raw.contains([' ', '\t']) => "what stands after a blank would be left out",
        None => "it is not NAME=value",
    };
    let inside = quote.map_or(raw, |quote| raw.trim_matches(quote));
    let how = if !inside.contains('\'') {
        "NAME='value', in single quotes"
    } else if !inside.contains(['"', '$', '\\']) {
        "NAME=\"value\", in double quotes"
    } else if is_secret {
        "a file that holds it, named by the variable that ends in _FILE"
    } else {
        "a value without single quotes, in single quotes"
    };
    format!("{why} (expected {how})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> (usize, Vec<(usize, String)>) {
        let known = ["RELAY_TOKEN", "RELAY_TOKEN_FILE", "RELAY_PORT"].map(str::to_owned);
        let (lines, problems) = check(text, &known);
        (lines.len(), problems)
    }

    #[test]
    fn what_stands_there_is_taken() {
        for line in [
            "RELAY_TOKEN=abc#def==",
            "RELAY_TOKEN='pa$w0rd \\ \"x\" #y'",
            "RELAY_TOKEN=\"it's\"  # mine",
            "export RELAY_TOKEN = abc",
            "RELAY_PORT=9042 # the port",
            "RELAY_PORT= # none",
            "RELAY_TOKEN=",
            "\u{feff}RELAY_TOKEN=abc\r",
        ] {
            assert_eq!(read_all(line), (1, vec![]), "{line:?}");
        }
        assert_eq!(read_all("\n# a comment with = in it's text\n   \n"), (0, vec![]));
    }

    #[test]
    fn what_would_become_something_else_is_refused_with_its_line_and_without_its_text() {
        for (value, why) in [
            ("pa$w0rd", "`$`"),
            ("pa$", "`$`"),
            ("\"pa$w0rd\"", "`$`"),
            ("pa\\$s3cr3t", "`$`"),
            ("s3cr3t\\n", "backslash"),
            ("it's", "quote"),
            ("'it's", "closing quote"),
            ("\"s3cr3t", "not closed"),
            ("s3cr3t w0rd", "blank"),
            ("s3cr3t #w0rd", "blank"),
            ("a'b'c", "quote"),
        ] {
            let (_, problems) = read_all(&format!("RELAY_PORT=1\n\nRELAY_TOKEN={value}\n"));
            let [(3, said)] = problems.as_slice() else {
                panic!("{value}: {problems:?}")
            };
            assert!(said.contains(why) && said.contains("(RELAY_TOKEN)"), "{value}: {said}");
            assert!(!said.contains("s3cr3t") && !said.contains("w0rd"), "{said}");
        }
        let (_, problems) = read_all("s3cr3t\nczNjcjN0= $\nRELAY_PORT=1\nRELAY_PORT=2\n");
        assert_eq!(problems.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 4]);
        assert!(!format!("{problems:?}").contains("s3cr3t") && !format!("{problems:?}").contains("czNj"));
    }
}
