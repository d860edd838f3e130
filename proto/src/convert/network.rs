//! Networks and what users ask of them.

use super::{bounds, network_kind, subnet};
use crate::{
    model::{
        IPV6_MTU_MIN, Ipv4Pool, Ipv6Pool, MTUS, Name, Network, NetworkAddress, NetworkSpec, NodeId,
        NodeLease, Problems,
    },
    wire,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

const SUBNET: &str = "--subnet";
const GATEWAY: &str = "--gateway";
const RANGE: &str = "--ip-range";
/// The prefix lengths that a network can have: from 4 usable addresses to 4 million, and for IPv6 so
/// that every number has an address.
pub(super) const IPV4_PREFIXES: RangeInclusive<u8> = 10..=29;
const IPV6_PREFIXES: RangeInclusive<u8> = 16..=96;

impl From<&Ipv4Pool> for wire::IpamPool {
    fn from(pool: &Ipv4Pool) -> Self {
        wire::IpamPool {
            subnet: pool.subnet.to_string(),
            gateway: pool.gateway.to_string(),
            range: if pool.range == pool.subnet { String::new() } else { pool.range.to_string() },
        }
    }
}

impl From<&Ipv6Pool> for wire::IpamPool {
    fn from(pool: &Ipv6Pool) -> Self {
        wire::IpamPool {
            subnet: pool.subnet.to_string(),
            gateway: pool.gateway.to_string(),
            range: String::new(),
        }
    }
}

impl From<&NetworkSpec> for wire::NetworkSpec {
    fn from(spec: &NetworkSpec) -> Self {
        let (driver, options) = network_kind::to_wire(&spec.kind);
        wire::NetworkSpec {
            name: spec.name.to_string(),
            labels: spec.labels.clone().into_iter().collect(),
            ipv6: spec.ipv6,
            internal: spec.internal,
            attachable: spec.attachable,
            ingress: spec.ingress,
            pools: pools(spec.ipv4_pool.as_ref(), spec.ipv6_pool.as_ref()),
            mtu: spec.mtu.map(u32::from),
            driver,
            options,
        }
    }
}

/// Both pools, IPv4 first.
pub(super) fn pools(ipv4: Option<&Ipv4Pool>, ipv6: Option<&Ipv6Pool>) -> Vec<wire::IpamPool> {
    ipv4.map(wire::IpamPool::from).into_iter().chain(ipv6.map(wire::IpamPool::from)).collect()
}

impl From<&Network> for wire::Network {
    /// Leaves out who uses it and how much of it: the answering manager fills that in.
    fn from(network: &Network) -> Self {
        wire::Network {
            id: network.id.to_string(),
            version: network.version,
            created_at: network.created_at.0,
            spec: Some((&network.spec).into()),
            vni: network.vni,
            pools: pools(Some(&network.ipv4), network.ipv6.as_ref()),
            nodes: network.nodes.iter().map(|(id, lease)| node(*id, lease)).collect(),
            ..Default::default()
        }
    }
}

/// What a node holds of a network. Leaves its address out: the answering manager fills it in.
pub(super) fn node(id: NodeId, lease: &NodeLease) -> wire::NetworkNode {
    wire::NetworkNode {
        node_id: id.to_string(),
        number: lease.number,
        blocks: lease.blocks.iter().copied().collect(),
        ..Default::default()
    }
}

impl From<&NetworkAddress> for wire::NetworkAddress {
    /// Leaves the address in words out: the answering manager fills it in.
    fn from(address: &NetworkAddress) -> Self {
        wire::NetworkAddress {
            network_id: address.network.to_string(),
            number: address.number,
            ..Default::default()
        }
    }
}

impl TryFrom<wire::NetworkSpec> for NetworkSpec {
    type Error = Problems;

    fn try_from(wire: wire::NetworkSpec) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = problems.take("NETWORK", Name::try_from(wire.name));
        if name.as_ref().is_some_and(|name| ["host", "none", "default", "bridge"].contains(&name.as_str())) {
            problems.add("NETWORK", "this name stands for a network of each node's own: choose another one");
        }
        let labels = bounds::labels("--label", wire.labels, &mut problems);
        let (mut ipv4_pool, mut ipv6_pool) = (None, None);
        for pool in wire.pools {
            match problems.take(SUBNET, subnet(&pool.subnet)) {
                Some(IpNet::V4(subnet)) if ipv4_pool.is_none() => {
                    ipv4_pool = ipv4(subnet, &pool, &mut problems);
                }
                Some(IpNet::V6(subnet)) if ipv6_pool.is_none() => {
                    ipv6_pool = ipv6(subnet, &pool, &mut problems);
                }
                Some(subnet) => problems.add(
                    SUBNET,
                    format!(
                        "{subnet} is the second of its family: give one IPv4 and one IPv6 subnet at most"
                    ),
                ),
                None => {}
            }
        }
        if ipv6_pool.is_some() && !wire.ipv6 {
            problems.add("--ipv6", "an IPv6 subnet is given: add --ipv6, or leave the subnet out");
        }
        if wire.ingress && wire.attachable {
            problems.add("--attachable", "the network of published ports can't be attached to: leave it out");
        }
        if wire.ingress && wire.internal {
            problems.add("--internal", "published ports are reached from outside: leave it out");
        }
        let mtu = wire.mtu.and_then(|mtu| problems.take("--opt mtu", read_mtu(mtu, wire.ipv6, wire.ingress)));
        let kind = network_kind::from_wire(&wire.driver, wire.options, &mut problems);
        network_kind::check(
            &kind,
            network_kind::Wanted {
                ingress: wire.ingress,
                internal: wire.internal,
                attachable: wire.attachable,
            },
            [ipv4_pool.is_some(), ipv6_pool.is_some() || !wire.ipv6],
            &mut problems,
        );
        let Some(name) = name else { return Err(problems) };
        problems.finish(NetworkSpec {
            name,
            labels,
            ipv6: wire.ipv6,
            internal: wire.internal,
            attachable: wire.attachable,
            ingress: wire.ingress,
            ipv4_pool,
            ipv6_pool,
            mtu,
            kind,
        })
    }
}

