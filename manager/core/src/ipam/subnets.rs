//! Which addresses a new network has, and its number on the wire.

use crate::{networks::data_path, state::State};
use ipnet::{Ipv4Net, Ipv6Net};
use proto::model::{
    Cluster, Ipv4Pool, Ipv6Pool, Name, Network, NetworkId, NetworkSpec, Node, Timestamp, VNIS,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// Where the subnets of networks come from for which none is given: 10.0.0.0/8, as docker has it.
const DEFAULT_POOL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8);
/// The length of their prefixes.
const DEFAULT_PREFIX: u8 = 24;
/// The length of the prefixes of IPv6 subnets for which none is given.
const DEFAULT_IPV6_PREFIX: u8 = 64;

/// Says why a network can't have addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IpamError {
    /// Another network has a part of the subnet.
    #[error("subnet {subnet} overlaps with {taken} of network `{name}`: choose another one")]
    Overlap {
        /// The subnet wanted.
        subnet: String,
        /// The other network's.
        taken: String,
        /// The other network.
        name: Name,
    },
    /// A node is reached by an address of the subnet.
    #[error("subnet {subnet} contains {addr}, by which node {node} is reached: choose another one")]
    ContainsNode {
        /// The subnet wanted.
        subnet: String,
        /// The node's address.
        addr: IpAddr,
        /// The node.
        node: String,
    },
    /// The default pool is used up.
    #[error("no subnet is left in {DEFAULT_POOL}: choose one with --subnet, or remove a network")]
    NoSubnet,
    /// All network numbers are in use.
    #[error("all {} VXLAN network identifiers are in use: remove a network", VNIS.count())]
    NoVni,
}

/// A new network with addresses of its own.
pub fn new_network(
    state: &State,
    id: NetworkId,
    spec: NetworkSpec,
    now: Timestamp,
) -> Result<Network, IpamError> {
    let taken: BTreeSet<u32> = state.networks().map(|network| network.vni).collect();
    let vni = VNIS.into_iter().find(|vni| !taken.contains(vni)).ok_or(IpamError::NoVni)?;
    let ipv4 = match spec.ipv4_pool {
        Some(pool) => check_ipv4(state, pool)?,
        None => free_ipv4(state).ok_or(IpamError::NoSubnet)?,
    };
    let ipv6 = match (spec.ipv6, spec.ipv6_pool) {
        (false, _) => None,
        (true, Some(pool)) => Some(check_ipv6(state, pool)?),
        (true, None) => Some(check_ipv6(state, local_ipv6(state.cluster(), vni))?),
    };
    Ok(Network { id, version: 0, created_at: now, spec, vni, ipv4, ipv6, nodes: BTreeMap::new() })
}

/// The network that carries the traffic of published ports; `None` if the cluster has one, or another
/// network has taken its name.
pub fn ingress_network(state: &State, id: NetworkId, now: Timestamp) -> Option<Network> {
    let name: Name = "ingress".parse().expect("it is a good name");
    if state.networks().any(|network| network.spec.ingress) || state.network_named(&name).is_some() {
        return None;
    }
    let spec = NetworkSpec {
        name,
        labels: BTreeMap::new(),
        ipv6: true,
        internal: false,
        attachable: false,
        ingress: true,
        ipv4_pool: None,
        ipv6_pool: None,
        mtu: None,
    };
    new_network(state, id, spec, now).ok()
}

/// Whether two networks can't both be.
pub(crate) fn clash(one: &Network, other: &Network) -> bool {
    let ipv6 = one.ipv6.zip(other.ipv6);
    one.spec.name == other.spec.name
        || one.vni == other.vni
        || (one.spec.ingress && other.spec.ingress)
        || overlap_ipv4(one.ipv4.subnet, other.ipv4.subnet)
        || ipv6.is_some_and(|(one, other)| overlap_ipv6(one.subnet, other.subnet))
}

