//! Networks that span nodes, and what nodes and services hold of them.
//!
//! Everything that has an address in a network has a *number* there. It is added to the first address
//! of the IPv4 subnet and of the IPv6 subnet, so that one lease covers both families.

use super::{Name, NetworkId, NetworkKind, NodeId, PublishedPort, ServiceId, SlotKey, TaskId, Timestamp};
use ipnet::{Ipv4Net, Ipv6Net};
use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

/// How many numbers a block has. Block `n` holds the numbers from `n * BLOCK_SIZE` on.
pub const BLOCK_SIZE: u32 = 16;
/// The range of VXLAN network identifiers that are given out; 24 bits (RFC 7348, 5).
pub const VNIS: RangeInclusive<u32> = 4096..=0xff_ffff;
/// The range of maximum transmission units that can be asked for, in bytes: what IPv4 needs (RFC 791), and
/// what 70 bytes of VXLAN over IPv6 leave of the largest packet.
pub const MTUS: RangeInclusive<u16> = 68..=65_465;
/// The smallest one that IPv6 can do with, in bytes (RFC 8200, 5).
pub const IPV6_MTU_MIN: u16 = 1280;

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// The network's name, unique in the cluster.
    pub name: Name,
    /// Labels of the network object.
    pub labels: BTreeMap<String, String>,
    /// Whether containers have IPv6 addresses too.
    pub ipv6: bool,
    /// Whether there is no way out of it.
    pub internal: bool,
    /// Whether containers that belong to no service may join.
    pub attachable: bool,
    /// Whether it carries the traffic of published ports.
    pub ingress: bool,
    /// The IPv4 pool asked for; else one of the default pools.
    pub ipv4_pool: Option<Ipv4Pool>,
    /// The IPv6 pool asked for.
    pub ipv6_pool: Option<Ipv6Pool>,
    /// The containers' MTU in bytes; `None` takes what the nodes' links allow.
    pub mtu: Option<u16>,
    /// What it is made of.
    #[serde(default)]
    pub kind: NetworkKind,
}

impl NetworkSpec {
    /// Whether its containers leave it by the node's own network.
    pub fn leads_out_by_node(&self) -> bool {
        !self.internal && !matches!(self.kind, NetworkKind::Macvlan(_))
    }
}

/// Where IPv4 addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv4Pool {
    /// The network's own.
    pub subnet: Ipv4Net,
    /// The routers' address in it, the same on every node.
    pub gateway: Ipv4Addr,
    /// Which of them are given out; a part of the subnet.
    pub range: Ipv4Net,
}

/// Where IPv6 addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Pool {
    /// The network's own.
    pub subnet: Ipv6Net,
    /// The routers' address in it, the same on every node.
    pub gateway: Ipv6Addr,
}

/// A network as the managers hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// Version of the state at its last change.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// What the user asked for.
    pub spec: NetworkSpec,
    /// Its number on the wire between nodes.
    pub vni: u32,
    /// Its IPv4 addresses.
    pub ipv4: Ipv4Pool,
    /// Its IPv6 addresses, if it has any.
    pub ipv6: Option<Ipv6Pool>,
    /// What each node holds of it; nothing where nodes have no routers.
    pub nodes: BTreeMap<NodeId, NodeLease>,
}

/// What a node holds of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLease {
    /// The number of its router.
    pub number: u32,
    /// The blocks its containers' numbers come from.
    pub blocks: BTreeSet<u32>,
}

/// A number in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetworkAddress {
    /// The network.
    pub network: NetworkId,
    /// The number.
    pub number: u32,
}

/// A service's place in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAttachment {
    /// The network; in what people send it may be a name.
    pub network: NetworkId,
    /// Further names of the service there.
    pub aliases: BTreeSet<Name>,
}

/// How a service's name is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum EndpointMode {
    /// With one virtual address that is balanced over the tasks.
    #[default]
    Vip,
    /// With the addresses of the tasks.
    Dnsrr,
}

