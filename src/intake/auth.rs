//! Authorisation: which credentials guard which path, and the answer to a request that does not show them.
//!
//! Guarantees: the decisions come in a fixed order (size, then credential, then everything else); a named route
//! that does not exist answers exactly as one whose credential was not shown, so that nobody learns names by asking; who
//! shows the right credential is let in, whatever others did; failures are counted, and logged as often as `refusals` allows,
//! and no log line, answer or metric holds what was shown. The credentials of named routes can be replaced while requests are served.
//!
//! It does not decide where a caller's notification goes.

mod browser;
mod refusal;
mod resource;
mod routes;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use poem::Request;
use poem::http::StatusCode;
use poem::http::header::{self, HeaderMap};

pub(super) use self::resource::{HeaderAuth, Resource};
use self::routes::{Routes, Wanted};
use super::client::TrustedProxies;
use super::compat::Compat;
use super::credential::{CredentialError, CredentialSettings};
use super::credentials::Credentials;
use super::error::Problem;
use super::limits::{LimitSettings, Limits};
use super::refusals::Refusals;
use super::refused_notifications::RefusedNotifications;
use super::signature::{self, Signed};
use crate::message::RouteName;

/// Who may come in, and how much at once.
#[derive(Debug, Clone, Default)]
pub struct AuthSettings {
    /// What people show at the pages; without one, what the default route asks for.
    pub pages: CredentialSettings,
    /// What Prometheus shows.
    pub metrics: CredentialSettings,
    /// Which peers may say who the client is.
    pub trusted_proxies: TrustedProxies,
    /// Bodies and requests in flight.
    pub limits: LimitSettings,
}

/// The credentials, and who failed to show them.
pub struct Auth {
    /// `None` keeps everybody out: there would be no credential to ask people for.
    pages: ArcSwap<Option<Credentials>>,
    own_pages: ArcSwap<Option<Credentials>>,
    metrics: ArcSwap<Credentials>,
    routes: ArcSwap<Routes>,
    proxies: TrustedProxies,
    /// Whether it was said that there seems to be one.
    proxy_seen: AtomicBool,
    pub(super) refusals: Refusals,
    lost: RefusedNotifications,
    pub(super) limits: Limits,
}

impl Auth {
    /// Takes what senders have to show at each route.
    pub fn new(
        settings: AuthSettings,
        routes: &BTreeMap<RouteName, CredentialSettings>,
        compat: Compat,
    ) -> Result<Self, CredentialError> {
        let auth = Self {
            pages: ArcSwap::default(),
            own_pages: ArcSwap::default(),
            metrics: ArcSwap::default(),
            routes: ArcSwap::default(),
            proxies: settings.trusted_proxies,
            proxy_seen: AtomicBool::new(false),
            refusals: Refusals::default(),
            lost: RefusedNotifications::default(),
            limits: Limits::new(settings.limits),
        };
        auth.replace_own(&settings.pages, &settings.metrics)?;
        auth.replace_routes(routes, compat)?;
        Ok(auth)
    }

    /// Takes in what pages and metrics ask for by themselves; nothing changes if it is not usable. What the pages ask for in the
    /// place of that is known with the routes.
    pub fn replace_own(&self, pages: &CredentialSettings, metrics: &CredentialSettings) -> Result<(), CredentialError> {
        let own = (!pages.open()).then(|| Credentials::new(pages)).transpose()?;
        self.metrics.store(Arc::new(Credentials::new(metrics)?));
        self.own_pages.store(Arc::new(own.clone()));
        if own.is_some() {
            self.pages.store(Arc::new(own));
        }
        Ok(())
    }

    /// Takes in what the routes ask for, in place of what they asked for; nothing changes if it is not usable.
    pub fn replace_routes(
        &self,
        routes: &BTreeMap<RouteName, CredentialSettings>,
        compat: Compat,
    ) -> Result<(), CredentialError> {
        let routes = Routes::new(routes, compat)?;
        let pages = Option::clone(&self.own_pages.load()).or_else(|| routes.page_credentials());
        self.pages.store(Arc::new(pages));
        self.routes.store(Arc::new(routes));
        Ok(())
    }

    /// The routes on which anybody may post.
    pub fn open_routes(&self) -> Vec<RouteName> {
        let routes = self.routes.load();
        let open = routes.known.iter().filter(|(_, credentials)| credentials.open());
        open.map(|(name, _)| name.clone()).collect()
    }

    /// Whether nobody is asked for a credential anywhere.
    pub(super) fn is_open(&self) -> bool {
        let pages = self.pages.load();
        let pages = Option::as_ref(&pages).is_some_and(Credentials::open);
        pages && self.metrics.load().open() && self.routes.load().known.values().all(|one| one.open())
    }

    /// Whether it matters who sees a page at all: browsers have to log in for it, or nobody is asked for anything.
    pub(super) fn guards_page_files(&self) -> bool {
        let is_open = |pages: &Option<Credentials>| pages.as_ref().is_some_and(Credentials::open);
        Option::as_ref(&self.own_pages.load()).is_some_and(|own| own.schemes().1) || is_open(&self.pages.load())
    }

    /// What was refused lately for want of a credential, though it brought a notification.
    pub fn lost(&self, now: Timestamp) -> Option<String> {
        self.lost.news(now)
    }

