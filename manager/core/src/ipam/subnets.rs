//! Which addresses a new network has, and its number on the wire.

use super::pools;
use crate::{networks::addresses_of, state::State};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proto::model::{
    AddressPools, Cluster, Ipv4Pool, Ipv6Pool, Name, Network, NetworkId, NetworkKind, NetworkSpec, Timestamp,
    VNIS, address_pools::IPV6_MASK_LENGTH,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

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
    /// A node's own containers have a part of the subnet.
    #[error(
        "subnet {subnet} overlaps with {taken}, from which node {node} gives its containers their addresses outside of \
         the cluster's networks: choose another one"
    )]
    ContainersOfNode {
        /// The subnet wanted.
        subnet: String,
        /// The node's.
        taken: IpNet,
        /// The node.
        node: String,
    },
    /// A node reaches a part of the subnet outside.
    #[error(
        "subnet {subnet} overlaps with {taken}, to which node {node} has a route: containers would not reach that; choose \
         another one"
    )]
    AroundNode {
        /// The subnet wanted.
        subnet: String,
        /// Where the route leads.
        taken: IpNet,
        /// The node.
        node: String,
    },
    /// The default pools are used up.
    #[error(
        "no subnet with a prefix of {prefix} is left in {pools}: choose one with --subnet, remove a network, or add a pool \
         with `shoal swarm update --default-addr-pool`"
    )]
    NoSubnet {
        /// The length of the prefixes.
        prefix: u8,
        /// The pools.
        pools: String,
    },
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
    let last = state.cluster().map_or(0, |cluster| cluster.last_vni);
    let next = last.saturating_add(1).max(*VNIS.start())..=*VNIS.end();
    let vni = next.chain(VNIS).find(|vni| !taken.contains(vni)).ok_or(IpamError::NoVni)?;
    let default_pools =
        state.cluster().map_or_else(AddressPools::default, |it| it.spec.address_pools.clone());
    let ipv4 = match spec.ipv4_pool {
        Some(pool) => check_ipv4(state, &spec.kind, pool)?,
        None => free_ipv4(state, &default_pools)?,
    };
    let ipv6 = match (spec.ipv6, spec.ipv6_pool) {
        (false, _) => None,
        (true, Some(pool)) => Some(check_ipv6(state, &spec.kind, pool)?),
        (true, None) if default_pools.ipv6.is_empty() => {
            Some(check_ipv6(state, &spec.kind, local_ipv6(state.cluster(), vni))?)
        }
        (true, None) => Some(free_ipv6(state, &default_pools)?),
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
        kind: NetworkKind::Overlay,
    };
    new_network(state, id, spec, now).ok()
}

/// Whether two networks can't both be.
pub(crate) fn clash(one: &Network, other: &Network) -> bool {
    let ipv6 = one.ipv6.zip(other.ipv6);
    one.spec.name == other.spec.name
        || one.vni == other.vni
        || (one.spec.ingress && other.spec.ingress)
        || one.spec.kind.parent().is_some_and(|parent| other.spec.kind.parent() == Some(parent))
        || overlap_ipv4(one.ipv4.subnet, other.ipv4.subnet)
        || ipv6.is_some_and(|(one, other)| overlap_ipv6(one.subnet, other.subnet))
}

