//! From what the managers tell of a network to what this node's sandbox should hold: a function.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proto::model::{
    BLOCK_SIZE, EndpointState, NetworkEndpoint, NetworkId, NetworkInfo, NetworkPeer, NetworkTable, NodeId,
    TaskId,
};
use thiserror::Error;

use super::mac::Mac;
use super::mesh::{self, Mesh};
use super::names::{LOOPBACK, TUNNEL, container_link};
use super::rules::{Rules, Side};
use super::state::{Container, ContainerLink, Desired, Kernel, Tunnel, Way};
use crate::network::addressing::GATEWAY_IPV6;
use crate::network::{InterfaceAddress, NodeShort, UplinkAddresses};

/// What VXLAN adds to a packet on IPv4, in bytes: Ethernet 14, VXLAN 8, UDP 8, IPv4 20.
const OVERHEAD_IPV4: u32 = 50;

/// What VXLAN adds to a packet on IPv6, in bytes.
const OVERHEAD_IPV6: u32 = 70;

/// The smallest MTU a network may have, in bytes: IPv6 needs it (RFC 8200, 5).
const MTU_MIN: u32 = 1280;

/// The prefix of an aligned block of 16 IPv4 addresses.
const BLOCK_PREFIX_IPV4: u8 = 28;

/// The prefix of an aligned block of 16 IPv6 addresses.
const BLOCK_PREFIX_IPV6: u8 = 124;

/// The prefix length of the gateway's link-local address.
const GATEWAY_IPV6_PREFIX: u8 = 64;

/// Why a network cannot be set up on this node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// The managers' table does not have this node.
    #[error("node {node} takes no part in network {network}: the managers have given it no number there yet")]
    NoPart {
        /// This node.
        node: NodeId,
        /// The network.
        network: NetworkId,
    },
    /// The tunnel's header leaves too little room.
    #[error(
        "packets between nodes may have {underlay} bytes only, which leaves {left} for network {network}, less than {MTU_MIN}: raise the MTU of the link with the data path's address"
    )]
    UnderlayTooSmall {
        /// The network.
        network: NetworkId,
        /// The MTU of the data path's link, in bytes.
        underlay: u32,
        /// What is left of it, in bytes.
        left: u32,
    },
}

/// All that the plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// This node.
    pub node: NodeId,
    /// What the managers tell.
    pub table: &'a NetworkTable,
    /// This node's containers in the network.
    pub containers: &'a BTreeMap<TaskId, Container>,
    /// The MTU of the link that has the data path's address, or of what takes its place in a network without tunnel, in
    /// bytes.
    pub underlay_mtu: u32,
    /// The link to the host, if this is the ingress network.
    pub uplink: Option<UplinkAddresses>,
}

/// Decides what the sandbox of a network should hold. How the table came to be does not matter, only what it says.
pub fn plan(view: &View<'_>) -> Result<Desired, PlanError> {
    let View { node, table, .. } = *view;
    let network = table.info.id;
    let me = table.peers.get(&node).ok_or(PlanError::NoPart { node, network })?;
    let mtu = mtu(view, me)?;
    let (reached, out_of_reach) = sort_peers(table, me);
    let tunnel =
        Tunnel { vni: table.info.vni, local: me.data_path, mac: Mac::of_router(me.lease.number), mtu };
    let tunnel = (!table.info.kind.is_local()).then_some(tunnel);
    let mut kernel = Kernel { tunnel, ..Kernel::default() };
    add_router(&mut kernel, &table.info, me.lease.number);
    reached.iter().for_each(|peer| add_peer(&mut kernel, &table.info, peer));
    if view.uplink.is_some() {
        mesh::add_answers(&mut kernel, table.info.ipv6.is_some());
    }
    for (task, container) in view.containers {
        add_container(&mut kernel, &table.info, ContainerLink { task: *task, container: *container, mtu });
    }
    let nodes: BTreeSet<NodeId> = reached.iter().map(|peer| peer.node).chain([node]).collect();
    let mut rules = rules(view, me, &nodes);
    rules.mesh = view.uplink.map(|uplink| Mesh {
        uplink,
        mtu,
        ports: mesh::ports(table, node, &nodes),
        origins: reached.iter().map(|peer| peer.lease.number).collect(),
    });
    Ok(Desired { kernel, rules, out_of_reach })
}

