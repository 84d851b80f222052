//! Networks as they are written in a configuration: `10.0.0.0/8`, `2001:db8::/32`, or one address.
//!
//! Never looks a name up, and never takes an address with bits beyond its prefix: such a line is a mistake.

use std::{fmt, net::IpAddr};

/// A network, and whether an address is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// `address/bits`, or an address alone, which is a network of one.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().ok()?;
        // `::ffff:10.0.0.0/104` would be compared with addresses that are never written so.
        if base.to_canonical() != base {
            return None;
        }
        let most = width(base);
        let bits = match bits {
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().ok().filter(|bits| *bits <= most)?,
            Some(_) => return None,
            None => most,
        };
        let network = Self { base, bits };
        (network.masked(base) == number(base)).then_some(network)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && self.masked(address) == number(self.base)
    }

    fn masked(&self, address: IpAddr) -> u128 {
        let beyond = u32::from(width(self.base) - self.bits);
        number(address).checked_shr(beyond).and_then(|high| high.checked_shl(beyond)).unwrap_or(0)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn has(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_its_own_addresses_and_no_others() {
        assert!(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("10.1.2.3", "10.1.2.3") && !has("10.1.2.3", "10.1.2.4"));
        assert!(has("10.0.0.0/8", "::ffff:10.1.2.3"), "an IPv4 address is one however it is written");
        assert!(has("2001:db8::/32", "2001:db8:1::9") && !has("2001:db8::/32", "2001:db9::1"));
        assert!(has("0.0.0.0/0", "192.0.2.1") && !has("0.0.0.0/0", "2001:db8::1") && !has("::/0", "192.0.2.1"));
        assert!(has("192.0.2.128/25", "192.0.2.129") && !has("192.0.2.128/25", "192.0.2.127"));
    }

    #[test]
    fn a_line_that_is_a_mistake_is_none() {
        for bad in
            ["", "10.0.0.0/33", "10.0.0.1/8", "2001:db8::/129", "::ffff:10.0.0.0/104", "10.0.0.0/+8", "10/8", "a"]
        {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
        assert_eq!(Network::parse("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
    }
}
