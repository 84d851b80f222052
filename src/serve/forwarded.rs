//! Whose request it is when a proxy hands it on: read from `X-Forwarded-For` or `Forwarded`, and only when the
//! connection comes from a proxy that the configuration names.
//!
//! Read from the right, because each proxy adds what it saw at the right, and what stands left of that a client may have
//! written itself. Never believes anybody else, and never guesses: what is malformed says nothing.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header::FORWARDED};

use crate::domain::subnet::Network;

/// The proxies that may say whose request they hand on.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    pub fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who asks, on a connection from `peer`: the peer itself, unless a trusted proxy says otherwise.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.has(peer) {
            return peer;
        }
        let listed = listed(headers, &X_FORWARDED_FOR).map(|hops| self.first_stranger(hops, listed_hop));
        let named = listed_elements(headers).map(|hops| self.first_stranger(hops, named_hop));
        match (listed, named) {
            (Some(said), None) | (None, Some(said)) => said.unwrap_or(peer),
            // A proxy writes one of the two and may hand on the other as its client wrote it: only what both say holds.
            (Some(one), Some(other)) if one == other => one.unwrap_or(peer),
            _ => peer,
        }
    }

    /// The first address from the right that is no trusted proxy; when all are, the leftmost. `None` when a hop that has
    /// to be read cannot be.
    fn first_stranger(&self, hops: Vec<&str>, read: fn(&str) -> Option<IpAddr>) -> Option<IpAddr> {
        let mut last = None;
        for (n, hop) in hops.into_iter().rev().enumerate() {
            if n >= MOST_HOPS {
                return None;
            }
            let address = read(hop)?;
            if !self.has(address) {
                return Some(address);
            }
            last = Some(address);
        }
        last
    }
}

/// The parts of a header between its commas, over all of its lines; `None` when it is not there.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    // A line that is no text still counts as a hop, one that cannot be read.
    let mut lines = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).peekable();
    lines.peek()?;
    Some(lines.flat_map(|line| line.split(',')).collect())
}

