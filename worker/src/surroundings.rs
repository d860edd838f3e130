//! What this node's host reaches and has, which networks had better leave alone.

use ipnet::IpNet;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use proto::model::NodeDescription;
use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use worker_network::NetworkConfig;

const IPV4_ROUTES: &str = "/proc/self/net/route";
const IPV6_ROUTES: &str = "/proc/self/net/ipv6_route";

/// The description with the subnets around the node, those it gives its own containers, and its addresses. What can't be
/// read is left out.
pub fn surrounded(mut description: NodeDescription, network: &NetworkConfig) -> NodeDescription {
    let own = [network.ipv4.to_string(), network.ipv6.to_string()];
    description.local_subnets = around().collect();
    description.container_subnets = own.iter().filter_map(|subnet| subnet.parse().ok()).collect();
    description.addresses = addresses();
    description
}

/// What the host has routes to, besides the default ones.
pub(crate) fn around() -> impl Iterator<Item = IpNet> {
    let ipv4 = fs::read_to_string(IPV4_ROUTES).unwrap_or_default();
    let ipv6 = fs::read_to_string(IPV6_ROUTES).unwrap_or_default();
    let ipv4: Vec<String> = ipv4.lines().filter_map(ipv4_route).collect();
    let ipv6: Vec<String> = ipv6.lines().filter_map(ipv6_route).collect();
    ipv4.into_iter().chain(ipv6).filter_map(|subnet| subnet.parse().ok())
}

/// The host's addresses, without those of one link only.
fn addresses() -> BTreeSet<IpAddr> {
    let links = getifaddrs().into_iter().flatten();
    let address = |link: InterfaceAddress| {
        let address = link.address?;
        let ipv4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        ipv4.or_else(|| Some(IpAddr::V6(address.as_sockaddr_in6()?.ip())))
    };
    links.filter_map(address).filter(|address| !is_of_link(*address)).collect()
}

/// The subnet of a line of [`IPV4_ROUTES`] that is no default route: interface, destination, gateway,
/// flags, references, uses, metric, mask, and more. Addresses are numbers of this machine's byte order.
fn ipv4_route(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |place: usize| u32::from_str_radix(words.get(place)?, 16).ok();
    let address = Ipv4Addr::from(word(1)?.to_ne_bytes());
    let prefix = u32::from_be_bytes(word(7)?.to_ne_bytes()).leading_ones();
    subnet(address.into(), prefix)
}

/// The subnet of a line of [`IPV6_ROUTES`] that is no default route: destination, length of its prefix,
/// and more, the interface last.
fn ipv6_route(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = Ipv6Addr::from(u128::from_str_radix(words.first()?, 16).ok()?);
    let prefix = u32::from_str_radix(words.get(1)?, 16).ok()?;
    // A single address is the host's own, or multicast.
    subnet(address.into(), prefix).filter(|_| prefix < u128::BITS)
}

/// A subnet in words, unless it is everything, or has a meaning on one link only.
fn subnet(address: IpAddr, prefix: u32) -> Option<String> {
    (prefix > 0 && !is_of_link(address)).then(|| format!("{address}/{prefix}"))
}

fn is_of_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_multicast() || address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || address.is_multicast() || address.is_loopback()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_are_read_as_the_kernel_writes_them() {
        let found = |line: &str| ipv4_route(line);
        assert_eq!(
            found("eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0").as_deref(),
            Some("192.0.2.0/24")
        );
        assert_eq!(found("eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0"), None);
        assert_eq!(found("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask"), None);
        let rest =
            "00 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 1 0 1 eth0";
        let found = |address: &str, prefix: &str| ipv6_route(&format!("{address} {prefix} {rest}"));
        assert_eq!(found("fd000000000000000000000000000000", "40").as_deref(), Some("fd00::/64"));
        assert_eq!(found("fe800000000000000000000000000000", "40"), None);
        assert_eq!(found("fd000000000000000000000000000002", "80"), None);
        assert_eq!(found("00000000000000000000000000000000", "00"), None);
    }

    #[test]
    fn what_a_node_gives_its_own_containers_is_told() {
        let network = NetworkConfig::new("node", "/run/none");
        let said = surrounded(NodeDescription::default(), &network);
        let own = [network.ipv4.to_string(), network.ipv6.to_string()];
        assert!(
            own.iter().all(|own| said.container_subnets.iter().any(|it| it.to_string() == *own)),
            "{said:?}"
        );
    }
}
