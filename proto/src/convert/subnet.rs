//! Subnets as people write them, and those that have a meaning of their own.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What no container can have an address in: "this" network, loopback, link-local, multicast and above.
const RESERVED_IPV4: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(Ipv4Addr::new(0, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3),
];
/// The same in IPv6: unspecified, loopback and mapped addresses, link-local, multicast.
const RESERVED_IPV6: [Ipv6Net; 3] = [
    Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 8),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Reads `ADDRESS/PREFIX`, or says what would be right.
pub(super) fn read(text: &str) -> Result<IpNet, String> {
    let subnet: IpNet = text
        .parse()
        .map_err(|_| format!("`{text}` is not a subnet: write ADDRESS/PREFIX, such as 10.0.9.0/24"))?;
    match subnet.trunc() {
        whole if whole == subnet => Ok(subnet),
        whole => Err(format!("{text} has bits set beyond its prefix: use {whole}")),
    }
}

/// The part of a subnet, or the range around it, that has a meaning of its own.
pub(super) fn reserved(subnet: IpNet) -> Option<IpNet> {
    match subnet {
        IpNet::V4(subnet) => {
            RESERVED_IPV4.into_iter().find(|it| it.contains(&subnet) || subnet.contains(it)).map(IpNet::V4)
        }
        IpNet::V6(subnet) => {
            RESERVED_IPV6.into_iter().find(|it| it.contains(&subnet) || subnet.contains(it)).map(IpNet::V6)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_holds_a_reserved_one_is_reserved_as_well() {
        let found = |text: &str| reserved(read(text).unwrap()).map(|subnet| subnet.to_string());
        assert_eq!(found("126.0.0.0/7").as_deref(), Some("127.0.0.0/8"));
        assert_eq!(found("169.128.0.0/9").as_deref(), Some("169.254.0.0/16"));
        assert_eq!(found("240.0.0.0/16").as_deref(), Some("224.0.0.0/3"));
        assert_eq!(found("fe80::/64").as_deref(), Some("fe80::/10"));
        assert_eq!(found("::/16").as_deref(), Some("::/8"));
        assert_eq!([found("10.0.0.0/8"), found("fd00::/16"), found("172.16.0.0/12")], [None, None, None]);
    }
}