    /// The route of a request to the address of another relay; `None` if that is not served.
    pub(super) fn foreign_route(&self, request: &Request) -> Option<String> {
        self.routes.load().compat.route(request)
    }

    /// The route that a name in `/alert/{name}` stands for.
    pub(super) fn route(&self, name: &str) -> String {
        let routes = self.routes.load();
        let is_route = name
            .parse()
            .is_ok_and(|name: RouteName| routes.known.contains_key(&name));
        let other = routes.compat.receiver_room(name).filter(|_| !is_route);
        other.map_or(name, RouteName::as_str).to_owned()
    }

    /// Size and header of a request. What cannot be decided without the body is left to [`Auth::check_body`].
    pub(super) fn enter(
        &self,
        resource: Resource<'_>,
        request: &Request,
        now: Timestamp,
    ) -> Result<HeaderAuth, Problem> {
        self.check_declared_size(request.headers())?;
        browser::refuse_foreign(resource, &self.proxies, request)?;
        let client = self.client_of_attempt(request);
        let (credentials, known, body_first) = self.asked_for(resource)?;
        if credentials.open() {
            browser::refuse_rebound(resource, self.proxies.are_named(), request)?;
        }
        let denied = credentials.check_header(request.headers()).err();
        let header_auth = HeaderAuth {
            credentials,
            client,
            words: resource.words(known),
            named: matches!(resource, Resource::Route(_)),
            is_notification: matches!(resource, Resource::Route(_) | Resource::DefaultRoute),
            denied,
        };
        match denied {
            Some(denied) if !body_first => Err(self.refuse(&header_auth, denied, now)),
            _ => Ok(header_auth),
        }
    }

    /// Whether a request may see why the relay is not well: it shows what the workshop or the metrics ask for, or neither
    /// is guarded. A wrong credential counts as one, and changes nothing else.
    pub(super) fn sees_reasons(&self, request: &Request, now: Timestamp) -> bool {
        let (pages, metrics) = (self.pages.load(), self.metrics.load_full());
        let mut guarded = pages.iter().chain([&*metrics]).filter(|one| !one.open()).peekable();
        if guarded.peek().is_none() {
            // As the workshop, which some browsers are kept from all the same.
            return self.enter(Resource::Pages, request, now).is_ok();
        }
        if !request.headers().contains_key(header::AUTHORIZATION) {
            return false;
        }
        let mut denied = None;
        for credentials in guarded {
            match credentials.check_header(request.headers()) {
                Ok(()) => return true,
                Err(why) => denied = Some(why),
            }
        }
        if let Some(denied) = denied {
            let header_auth = HeaderAuth {
                credentials: Arc::default(),
                client: self.client_of_attempt(request),
                words: "the reasons in /health/ready".to_owned(),
                named: false,
                is_notification: false,
                denied: Some(denied),
            };
            drop(self.refuse(&header_auth, denied, now));
        }
        false
    }

    /// What was put off until the body is here, and its signature. `None` if nothing was signed that has a time.
    pub(super) fn check_body(
        &self,
        header_auth: &HeaderAuth,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Signed>, Problem> {
        let (checked, keys) = match header_auth.denied {
            Some(denied) => (Err(denied), 0),
            None => (
                header_auth.credentials.check_signature(headers, body, now),
                header_auth.credentials.keys(),
            ),
        };
        checked.map_err(|denied| {
            // A route whose signature is looked at takes no longer than one that does not exist.
            signature::read_in_vain(body, self.routes.load().most_keys.saturating_sub(keys));
            self.refuse(header_auth, denied, now)
        })
    }

    fn asked_for(&self, resource: Resource<'_>) -> Result<Wanted, Problem> {
        match resource {
            Resource::Metrics => Ok((self.metrics.load_full(), true, false)),
            Resource::Pages | Resource::PageFiles => match &**self.pages.load() {
                Some(credentials) => Ok((Arc::new(credentials.clone()), true, false)),
                None => Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "the workshop has no credential yet: set RELAY_PAGE_AUTH or RELAY_PAGE_TOKEN",
                )),
            },
            Resource::DefaultRoute => Ok(self.routes.load().asked_for(RouteName::DEFAULT)),
            Resource::Route(name) => Ok(self.routes.load().asked_for(name)),
        }
    }

    fn check_declared_size(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let limit = self.limits.settings.max_body_bytes;
        match declared_size(headers) {
            Some(size) if size > limit => Err(self.limits.too_large(limit)),
            _ => Ok(()),
        }
    }

    /// Who a request comes from; `None` where a trusted proxy does not say.
    pub(super) fn client(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
        self.proxies.client(peer, request.headers())
    }

    fn client_of_attempt(&self, request: &Request) -> Option<IpAddr> {
        if self.proxies.is_unsaid(request.headers()) && !self.proxy_seen.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a request came with a forwarding header, so a proxy seems to be in front of the relay: until its network is \
                 in RELAY_TRUSTED_PROXIES all its clients count as one address; `none` says that there is no proxy"
            );
        }
        self.client(request)
    }
}

/// The size that a request declares for its body.
pub(super) fn declared_size(headers: &HeaderMap) -> Option<usize> {
    let text = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    text.parse::<u64>()
        .ok()
        .map(|size| usize::try_from(size).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests;
