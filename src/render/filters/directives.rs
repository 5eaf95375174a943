//! What a template decides beside its text: how loud the message is, who is mentioned, how many alerts it lists.
//!
//! Guarantees: only a template can mention. A user is mentioned only if the user's ID is written out in some template, so
//! that no label, however it got into a `mention(…)`, can mention somebody whom no template names. A text of a template that is
//! no ID is an error.

use minijinja::value::{Object, Value};
use minijinja::{Environment, Error, State};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::invalid;
use crate::message::{Mentions, MsgType};
use crate::render::cost::{self, text};
use crate::render::shield::shield;
use crate::render::values::{AlertList, Which};
use crate::render::words::spoken;

/// Collected while a template renders; see the module.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Directives {
    pub(crate) msgtype: Option<MsgType>,
    pub(crate) mentions: Mentions,
    /// Whether the template itself said how many alerts are left out.
    pub(crate) said_more: bool,
    /// Of no use any more once the template has run.
    #[serde(skip)]
    shown: Vec<(Which, usize)>,
}

impl Directives {
    fn of<'s>(state: &'s mut State<'_, '_>) -> &'s mut Self {
        state.get_or_insert_extension(Self::default())
    }

    /// How many alerts of this list the template shows, if it looked at the list at all.
    fn shown(&self, list: &AlertList) -> Option<usize> {
        let by_filter = self
            .shown
            .iter()
            .filter(|(which, _)| *which == list.which)
            .map(|(_, count)| *count)
            .max();
        by_filter.or_else(|| list.listed.load(Ordering::Relaxed).then_some(list.alerts.len()))
    }
}

pub(super) fn add_to(env: &mut Environment<'static>, sources: Vec<String>) {
    env.add_filter("top", top);
    env.add_filter("pill", |user: &Value| Ok::<_, Error>(pill(&text(user)?)));
    env.add_function("msgtype", msgtype);
    env.add_function("mention_room", |state: &mut State<'_, '_>| {
        Directives::of(state).mentions.room = true;
        "@room"
    });
    let length: usize = sources.iter().map(String::len).sum();
    env.add_function("mention", move |state: &mut State<'_, '_>, user: &Value| {
        let user = text(user)?.trim().to_owned();
        // Looking through all texts is quick, but not free.
        cost::pay(state, length / 8)?;
        if user.is_empty() || !sources.iter().any(|source| is_written_in(source, &user)) {
            return Ok::<_, Error>(Value::from(user));
        }
        if !is_user_id(&user) {
            return nobody(&user, &sources);
        }
        let mentioned = &mut Directives::of(state).mentions.user_ids;
        if !mentioned.contains(&user) {
            mentioned.push(user.clone());
        }
        Ok(pill(&user))
    });
}

/// What is no user ID mentions nobody. Where a template writes it as a text of its own, that is a mistake of its author, who
/// would wait for a call that never comes; what only an alert says is shown as it is.
fn nobody(user: &str, sources: &[String]) -> Result<Value, Error> {
    let is_literal = |source: &String| {
        ['"', '\'']
            .iter()
            .any(|quote| source.contains(&format!("{quote}{user}{quote}")))
    };
    if !sources
        .iter()
        .any(|source| source.contains("mention(") && is_literal(source))
    {
        return Ok(Value::from(user));
    }
    let instead = if user == "@room" {
        "mention_room() mentions everybody".to_owned()
    } else {
        format!("expected one such as `@{}:example.org`", user.trim_matches(['@', ' ']))
    };
    Err(invalid(format!(
        "`{user}` is no Matrix user ID, so nobody is mentioned ({instead})"
    )))
}

/// `{{ msgtype("m.notice") }}` prints nothing.
fn msgtype(state: &mut State<'_, '_>, msgtype: &str) -> Result<Value, Error> {
    Directives::of(state).msgtype = Some(match msgtype {
        "m.text" => MsgType::Text,
        "m.notice" => MsgType::Notice,
        _ => return Err(invalid("msgtype takes `m.text` or `m.notice`")),
    });
    Ok(Value::from(""))
}

fn is_user_id(text: &str) -> bool {
    ruma::UserId::parse(text).is_ok()
}

/// A person as Matrix clients show one; what is no user ID stays text.
fn pill(user: &str) -> Value {
    if !is_user_id(user) {
        return Value::from(user);
    }
    let user = shield(user);
    Value::from_safe_string(format!("[{user}](https://matrix.to/#/{user})"))
}

/// Whether the whole ID stands in the text, and not as a part of a longer one.
fn is_written_in(source: &str, user: &str) -> bool {
    source.match_indices(user).any(|(at, _)| {
        let after = source[at + user.len()..].chars().next();
        !after.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-'))
    })
}

/// `firing | top(25)`: at most so many; how many are left out is said by `more()`, or below the message.
fn top(state: &mut State<'_, '_>, list: &Value, count: usize) -> Result<Value, Error> {
    let Some(alerts) = list.downcast_object_ref::<AlertList>() else {
        let mut taken = Vec::new();
        for value in list.try_iter()?.take(count) {
            state.consume_fuel(1)?;
            taken.push(value);
        }
        return Ok(Value::from(taken));
    };
    let shown: Vec<_> = alerts.alerts.iter().take(count).cloned().collect();
    Directives::of(state).shown.push((alerts.which, shown.len()));
    Ok(Value::from(shown))
}

/// How many alerts a message counts instead of showing them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hidden {
    firing: usize,
    resolved: usize,
    all: usize,
}

impl Hidden {
    pub(crate) fn total(&self) -> usize {
        (self.firing + self.resolved).max(self.all)
    }
}

/// The function `more()`: it knows the lists of this notification.
#[derive(Debug)]
pub(crate) struct More {
    lists: [Value; 3],
    overview: String,
    sender: &'static str,
}

impl More {
    /// For a context with these lists: firing, resolved, all.
    pub(crate) fn new(lists: [Value; 3], overview: String, sender: &'static str) -> Self {
        Self {
            lists,
            overview,
            sender,
        }
    }

    /// The alerts that are not in the message.
    pub(crate) fn hidden(&self, directives: &Directives) -> Hidden {
        let [firing, resolved, all] = self.lists.each_ref().map(|value| {
            let list = value.downcast_object_ref::<AlertList>();
            let hidden = list.and_then(|list| Some(list.total.saturating_sub(directives.shown(list)?)));
            hidden.unwrap_or(0)
        });
        Hidden { firing, resolved, all }
    }

    /// One line about them, or nothing.
    pub(crate) fn line(&self, hidden: &Hidden) -> String {
        let words = spoken();
        let counted = |word, count: usize| words.say(word, &[("count", &count)]);
        let what = match (hidden.firing, hidden.resolved) {
            _ if hidden.total() == 0 => return String::new(),
            (0, 0) => counted("more", hidden.all),
            (firing, 0) => counted("more_firing", firing),
            (0, resolved) => counted("more_resolved", resolved),
            (firing, resolved) => words.say(
                "more_mixed",
                &[
                    ("count", &(firing + resolved)),
                    ("firing", &firing),
                    ("resolved", &resolved),
                ],
            ),
        };
        if self.overview.is_empty() {
            words.say("and_more", &[("what", &what)])
        } else {
            let open = words.say("open_in", &[("sender", &self.sender)]);
            let link = format!("[{open}]({})", shield(&self.overview));
            words.say("and_more_at", &[("what", &what), ("link", &link)])
        }
    }
}

impl Object for More {
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        let directives = Directives::of(state);
        directives.said_more = true;
        Ok(Value::from_safe_string(self.line(&self.hidden(directives))))
    }
}
