//! How host numbers become addresses: the same number in the IPv4 and in the IPv6 subnet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::InterfaceAddress;
use super::subnet::{Ipv4Subnet, Ipv6Subnet};

/// The gateway's host number in both subnets.
pub const GATEWAY_NUMBER: u32 = 1;

/// The first host number given to a container.
pub const FIRST_NUMBER: u32 = 2;

/// The gateway containers use for IPv6: link-local, so that every link of the sandbox can carry it.
pub const GATEWAY_IPV6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// The subnets of one node-local network; without an IPv6 subnet the containers have IPv4 only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnets {
    /// Where IPv4 addresses come from.
    pub ipv4: Ipv4Subnet,
    /// Where IPv6 addresses come from.
    pub ipv6: Option<Ipv6Subnet>,
}

impl Subnets {
    /// Returns the addresses that go with a host number: the same number in each subnet.
    pub fn addresses(&self, number: u32) -> Vec<InterfaceAddress> {
        let ipv4 = InterfaceAddress {
            address: IpAddr::V4(self.ipv4.nth(number)),
            prefix: self.ipv4.prefix(),
            gateway: IpAddr::V4(self.gateway_ipv4()),
        };
        let ipv6 = self.ipv6.map(|subnet| InterfaceAddress {
            address: IpAddr::V6(subnet.nth(number)),
            prefix: subnet.prefix(),
            gateway: IpAddr::V6(GATEWAY_IPV6),
        });
        [ipv4].into_iter().chain(ipv6).collect()
    }

    /// Returns the host number that gives exactly these addresses, if there is one.
    pub fn number_of(&self, addresses: &[InterfaceAddress]) -> Option<u32> {
        let number = addresses.iter().find_map(|held| match held.address {
            IpAddr::V4(address) => self.ipv4.number_of(address),
            IpAddr::V6(_) => None,
        })?;
        (self.addresses(number) == addresses).then_some(number)
    }

    /// Returns the sandbox's IPv4 address towards containers.
    pub fn gateway_ipv4(&self) -> Ipv4Addr {
        self.ipv4.nth(GATEWAY_NUMBER)
    }

    /// Returns the address the sandbox's own IPv6 errors come from.
    pub fn router_ipv6(&self) -> Option<Ipv6Addr> {
        self.ipv6.map(|subnet| subnet.nth(GATEWAY_NUMBER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_number_gives_the_same_position_in_both_subnets() {
        let subnets = Subnets { ipv4: Ipv4Subnet::default(), ipv6: Some(Ipv6Subnet::default()) };
        let addresses = subnets.addresses(0x0105);
        assert_eq!(addresses[0].address, "172.30.1.5".parse::<IpAddr>().unwrap());
        assert_eq!(addresses[1].address, "fd73:686f:616c:ffff::105".parse::<IpAddr>().unwrap());
        assert_eq!(subnets.number_of(&addresses), Some(0x0105));
    }

    #[test]
    fn addresses_of_another_subnet_have_no_host_number() {
        let old = Subnets { ipv4: "10.1.0.0/24".parse().unwrap(), ipv6: None };
        let new = Subnets { ipv4: Ipv4Subnet::default(), ipv6: None };
        assert_eq!(new.number_of(&old.addresses(7)), None);
        let with_ipv6 = Subnets { ipv6: Some(Ipv6Subnet::default()), ..new };
        assert_eq!(new.number_of(&with_ipv6.addresses(7)), None);
    }
}
