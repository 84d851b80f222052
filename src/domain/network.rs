//! Which network addresses are places that somebody on the internet could reach as well, and which never are a peer.
//!
//! Never looks a name up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reachable by everybody on the internet, so that reaching it from inside tells nobody anything new.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => embedded(ip).map_or_else(|| is_public_v6(ip), is_public_v4),
    }
}

/// What `allow_private_addresses` allows: anything but the places no hub can be, clouds' own metadata among them.
pub fn is_usable(ip: IpAddr) -> bool {
    let ip = match ip {
        IpAddr::V6(v6) => embedded(v6).map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    };
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST) && !METADATA.contains(&ip)
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = match a {
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => (b == 0 && matches!(c, 0 | 2)) || (b == 88 && c == 99) || b == 168,
        198 => matches!(b, 18 | 19) || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !special
}

/// Only 2000::/3 is the internet, less what is set aside in it: 2001::/23 (Teredo, ORCHID), 2001:db8::/32 and
/// 3fff::/20 (documentation), 2002::/16 (6to4, an IPv4 address in disguise).
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let set_aside = (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    a & 0xe000 == 0x2000 && !set_aside
}

/// The IPv4 address that an IPv6 one really means: mapped, or made by a network's own NAT64.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let nat64 = ip.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let [.., a, b, c, d] = ip.octets();
    ip.to_ipv4_mapped().or(nat64.then_some(Ipv4Addr::new(a, b, c, d)))
}

const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

#[cfg(test)]
#[allow(clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn only_the_public_internet_is_public() {
        let inside = "127.0.0.1 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 \
            255.255.255.255 224.0.0.1 198.18.0.1 192.0.0.8 203.0.113.9 ::1 :: fe80::1 fc00::1 fd00:ec2::254 ff02::1 \
            ::ffff:10.0.0.1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::1 2002:7f00:1:: 2001::1 \
            2001:db8::1 100::1";
        for inside in inside.split_whitespace() {
            assert!(!is_public(ip(inside)), "{inside}");
        }
        let outside = "18.164.174.23 172.32.0.1 100.128.0.1 2600:9000::1 2001:4860::8888 64:ff9b::8.8.8.8";
        for outside in outside.split_whitespace() {
            assert!(is_public(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn no_hub_is_at_a_clouds_metadata() {
        for never in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0", "::", "ff02::1"] {
            assert!(!is_usable(ip(never)), "{never}");
        }
        for private in ["127.0.0.1", "10.0.0.1", "::1", "fd12::1"] {
            assert!(is_usable(ip(private)), "{private}");
        }
    }
}
