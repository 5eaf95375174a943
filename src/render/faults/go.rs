//! Recognises the templates of Go, as Grafana, Prometheus and Alertmanager have them, and says them in Jinja.
//!
//! Guarantees: a tag that is Jinja is left alone; what cannot be said here is still named as Go.

mod names;
mod words;

use self::names::{ALERT, OPERATORS, ROOT, function};
use self::words::{first_word, is_go, quoted, words};
use crate::render::filters::translated_format;
use crate::render::syntax::Kind;

/// Goes through the tags of a template.
#[derive(Debug, Default)]
pub(super) struct Translator {
    /// What was opened, and how it is closed here.
    open: Vec<&'static str>,
    found: bool,
}

impl Translator {
    /// Whether a tag was Go's.
    pub(super) fn is_go(&self) -> bool {
        self.found
    }

    /// What to write instead, if this tag is Go's.
    pub(super) fn answer(&mut self, text: &str, kind: Kind) -> Option<String> {
        if kind != Kind::Print || !(is_go(text) || (self.found && matches!(first_word(text), "else" | "end"))) {
            return None;
        }
        self.found = true;
        let jinja = self.action(text.trim());
        Some(match jinja {
            Some(jinja) => format!("this is a Go template, and here are Jinja's: {jinja}"),
            None => {
                "this is a Go template, and here are Jinja's (`templates reference` shows how they look)".to_owned()
            }
        })
    }

    fn action(&mut self, text: &str) -> Option<String> {
        let word = first_word(text);
        let rest = text[word.len()..].trim();
        if text.starts_with("/*") {
            return Some(format!("`{{# {} #}}`", text.trim_matches(['/', '*', ' '])));
        }
        match word {
            "end" => {
                let close = self.open.pop().unwrap_or("endif");
                return (!close.is_empty()).then(|| format!("`{{% {close} %}}`"));
            }
            "else" => {
                return Some(match rest.strip_prefix("if") {
                    Some(condition) => format!("`{{% elif {} %}}`", self.pipeline(condition)?),
                    None => "`{% else %}`".to_owned(),
                });
            }
            "if" | "with" => {
                self.open.push("endif");
                return Some(format!("`{{% if {} %}}`", self.pipeline(rest)?));
            }
            "range" => {
                self.open.push("endfor");
                return self.range(rest);
            }
            "define" => {
                self.open.push("");
                return Some(format!("a file of its own, such as `partials/{}.md.j2`", quoted(rest)?));
            }
            "block" => {
                self.open.push("endblock");
                return Some(format!("`{{% block {} %}}`", quoted(rest)?.replace(['.', '-'], "_")));
            }
            "template" => return Some(format!("`{{% include \"partials/{}.md.j2\" %}}`", quoted(rest)?)),
            _ => {}
        }
        if let Some((name, value)) = text.split_once(":=").or_else(|| text.split_once(" = "))
            && let Some(name) = name.trim().strip_prefix('$')
        {
            return Some(format!("`{{% set {name} = {} %}}`", self.pipeline(value)?));
        }
        Some(format!("`{{{{ {} }}}}`", self.pipeline(text)?))
    }

    fn range(&self, text: &str) -> Option<String> {
        let (names, list) = match text.split_once(":=") {
            Some((names, list)) => (names.replace('$', ""), list),
            None => (String::new(), text),
        };
        let mut list = self.pipeline(list)?;
        let names = names.trim();
        let mut name = if names.is_empty() { "alert" } else { names };
        let is_labels = ["abels", "nnotations", "alues"].iter().any(|end| list.ends_with(end));
        if list.ends_with("| items") || is_labels {
            if is_labels {
                list += " | items";
            }
            name = if names.contains(',') { names } else { "name, value" };
        } else if let Some((_, second)) = names.split_once(',') {
            name = second.trim();
        }
        Some(format!("`{{% for {name} in {list} %}}`"))
    }

    /// Whether what is looked at is one alert.
    fn in_alert(&self) -> bool {
        self.open.contains(&"endfor")
    }

