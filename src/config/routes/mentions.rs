//! Who is mentioned: users, everybody in the room, and those for whom a label or annotation stands by an allow-list.

use std::collections::BTreeMap;
use std::ops::Range;

use ruma::UserId;

use super::rules;
use super::source::Section;
use crate::route::{AlertState, AllowList, Field, Mention, MentionPolicy, SeverityFilter};

pub(super) fn read(sections: &[Section<'_>]) -> MentionPolicy {
    MentionPolicy::new(sections.iter().map(mention).collect())
}

fn mention(section: &Section<'_>) -> Mention {
    section.only(&[
        "users",
        "room",
        "severity",
        "severity_label",
        "state",
        "matchers",
        "from",
        "from_annotation",
    ]);
    let mut from = allow_lists(section, "from", Field::Label);
    from.extend(allow_lists(section, "from_annotation", Field::Annotation));
    let mention = Mention {
        matchers: rules::conditions(section),
        severity: severity(section),
        states: section.texts("state").map(|texts| states(section, texts)),
        users: section
            .texts("users")
            .map_or_else(Vec::new, |texts| users(section, texts)),
        room: section.flag("room").unwrap_or(false),
        from,
    };
    if ["users", "room", "from", "from_annotation"]
        .iter()
        .all(|key| section.get(key).is_none())
    {
        section.error("invalid mention: it mentions nobody (expected `users`, `room`, `from` or `from_annotation`)");
    }
    mention
}

fn severity(section: &Section<'_>) -> Option<SeverityFilter> {
    let label = section.text("severity_label");
    let Some(values) = section.texts("severity") else {
        if let Some((_, span)) = label {
            section.source.error(
                span,
                "`severity_label` has no effect without `severity` (expected both, or neither)",
            );
        }
        return None;
    };
    Some(SeverityFilter {
        label: label.map_or("severity", |(label, _)| label).to_owned(),
        values: values.into_iter().map(|(value, _)| value.to_owned()).collect(),
    })
}

/// What makes an alert fire, by the words that templates use.
fn states(section: &Section<'_>, texts: Vec<(&str, Range<usize>)>) -> Vec<AlertState> {
    let mut states = Vec::new();
    for (text, span) in texts {
        match AlertState::OF_FIRING.into_iter().find(|state| state.as_str() == text) {
            Some(state) => states.push(state),
            None => section.source.error(
                span,
                format!(
                    "invalid state `{text}` (expected `firing`, `no-data` or `error`; what is over mentions nobody)"
                ),
            ),
        }
    }
    states
}

/// `from.team.db = ["@alice:example.org"]`: a field, a value, and the users whom it stands for.
fn allow_lists(section: &Section<'_>, key: &str, field: impl Fn(String) -> Field) -> Vec<AllowList> {
    let fields = section.section(key);
    let lists = fields.iter().flat_map(Section::sections);
    lists
        .map(|(name, values)| {
            let of_value = |(value, ids)| (str::to_owned(value), users(&values, values.as_texts(value, ids)));
            AllowList {
                field: field(name.to_owned()),
                users: values.entries().map(of_value).collect::<BTreeMap<_, _>>(),
            }
        })
        .collect()
}

fn users(section: &Section<'_>, texts: Vec<(&str, Range<usize>)>) -> Vec<String> {
    let mut users = Vec::new();
    for (text, span) in texts {
        match UserId::parse(text) {
            Ok(user) => users.push(user.to_string()),
            Err(error) => section.source.error(
                span,
                format!("invalid user ID `{text}`: {error} (expected one such as `@alice:example.org`)"),
            ),
        }
    }
    users
}
