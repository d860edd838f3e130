//! The addresses of a node at which a port is published: one, or all within a subnet.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, str::FromStr};

/// One address, or a subnet: each node publishes at the addresses it has there, and one without any does not publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostIp(IpNet);

/// Says why nothing can be published at an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostIpError {
    /// It is neither an address nor a subnet.
    #[error(
        "`{text}` is not an address of a node: write one such as 10.0.0.5 or fd00::5, or a subnet such as 10.0.0.0/24"
    )]
    Malformed {
        /// What was given.
        text: String,
    },
    /// The kernel does not let such packets leave the loopback.
    #[error(
        "packets for ::1 can't be led to a container: use 127.0.0.1, which only the node itself reaches too"
    )]
    Loopback,
    /// Routers do not forward from or to such addresses (RFC 4291, 2.5.6).
    #[error(
        "packets for the link-local address {0} can't be led to a container: use another address of the nodes"
    )]
    LinkLocal(IpAddr),
}

impl HostIp {
    /// Whether a port is published at this address of a node.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// All the addresses.
    pub fn net(self) -> IpNet {
        self.0
    }
}

impl FromStr for HostIp {
    type Err = HostIpError;

    /// Reads `ADDRESS` or `ADDRESS/PREFIX`; as elsewhere `0.0.0.0` is every IPv4 address, and `::` every IPv6 address.
    fn from_str(text: &str) -> Result<Self, HostIpError> {
        let single = text.parse::<IpAddr>().ok().map(|address| match address.is_unspecified() {
            true => IpNet::new(address, 0).expect("0 is a prefix length"),
            false => IpNet::from(address),
        });
        let malformed = || HostIpError::Malformed { text: text.chars().take(60).collect() };
        let net = single.or_else(|| text.parse().ok()).ok_or_else(malformed)?;
        match net.addr() {
            IpAddr::V6(address) if address.is_loopback() && net.prefix_len() == net.max_prefix_len() => {
                Err(HostIpError::Loopback)
            }
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                Err(HostIpError::LinkLocal(address.into()))
            }
            _ => Ok(Self(net.trunc())),
        }
    }
}

impl fmt::Display for HostIp {
    /// As it is read; with `#` an IPv6 address is in brackets, as before a port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, prefix) = (self.0.addr(), self.0.prefix_len());
        let is_whole = prefix == self.0.max_prefix_len() || prefix == 0 && address.is_unspecified();
        let text = if is_whole { address.to_string() } else { self.0.to_string() };
        match f.alternate() && address.is_ipv6() {
            true => write!(f, "[{text}]"),
            false => f.write_str(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_subnet_comes_back_as_it_was_written() {
        for text in ["10.0.0.5", "10.0.0.0/24", "0.0.0.0", "::", "fd00::5", "fd00::/64", "127.0.0.1"] {
            assert_eq!(text.parse::<HostIp>().unwrap().to_string(), text);
        }
        assert_eq!("10.0.0.5/24".parse::<HostIp>().unwrap().to_string(), "10.0.0.0/24");
        assert_eq!(format!("{:#}", "fd00::5".parse::<HostIp>().unwrap()), "[fd00::5]");
    }

    #[test]
    fn the_unspecified_address_is_every_address_of_its_family() {
        let every = |text: &str| text.parse::<HostIp>().unwrap();
        assert!(every("0.0.0.0").contains("192.0.2.1".parse().unwrap()));
        assert!(!every("0.0.0.0").contains("2001:db8::1".parse().unwrap()));
        assert!(every("::").contains("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn addresses_that_no_packet_can_be_led_away_from_are_refused_with_the_reason() {
        for (text, says) in [
            ("eth0", "`eth0` is not an address of a node"),
            ("10.0.0.0/33", "`10.0.0.0/33` is not an address"),
            ("::1", "use 127.0.0.1"),
            ("fe80::1", "link-local address fe80::1"),
        ] {
            let error = text.parse::<HostIp>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