fn overlap_ipv4(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

fn overlap_ipv6(one: Ipv6Net, other: Ipv6Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

fn check_ipv4(state: &State, kind: &NetworkKind, pool: Ipv4Pool) -> Result<Ipv4Pool, IpamError> {
    let subnet = pool.subnet;
    if let Some(other) = state.networks().find(|other| overlap_ipv4(other.ipv4.subnet, subnet)) {
        let (taken, name) = (other.ipv4.subnet.to_string(), other.spec.name.clone());
        return Err(IpamError::Overlap { subnet: subnet.to_string(), taken, name });
    }
    check_nodes(state, kind, IpNet::V4(subnet.trunc())).map(|()| pool)
}

fn check_ipv6(state: &State, kind: &NetworkKind, pool: Ipv6Pool) -> Result<Ipv6Pool, IpamError> {
    let subnet = pool.subnet;
    let taken_by = |other: &Arc<Network>| {
        let taken = other.ipv6.filter(|pool| overlap_ipv6(pool.subnet, subnet))?;
        Some((taken.subnet.to_string(), other.spec.name.clone()))
    };
    if let Some((taken, name)) = state.networks().find_map(taken_by) {
        return Err(IpamError::Overlap { subnet: subnet.to_string(), taken, name });
    }
    check_nodes(state, kind, IpNet::V6(subnet.trunc())).map(|()| pool)
}

/// Refuses addresses that would hide a node, or what it reaches, from the containers.
fn check_nodes(state: &State, kind: &NetworkKind, subnet: IpNet) -> Result<(), IpamError> {
    let overlapping = |others: &BTreeSet<IpNet>| {
        others.iter().copied().find(|other| other.contains(&subnet) || subnet.contains(other))
    };
    let wanted = || subnet.to_string();
    for node in state.nodes() {
        let name = || {
            let hostname = node.description.as_ref().map(|said| said.hostname.clone());
            hostname.filter(|name| !name.is_empty()).unwrap_or_else(|| node.id.to_string())
        };
        let said = node.description.as_ref();
        if let Some(taken) = said.and_then(|said| overlapping(&said.container_subnets)) {
            return Err(IpamError::ContainersOfNode { subnet: wanted(), taken, node: name() });
        }
        // On a link of theirs containers are beside the nodes.
        if matches!(kind, NetworkKind::Macvlan(_)) {
            continue;
        }
        if let Some(addr) = addresses_of(node).find(|addr| subnet.contains(addr)) {
            return Err(IpamError::ContainsNode { subnet: wanted(), addr, node: name() });
        }
        if let Some(taken) = said.and_then(|said| overlapping(&said.local_subnets)) {
            return Err(IpamError::AroundNode { subnet: wanted(), taken, node: name() });
        }
    }
    Ok(())
}

fn free_ipv4(state: &State, pools: &AddressPools) -> Result<Ipv4Pool, IpamError> {
    let with_gateway = |subnet: Ipv4Net| Some((subnet, subnet.hosts().next()?));
    match pools::free_ipv4(state, pools).and_then(with_gateway) {
        Some((subnet, gateway)) => Ok(Ipv4Pool { subnet, gateway, range: subnet }),
        None => Err(IpamError::NoSubnet { prefix: pools.mask_length, pools: list(&pools.ipv4) }),
    }
}

fn free_ipv6(state: &State, pools: &AddressPools) -> Result<Ipv6Pool, IpamError> {
    match pools::free_ipv6(state, pools) {
        Some(subnet) => Ok(Ipv6Pool { subnet, gateway: first_of(subnet) }),
        None => Err(IpamError::NoSubnet { prefix: IPV6_MASK_LENGTH, pools: list(&pools.ipv6) }),
    }
}

fn first_of(subnet: Ipv6Net) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(subnet.network()) | 1)
}

fn list(pools: &[impl Display]) -> String {
    pools.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A subnet of the cluster's own (RFC 4193, 3.2): 40 bits of the cluster's id, which is random, and the
/// network's number in the other 16 before the prefix ends. A number has 24 bits, so the topmost ones
/// are folded into the cluster's: no two networks of the cluster have the same subnet.
fn local_ipv6(cluster: Option<&Arc<Cluster>>, vni: u32) -> Ipv6Pool {
    const PREFIX: u128 = 0xfd;
    let cluster = cluster.map_or(0, |cluster| cluster.id.bits());
    let global = (cluster & 0xff_ffff_ffff) ^ u128::from(vni >> 16);
    let bits = (PREFIX << 120) | (global << 80) | (u128::from(vni & 0xffff) << 64);
    let subnet = Ipv6Net::new_assert(Ipv6Addr::from(bits), IPV6_MASK_LENGTH);
    Ipv6Pool { subnet, gateway: first_of(subnet) }
}

#[cfg(test)]
#[path = "subnets_tests.rs"]
mod tests;