/// Returns what a container's interface is given for its number; the gateway leads to the network's subnet only.
pub fn container_addresses(info: &NetworkInfo, number: u32) -> Vec<InterfaceAddress> {
    let ipv4 = InterfaceAddress {
        address: info.ipv4_address(number).into(),
        prefix: info.ipv4.subnet.prefix_len(),
        gateway: info.ipv4.gateway.into(),
    };
    let ipv6 = info.ipv6.map(|pool| InterfaceAddress {
        address: pool.address(number).into(),
        prefix: pool.subnet.prefix_len(),
        gateway: GATEWAY_IPV6.into(),
    });
    [ipv4].into_iter().chain(ipv6).collect()
}

fn mtu(view: &View<'_>, me: &NetworkPeer) -> Result<u32, PlanError> {
    if let Some(asked) = view.table.info.mtu {
        return Ok(asked.into());
    }
    if view.table.info.kind.is_local() {
        return Ok(view.underlay_mtu);
    }
    let overhead = if me.data_path.is_ipv4() { OVERHEAD_IPV4 } else { OVERHEAD_IPV6 };
    let (network, underlay) = (view.table.info.id, view.underlay_mtu);
    let left = underlay.saturating_sub(overhead);
    if left < MTU_MIN {
        return Err(PlanError::UnderlayTooSmall { network, underlay, left });
    }
    Ok(left)
}

/// Tells the other nodes that packets can be sent to from those whose data path is of the other family.
fn sort_peers<'a>(table: &'a NetworkTable, me: &NetworkPeer) -> (Vec<&'a NetworkPeer>, BTreeSet<NodeId>) {
    // Where each node is for itself there are none.
    let is_other = |peer: &&NetworkPeer| peer.node != me.node && !table.info.kind.is_local();
    let others = table.peers.values().filter(is_other);
    let (reached, out): (Vec<_>, Vec<_>) =
        others.partition(|peer| peer.data_path.is_ipv4() == me.data_path.is_ipv4());
    (reached, out.into_iter().map(|peer| peer.node).collect())
}

/// The sandbox's own addresses, and the answer for addresses nobody has.
fn add_router(kernel: &mut Kernel, info: &NetworkInfo, number: u32) {
    let gateways =
        [IpAddr::V4(info.ipv4.gateway)].into_iter().chain(info.ipv6.map(|pool| pool.gateway.into()));
    let own = gateways.chain(info.addresses(number));
    kernel.addresses.extend(own.map(|address| (LOOPBACK.to_owned(), IpNet::from(address))));
    kernel.unreachable.extend(pools(info));
}

fn add_peer(kernel: &mut Kernel, info: &NetworkInfo, peer: &NetworkPeer) {
    let mac = Mac::of_router(peer.lease.number);
    kernel.forwarding.insert(mac, peer.data_path);
    let blocks: Vec<IpNet> = peer.lease.blocks.iter().flat_map(|block| block_of(info, *block)).collect();
    for router in info.addresses(peer.lease.number) {
        let of_family = |net: &IpNet| net.addr().is_ipv4() == router.is_ipv4();
        kernel.neighbours.insert(router, mac);
        kernel.routes.insert(router.into(), Way::Link(TUNNEL.to_owned()));
        let singles = peer.singles.iter().flat_map(|number| info.addresses(*number)).map(IpNet::from);
        let held = blocks.iter().copied().chain(singles).filter(of_family);
        kernel.routes.extend(held.map(|net| (net, Way::Via(router))));
    }
}