fn overlap_ipv4(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

fn overlap_ipv6(one: Ipv6Net, other: Ipv6Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

fn check_ipv4(state: &State, pool: Ipv4Pool) -> Result<Ipv4Pool, IpamError> {
    let subnet = pool.subnet;
    if let Some(other) = state.networks().find(|other| overlap_ipv4(other.ipv4.subnet, subnet)) {
        let (taken, name) = (other.ipv4.subnet.to_string(), other.spec.name.clone());
        return Err(IpamError::Overlap { subnet: subnet.to_string(), taken, name });
    }
    let is_in = |addr: IpAddr| matches!(addr, IpAddr::V4(addr) if subnet.contains(&addr));
    check_nodes(state, is_in, subnet.to_string()).map(|()| pool)
}

fn check_ipv6(state: &State, pool: Ipv6Pool) -> Result<Ipv6Pool, IpamError> {
    let subnet = pool.subnet;
    let taken_by = |other: &Arc<Network>| {
        let taken = other.ipv6.filter(|pool| overlap_ipv6(pool.subnet, subnet))?;
        Some((taken.subnet.to_string(), other.spec.name.clone()))
    };
    if let Some((taken, name)) = state.networks().find_map(taken_by) {
        return Err(IpamError::Overlap { subnet: subnet.to_string(), taken, name });
    }
    let is_in = |addr: IpAddr| matches!(addr, IpAddr::V6(addr) if subnet.contains(&addr));
    check_nodes(state, is_in, subnet.to_string()).map(|()| pool)
}

/// Refuses addresses that would hide a node from the others.
fn check_nodes(state: &State, is_in: impl Fn(IpAddr) -> bool, subnet: String) -> Result<(), IpamError> {
    let hidden = |node: &Arc<Node>| Some((node.clone(), data_path(node).filter(|&addr| is_in(addr))?));
    match state.nodes().find_map(hidden) {
        Some((node, addr)) => {
            let hostname = node.description.as_ref().map(|said| said.hostname.clone());
            let name = hostname.filter(|name| !name.is_empty()).unwrap_or_else(|| node.id.to_string());
            Err(IpamError::ContainsNode { subnet, addr, node: name })
        }
        None => Ok(()),
    }
}

/// The first subnet of the default pool that no network overlaps and no node is in.
fn free_ipv4(state: &State) -> Option<Ipv4Pool> {
    let mut taken: Vec<Ipv4Net> = state.networks().map(|network| network.ipv4.subnet).collect();
    taken.extend(state.nodes().filter_map(|node| match data_path(node)? {
        IpAddr::V4(addr) => Some(Ipv4Net::from(addr)),
        IpAddr::V6(_) => None,
    }));
    taken.retain(|subnet| overlap_ipv4(*subnet, DEFAULT_POOL));
    taken.sort_by_key(|subnet| subnet.network());
    // Both are in order of their addresses, so that each is looked at once.
    let mut taken = taken.into_iter().peekable();
    let subnet = DEFAULT_POOL.subnets(DEFAULT_PREFIX).ok()?.find(|subnet| {
        while taken.next_if(|other| other.broadcast() < subnet.network()).is_some() {}
        !taken.peek().is_some_and(|other| overlap_ipv4(*other, *subnet))
    })?;
    Some(Ipv4Pool { subnet, gateway: subnet.hosts().next()?, range: subnet })
}

/// A subnet of the cluster's own (RFC 4193, 3.2): 40 bits of the cluster's id, which is random, and the
/// network's number in the other 16 before the prefix ends. A number has 24 bits, so the topmost ones
/// are folded into the cluster's: no two networks of the cluster have the same subnet.
fn local_ipv6(cluster: Option<&Arc<Cluster>>, vni: u32) -> Ipv6Pool {
    const PREFIX: u128 = 0xfd;
    let cluster = cluster.map_or(0, |cluster| cluster.id.bits());
    let global = (cluster & 0xff_ffff_ffff) ^ u128::from(vni >> 16);
    let bits = (PREFIX << 120) | (global << 80) | (u128::from(vni & 0xffff) << 64);
    let subnet = Ipv6Net::new_assert(Ipv6Addr::from(bits), DEFAULT_IPV6_PREFIX);
    Ipv6Pool { subnet, gateway: Ipv6Addr::from(bits | 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        state::Change,
        testing::{Bench, network_in as given, network_spec, node},
    };

    fn new(bench: &Bench, spec: NetworkSpec) -> Result<Network, IpamError> {
        new_network(&bench.state, NetworkId::from_bits(99), spec, bench.now)
    }

    #[test]
    fn the_ingress_network_has_the_first_subnet_and_others_the_next_free_ones() {
        let mut bench = Bench::new();
        let ingress = bench.state.network_named(&"ingress".parse().unwrap()).unwrap();
        assert_eq!((ingress.ipv4.subnet.to_string().as_str(), ingress.vni), ("10.0.0.0/24", 4096));
        bench.add_network(given("wide", "10.0.1.0/25"));
        bench.add_network(given("wider", "10.0.2.0/23"));
        let next = new(&bench, network_spec("front")).unwrap();
        assert_eq!((next.ipv4.subnet.to_string().as_str(), next.vni), ("10.0.4.0/24", 4099));
        assert_eq!(next.ipv4.gateway.to_string(), "10.0.4.1");
    }

    #[test]
    fn a_subnet_in_which_a_node_is_reached_is_left_out() {
        let mut bench = Bench::new();
        bench.add(node(1).data_path("10.0.1.7"));
        assert_eq!(new(&bench, network_spec("front")).unwrap().ipv4.subnet.to_string(), "10.0.2.0/24");
        let refused = new(&bench, given("front", "10.0.0.0/15")).unwrap_err().to_string();
        assert!(refused.contains("overlaps with 10.0.0.0/24 of network `ingress`"), "{refused}");
        let refused = new(&bench, given("front", "10.0.1.0/24")).unwrap_err().to_string();
        assert!(refused.contains("contains 10.0.1.7, by which node node-1 is reached"), "{refused}");
    }

    #[test]
    fn ipv6_subnets_are_the_clusters_own_and_differ_for_every_number() {
        let mut bench = Bench::new();
        bench.edit_cluster(|cluster| cluster.id = proto::model::ClusterId::from_bits(0xab_cdef_0123));
        let spec = NetworkSpec { ipv6: true, ..network_spec("front") };
        let ipv6 = new(&bench, spec).unwrap().ipv6.unwrap();
        assert_eq!(ipv6.subnet.to_string(), "fdab:cdef:123:1001::/64");
        assert_eq!(ipv6.gateway.to_string(), "fdab:cdef:123:1001::1");
        let subnets: BTreeSet<Ipv6Net> =
            [4096, 0x1_1000, 0xff_1000].map(|vni| local_ipv6(bench.state.cluster(), vni).subnet).into();
        assert_eq!(subnets.len(), 3);
    }

    #[test]
    fn two_networks_made_at_the_same_time_can_not_have_the_same_addresses() {
        let mut bench = Bench::new();
        let one = new(&bench, network_spec("front")).unwrap();
        let other = Network { id: NetworkId::from_bits(98), ..new(&bench, network_spec("back")).unwrap() };
        bench.change(Change::PutNetwork(Box::new(one)));
        let clashing = crate::state::Transaction::of(vec![Change::PutNetwork(Box::new(other))]);
        assert!(bench.state.apply(&clashing).is_err());
    }
}
