//! What each node, service and container of a network adds to its sandbox.
//!
//! Each adds entries of its own: addresses and numbers are leases. As long as no two add the same entry, what one of them
//! added can be taken out again without a look at the others.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proto::model::{
    BLOCK_SIZE, EndpointState, NetworkEndpoint, NetworkInfo, NetworkPeer, NetworkService, NetworkTable,
    NodeId, TaskId,
};

use super::mac::Mac;
use super::mesh::{self, Mesh};
use super::names::{LOOPBACK, TUNNEL, container_link};
use super::plan::{PlanError, View};
use super::rules::{Rules, Side};
use super::state::{Container, ContainerLink, Desired, Kernel, Tunnel, Way};
use crate::network::addressing::GATEWAY_IPV6;
use crate::network::{NodeShort, UplinkAddresses};

/// The prefix of an aligned block of 16 IPv4 addresses.
const BLOCK_PREFIX_IPV4: u8 = 28;

/// The prefix of an aligned block of 16 IPv6 addresses.
const BLOCK_PREFIX_IPV6: u8 = 124;

/// The prefix length of the gateway's link-local address.
const GATEWAY_IPV6_PREFIX: u8 = 64;

/// Where parts are added, and as seen by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    table: &'a NetworkTable,
    /// This node.
    me: &'a NetworkPeer,
    /// The largest packet of the network, in bytes.
    mtu: u32,
    uplink: Option<UplinkAddresses>,
}

/// What a sandbox should hold, as parts are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assembly {
    pub(super) desired: Desired,
    /// Whether no two parts added the same entry.
    pub(super) is_disjoint: bool,
}

impl<'a> Place<'a> {
    pub(super) fn of(view: &View<'a>) -> Result<Self, PlanError> {
        let (node, network) = (view.node, view.table.info.id);
        let me = view.table.peers.get(&node).ok_or(PlanError::NoPart { node, network })?;
        Ok(Self { table: view.table, me, mtu: view.mtu(me)?, uplink: view.uplink })
    }

    /// Tells whether packets can be sent to another node: each is for itself, or its data path is of the other family.
    pub(super) fn reaches(&self, peer: &NetworkPeer) -> bool {
        !self.table.info.kind.is_local() && peer.data_path.is_ipv4() == self.me.data_path.is_ipv4()
    }

    fn is_reached(&self, node: NodeId) -> bool {
        node == self.me.node || self.table.peers.get(&node).is_some_and(|peer| self.reaches(peer))
    }
}

impl Assembly {
    /// Begins with what does not depend on other nodes, services or containers, but for the router's own entries.
    pub(super) fn bare(place: &Place<'_>) -> Self {
        let (info, me) = (&place.table.info, place.me);
        let mac = Mac::of_router(me.lease.number);
        let tunnel = Tunnel { vni: info.vni, local: me.data_path, mac, mtu: place.mtu };
        let tunnel = (!info.kind.is_local()).then_some(tunnel);
        let sides = pools(info).into_iter().zip(info.addresses(me.lease.number));
        let mesh = |uplink| Mesh { uplink, mtu: place.mtu, ports: BTreeMap::new(), origins: [].into() };
        let rules = Rules {
            table: table_name(me.node),
            turn: me.lease.number,
            sides: sides.map(|(pool, router)| Side { pool, router }).collect(),
            services: BTreeMap::new(),
            draining: [].into(),
            containers: BTreeMap::new(),
            mesh: place.uplink.map(mesh),
        };
        let kernel = Kernel { tunnel, ..Kernel::default() };
        Self { desired: Desired { kernel, rules, out_of_reach: [].into() }, is_disjoint: true }
    }

    /// Tells whether parts were added to what this is, and to nothing else.
    pub(super) fn is_base_of(&self, other: &Self) -> bool {
        let shape = |assembly: &Self| {
            let Desired { kernel, rules, .. } = &assembly.desired;
            let mesh = rules.mesh.as_ref().map(|mesh| (mesh.uplink, mesh.mtu));
            (kernel.tunnel, rules.table.clone(), rules.sides.clone(), rules.turn, mesh)
        };
        shape(self) == shape(other)
    }

    /// Adds the sandbox's own addresses, the answer for addresses nobody has, and the way answers to clients take.
    pub(super) fn add_router(&mut self, place: &Place<'_>) {
        let (info, kernel) = (&place.table.info, &mut self.desired.kernel);
        let gateways =
            [IpAddr::V4(info.ipv4.gateway)].into_iter().chain(info.ipv6.map(|pool| pool.gateway.into()));
        let own = gateways.chain(info.addresses(place.me.lease.number));
        kernel.addresses.extend(own.map(|address| (LOOPBACK.to_owned(), IpNet::from(address))));
        kernel.unreachable.extend(pools(info));
        if place.uplink.is_some() {
            mesh::add_answers(kernel, info.ipv6.is_some());
        }
    }