fn add_container(kernel: &mut Kernel, info: &NetworkInfo, link: ContainerLink) {
    let name = container_link(link.task);
    for address in info.addresses(link.container.number) {
        kernel.routes.insert(address.into(), Way::Link(name.clone()));
    }
    if info.ipv6.is_some() {
        let gateway =
            IpNet::new(GATEWAY_IPV6.into(), GATEWAY_IPV6_PREFIX).expect("64 is a prefix length of IPv6");
        kernel.addresses.insert((name.clone(), gateway));
    }
    kernel.links.insert(name, link);
}

/// Returns the addresses of a block in each family; none where the block lies outside of the subnet, all of a subnet that
/// is smaller than a block.
fn block_of(info: &NetworkInfo, block: u32) -> Vec<IpNet> {
    let Some(first) = block.checked_mul(BLOCK_SIZE) else { return Vec::new() };
    let (subnet, address) = (info.ipv4.subnet, info.ipv4_address(first));
    let ipv4 = Ipv4Net::new(address, subnet.prefix_len().max(BLOCK_PREFIX_IPV4)).ok();
    let ipv4 = ipv4.filter(|_| subnet.contains(&address)).map(|net| IpNet::V4(net.trunc()));
    let ipv6 = info.ipv6.and_then(|pool| {
        let address = pool.address(first);
        let net = Ipv6Net::new(address, pool.subnet.prefix_len().max(BLOCK_PREFIX_IPV6)).ok();
        net.filter(|_| pool.subnet.contains(&address)).map(|net| IpNet::V6(net.trunc()))
    });
    ipv4.into_iter().chain(ipv6).collect()
}

fn rules(view: &View<'_>, me: &NetworkPeer, nodes: &BTreeSet<NodeId>) -> Rules {
    let info = &view.table.info;
    let sides = pools(info).into_iter().zip(info.addresses(me.lease.number));
    let mut services: BTreeMap<IpAddr, BTreeSet<IpAddr>> = BTreeMap::new();
    for service in view.table.services.values() {
        let Some(vip) = service.vip else { continue };
        // A backend on a node this one cannot reach would be a hole that every so many connections fall into.
        let serves = |endpoint: &&NetworkEndpoint| endpoint.serves() && nodes.contains(&endpoint.node);
        let backends: Vec<u32> = service.endpoints.values().filter(serves).map(|held| held.number).collect();
        for vip in info.addresses(vip) {
            let of_family = |address: &IpAddr| address.is_ipv4() == vip.is_ipv4();
            let addresses = backends.iter().flat_map(|number| info.addresses(*number)).filter(of_family);
            services.entry(vip).or_default().extend(addresses);
        }
    }
    let endpoints = view.table.services.values().flat_map(|service| service.endpoints.values());
    let draining = endpoints.filter(|endpoint| endpoint.state == EndpointState::Draining);
    let addresses = |container: &Container| info.addresses(container.number).collect();
    let link = |(task, container): (&TaskId, &Container)| (container_link(*task), addresses(container));
    Rules {
        table: table_name(view.node),
        turn: me.lease.number,
        sides: sides.map(|(pool, router)| Side { pool, router }).collect(),
        services,
        draining: draining.flat_map(|held| info.addresses(held.number)).collect(),
        containers: view.containers.iter().map(link).collect(),
        mesh: None,
    }
}

/// The name that the node's tables have in every namespace.
fn table_name(node: NodeId) -> String {
    NodeShort::of(&node.to_string()).expect("an id has digits and lower-case letters only").table()
}

fn pools(info: &NetworkInfo) -> Vec<IpNet> {
    let ipv4 = IpNet::V4(info.ipv4.subnet.trunc());
    [ipv4].into_iter().chain(info.ipv6.map(|pool| IpNet::V6(pool.subnet.trunc()))).collect()
}
