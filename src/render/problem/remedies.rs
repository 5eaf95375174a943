//! What to write instead, in our words.

use super::nearest;
use crate::render::reference;

/// Filters of other languages, and what does their work here.
const FILTERS: [(&str, &str); 22] = [
    ("date", "`| time(\"%d.%m.%Y\")`"),
    ("datetimeformat", "`| time(\"%d.%m.%Y %H:%M\")`"),
    ("to_datetime", "times can be compared and subtracted as they are"),
    ("tz", "`| time(\"%H:%M\", tz=\"Europe/Berlin\")`"),
    ("since", "`now - alert.startsAt`, in seconds"),
    ("humanize_duration", "`| duration`"),
    ("round_to", "`| round(2)`"),
    (
        "from_json",
        "labels, annotations and values are no texts: `alert.values.A`",
    ),
    ("json_query", "`| selectattr(…)` and `| map(attribute=\"…\")`"),
    ("to_nice_json", "`| tojson(indent=2)`"),
    ("to_yaml", "`| tojson`"),
    ("dict2items", "`{% for name, value in … | items %}`"),
    ("safeHtml", "`| safe`, which takes a text as Markdown"),
    ("safeUrl", "addresses are safe as they are: `| link(\"Text\")`"),
    ("escape", "every value is escaped as it is"),
    ("printf", "`\"%.2f\" | format(value)`"),
    ("len", "`| length`"),
    ("size", "`| length`"),
    ("str", "`| string`"),
    ("contains", "`\"a\" in text`"),
    ("startswith", "`text.startswith(\"a\")`"),
    ("stringSlice", "a list: `[\"a\", \"b\"]`"),
];

/// Names that are functions elsewhere, and what does their work here.
const NAMES: [(&str, &str); 20] = [
    ("len", "`… | length`"),
    ("str", "`… | string`"),
    ("int", "`… | int`"),
    ("float", "`… | float`"),
    ("round", "`… | round(2)`"),
    ("max", "`[…] | max`"),
    ("min", "`[…] | min`"),
    ("sum", "`[…] | sum`"),
    ("sorted", "`… | sort`"),
    ("print", "`{{ … }}`"),
    ("printf", "`\"%.2f\" | format(…)`"),
    ("nil", "`none`; what an alert does not have is the empty text"),
    ("null", "`none`; what an alert does not have is the empty text"),
    ("undefined", "`… is defined`"),
    (
        "lookup",
        "nothing: templates read no files and no variables of the environment",
    ),
    (
        "query",
        "nothing: templates ask no data source; `alert.values` holds the numbers",
    ),
    ("end", "`{% endif %}` or `{% endfor %}`"),
    ("range", "`{% for alert in alerts %}`"),
    ("ansible_date_time", "`now`"),
    ("template", "`{% include \"partials/line.md.j2\" %}`"),
];

fn known_elsewhere(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours)
}

fn listed(what: &str, name: &str, nearest: Option<&str>) -> String {
    match nearest {
        Some(known) => format!("unknown {what} `{name}`; did you mean `{known}`?"),
        None => format!("unknown {what} `{name}` (`templates reference` lists all)"),
    }
}

pub(crate) fn unknown_filter(name: &str) -> String {
    match known_elsewhere(&FILTERS, name) {
        Some(ours) => format!("unknown filter `{name}`; here it is {ours}"),
        None => listed("filter", name, nearest(name, &mut reference::filters())),
    }
}

pub(crate) fn unknown_test(name: &str) -> String {
    listed("test", name, nearest(name, &mut reference::tests()))
}

/// A name that stands by itself and is nobody's.
pub(crate) fn unknown_name(name: &str) -> String {
    let field = reference::alert_fields().find(|field| field.eq_ignore_ascii_case(name));
    if let Some(field) = field {
        let shared = match field {
            "labels" => "; what all alerts share is `commonLabels`",
            "annotations" => "; what all alerts share is `commonAnnotations`",
            _ => "",
        };
        return format!("`{name}` belongs to an alert: `alert.{field}` in `{{% for alert in alerts %}}`{shared}");
    }
    if let Some(ours) = known_elsewhere(&NAMES, name) {
        return format!("`{name}` is not known; here it is {ours}");
    }
    match nearest(name, &mut reference::names()) {
        Some(known) => format!("`{name}` is not known; did you mean `{known}`?"),
        None => format!("`{name}` is not known (`templates reference` lists all names)"),
    }
}

