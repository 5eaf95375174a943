//! What the operators, fields and functions of Go are called here.

use crate::render::filters::translated_format;

/// Functions that are operators here.
pub(super) const OPERATORS: [(&str, &str); 8] = [
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
pub(super) const ROOT: [(&str, &str); 14] = [
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
pub(super) const ALERT: [(&str, &str); 15] = [
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

pub(super) fn function(name: &str, values: &[String]) -> Option<String> {
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