    fn pipeline(&self, text: &str) -> Option<String> {
        let words = words(text)?;
        let mut stages = words.split(|word| word == "|");
        let mut value = self.command(stages.next()?, None)?;
        for stage in stages {
            value = self.command(stage, Some(value))?;
        }
        Some(value)
    }

    /// A function with its arguments, or one value. What comes through a pipe is the last argument.
    fn command(&self, words: &[String], piped: Option<String>) -> Option<String> {
        let (first, rest) = words.split_first()?;
        let is_value = first.starts_with(['.', '$', '"', '`', '(', '-']) || first.chars().next()?.is_ascii_digit();
        if is_value {
            if let Some(object) = first.strip_suffix(".Format") {
                let format = quoted(rest.first()?)?;
                return Some(format!(
                    "{} | time(\"{}\")",
                    self.value(object)?,
                    translated_format(format)?
                ));
            }
            if let Some(labels) = first.strip_suffix(".Remove") {
                return Some(format!(
                    "{} | without({})",
                    self.value(labels)?,
                    rest.iter()
                        .map(|word| self.value(word))
                        .collect::<Option<Vec<_>>>()?
                        .join(", ")
                ));
            }
            return if rest.is_empty() && piped.is_none() {
                self.value(first)
            } else {
                None
            };
        }
        let mut values = rest.iter().map(|word| self.value(word)).collect::<Option<Vec<_>>>()?;
        values.extend(piped);
        if let Some((_, sign)) = OPERATORS.iter().find(|(name, _)| name == first) {
            return match (*sign, values.as_slice()) {
                ("==", [value, several @ ..]) if several.len() > 1 => {
                    Some(format!("{value} in [{}]", several.join(", ")))
                }
                (_, [_, _, ..]) => Some(values.join(&format!(" {sign} "))),
                _ => None,
            };
        }
        function(first, &values)
    }

    /// One operand.
    fn value(&self, word: &str) -> Option<String> {
        if let Some(inner) = word.strip_prefix('(') {
            let (inner, path) = inner.rsplit_once(')')?;
            let value = self.pipeline(inner)?;
            return Some(format!("({value}){path}"));
        }
        if word.starts_with('`') {
            return Some(format!(
                "\"{}\"",
                word.trim_matches('`').replace('\\', "\\\\").replace('"', "\\\"")
            ));
        }
        if word == "." {
            return Some(if self.in_alert() { "alert" } else { "alerts" }.to_owned());
        }
        if word == "nil" {
            return Some("none".to_owned());
        }
        let Some(path) = word.strip_prefix("$.").or_else(|| word.strip_prefix('.')) else {
            return Some(match word.strip_prefix('$') {
                // As in the annotations of a rule.
                Some(rest) => match rest.split('.').next()? {
                    "labels" | "values" => format!("alert.{rest}"),
                    "value" => "alert.readings | readings".to_owned(),
                    _ => rest.to_owned(),
                },
                None => word.to_owned(),
            });
        };
        let mut steps = path.split('.');
        let first = steps.next()?;
        let known = |table: &[(&str, &str)]| {
            table
                .iter()
                .find(|(theirs, _)| *theirs == first)
                .map(|(_, ours)| (*ours).to_owned())
        };
        let is_root = word.starts_with("$.") || !self.in_alert();
        let base = match (first, known(&ROOT), known(&ALERT)) {
            ("Status", ..) if is_root => "status".to_owned(),
            (_, Some(root), _) => root,
            (_, _, Some(field)) => format!("alert.{field}"),
            ("Name" | "Value", ..) if self.in_alert() => first.to_lowercase(),
            _ => return None,
        };
        let mut out = base;
        for step in steps {
            match step {
                "Firing" if out == "alerts" => out = String::from("firing"),
                "Resolved" if out == "alerts" => out = String::from("resolved"),
                "SortedPairs" => out += " | items",
                "Names" => out += " | list",
                "Values" => out = format!("{out}.values() | list"),
                "Unix" => out += ".timestamp()",
                step => out = format!("{out}.{step}"),
            }
        }
        Some(out)
    }
}