fn read_mtu(mtu: u32, ipv6: bool, ingress: bool) -> Result<u16, String> {
    let (first, last) = MTUS.into_inner();
    match u16::try_from(mtu) {
        Ok(mtu) if mtu < IPV6_MTU_MIN && MTUS.contains(&mtu) && (ipv6 || ingress) => {
            let what = if ipv6 { "IPv6" } else { "the network of published ports" };
            Err(format!("{mtu} is too small for {what}: use {IPV6_MTU_MIN} to {last}"))
        }
        Ok(mtu) if MTUS.contains(&mtu) => Ok(mtu),
        _ => {
            Err(format!("{mtu} is out of range: use {first} to {last}, or {IPV6_MTU_MIN} at least with IPv6"))
        }
    }
}

fn subnet(text: &str) -> Result<IpNet, String> {
    let subnet = subnet::read(text)?;
    let prefixes = if subnet.addr().is_ipv4() { IPV4_PREFIXES } else { IPV6_PREFIXES };
    if !prefixes.contains(&subnet.prefix_len()) {
        return Err(format!(
            "{text} has a prefix of {}: use {} to {}",
            subnet.prefix_len(),
            prefixes.start(),
            prefixes.end()
        ));
    }
    match subnet::reserved(subnet) {
        Some(reserved) => Err(format!(
            "{text} overlaps {reserved}, which has a meaning of its own: use a private range, such as 10.0.9.0/24 \
             or fd00:9::/64"
        )),
        None => Ok(subnet),
    }
}

fn ipv4(subnet: Ipv4Net, pool: &wire::IpamPool, problems: &mut Problems) -> Option<Ipv4Pool> {
    let first = subnet.hosts().next()?;
    let gateway = given(GATEWAY, &pool.gateway, first, problems)?;
    let range = given(RANGE, &pool.range, subnet, problems)?;
    if !subnet.contains(&gateway) || gateway == subnet.network() || gateway == subnet.broadcast() {
        problems.add(GATEWAY, format!("{gateway} is no host's address in {subnet}: use {first}, say"));
    }
    if !subnet.contains(&range) {
        problems.add(RANGE, format!("{range} is not a part of {subnet}"));
    } else if range.prefix_len() > *IPV4_PREFIXES.end() {
        problems.add(RANGE, format!("{range} is too small: use a prefix of {} at most", IPV4_PREFIXES.end()));
    }
    Some(Ipv4Pool { subnet, gateway, range: range.trunc() })
}

fn ipv6(subnet: Ipv6Net, pool: &wire::IpamPool, problems: &mut Problems) -> Option<Ipv6Pool> {
    let first = subnet.hosts().nth(1)?;
    let gateway = given(GATEWAY, &pool.gateway, first, problems)?;
    if !subnet.contains(&gateway) {
        problems.add(GATEWAY, format!("{gateway} is not in {subnet}: use {first}, say"));
    }
    if !pool.range.is_empty() {
        problems.add(RANGE, "IPv6 addresses follow the IPv4 ones: give a range for IPv4 only");
    }
    Some(Ipv6Pool { subnet, gateway })
}

