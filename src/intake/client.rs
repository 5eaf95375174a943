//! Who a request comes from, as far as that can be known: the peer, or the client that trusted proxies name.
//!
//! Guarantees: a header is believed only as far as it was written by a proxy that the operator trusts, read from right to
//! left; whatever a client writes itself stands further left and is never reached. Where none is trusted no header is
//! believed at all; behind a proxy that nobody named all clients then have its address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use poem::http::header::{self, HeaderMap, HeaderName};

/// `X-Forwarded-For`, which most proxies write. If it is there, `Forwarded` (RFC 7239) is not looked at.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Which peers may speak for somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TrustedProxies {
    /// Not configured: a request with a forwarding header may come through a proxy, or may pretend to. The peer counts.
    #[default]
    Unknown,
    /// Nothing is in front of the relay, or these networks are; an empty list is nothing.
    Only(Vec<IpNet>),
}

/// Why a list of trusted proxies is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither an address nor a network (expected networks such as 10.0.0.0/8 with commas between them, or `none`)"
)]
pub struct TrustedProxiesError(String);

impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().eq_ignore_ascii_case("none") {
            return Ok(Self::Only(Vec::new()));
        }
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Self::Only)
    }
}

fn network(text: &str) -> Result<IpNet, TrustedProxiesError> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| TrustedProxiesError(text.to_owned()))
}

impl TrustedProxies {
    /// The client, as the part of its address that one party has to itself; `None` where a trusted proxy does not say.
    pub(super) fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        match self {
            Self::Unknown => Some(party(peer)),
            Self::Only(_) => {
                let mut client = peer;
                for named in named(headers).into_iter().rev() {
                    if !self.trust(Some(client)) {
                        break;
                    }
                    client = named?;
                }
                Some(party(client))
            }
        }
    }

    /// Whether this peer is one of them.
    pub(super) fn trust(&self, peer: Option<IpAddr>) -> bool {
        let peer = peer.map(|peer| peer.to_canonical());
        let is_in = |networks: &[IpNet], peer| networks.iter().any(|network| network.contains(&peer));
        matches!(self, Self::Only(networks) if peer.is_some_and(|peer| is_in(networks, peer)))
    }

    /// Whether the operator says that there are some.
    pub(super) fn are_named(&self) -> bool {
        matches!(self, Self::Only(networks) if !networks.is_empty())
    }

    /// Whether a request looks as if it came through a proxy, and nothing is said about proxies.
    pub(super) fn is_unsaid(&self, headers: &HeaderMap) -> bool {
        *self == Self::Unknown && (headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED))
    }
}

/// What the proxies wrote, the nearest to the client first; `None` for what is no address. A line is split as bytes, because
/// a client writes its beginning, and one odd byte there must not hide what a proxy wrote behind it.
fn named(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let is_standard = !headers.contains_key(X_FORWARDED_FOR);
    let name = if is_standard {
        header::FORWARDED
    } else {
        X_FORWARDED_FOR
    };
    let lines = headers.get_all(name).iter();
    let parts = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let node = |part: &[u8]| {
        let part = std::str::from_utf8(part).ok()?.trim();
        address(if is_standard { forwarded_for(part)? } else { part })
    };
    parts.map(node).collect()
}

/// The node of `for=…` in an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    nodes.next().map(|(_, node)| node.trim().trim_matches('"'))
}

/// An address with or without port, the brackets of IPv6 included.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let address = text
        .parse::<SocketAddr>()
        .map(|address| address.ip())
        .ok()
        .or_else(bare);
    address.map(|address| address.to_canonical())
}

/// One customer has a whole /64 of IPv6, and would be somebody else with each request.
pub(super) fn party(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn client(trusted: &TrustedProxies, peer: &str, lines: &[(&'static str, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let client = trusted.client(Some(peer.parse().unwrap()), &headers);
        client.map(|address| address.to_string())
    }

    #[test]
    fn only_what_a_trusted_proxy_wrote_is_believed() {
        let trusted: TrustedProxies = "10.0.0.0/8, 192.168.1.1, fd00::/8".parse().unwrap();
        let xff = "x-forwarded-for";
        for (peer, lines, expected) in [
            ("203.0.113.9", vec![], "203.0.113.9"),
            ("203.0.113.9", vec![(xff, "198.51.100.1")], "203.0.113.9"),
            ("10.1.1.1", vec![], "10.1.1.1"),
            ("10.1.1.1", vec![(xff, "198.51.100.1")], "198.51.100.1"),
            (
                "10.1.1.1",
                vec![(xff, "1.1.1.1, 198.51.100.1, 192.168.1.1")],
                "198.51.100.1",
            ),
            (
                "10.1.1.1",
                vec![(xff, "1.1.1.1"), (xff, "198.51.100.1:4711")],
                "198.51.100.1",
            ),
            ("::ffff:10.1.1.1", vec![(xff, "2001:db8:1:2:3:4:5:6")], "2001:db8:1:2::"),
            (
                "fd00::1",
                vec![("forwarded", "for=1.1.1.1, For=\"[2001:db8::17]:4711\";proto=https")],
                "2001:db8::",
            ),
        ] {
            assert_eq!(
                client(&trusted, peer, &lines).as_deref(),
                Some(expected),
                "{peer} {lines:?}"
            );
        }
        assert_eq!(client(&trusted, "10.1.1.1", &[(xff, "unknown")]), None);
    }

    #[test]
    fn where_no_proxy_is_trusted_nobody_hides_behind_a_header() {
        let forwarded = [("x-forwarded-for", "198.51.100.1")];
        let none: TrustedProxies = "none".parse().unwrap();
        for trusted in [TrustedProxies::Unknown, none] {
            for peer in ["127.0.0.1", "10.1.1.1", "203.0.113.9"] {
                assert_eq!(client(&trusted, peer, &forwarded).as_deref(), Some(peer));
                assert_eq!(client(&trusted, peer, &[]).as_deref(), Some(peer));
            }
        }
        assert!("10.0.0.0/33".parse::<TrustedProxies>().is_err());
        assert!("proxy.example.org".parse::<TrustedProxies>().is_err());
    }
}
