//! Whether secrets would cross a network in plain text.
//!
//! Guarantees: what stays on this machine or in a private network is the operator's to judge and is not remarked; no text
//! of it holds more of an address than scheme, host and port.

use std::net::Ipv6Addr;

use secrecy::ExposeSecret as _;
use url::{Host, Url};

use super::TransportSettings;

/// Endings of names that lead nowhere outside a private network.
const PRIVATE: [&str; 7] = [
    ".localhost",
    ".local",
    ".lan",
    ".internal",
    ".home.arpa",
    ".svc",
    ".cluster.local",
];

impl TransportSettings {
    /// What an operator should know who sends the token, or the secret URL, over plain HTTP.
    pub fn plain_http(&self) -> Option<String> {
        match self {
            Self::HomeServer(settings) => plain_homeserver(&settings.home_server),
            Self::Hook(settings) => plain_hook(settings.url.expose_secret()),
        }
    }
}

/// See [`TransportSettings::plain_http`].
pub fn plain_homeserver(address: &str) -> Option<String> {
    let origin = plain_origin(address)?;
    Some(format!(
        "MATRIX_HOME_SERVER_URL is {origin}, which is plain HTTP and not local: anyone on the network path can read the access token \
         and every message; use https://"
    ))
}

fn plain_hook(address: &str) -> Option<String> {
    let origin = plain_origin(address)?;
    Some(format!(
        "MATRIX_HOOK_URL is at {origin}, which is plain HTTP and not local: anyone on the network path can read the URL, which is a \
         secret, and every message; use https://"
    ))
}

/// Whether it leads to this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Scheme, host and port of an address that is plain HTTP and not local.
fn plain_origin(address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    let is_plain = url.scheme() == "http" && !url.host().is_some_and(|host| is_private(&host));
    is_plain.then(|| url.origin().ascii_serialization())
}

fn is_private(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(four) => four.is_loopback() || four.is_private() || four.is_link_local(),
        Host::Ipv6(six) => match six.to_ipv4_mapped() {
            Some(four) => is_private(&Host::Ipv4(four)),
            None => *six == Ipv6Addr::LOCALHOST || six.is_unique_local() || six.is_unicast_link_local(),
        },
        Host::Domain(name) => !name.contains('.') || PRIVATE.iter().any(|ending| name.ends_with(ending)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_that_leaves_a_private_network_is_remarked() {
        for local in [
            "https://matrix.example.org",
            "matrix.example.org",
            "http://127.0.0.1:8008",
            "http://[::1]:8008",
            "http://10.1.2.3",
            "http://[::ffff:192.168.1.1]",
            "http://[fd00::1]",
            "http://localhost:8008",
            "http://synapse:8008",
            "http://synapse.matrix.svc:8008",
            "http://synapse.matrix.svc.cluster.local",
        ] {
            assert_eq!(plain_homeserver(local), None, "{local}");
        }
        for plain in [
            "http://matrix.example.org/x",
            " HTTP://8.8.8.8:8008 ",
            "http://[2001:db8::1]",
            "http://svc.example.org",
        ] {
            assert!(plain_homeserver(plain).unwrap().contains("http://"), "{plain}");
        }
        let hook = plain_hook("http://hooks.example.org:9000/webhook/s3cret").unwrap();
        assert!(
            hook.contains("http://hooks.example.org:9000,") && !hook.contains("s3cret"),
            "{hook}"
        );
    }
}