/// The value of a text, or another if the text is empty.
fn given<T: FromStr>(option: &str, text: &str, otherwise: T, problems: &mut Problems) -> Option<T>
where
    T::Err: Display,
{
    if text.is_empty() {
        return Some(otherwise);
    }
    problems.take(option, text.parse().map_err(|error| format!("`{text}` is malformed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(pools: Vec<wire::IpamPool>) -> wire::NetworkSpec {
        wire::NetworkSpec { name: "front".into(), pools, ..Default::default() }
    }

    fn pool(subnet: &str, gateway: &str, range: &str) -> wire::IpamPool {
        wire::IpamPool { subnet: subnet.into(), gateway: gateway.into(), range: range.into() }
    }

    fn problems_of(wire: wire::NetworkSpec) -> String {
        NetworkSpec::try_from(wire).unwrap_err().to_string()
    }

    #[test]
    fn a_spec_comes_back_from_the_wire_unchanged() {
        let wire = wire::NetworkSpec {
            ipv6: true,
            internal: true,
            mtu: Some(1400),
            ..spec(vec![
                pool("10.5.0.0/16", "10.5.0.254", "10.5.128.0/17"),
                pool("fd00:5::/64", "fd00:5::fe", ""),
            ])
        };
        let read = NetworkSpec::try_from(wire.clone()).unwrap();
        assert_eq!(wire::NetworkSpec::from(&read), wire);
    }

    #[test]
    fn the_first_address_is_the_gateways_unless_another_is_given() {
        let wire = wire::NetworkSpec {
            ipv6: true,
            ..spec(vec![pool("10.5.0.0/24", "", ""), pool("fd00:5::/64", "", "")])
        };
        let read = NetworkSpec::try_from(wire).unwrap();
        assert_eq!(read.ipv4_pool.unwrap().gateway.to_string(), "10.5.0.1");
        assert_eq!(read.ipv6_pool.unwrap().gateway.to_string(), "fd00:5::1");
    }

    #[test]
    fn subnets_that_can_not_be_are_refused_with_what_would_be_right() {
        for (subnet, said) in [
            ("10.5.0.0", "is not a subnet"),
            ("10.5.0.1/24", "use 10.5.0.0/24"),
            ("10.5.0.0/30", "use 10 to 29"),
            ("10.0.0.0/8", "use 10 to 29"),
            ("fd00::/112", "use 16 to 96"),
            ("127.0.0.0/16", "a meaning of its own"),
            ("169.254.0.0/16", "a meaning of its own"),
            ("224.0.0.0/16", "a meaning of its own"),
            ("fe80::/64", "a meaning of its own"),
        ] {
            let problems = problems_of(spec(vec![pool(subnet, "", "")]));
            assert!(problems.starts_with("--subnet: ") && problems.contains(said), "{subnet}: {problems}");
        }
    }

    #[test]
    fn an_mtu_is_bounded_by_what_the_protocols_need() {
        let asked = |mtu, ipv6, ingress| {
            NetworkSpec::try_from(wire::NetworkSpec { mtu: Some(mtu), ipv6, ingress, ..spec(vec![]) })
                .map(|spec| spec.mtu)
                .map_err(|problems| problems.to_string())
        };
        assert_eq!(asked(68, false, false), Ok(Some(68)));
        assert_eq!(asked(65_465, true, true), Ok(Some(65_465)));
        for (mtu, ipv6, ingress, said) in [
            (67, false, false, "67 is out of range: use 68 to 65465"),
            (65_466, false, false, "65466 is out of range"),
            (70_000, false, false, "70000 is out of range"),
            (1279, true, false, "1279 is too small for IPv6: use 1280 to 65465"),
            (1279, false, true, "1279 is too small for the network of published ports"),
        ] {
            let problem = asked(mtu, ipv6, ingress).unwrap_err();
            assert!(problem.starts_with("--opt mtu: ") && problem.contains(said), "{problem}");
        }
    }

    #[test]
    fn the_network_of_published_ports_is_neither_attachable_nor_internal() {
        let wire = wire::NetworkSpec { ingress: true, attachable: true, internal: true, ..spec(vec![]) };
        let fields: Vec<String> =
            NetworkSpec::try_from(wire).unwrap_err().0.into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["--attachable", "--internal"]);
    }

    #[test]
    fn a_macvlan_network_has_the_addresses_of_its_link_and_ways_out_of_its_own() {
        let options = [("parent".to_owned(), "eth1".to_owned())].into();
        let wire = wire::NetworkSpec { driver: "macvlan".into(), options, ..spec(vec![]) };
        assert!(problems_of(wire.clone()).starts_with("--subnet: a macvlan network"));
        let wire =
            wire::NetworkSpec { pools: vec![pool("192.0.2.0/24", "192.0.2.1", "192.0.2.128/25")], ..wire };
        let read = NetworkSpec::try_from(wire.clone()).unwrap();
        assert_eq!(NetworkSpec::try_from(wire::NetworkSpec::from(&read)).unwrap(), read);
        let problems = problems_of(wire::NetworkSpec { internal: true, ingress: true, ipv6: true, ..wire });
        let fields: Vec<&str> = problems.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(fields, ["--internal", "--ingress", "--internal", "--subnet"]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wire = wire::NetworkSpec {
            name: "host".into(),
            mtu: Some(60),
            ..spec(vec![pool("10.5.0.0/24", "10.6.0.1", "10.7.0.0/25"), pool("10.8.0.0/24", "", "")])
        };
        let fields: Vec<String> =
            NetworkSpec::try_from(wire).unwrap_err().0.into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["NETWORK", "--gateway", "--ip-range", "--subnet", "--opt mtu"]);
    }
}
