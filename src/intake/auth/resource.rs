//! What a request asks for, and what its headers have shown.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::credentials::{Credentials, Denied};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::intake) enum Resource<'a> {
    /// To post a notification on the default route.
    DefaultRoute,
    /// To post one on a named route.
    Route(&'a str),
    /// To use the workshop.
    Pages,
    /// To see a page, whose files hold nothing: a link of another site may lead there.
    PageFiles,
    /// To read the metrics.
    Metrics,
}

impl Resource<'_> {
    /// As the log names it. The name of a route is shown only where it is one.
    pub(super) fn words(self, known: bool) -> String {
        match self {
            Self::DefaultRoute => "the default route".to_owned(),
            Self::Route(name) if known => format!("the route `{name}`"),
            Self::Route(_) => "a route that does not exist".to_owned(),
            Self::Pages | Self::PageFiles => "the pages".to_owned(),
            Self::Metrics => "the metrics".to_owned(),
        }
    }
}

/// A request whose size is right, and that has shown what a header can show.
pub(in crate::intake) struct HeaderAuth {
    pub(super) credentials: Arc<Credentials>,
    pub(super) client: Option<IpAddr>,
    pub(super) words: String,
    pub(super) named: bool,
    /// Whether it brings a notification, which is lost if it is refused.
    pub(super) is_notification: bool,
    pub(super) denied: Option<Denied>,
}

impl HeaderAuth {
    /// Whether the body has to be read before it is decided who may come in.
    pub(in crate::intake) fn needs_body(&self) -> bool {
        self.denied.is_some() || self.credentials.signs()
    }

    /// Whether a credential is asked for and was shown by the headers alone.
    pub(in crate::intake) fn is_proven(&self) -> bool {
        !self.credentials.open() && !self.needs_body()
    }
}
