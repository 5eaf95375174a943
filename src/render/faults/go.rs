//! Recognises the templates of Go, as Grafana, Prometheus and Alertmanager have them, and says them in Jinja.
//!
//! Guarantees: a tag that is Jinja is left alone; what cannot be said here is still named as Go.

use crate::render::filters::translated_format;
use crate::render::syntax::Kind;

/// Functions that are operators here.
const OPERATORS: [(&str, &str); 8] = [
    ("eq", "=="),
    ("ne", "!="),
    ("lt", "<"),
    ("le", "<="),
    ("gt", ">"),
    ("ge", ">="),
    ("and", "and"),
    ("or", "or"),
];

/// Fields of the notification by their names in Go, where they are not those of an alert.
const ROOT: [(&str, &str); 14] = [
    ("Alerts", "alerts"),
    ("Receiver", "receiver"),
    ("GroupLabels", "groupLabels"),
    ("CommonLabels", "commonLabels"),
    ("CommonAnnotations", "commonAnnotations"),
    ("ExternalURL", "externalURL"),
    ("GroupKey", "groupKey"),
    ("TruncatedAlerts", "truncatedAlerts"),
    ("OrgId", "orgId"),
    ("OrgID", "orgId"),
    ("Title", "title"),
    ("Message", "message"),
    ("State", "state"),
    ("AppVersion", "appVersion"),
];

/// Fields of an alert.
const ALERT: [(&str, &str); 15] = [
    ("Labels", "labels"),
    ("Annotations", "annotations"),
    ("Values", "values"),
    ("StartsAt", "startsAt"),
    ("EndsAt", "endsAt"),
    ("GeneratorURL", "generatorURL"),
    ("Fingerprint", "fingerprint"),
    ("SilenceURL", "silenceURL"),
    ("DashboardURL", "dashboardURL"),
    ("PanelURL", "panelURL"),
    ("ImageURL", "imageURL"),
    ("RuleUID", "ruleUID"),
    ("ValueString", "valueString"),
    ("EmbeddedImage", "imageURL"),
    ("Status", "status"),
];

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

fn function(name: &str, values: &[String]) -> Option<String> {
    let (last, others) = values.split_last()?;
    let call = |filter: &str| {
        let arguments = if others.is_empty() {
            String::new()
        } else {
            format!("({})", others.join(", "))
        };
        format!("{last} | {filter}{arguments}")
    };
    Some(match name {
        "not" => format!("not {last}"),
        "len" => format!("{last} | length"),
        "print" | "println" | "html" | "safeHtml" => values.join(" ~ "),
        "printf" => match values {
            [format, arguments @ ..] => format!("{format} | format({})", arguments.join(", ")),
            [] => return None,
        },
        "index" => match values {
            [list, keys @ ..] => format!(
                "{list}{}",
                keys.iter().flat_map(|key| ["[", key, "]"]).collect::<String>()
            ),
            [] => return None,
        },
        "match" => format!("{last} is search({})", others.join(", ")),
        "date" => format!(
            "{last} | time(\"{}\")",
            translated_format(others.first()?.trim_matches('"'))?
        ),
        "tz" => format!("{last} | time(tz={})", others.join(", ")),
        "since" => format!("now - {last}"),
        "toJson" => call("tojson"),
        "value" => format!("{last}.value"),
        "stringSlice" => format!("[{}]", values.join(", ")),
        "join" | "title" | "toUpper" | "toLower" | "trimSpace" | "reReplaceAll" | "humanize" | "humanize1024"
        | "humanizeDuration" | "humanizePercentage" | "humanizeTimestamp" | "stripPort" | "stripDomain" | "first" => {
            call(name)
        }
        _ => return None,
    })
}

/// Whether a tag can only be Go's.
fn is_go(text: &str) -> bool {
    let text = text.trim();
    let word = first_word(text);
    if text.starts_with("/*") {
        return true;
    }
    let is_word_of_go = matches!(
        word,
        "range" | "template" | "define" | "with" | "if" | "printf" | "eq" | "ne" | "index" | "len" | "block"
    );
    if is_word_of_go && has_operand(&text[word.len()..]) {
        return true;
    }
    let bytes = text.as_bytes();
    let mut quote = None;
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => quote = None,
            (None, b'"' | b'\'' | b'`') => quote = Some(*byte),
            (None, b'$') => return true,
            (None, b':') if bytes.get(at + 1) == Some(&b'=') => return true,
            (None, b'.') => {
                let before = at.checked_sub(1).map_or(b' ', |at| bytes[at]);
                let after = bytes.get(at + 1).copied().unwrap_or(b' ');
                let is_bare = matches!(before, b' ' | b'(' | b'|') && (after.is_ascii_alphabetic() || after == b' ');
                if is_bare {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether what follows a word is what it is applied to, as Go writes it: a blank, then a value. Jinja has brackets, a filter or
/// an operator there: `range(3)`, `index | upper`, `len is defined`.
fn has_operand(rest: &str) -> bool {
    let operand = rest.trim_start();
    let is_operator = matches!(first_word(operand), "and" | "or" | "in" | "is" | "not" | "if" | "else");
    let is_value = operand.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '$' | '"' | '`'));
    operand.len() < rest.len() && is_value && !is_operator
}

fn first_word(text: &str) -> &str {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// What stands in the first quotes.
fn quoted(text: &str) -> Option<&str> {
    text.split(['"', '`']).nth(1)
}

/// The words of a pipeline: texts, brackets with what is in them, and `|` are words of their own.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut depth, mut quote) = (String::new(), 0_usize, None);
    for c in text.chars() {
        if let Some(open) = quote {
            word.push(c);
            if c == open {
                quote = None;
            }
            continue;
        }
        match c {
            '"' | '`' => {
                quote = Some(c);
                word.push(c);
            }
            '(' => {
                depth += 1;
                word.push(c);
            }
            ')' => {
                depth = depth.checked_sub(1)?;
                word.push(c);
            }
            c if depth == 0 && (c.is_whitespace() || c == '|') => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if c == '|' {
                    words.push("|".to_owned());
                }
            }
            c => word.push(c),
        }
    }
    if quote.is_some() || depth > 0 {
        return None;
    }
    if !word.is_empty() {
        words.push(word);
    }
    Some(words)
}
