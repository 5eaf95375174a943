//! The embedded files of the pages, and the headers that each is served with.
//!
//! Guarantees: nothing is read from disk or loaded from elsewhere; a strict Content-Security-Policy allows a page only
//! its own scripts and styles, so whatever a template or an alert puts into a message cannot run; a browser asks for
//! each file again and learns when it has not changed. It knows nothing of what the pages are about.

use hyper::body::Bytes;
use poem::http::StatusCode;
use poem::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use poem::{Endpoint, Request, Response, Route, RouteMethod, get};

use crate::text::hash;

/// What a page may load: itself. Style attributes are not in it: colours of messages are set by script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page.
pub fn html(text: impl Into<Bytes>) -> RouteMethod {
    file("text/html; charset=utf-8", text)
}

/// A script, always a module.
pub fn script(text: &'static str) -> RouteMethod {
    file("text/javascript; charset=utf-8", text)
}

/// A style sheet.
pub fn style(text: &'static str) -> RouteMethod {
    file("text/css; charset=utf-8", text)
}

/// Any other file.
pub fn file(kind: &'static str, text: impl Into<Bytes>) -> RouteMethod {
    let text = text.into();
    let tag = format!("\"{}\"", &hash([&text])[..16]);
    get(Asset { kind, text, tag })
}

/// What all pages use, under `folder`: colours and controls, and a message as a Matrix client shows it.
pub fn shared(routes: Route, folder: &str) -> Route {
    routes
        .at(format!("{folder}/look.css"), style(include_str!("web/look.css")))
        .at(format!("{folder}/message.css"), style(include_str!("web/message.css")))
        .at(format!("{folder}/message.js"), script(include_str!("web/message.js")))
        .at(
            format!("{folder}/conversation.js"),
            script(include_str!("web/conversation.js")),
        )
        .at(format!("{folder}/sanitise.js"), script(include_str!("web/sanitise.js")))
        .at(
            format!("{folder}/icon.svg"),
            file("image/svg+xml", include_str!("web/icon.svg")),
        )
}

/// An embedded file, with a tag by its content: the next version of the program may have another one at its path.
struct Asset {
    kind: &'static str,
    /// One copy, however many are slow to read it.
    text: Bytes,
    tag: String,
}

impl Endpoint for Asset {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let known = request.headers().get(IF_NONE_MATCH);
        let response = Response::builder()
            .header(CONTENT_SECURITY_POLICY, POLICY)
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(REFERRER_POLICY, "no-referrer")
            .header(CACHE_CONTROL, "no-cache")
            .header(ETAG, &self.tag);
        Ok(if known.is_some_and(|tag| tag.as_bytes() == self.tag.as_bytes()) {
            response.status(StatusCode::NOT_MODIFIED).finish()
        } else {
            response.content_type(self.kind).body(self.text.clone())
        })
    }
}
