//! A Hookshot inbound webhook as the way into a room, in place of the client-server API.
//!
//! Guarantees: every answer has a [`Verdict`], and one that is no success keeps the message, but for those that name the
//! message itself. With Hookshot's `waitForComplete` a message that the homeserver refuses is a 500 as any other trouble
//! of the bridge is; that is a verdict of its own. The URL is the secret of the webhook: no log line, error or `Debug` holds more of it than scheme, host and port.
//!
//! What a webhook cannot do: it has no transaction IDs, so a message whose answer is lost is sent again and may be seen
//! twice; it answers no event ID, so nothing can refer to its messages; the bridge sends notices without mentions, which
//! notify nobody. Whether the room is encrypted, and whether the message gets there, is the bridge's matter.

use std::fmt;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use reqwest::redirect::Policy;
use ruma::api::error::ErrorBody;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::answer::Answer;
use super::check::{Finding, Level};
use super::http_client::HttpClient;
use super::plain_http::is_loopback;
use super::verdict::{MessageTrouble, RoomTrouble, TokenTrouble, Verdict};
use super::{Failure, SetupError};
use crate::message::{RenderedMessage, RoomAddress};
use crate::text::escape_html;

/// What stands for the event ID, which a webhook does not tell.
pub const NO_EVENT_ID: &str = "(sent through Hookshot)";

/// What is longer than this in the URL is taken out of answers that repeat it.
const SHORTEST_SECRET: usize = 8;

/// Where a webhook is. `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct HookSettings {
    /// The whole URL, which is a secret.
    pub url: SecretString,
    /// How long one request may take, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
}

impl HookSettings {
    /// Whether requests can be made from them, without the network.
    pub fn check(&self) -> Result<(), SetupError> {
        self.url().map(|_| ())
    }

    fn url(&self) -> Result<Url, SetupError> {
        let url = Url::parse(self.url.expose_secret()).map_err(|_| SetupError::HookUrl)?;
        let usable = matches!(url.scheme(), "http" | "https") && url.has_host() && url.fragment().is_none();
        usable.then_some(url).ok_or(SetupError::HookUrl)
    }
}

/// Stands in the outbox for the room of the webhook, which only the bridge knows.
pub fn hook_room() -> Option<RoomAddress> {
    // A name that no homeserver can have (RFC 2606).
    "#hookshot:webhook.invalid".parse().ok()
}

/// Sends through one webhook.
pub struct Hook {
    url: Url,
    http_client: HttpClient,
}

impl Hook {
    /// Makes one without touching the network.
    pub fn new(settings: &HookSettings) -> Result<Self, SetupError> {
        let url = settings.url()?;
        let http_client =
            HttpClient::new(settings.request_timeout, Policy::none(), is_loopback(&url)).map_err(SetupError::Http)?;
        Ok(Self { url, http_client })
    }

    /// Sends a message once; nothing recognises a repeat.
    pub async fn send(&self, message: &RenderedMessage) -> Result<String, Failure> {
        let body = content(message).to_string().into_bytes();
        let answer = self.exchange(Method::POST, body).await?;
        let status = answer.status().as_u16();
        let page = (answer.headers().get("content-type"))
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/html"));
        match status {
            // A login page or a portal says 200, too.
            200..=299 if page => Err(Failure::unreadable(status, "a web page, not a webhook")),
            200..=299 => Ok(NO_EVENT_ID.to_owned()),
            _ => Err(refused(&answer)),
        }
    }

    /// Whether anything answers at the webhook's address. Whether the webhook exists shows only when something is
    /// sent, and this sends nothing.
    pub async fn probe(&self) -> Result<(), Failure> {
        let answer = self.exchange(Method::OPTIONS, Vec::new()).await?;
        // The bridge itself refuses the method, in one way or another; these are a proxy's before a bridge that is down.
        if matches!(answer.status().as_u16(), 502..=504) {
            return Err(refused(&answer));
        }
        Ok(())
    }

    /// What an operator should know.
    pub(super) async fn check(&self) -> Vec<Finding> {
        let place = self.place();
        let reached = match self.probe().await {
            Ok(()) => Finding::new(
                Level::Info,
                format!("messages go through the webhook at {place}; the first message shows whether it exists"),
            ),
            Err(failure) => Finding::new(
                Level::Warn,
                format!(
                    "the webhook at {place} does not answer as it should ({}): alerts are accepted and wait until it does; if \
                     this lasts, check MATRIX_HOOK_URL and the network",
                    failure.cause()
                ),
            ),
        };
        let limits = "through a webhook messages are quiet notices that mention nobody, a message whose answer is lost is \
                      sent twice, and each notification is a message of its own";
        vec![reached, Finding::new(Level::Info, limits)]
    }

