//! The addresses of a development cluster.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Length in bits of every development cluster's IPv4 prefix.
pub(crate) const PREFIX: u8 = 24;
/// Length in bits of its IPv6 prefix.
pub(crate) const PREFIX_V6: u8 = 64;

/// An IPv4 network of 256 addresses, and the IPv6 network that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet([u8; 3]);

/// Says why a text is not a subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a subnet for a development cluster: write an IPv4 network of 24 bits, such as 10.88.0.0/24"
)]
pub struct SubnetError(String);

impl Default for Subnet {
    /// 10.88.0.0/24.
    fn default() -> Self {
        Self([10, 88, 0])
    }
}

impl Subnet {
    /// The networks to choose from when none is asked for, the default first.
    pub(crate) fn candidates() -> impl Iterator<Item = Subnet> {
        (88..=89).flat_map(|second| (0..=255).map(move |third| Subnet([10, second, third])))
    }

    /// An IPv4 address by its last number.
    pub fn host(self, number: u8) -> Ipv4Addr {
        let [a, b, c] = self.0;
        Ipv4Addr::new(a, b, c, number)
    }

    /// An IPv6 address by its last number: a unique local one (RFC 4193) of the same network.
    pub fn host_v6(self, number: u8) -> Ipv6Addr {
        let [a, b, c] = self.0.map(u16::from);
        Ipv6Addr::new(0xfd73, 0x686f, a << 8 | b, c, 0, 0, 0, u16::from(number))
    }

    /// The machine's address.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        self.host(1)
    }

    /// Whether a network shares addresses with this one.
    pub(crate) fn overlaps(self, addr: Ipv4Addr, prefix: u8) -> bool {
        let shorter = u32::from(prefix.min(PREFIX));
        // A shift by 32 has no result: the empty prefix holds every address.
        let cut = |addr: Ipv4Addr| addr.to_bits().checked_shr(32 - shorter).unwrap_or(0);
        cut(addr) == cut(self.host(0))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{PREFIX}", self.host(0))
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let refuse = || SubnetError(text.chars().take(60).collect());
        let (addr, prefix) = text.split_once('/').ok_or_else(refuse)?;
        let [a, b, c, last] = addr.parse::<Ipv4Addr>().map_err(|_| refuse())?.octets();
        if prefix == "24" && last == 0 { Ok(Subnet([a, b, c])) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for Subnet {
    type Error = SubnetError;

    fn try_from(text: String) -> Result<Self, SubnetError> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_is_read_and_written_alike() {
        assert_eq!("10.88.0.0/24".parse(), Ok(Subnet::default()));
        assert_eq!("192.168.7.0/24".parse::<Subnet>().unwrap().to_string(), "192.168.7.0/24");
        for bad in ["", "10.88.0.0", "10.88.0.1/24", "10.88.0.0/16", "fd00::/64", "10.88.0/24"] {
            assert_eq!(bad.parse::<Subnet>(), Err(SubnetError(bad.into())));
        }
    }

    #[test]
    fn larger_and_smaller_networks_overlap() {
        let subnet = Subnet::default();
        for (addr, prefix, overlaps) in [
            ([10, 88, 0, 77], 32, true),
            ([10, 88, 0, 128], 25, true),
            ([10, 0, 0, 0], 8, true),
            ([192, 0, 2, 0], 0, true),
            ([10, 88, 1, 0], 24, false),
            ([10, 88, 1, 5], 32, false),
            ([10, 96, 0, 0], 12, false),
        ] {
            assert_eq!(subnet.overlaps(addr.into(), prefix), overlaps, "{addr:?}/{prefix}");
        }
    }

    #[test]
    fn every_candidate_has_addresses_of_its_own() {
        let v6: std::collections::BTreeSet<_> =
            Subnet::candidates().map(|subnet| subnet.host_v6(1)).collect();
        assert_eq!(v6.len(), 512);
        assert_eq!(Subnet::candidates().next(), Some(Subnet::default()));
    }
}