/// The same of `Forwarded`, whose values may be quoted and hold commas then.
fn listed_elements(headers: &HeaderMap) -> Option<Vec<&str>> {
    let mut lines = headers.get_all(FORWARDED).iter().map(|value| value.to_str().unwrap_or_default()).peekable();
    lines.peek()?;
    Some(lines.flat_map(|line| outside_quotes(line, ',')).collect())
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`.
fn listed_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']')?;
            let port = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
            inside.parse::<std::net::Ipv6Addr>().ok().filter(|_| port).map(IpAddr::V6)
        }
        None => text.parse().ok().or_else(|| {
            let (address, port) = text.split_once(':')?;
            address.parse::<std::net::Ipv4Addr>().ok().filter(|_| is_port(port)).map(IpAddr::V4)
        }),
    };
    address.map(|address| address.to_canonical())
}

/// The `for` of one element of `Forwarded`; an unknown or hidden one is none. Every pair has to be well formed: a quote
/// that a client leaves open would make what the proxy adds a part of the client's own element.
fn named_hop(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in outside_quotes(element, ';') {
        let (name, value) = pair.split_once('=')?;
        let value = value_of(value.trim())?;
        if name.trim().eq_ignore_ascii_case("for") {
            // Said twice, it says nothing.
            if found.is_some() {
                return None;
            }
            found = Some(value);
        }
    }
    listed_hop(found?)
}

/// A token, or what stands between the quotes. No address needs an escape.
fn value_of(text: &str) -> Option<&str> {
    let odd = |c: char| matches!(c, '"' | '\\') || c.is_control();
    match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').filter(|inside| !inside.contains(odd)),
        // Without quotes there is no colon, and so neither port nor IPv6 address.
        None => Some(text).filter(|text| !text.contains(|c| odd(c) || c == ':' || c == ',')),
    }
}

/// The parts of a text between separators that are not inside quotes. A quote that never ends takes the rest with it.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut quoted, mut escaped, mut from) = (Vec::new(), false, false, 0);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(text.get(from..at).unwrap_or_default());
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// No honest chain is longer.
const MOST_HOPS: usize = 32;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    /// Who asks when that comes from `peer`, with 10.0.0.0/8 and 2001:db8:ffff::/48 trusted.
    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let networks = ["10.0.0.0/8", "2001:db8:ffff::/48"].map(|text| Network::parse(text).unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Proxies::new(networks.to_vec()).client(peer.parse().unwrap(), &map).to_string()
    }

    fn listed(value: &str) -> String {
        client(PROXY, &[("x-forwarded-for", value)])
    }

    fn named(value: &str) -> String {
        client(PROXY, &[("forwarded", value)])
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        for header in [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=198.51.100.7")] {
            assert_eq!(client("192.0.2.9", &[header]), "192.0.2.9", "{header:?}");
            assert_eq!(client(PROXY, &[header]), "198.51.100.7", "{header:?}");
            assert_eq!(client("::ffff:10.0.0.1", &[header]), "198.51.100.7", "{header:?}");
        }
        let nobody = Proxies::default();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "198.51.100.7".parse().unwrap());
        assert_eq!(nobody.client([127, 0, 0, 1].into(), &headers).to_string(), "127.0.0.1");
    }

    #[test]
    fn what_a_client_writes_itself_stands_left_of_what_the_proxy_saw() {
        assert_eq!(listed("198.51.100.1, 203.0.113.5"), "203.0.113.5");
        assert_eq!(listed("10.9.9.9, 203.0.113.5, 10.0.0.2"), "203.0.113.5", "trusted hops are skipped");
        assert_eq!(client(PROXY, &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "203.0.113.5")]), "203.0.113.5");
        assert_eq!(named("for=198.51.100.1, for=203.0.113.5;by=10.0.0.1"), "203.0.113.5");
        // An unfinished quote cannot swallow what comes after it from the proxy, but only make it unreadable.
        assert_eq!(named("for=\"1.2.3.4, for=203.0.113.5"), PROXY);
        for own in ["for=\"1.2.3.4\";x=\"", "for=1.2.3.4;x=\"\\", "for=\"1.2.3.4"] {
            for adds in ["for=203.0.113.5", "for=\"[2001:db8::5]:80\";proto=https", "for=\"203.0.113.5:80\""] {
                let seen = named(&format!("{own}, {adds}"));
                assert_ne!(seen, "1.2.3.4", "{own}, {adds}");
            }
        }
        assert_eq!(listed("rubbish, 203.0.113.5"), "203.0.113.5", "what is left of the client is not read");
    }

    #[test]
    fn one_header_cannot_be_used_to_outdo_the_other() {
        let both = |one, other| client(PROXY, &[("x-forwarded-for", one), ("forwarded", other)]);
        assert_eq!(both("203.0.113.5", "for=1.2.3.4"), PROXY);
        assert_eq!(both("1.2.3.4", "for=203.0.113.5"), PROXY);
        assert_eq!(both("203.0.113.5", "for=_hidden"), PROXY);
        assert_eq!(both("203.0.113.5", "for=203.0.113.5"), "203.0.113.5");
    }

    #[test]
    fn every_way_to_write_an_address_is_read() {
        let good = [
            ("203.0.113.5:4711", "203.0.113.5"),
            ("2001:db8::5", "2001:db8::5"),
            ("[2001:db8::5]:4711", "2001:db8::5"),
            ("[2001:db8::5]", "2001:db8::5"),
            ("::ffff:203.0.113.5", "203.0.113.5"),
            ("2001:db8:ffff::1", "2001:db8:ffff::1"),
            ("10.0.0.7, 10.0.0.8", "10.0.0.7"),
        ];
        for (said, client) in good {
            assert_eq!(listed(said), client, "{said}");
        }
        assert_eq!(named("For=\"[2001:db8::5]:4711\";proto=https"), "2001:db8::5");
        assert_eq!(named("proto=https; for=203.0.113.5"), "203.0.113.5");
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        let long = vec!["10.0.0.3"; MOST_HOPS + 1].join(",");
        let bad =
            ["", " ", "unknown", "203.0.113.5:port", "203.0.113.5:", "203.0.113.5:70000", "[2001:db8::5", ",", &long];
        for said in bad {
            assert_eq!(listed(said), PROXY, "{said}");
        }
        assert_eq!(listed("203.0.113.5, rubbish"), PROXY);
        let bad = [
            "for=unknown",
            "for=_hidden",
            "by=203.0.113.5",
            "for",
            "for=203.0.113.5;for=198.51.100.7",
            "for=2001:db8::5",
            "for=\"203.0.113.5",
            "203.0.113.5",
        ];
        for said in bad {
            assert_eq!(named(said), PROXY, "{said}");
        }
        assert_eq!(client(PROXY, &[]), PROXY);
    }
}
