//! Which subnets a node gives its own containers: those that nothing around the node has.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::subnet::{Ipv4Subnet, Ipv6Subnet};

/// In the order they are tried: private ranges (RFC 1918) that few use, and at last one that carriers keep to themselves
/// (RFC 6598).
const IPV4: [&str; 10] = [
    "172.30.0.0/16",
    "172.29.0.0/16",
    "172.28.0.0/16",
    "172.27.0.0/16",
    "172.24.0.0/16",
    "172.21.0.0/16",
    "10.231.0.0/16",
    "10.177.0.0/16",
    "192.168.208.0/20",
    "100.114.0.0/16",
];

/// In the order they are tried; beside the link addresses of uplinks, whose fourth group never comes so far.
const IPV6: [&str; 4] = [
    "fd73:686f:616c:ffff::/64",
    "fd73:686f:616c:fffe::/64",
    "fd91:2c5e:70aa:ffff::/64",
    "fdc4:19d8:3b67:ffff::/64",
];

/// The subnets of a node's own containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnSubnets {
    /// Where IPv4 addresses come from.
    pub ipv4: Ipv4Subnet,
    /// Where IPv6 addresses come from.
    pub ipv6: Ipv6Subnet,
}

impl OwnSubnets {
    /// Chooses the first of each family that overlaps nothing around the node; where all do, the very first.
    pub fn choose(around: &[IpNet]) -> Self {
        Self {
            ipv4: first_free(&IPV4, around).unwrap_or_default(),
            ipv6: first_free(&IPV6, around).unwrap_or_default(),
        }
    }

    /// Returns what of the surroundings the node's containers can't reach for having the same addresses.
    pub fn hidden<'a>(&self, around: &'a [IpNet]) -> impl Iterator<Item = &'a IpNet> + use<'a> {
        let own = [self.ipv4.to_string(), self.ipv6.to_string()];
        let own: Vec<IpNet> = own.iter().filter_map(|text| text.parse().ok()).collect();
        around.iter().filter(move |net| own.iter().any(|own| overlap(own, net)))
    }
}

fn first_free<T: std::str::FromStr>(candidates: &[&str], around: &[IpNet]) -> Option<T> {
    let is_free = |text: &&&str| {
        text.parse().is_ok_and(|candidate: IpNet| !around.iter().any(|net| overlap(&candidate, net)))
    };
    candidates.iter().find(is_free)?.parse().ok()
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(around: &[&str]) -> [String; 2] {
        let around: Vec<IpNet> = around.iter().map(|text| text.parse().unwrap()).collect();
        let chosen = OwnSubnets::choose(&around);
        [chosen.ipv4.to_string(), chosen.ipv6.to_string()]
    }

    #[test]
    fn what_is_around_a_node_is_passed_over() {
        assert_eq!(chosen(&["192.0.2.0/24"]), ["172.30.0.0/16", "fd73:686f:616c:ffff::/64"]);
        assert_eq!(
            chosen(&["172.30.7.0/24", "172.28.0.0/15", "fd73:686f:616c:ffff:1::/80"]),
            ["172.27.0.0/16", "fd73:686f:616c:fffe::/64"]
        );
        assert_eq!(chosen(&["172.16.0.0/12", "fd73::/16"]), ["10.231.0.0/16", "fd91:2c5e:70aa:ffff::/64"]);
        assert_eq!(chosen(&["0.0.0.0/1", "128.0.0.0/1"])[0], "172.30.0.0/16");
    }

    #[test]
    fn every_candidate_is_one_that_containers_can_have() {
        assert!(IPV4.iter().all(|text| text.parse::<Ipv4Subnet>().is_ok()));
        assert!(IPV6.iter().all(|text| text.parse::<Ipv6Subnet>().is_ok()));
    }

    #[test]
    fn what_a_choice_hides_is_named() {
        let around: Vec<IpNet> = ["172.30.7.0/24", "192.0.2.0/24"].map(|text| text.parse().unwrap()).into();
        let chosen = OwnSubnets::choose(&[]);
        assert_eq!(chosen.hidden(&around).collect::<Vec<_>>(), [&around[0]]);
    }
}
