//! Where the homeserver is: a base URL as given, or a server name looked up by `.well-known`.
//!
//! Guarantees: a base URL is taken as it is and costs no request; a server name is looked up without the token and
//! as the specification orders (client-server API, "Well-known URI"), but over HTTPS from its first step to its last: nothing
//! that it leads to is plain HTTP, where anybody on the way could take the token. It keeps nothing: the client caches.

use std::time::Duration;

use reqwest::redirect::Policy;
use ruma::ServerName;
use ruma::api::client::discovery::{discover_homeserver, get_supported_versions};
use url::{Host, Url};

use super::SetupError;
use super::failure::Failure;
use super::http_client::HttpClient;
use super::verdict::{RequestKind, TokenTrouble, Verdict};

/// How many redirects of a `.well-known` are followed.
const REDIRECTS: usize = 5;

/// What the operator gave as the homeserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// `https://matrix.example.org`, without a slash at its end.
    Base(String),
    /// `example.org`, without a port: `.well-known` is asked at the default one.
    Name(String),
}

impl Address {
    /// Reads it. The text of an error names no credentials.
    pub(super) fn parse(text: &str) -> Result<Self, SetupError> {
        let text = text.trim();
        if text.contains("://") {
            return base(text).map(Self::Base);
        }
        let refuse = |why: String| SetupError::HomeServer(why);
        let name = ServerName::parse(text).map_err(|_| refuse("neither a URL nor a server name".to_owned()))?;
        if name.port().is_some() {
            let host = name.host();
            return Err(refuse(format!(
                "`{name}` has a port and no scheme (expected http://{name} or https://{name} for that very address, or {host} \
                 for a server that is looked up through .well-known, which has no port)"
            )));
        }
        Ok(Self::Name(name.host().to_owned()))
    }

    /// Whether it is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let Self::Base(base) = self else { return false };
        match Url::parse(base).ok().as_ref().and_then(Url::host) {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

/// A base URL fit to put paths behind.
fn base(text: &str) -> Result<String, SetupError> {
    let refuse = |why: &str| Err(SetupError::HomeServer(why.to_owned()));
    let Ok(url) = Url::parse(text) else {
        return refuse("not a valid URL");
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return refuse("another scheme (expected https://, or http:// on a private network)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it holds a user name or password (expected neither; MATRIX_ACCESS_TOKEN holds the token)");
    }
    if url.query().is_some() || url.fragment().is_some() || url.path().contains("/_matrix") {
        return refuse(
            "it has a path of the API (expected it to end before `/_matrix`, as in https://matrix.example.org)",
        );
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Looks a server name up.
pub(super) async fn look_up(host: &str, timeout: Duration) -> Result<String, Failure> {
    // The specification lets clients follow redirects here, and no token is sent with it.
    let http_client =
        HttpClient::new(timeout, over_https(), false).map_err(|error| Failure::transport(&error, timeout))?;
    look_up_at(&http_client, &format!("https://{host}")).await
}

/// Follows redirects, but none to plain HTTP: that one is left as the answer.
fn over_https() -> Policy {
    Policy::custom(|attempt| {
        if attempt.previous().len() > REDIRECTS {
            attempt.error("more than five redirects")
        } else if attempt.url().scheme() == "https" {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// A base URL that a `.well-known` at this origin may name: what was asked over HTTPS leads to HTTPS.
fn named_base(origin: &str, text: &str) -> Result<String, String> {
    let base = base(text).map_err(|error| error.to_string())?;
    if origin.starts_with("https:") && !base.starts_with("https:") {
        return Err(format!(
            "{base} is plain HTTP, so the relay does not send the access token there; set MATRIX_HOME_SERVER_URL={base} to allow it"
        ));
    }
    Ok(base)
}

/// The same with the origin spelled out, so that a test needs no TLS.
async fn look_up_at(http_client: &HttpClient, origin: &str) -> Result<String, Failure> {
    let found = http_client
        .call(origin, None, RequestKind::Account, discover_homeserver::Request::new())
        .await;
    let found = match found {
        Ok(response) => named_base(origin, &response.homeserver.base_url).map_err(|error| {
            wrong(format!(
                "the .well-known of {origin} names an invalid base URL: {error}"
            ))
        })?,
        Err(failure) if failure.status.is_some_and(|status| (300..400).contains(&status)) => {
            return Err(wrong(format!(
                "{origin}/.well-known/matrix/client redirects to plain HTTP, which is not followed: let it answer over HTTPS, \
                 or set MATRIX_HOME_SERVER_URL to the homeserver's base URL"
            )));
        }
        // "IGNORE" in the specification: then the name itself is the homeserver.
        Err(failure) if failure.status == Some(404) => origin.to_owned(),
        Err(mut failure) => {
            failure.detail = format!("{origin}/.well-known/matrix/client: {}", failure.detail);
            return Err(failure);
        }
    };
    http_client
        .call(
            &found,
            None,
            RequestKind::Account,
            get_supported_versions::Request::new(),
        )
        .await
        .map_err(|mut failure| {
            failure.detail = format!("{found}: {}", failure.detail);
            failure
        })?;
    Ok(found)
}

fn wrong(detail: String) -> Failure {
    Failure::without_answer(Verdict::Token(TokenTrouble::WrongAddress), detail)
}

#[cfg(test)]
mod tests;