    async fn exchange(&self, method: Method, body: Vec<u8>) -> Result<http::Response<Vec<u8>>, Failure> {
        let request = http::Request::builder()
            .method(method)
            .uri(self.url.as_str())
            .header("content-type", "application/json")
            .body(body)
            .map_err(|_| Failure::without_answer(Verdict::Token(TokenTrouble::WrongHook), "no valid request"))?;
        let mut secrets: Vec<&str> = self.url.path_segments().into_iter().flatten().collect();
        secrets.extend([self.url.as_str(), self.url.path()].into_iter().chain(self.url.query()));
        // Short ones are words of the path, such as `webhook`, and a text may have them.
        secrets.retain(|secret| secret.len() > SHORTEST_SECRET);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.http_client.exchange(request, &secrets).await
    }

    /// The URL without its secret.
    fn place(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("place", &self.place())
            .finish_non_exhaustive()
    }
}

/// What the webhook gets. The HTML is always there, or the bridge would read the plain text as Markdown.
fn content(message: &RenderedMessage) -> Value {
    let html = if message.formatted_body.is_empty() {
        escape_html(&message.body)
    } else {
        message.formatted_body.clone()
    };
    json!({"text": message.body, "html": html})
}

/// How Hookshot explains a refusal.
#[derive(Deserialize)]
struct Explained {
    error: String,
}

fn refused(answer: &http::Response<Vec<u8>>) -> Failure {
    let status = answer.status().as_u16();
    let explained: Option<Explained> = serde_json::from_slice(answer.body()).ok();
    let nothing = ErrorBody::Json(Value::Null);
    let read = Answer::read(status, answer.headers(), &nothing, SystemTime::now());
    let verdict = judge(status, explained.is_some(), &read);
    Failure {
        status: Some(status),
        ..Failure::without_answer(
            verdict,
            explained.map_or(read.text, |said| super::answer::one_line(&said.error)),
        )
    }
}

/// What a status means; `explained` says whether a service gave a reason, as Hookshot does and proxies do not.
fn judge(status: u16, explained: bool, answer: &Answer) -> Verdict {
    match status {
        429 => Verdict::RateLimited {
            retry_after: answer.retry_after,
        },
        413 if explained => Verdict::Message(MessageTrouble::TooLarge),
        400 | 422 if explained => Verdict::Message(MessageTrouble::Rejected),
        // A webhook that was removed or has expired, another path, another method, another place.
        300..=399 | 404 | 405 | 410 => Verdict::Token(TokenTrouble::WrongHook),
        401 | 403 if explained => Verdict::Room(RoomTrouble::Forbidden),
        500 if explained => Verdict::Bridge,
        _ => Verdict::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Mentions, MsgType};

    fn settings(url: &str) -> HookSettings {
        HookSettings {
            url: url.to_owned().into(),
            request_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn every_answer_has_a_verdict_and_none_but_those_about_the_message_condemn_it() {
        let wrong = Verdict::Token(TokenTrouble::WrongHook);
        let table = [
            (404, true, wrong.clone()),
            (404, false, wrong.clone()),
            (405, true, wrong.clone()),
            (301, false, wrong),
            (400, true, Verdict::Message(MessageTrouble::Rejected)),
            (400, false, Verdict::Transient),
            (413, true, Verdict::Message(MessageTrouble::TooLarge)),
            (403, true, Verdict::Room(RoomTrouble::Forbidden)),
            (413, false, Verdict::Transient),
            (401, false, Verdict::Transient),
            (403, false, Verdict::Transient),
            (407, false, Verdict::Transient),
            (500, true, Verdict::Bridge),
            (500, false, Verdict::Transient),
            (503, true, Verdict::Transient),
            (502, false, Verdict::Transient),
            (429, false, Verdict::RateLimited { retry_after: None }),
        ];
        for (status, explained, verdict) in table {
            assert_eq!(judge(status, explained, &Answer::default()), verdict, "{status}");
        }
    }

    #[test]
    fn plain_text_is_not_read_as_markdown() {
        let message = RenderedMessage {
            body: "*down* <b>\nnow".into(),
            formatted_body: String::new(),
            msgtype: MsgType::Text,
            mentions: Mentions::default(),
            headline: String::new(),
            ..RenderedMessage::default()
        };
        let sent = content(&message);
        assert_eq!(sent["html"], "*down* &lt;b&gt;<br />now");
    }

    #[test]
    fn the_url_is_checked_and_never_shown() {
        for url in ["", "hook", "ftp://example.org/x", "https://example.org/x#y"] {
            assert!(settings(url).check().is_err(), "{url}");
        }
        let settings = settings("https://hooks.example.org/webhook/s3cret");
        let hook = Hook::new(&settings).unwrap();
        assert!(!format!("{settings:?} {hook:?}").contains("s3cret"));
        assert!(hook_room().is_some());
    }
}