/// What every node that takes part in a network knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// The network.
    pub id: NetworkId,
    /// Its name.
    pub name: Name,
    /// Its number on the wire between nodes.
    pub vni: u32,
    /// Its IPv4 addresses.
    pub ipv4: Ipv4Pool,
    /// Its IPv6 addresses, if it has any.
    pub ipv6: Option<Ipv6Pool>,
    /// The containers' MTU in bytes; `None` takes what the node's link allows.
    pub mtu: Option<u16>,
    /// Whether there is no way out of it.
    pub internal: bool,
    /// Whether it carries the traffic of published ports.
    pub ingress: bool,
    /// What it is made of.
    #[serde(default)]
    pub kind: NetworkKind,
}

/// A node that takes part in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPeer {
    /// The node.
    pub node: NodeId,
    /// Where it receives the network's packets.
    pub data_path: IpAddr,
    /// What it holds.
    pub lease: NodeLease,
    /// Numbers of its containers outside of its blocks.
    pub singles: BTreeSet<u32>,
}

/// A service in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkService {
    /// The service.
    pub id: ServiceId,
    /// Its name.
    pub name: Name,
    /// Its further names there.
    pub aliases: BTreeSet<Name>,
    /// The number of its virtual address, if it has one.
    pub vip: Option<u32>,
    /// The ports it publishes; in the ingress network, those it publishes there.
    pub ports: Vec<PublishedPort>,
    /// Its tasks.
    pub endpoints: BTreeMap<TaskId, NetworkEndpoint>,
    /// Those of them that were connected by hand, and the names that lead to each alone: the service's own
    /// do not lead to them.
    pub by_hand: BTreeMap<TaskId, BTreeSet<Name>>,
}

/// A task of a service in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkEndpoint {
    /// Its place in the service.
    pub slot: SlotKey,
    /// Its number in the network.
    pub number: u32,
    /// Where it is.
    pub node: NodeId,
    /// Whether connections are to lead to it.
    pub state: EndpointState,
}

/// Whether connections are to lead to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointState {
    /// It does not run, or its node is down: those it has are forgotten.
    Idle,
    /// It runs, and is meant to: it gets new ones.
    Serving,
    /// It runs, and is to be stopped, or its probes say that it is not ready: it keeps those it has, and gets no new
    /// ones.
    Draining,
}

impl NetworkEndpoint {
    /// Whether it gets new connections.
    pub fn serves(&self) -> bool {
        self.state == EndpointState::Serving
    }
}

/// All a node knows of a network it takes part in. Clones share peers and services, and a change costs as much as what
/// it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkTable {
    /// The network itself.
    pub info: NetworkInfo,
    /// The nodes that take part, this one included.
    pub peers: RedBlackTreeMapSync<NodeId, NetworkPeer>,
    /// The services in it.
    pub services: RedBlackTreeMapSync<ServiceId, NetworkService>,
}

/// What is new in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkUpdate {
    /// Whether this is all of it.
    pub full: bool,
    /// The network itself.
    pub info: NetworkInfo,
    /// Nodes that are new or changed.
    pub put_peers: Vec<NetworkPeer>,
    /// Nodes that do not take part any more.
    pub remove_peers: Vec<NodeId>,
    /// Services that are new or changed.
    pub put_services: Vec<NetworkService>,
    /// Services that are not there any more.
    pub remove_services: Vec<ServiceId>,
}

impl Ipv4Pool {
    /// The address of a number, and the number of the last address of the subnet.
    pub fn address(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.subnet.network()).wrapping_add(number))
    }

    /// The numbers that can be given out: those of the range, without the subnet's own address, its
    /// broadcast address and the gateway, which [`Ipv4Pool::is_free_for_use`] tells.
    pub fn numbers(&self) -> RangeInclusive<u32> {
        let first = u32::from(self.subnet.network());
        u32::from(self.range.network()) - first..=u32::from(self.range.broadcast()) - first
    }

    /// Whether a number may be given to anyone at all.
    pub fn is_free_for_use(&self, number: u32) -> bool {
        let address = self.address(number);
        self.numbers().contains(&number)
            && address != self.subnet.network()
            && address != self.subnet.broadcast()
            && address != self.gateway
    }
}

