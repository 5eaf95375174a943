//! A request to the homeserver that failed, in a form that a log line and a retry policy can use.
//!
//! Guarantees: neither its fields nor its `Display` hold an access token, a request or response body, or a URL with a
//! path; its length is bounded.

use std::fmt;
use std::time::Duration;

use super::answer::{self, Answer, one_line};
use super::tls;
use super::verdict::{RequestKind, RoomTrouble, TokenTrouble, Verdict, judge};

/// Why a request failed and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What to do.
    pub verdict: Verdict,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The Matrix error code, where the answer had one.
    pub errcode: Option<String>,
    /// What the homeserver or the network said, one line of at most a few hundred characters.
    pub detail: String,
}

impl Failure {
    /// From an answer of the homeserver.
    pub(super) fn answered(kind: RequestKind, answer: Answer) -> Self {
        Self {
            verdict: judge(kind, &answer),
            status: Some(answer.status),
            errcode: answer.errcode,
            detail: answer.text,
        }
    }

    /// From a request that got no answer.
    pub(super) fn transport(error: &reqwest::Error, timeout: Duration) -> Self {
        let cause = one_line(&root_cause(error));
        if error.is_timeout() {
            return Self::unanswered(timeout);
        }
        let (verdict, detail) = if error.is_builder() {
            (Verdict::Token(TokenTrouble::WrongAddress), cause)
        } else if let Some(words) = tls::explain(error) {
            (Verdict::Transient, words)
        } else if error.is_connect() {
            (Verdict::Transient, format!("cannot connect: {cause}"))
        } else {
            (Verdict::Transient, format!("the connection broke: {cause}"))
        };
        Self::without_answer(verdict, detail)
    }

    /// From a request that was given up after so long.
    pub fn unanswered(time: Duration) -> Self {
        Self::without_answer(Verdict::Transient, format!("no answer within {} s", time.as_secs_f32()))
    }

    /// A success that cannot be read: it may have been carried out, so the same transaction is sent again.
    pub(super) fn unreadable(status: u16, why: &str) -> Self {
        Self {
            status: Some(status),
            ..Self::without_answer(Verdict::Transient, format!("cannot read the answer: {}", one_line(why)))
        }
    }

    /// Trouble with a room that this client found out by itself.
    pub(super) fn room(trouble: RoomTrouble, detail: impl Into<String>) -> Self {
        Self::without_answer(Verdict::Room(trouble), detail)
    }

    /// A relation that this client found out by itself to lead nowhere.
    pub(super) fn relation(detail: impl Into<String>) -> Self {
        Self::without_answer(Verdict::Relation, detail)
    }

    pub(super) fn without_answer(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            verdict,
            status: None,
            errcode: None,
            detail: detail.into(),
        }
    }

    /// Status, errcode and what was said, without the verdict's own words; may be empty.
    pub fn cause(&self) -> String {
        let code = match (self.status, self.errcode.as_deref()) {
            (Some(status), Some(errcode)) => format!("{status} {errcode}"),
            (Some(status), None) => format!("HTTP {status}"),
            (None, _) => return self.detail.clone(),
        };
        if self.detail.is_empty() {
            code
        } else {
            format!("{code}: {}", self.detail)
        }
    }

    /// Whether a proxy refused this very request, and may let through one with another text or a shorter one.
    pub fn is_refused_by_proxy(&self) -> bool {
        answer::is_refused_by_proxy(self.status, self.errcode.as_deref())
    }

    /// Whether its cause says by itself what has to be done.
    pub(super) fn says_what_to_do(&self) -> bool {
        self.status.is_none() && tls::is_explained(&self.detail)
    }

    /// Whether it is a success that could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether it is this status with this errcode.
    pub(super) fn is(&self, status: u16, errcode: &str) -> bool {
        self.status == Some(status) && self.errcode.as_deref() == Some(errcode)
    }
}

/// Why a request that may take so long got no answer, without its URL.
pub fn why_unanswered(error: &reqwest::Error, timeout: Duration) -> String {
    Failure::transport(error, timeout).detail
}

/// The innermost cause: reqwest's own text holds the URL, and its causes say what happened.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if std::ptr::eq(
        std::ptr::from_ref(cause).cast::<()>(),
        std::ptr::from_ref(error).cast::<()>(),
    ) {
        return "request failed".to_owned();
    }
    cause.to_string()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        match self.cause() {
            cause if cause.is_empty() => Ok(()),
            cause => write!(f, " ({cause})"),
        }
    }
}

impl std::error::Error for Failure {}
