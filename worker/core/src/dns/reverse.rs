//! Names of addresses: `4.3.2.1.in-addr.arpa` (RFC 1035, 3.5) and 32 nibbles of `ip6.arpa` (RFC 3596, 2.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that lower-case labels are the name of, if they name a whole one.
pub(super) fn address(labels: &[&str]) -> Option<IpAddr> {
    match labels {
        [octets @ .., "in-addr", "arpa"] => ipv4(octets).map(IpAddr::V4),
        [nibbles @ .., "ip6", "arpa"] => ipv6(nibbles).map(IpAddr::V6),
        _ => None,
    }
}

fn ipv4(octets: &[&str]) -> Option<Ipv4Addr> {
    let &[d, c, b, a] = octets else { return None };
    // The parser of addresses refuses signs and leading zeros, which that of numbers takes.
    format!("{a}.{b}.{c}.{d}").parse().ok()
}

fn ipv6(nibbles: &[&str]) -> Option<Ipv6Addr> {
    if nibbles.len() != 32 {
        return None;
    }
    let bits = nibbles.iter().rev().try_fold(0u128, |bits, nibble| {
        let mut digits = nibble.chars();
        let digit = digits.next()?.to_digit(16)?;
        digits.next().is_none().then(|| bits << 4 | u128::from(digit))
    })?;
    Some(Ipv6Addr::from(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<IpAddr> {
        address(&name.split('.').collect::<Vec<_>>())
    }

    #[test]
    fn a_whole_address_is_read_from_its_name() {
        assert_eq!(of("4.1.0.10.in-addr.arpa"), Some("10.0.1.4".parse().unwrap()));
        let name = format!("4.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
        assert_eq!(of(&name), Some("fd00::4".parse().unwrap()));
    }

    #[test]
    fn parts_of_addresses_and_odd_spellings_are_no_addresses() {
        for name in [
            "1.0.10.in-addr.arpa",
            "04.1.0.10.in-addr.arpa",
            "+4.1.0.10.in-addr.arpa",
            "256.1.0.10.in-addr.arpa",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
        for name in ["in-addr.arpa", "0.0.d.f.ip6.arpa", "arpa", "4.1.0.10.example.com"] {
            assert_eq!(of(name), None, "{name}");
        }
        let wide = format!("40.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
        assert_eq!(of(&wide), None);
    }
}
