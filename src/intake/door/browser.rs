//! What a browser may not be made to do for somebody else's page.
//!
//! Guarantees: senders of notifications are no browsers, and none of this keeps one of them out.

use std::net::IpAddr;

use poem::Request;
use poem::http::header::{self, HeaderMap};
use poem::http::{HeaderValue, StatusCode};

use super::super::error::Problem;
use super::Asked;

/// The browser of whoever can reach the relay, or is logged in there, must not become the hand of another site.
pub(super) fn refuse_foreign(asked: Asked<'_>, headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if !matches!(asked, Asked::PageFiles | Asked::Metrics) && matches!(site, Some(b"cross-site" | b"same-site")) {
        let detail = "a web page of another site may not call the relay";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

/// A web page may let its own name lead to this machine (DNS rebinding), and then nothing but the name tells its
/// requests from those of the relay's own pages. Where the relay listens for this machine alone and asks for nothing,
/// a name that others can own is not taken; senders are no browsers and send no `Origin`, so none of them is kept out.
pub(super) fn refuse_rebound(asked: Asked<'_>, has_proxy: bool, request: &Request) -> Result<(), Problem> {
    let local = request
        .local_addr()
        .as_socket_addr()
        .is_some_and(|local| local.ip().is_loopback());
    let headers = request.headers();
    let name = match asked {
        Asked::Pages | Asked::PageFiles => headers.get(header::HOST),
        Asked::DefaultRoute | Asked::Route(_) => headers.get(header::ORIGIN),
        Asked::Metrics => None,
    };
    let name = name.filter(|_| local && !has_proxy);
    if name.is_some_and(|name| !is_own_name(name)) {
        let detail = "a browser called the relay by a name that is not this machine's; set RELAY_TOKEN, or \
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
