//! What a browser may not be made to do for somebody else's page.
//!
//! Guarantees: senders of notifications are no browsers, and none of this keeps one of them out.

use std::net::{IpAddr, SocketAddr};

use poem::Request;
use poem::http::header;
use poem::http::{HeaderValue, StatusCode};

use super::super::client::TrustedProxies;
use super::super::error::Problem;
use super::Resource;

/// The browser of somebody who can reach the relay, or is logged in there, must not become another site's tool. Browsers
/// say of which site a page is, but only to HTTPS and to their own machine (`Sec-Fetch-Site`); elsewhere they say its
/// address with all that is posted, which then has to be the one that the relay was called by.
pub(super) fn refuse_foreign(
    resource: Resource<'_>,
    proxies: &TrustedProxies,
    request: &Request,
) -> Result<(), Problem> {
    let headers = request.headers();
    let is_foreign = match (headers.get("sec-fetch-site"), headers.get(header::ORIGIN)) {
        (Some(site), _) => matches!(site.as_bytes(), b"cross-site" | b"same-site"),
        (None, Some(origin)) => !called_by(proxies, request).any(|host| is_of(origin, host)),
        (None, None) => false,
    };
    if is_foreign && !matches!(resource, Resource::PageFiles | Resource::Metrics) {
        let detail = "a web page of another site may not call the relay; if it is the relay's own page and a proxy in \
                      front changes the header `Host`, let it keep that, or name it in RELAY_TRUSTED_PROXIES and let it \
                      send `X-Forwarded-Host`";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

/// The names, with ports, that the relay was called by: its own, and what a trusted proxy says that it was called.
fn called_by<'r>(proxies: &TrustedProxies, request: &'r Request) -> impl Iterator<Item = &'r str> {
    let headers = request.headers();
    let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
    let forwarded = headers.get("x-forwarded-host").filter(|_| proxies.trust(peer));
    let listed = |value: &'r HeaderValue| value.to_str().unwrap_or_default().split(',');
    headers.get(header::HOST).into_iter().chain(forwarded).flat_map(listed)
}

/// Whether a page of this origin is one of this host; the port of the scheme may be left out.
fn is_of(origin: &HeaderValue, host: &str) -> bool {
    let Some((scheme, at)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let port = if scheme == "https" { ":443" } else { ":80" };
    let bare = |text: &str| {
        let text = text.trim().to_ascii_lowercase();
        text.strip_suffix(port).map_or_else(|| text.clone(), str::to_owned)
    };
    bare(at) == bare(host)
}

/// A web page may let its own name lead to any address that its visitor reaches (DNS rebinding), and then nothing but the name
/// tells its requests from those of the relay's own pages. Where the relay has no credential, a name that others can own is not
/// taken, whatever address it listens on: in a container that is all of them, and whom the port is published to is known
/// only outside. Senders are no browsers and send no `Origin`, and what reads metrics sends no `Accept-Language`, which
/// every browser adds and no page can take away: so none of them is kept out, under whatever name it calls.
pub(super) fn refuse_rebound(resource: Resource<'_>, has_proxy: bool, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let name = match resource {
        Resource::Pages | Resource::PageFiles => headers.get(header::HOST),
        Resource::DefaultRoute | Resource::Route(_) => headers.get(header::ORIGIN),
        Resource::Metrics => headers
            .get(header::HOST)
            .filter(|_| headers.contains_key(header::ACCEPT_LANGUAGE)),
    };
    let name = name.filter(|_| !has_proxy);
    if name.is_some_and(|name| !is_own_name(name)) {
        let detail = "a browser called a relay without a credential by a name with a dot, which any web page could own: call \
                      it by its IP address, or set RELAY_TOKEN (RELAY_METRICS_TOKEN for /metrics), or \
                      RELAY_TRUSTED_PROXIES if a proxy is in front";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

/// An address, or a name that is in no public DNS: `localhost`, or one without a dot. With or without scheme and port.
fn is_own_name(name: &HeaderValue) -> bool {
    let text = name.to_str().unwrap_or(".").trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => text,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok()
        || (!host.contains('.') && host != "null")
        || host.to_ascii_lowercase().ends_with(".localhost")
}