impl Ipv6Pool {
    /// The address of a number.
    pub fn address(&self, number: u32) -> Ipv6Addr {
        Ipv6Addr::from(u128::from(self.subnet.network()).wrapping_add(u128::from(number)))
    }
}

impl NetworkInfo {
    /// The IPv4 address of a number.
    pub fn ipv4_address(&self, number: u32) -> Ipv4Addr {
        self.ipv4.address(number)
    }

    /// The IPv6 address of a number, if the network has IPv6.
    pub fn ipv6_address(&self, number: u32) -> Option<Ipv6Addr> {
        self.ipv6.map(|pool| pool.address(number))
    }

    /// Both addresses of a number, IPv4 first.
    pub fn addresses(&self, number: u32) -> impl Iterator<Item = IpAddr> + use<> {
        let ipv6 = self.ipv6_address(number).map(IpAddr::V6);
        std::iter::once(IpAddr::V4(self.ipv4_address(number))).chain(ipv6)
    }
}

impl NodeLease {
    /// Whether a number lies in one of its blocks.
    pub fn holds(&self, number: u32) -> bool {
        self.blocks.contains(&(number / BLOCK_SIZE))
    }
}

impl Network {
    /// What nodes are told of it.
    pub fn info(&self) -> NetworkInfo {
        NetworkInfo {
            id: self.id,
            name: self.spec.name.clone(),
            vni: self.vni,
            ipv4: self.ipv4,
            ipv6: self.ipv6,
            mtu: self.spec.mtu,
            internal: self.spec.internal,
            ingress: self.spec.ingress,
            kind: self.spec.kind.clone(),
        }
    }
}

impl NetworkTable {
    /// A network of which nothing else is known yet.
    pub fn new(info: NetworkInfo) -> Self {
        Self { info, peers: RedBlackTreeMapSync::new_sync(), services: RedBlackTreeMapSync::new_sync() }
    }

    /// Takes an update in.
    pub fn apply(&mut self, update: NetworkUpdate) {
        if update.full {
            *self = Self::new(update.info.clone());
        }
        self.info = update.info;
        update.put_peers.into_iter().for_each(|peer| self.peers.insert_mut(peer.node, peer));
        update.remove_peers.iter().for_each(|node| _ = self.peers.remove_mut(node));
        update.put_services.into_iter().for_each(|service| self.services.insert_mut(service.id, service));
        update.remove_services.iter().for_each(|service| _ = self.services.remove_mut(service));
    }

    /// Changes every service.
    pub fn change_services(&mut self, change: impl Fn(&mut NetworkService)) {
        let changed = |(&id, service): (&ServiceId, &NetworkService)| {
            let mut service = service.clone();
            change(&mut service);
            (id, service)
        };
        self.services = self.services.iter().map(changed).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Ipv4Pool {
        Ipv4Pool {
            subnet: "10.0.1.0/24".parse().unwrap(),
            gateway: "10.0.1.1".parse().unwrap(),
            range: "10.0.1.128/25".parse().unwrap(),
        }
    }

    #[test]
    fn a_number_is_an_offset_into_the_subnet_even_if_only_a_part_is_given_out() {
        assert_eq!(pool().numbers(), 128..=255);
        assert_eq!(pool().address(130), Ipv4Addr::new(10, 0, 1, 130));
        let ipv6 = Ipv6Pool { subnet: "fd00::/64".parse().unwrap(), gateway: "fd00::1".parse().unwrap() };
        assert_eq!(ipv6.address(130), "fd00::82".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn addresses_with_a_meaning_of_their_own_are_nobodys() {
        let whole = Ipv4Pool { range: pool().subnet, ..pool() };
        let free: Vec<u32> = (0..=256).filter(|&number| whole.is_free_for_use(number)).collect();
        assert_eq!((free.first(), free.last(), free.len()), (Some(&2), Some(&254), 253));
        assert!(!pool().is_free_for_use(2), "outside of the range");
    }
}