/// What the engine says of a path that leads nowhere, as it writes it: `alerts[0].sumary`.
pub(crate) fn undefined(path: &str) -> String {
    let Some((parent, last)) = path.rsplit_once('.') else {
        return match path.rsplit_once('[') {
            Some((list, _)) => format!(
                "`{path}` is not there: `{list}` has no such member (`{{% if {list} %}}` asks whether there is one)"
            ),
            None => unknown_name(path),
        };
    };
    let word = parent.rsplit('.').next().unwrap_or(parent);
    let is_list = matches!(word, "alerts" | "firing" | "resolved" | "starting" | "ended" | "gone");
    if is_list {
        return format!(
            "`{parent}` is a list: `{parent}[0].{last}`, or `alert.{last}` in `{{% for alert in {parent} %}}`"
        );
    }
    let name = word.split('[').next().unwrap_or(word);
    let is_alert = matches!(
        name,
        "alert" | "alerts" | "firing" | "resolved" | "a" | "starting" | "ended" | "gone"
    );
    let label = format!("a label is `{parent}.labels.{last}`, an annotation `{parent}.annotations.{last}`");
    if let Some(known) = nearest(last, &mut reference::names_behind(name).into_iter()) {
        let label = if is_alert { format!(" ({label})") } else { String::new() };
        return format!("`{path}` is not known; did you mean `{known}`?{label}");
    }
    if is_alert {
        return format!("`{path}` is not known; {label}");
    }
    format!("`{path}` is not known (`templates reference` lists all names)")
}

/// A word that stands alone in `{% … %}`.
pub(crate) fn of_statement(word: &str) -> Option<String> {
    let here = match word {
        "elseif" | "elsif" | "elif_" => "`{% elif … %}`",
        "end" => "`{% endif %}` or `{% endfor %}`",
        "foreach" | "range" => "`{% for alert in alerts %}`",
        "switch" | "case" => "`{% if … %} … {% elif … %}`",
        "while" => "`{% for … in … %}`",
        "var" | "let" | "assign" => "`{% set name = … %}`",
        "unless" => "`{% if not … %}`",
        "comment" => "`{# … #}`",
        "trans" => "the text as it is, in a template of that language",
        _ => return None,
    };
    Some(format!("`{{% {word} %}}` is not known; here it is {here}"))
}

/// What is wrong with code by the signs in it.
pub(crate) fn of_code(code: &str) -> Option<String> {
    let outside = outside_of_texts(code);
    let has = |sign: &str| outside.contains(sign);
    let text = outside.trim();
    let here = if text.is_empty() {
        return Some("nothing stands in this tag".to_owned());
    } else if has("&&") {
        ("&&", "`and`")
    } else if has("||") {
        ("||", "`or`")
    } else if has("===") {
        ("===", "`==`")
    } else if has("=>") {
        ("=>", "`>=`")
    } else if has("=<") {
        ("=<", "`<=`")
    } else if text.contains('?') {
        ("?", "`a if … else b`")
    } else if has("!") && !has("!=") {
        ("!", "`not …`")
    } else if text.starts_with("else if") {
        ("else if", "`{% elif … %}`")
    } else if assigns(text) {
        return Some("`=` gives a name a value only in `{% set %}`; `==` compares".to_owned());
    } else if has("++") {
        ("++", "`{% set n = n + 1 %}`")
    } else if has("{{") && outside.matches("{{").count() > 0 {
        return Some("`{{` stands in a tag already: names need none there".to_owned());
    } else if has("`") {
        ("`", "texts in `\"…\"`")
    } else if has("“") || has("”") || has("„") || has("’") {
        return Some("typographic quotes: texts stand in `\"…\"`".to_owned());
    } else if has("$") {
        ("$", "a name without it")
    } else {
        return None;
    };
    Some(format!("`{}` is not known here (expected {})", here.0, here.1))
}

/// Whether a single `=` stands outside of brackets, and not where it belongs.
fn assigns(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut open = 0_usize;
    !text.starts_with("set")
        && !text.starts_with("with")
        && bytes.iter().enumerate().any(|(at, byte)| {
            match byte {
                b'(' => open += 1,
                b')' => open = open.saturating_sub(1),
                _ => {}
            }
            let before = at.checked_sub(1).map_or(b' ', |at| bytes[at]);
            let after = bytes.get(at + 1).copied().unwrap_or(b' ');
            *byte == b'=' && open == 0 && !matches!(before, b'=' | b'!' | b'<' | b'>') && after != b'='
        })
}

fn outside_of_texts(code: &str) -> String {
    let (mut out, mut quote) = (String::new(), None);
    for c in code.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => out.push(c),
        }
    }
    out
}

/// What the engine says of an expression, in our words.
pub(crate) fn of_syntax(detail: &str) -> String {
    let unexpected = detail.strip_prefix("unexpected ");
    match (detail, unexpected) {
        (_, Some(rest)) if rest.starts_with("identifier") || rest == "input after expression" => {
            "two values without an operator between them (expected one such as `|`, `~`, `and`, `==`)".to_owned()
        }
        (_, Some(rest))
            if rest.contains("end of input") || rest.contains("end of variable") || rest.contains("end of block") =>
        {
            "the expression ends too early (expected a value, or a bracket that closes)".to_owned()
        }
        (_, Some(rest)) if rest.starts_with("`=`") => {
            "`=` gives a name a value only in `{% set %}`; `==` compares".to_owned()
        }
        _ => detail.to_owned(),
    }
}