    /// Adds the ways to another node.
    pub(super) fn add_peer(&mut self, place: &Place<'_>, peer: &NetworkPeer) {
        let info = &place.table.info;
        if peer.node == place.me.node || info.kind.is_local() {
            return;
        }
        if !place.reaches(peer) {
            self.is_disjoint &= self.desired.out_of_reach.insert(peer.node);
            return;
        }
        let mac = Mac::of_router(peer.lease.number);
        self.put(|desired| &mut desired.kernel.forwarding, mac, peer.data_path);
        let blocks: Vec<IpNet> = peer.lease.blocks.iter().flat_map(|block| block_of(info, *block)).collect();
        for router in info.addresses(peer.lease.number) {
            self.put(|desired| &mut desired.kernel.neighbours, router, mac);
            self.put_route(router.into(), Way::Link(TUNNEL.to_owned()));
            let singles = peer.singles.iter().flat_map(|number| info.addresses(*number)).map(IpNet::from);
            let held = blocks.iter().copied().chain(singles);
            for net in held.filter(|net| net.addr().is_ipv4() == router.is_ipv4()) {
                self.put_route(net, Way::Via(router));
            }
        }
        if let Some(mesh) = &mut self.desired.rules.mesh {
            self.is_disjoint &= mesh.origins.insert(peer.lease.number);
        }
    }

    /// Adds a service's virtual addresses and published ports.
    pub(super) fn add_service(&mut self, place: &Place<'_>, service: &NetworkService) {
        let (info, rules) = (&place.table.info, &mut self.desired.rules);
        // A backend on a node this one cannot reach would be a hole that every so many connections fall into.
        let serves = |endpoint: &&NetworkEndpoint| endpoint.serves() && place.is_reached(endpoint.node);
        let backends: Vec<u32> = service.endpoints.values().filter(serves).map(|held| held.number).collect();
        for vip in service.vip.into_iter().flat_map(|vip| info.addresses(vip)) {
            let of_family = |address: &IpAddr| address.is_ipv4() == vip.is_ipv4();
            let addresses = backends.iter().flat_map(|number| info.addresses(*number)).filter(of_family);
            self.is_disjoint &= !rules.services.contains_key(&vip);
            rules.services.entry(vip).or_default().extend(addresses);
        }
        let draining = service.endpoints.values().filter(|held| held.state == EndpointState::Draining);
        for address in draining.flat_map(|held| info.addresses(held.number)) {
            self.is_disjoint &= rules.draining.insert(address);
        }
        let Some(mesh) = &mut rules.mesh else { return };
        let ports = mesh::ports(place.table, service, place.me.node, |node| place.is_reached(node));
        for (key, published) in ports {
            self.is_disjoint &= !mesh.ports.contains_key(&key);
            let entry = mesh.ports.entry(key).or_default();
            entry.host_ip = published.host_ip;
            entry.backends.extend(published.backends);
            entry.serving.extend(published.serving);
        }
    }

    /// Adds a container's link.
    pub(super) fn add_container(&mut self, place: &Place<'_>, task: TaskId, container: Container) {
        let (info, name) = (&place.table.info, container_link(task));
        for address in info.addresses(container.number) {
            self.put_route(address.into(), Way::Link(name.clone()));
        }
        if info.ipv6.is_some() {
            let gateway =
                IpNet::new(GATEWAY_IPV6.into(), GATEWAY_IPV6_PREFIX).expect("64 is a prefix length of IPv6");
            self.is_disjoint &= self.desired.kernel.addresses.insert((name.clone(), gateway));
        }
        let addresses = info.addresses(container.number).collect();
        self.put(|desired| &mut desired.rules.containers, name.clone(), addresses);
        let link = ContainerLink { task, container, mtu: place.mtu };
        self.put(|desired| &mut desired.kernel.links, name, link);
    }

    /// Takes out all entries that some parts, put together on a bare assembly, have added.
    pub(super) fn take_out(&mut self, parts: &Desired) {
        let (Desired { kernel, rules, out_of_reach }, gone) = (&mut self.desired, &parts.kernel);
        gone.links.keys().for_each(|key| _ = kernel.links.remove(key));
        gone.addresses.iter().for_each(|key| _ = kernel.addresses.remove(key));
        gone.neighbours.keys().for_each(|key| _ = kernel.neighbours.remove(key));
        gone.forwarding.keys().for_each(|key| _ = kernel.forwarding.remove(key));
        gone.routes.keys().for_each(|key| drop(kernel.routes.remove(key)));
        parts.out_of_reach.iter().for_each(|key| _ = out_of_reach.remove(key));
        let gone = &parts.rules;
        gone.services.keys().for_each(|key| drop(rules.services.remove(key)));
        gone.draining.iter().for_each(|key| _ = rules.draining.remove(key));
        gone.containers.keys().for_each(|key| drop(rules.containers.remove(key)));
        if let (Some(mesh), Some(gone)) = (&mut rules.mesh, &gone.mesh) {
            gone.ports.keys().for_each(|key| drop(mesh.ports.remove(key)));
            gone.origins.iter().for_each(|key| _ = mesh.origins.remove(key));
        }
    }

    fn put_route(&mut self, net: IpNet, way: Way) {
        self.put(|desired| &mut desired.kernel.routes, net, way);
    }

    fn put<K: Ord, V>(&mut self, map: impl Fn(&mut Desired) -> &mut BTreeMap<K, V>, key: K, value: V) {
        self.is_disjoint &= map(&mut self.desired).insert(key, value).is_none();
    }
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

/// The name that the node's tables have in every namespace.
fn table_name(node: NodeId) -> String {
    NodeShort::of(&node.to_string()).expect("an id has digits and lower-case letters only").table()
}

fn pools(info: &NetworkInfo) -> Vec<IpNet> {
    let ipv4 = IpNet::V4(info.ipv4.subnet.trunc());
    [ipv4].into_iter().chain(info.ipv6.map(|pool| IpNet::V6(pool.subnet.trunc()))).collect()
}
