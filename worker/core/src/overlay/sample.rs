//! A network for tests: three nodes, one service with a virtual address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use proto::model::{
    EndpointState, Ipv4Pool, Ipv6Pool, NetworkEndpoint, NetworkId, NetworkInfo, NetworkPeer, NetworkService,
    NetworkTable, NodeId, NodeLease, PortProtocol, PublishedPort, ServiceId, SlotKey, TaskId,
};

use super::diff::{Step, diff};
use super::names::Interface;
use super::plan::{View, plan};
use super::rules::RulesChange;
use super::state::{Container, Desired};
use crate::network::{NodeShort, Sought, UplinkAddresses};

/// The MTU of the hosts' links in tests, in bytes.
pub(super) const UNDERLAY_MTU: u32 = 1500;

pub(super) fn info(ipv6: bool) -> NetworkInfo {
    let ipv6 = ipv6
        .then(|| Ipv6Pool { subnet: "fd00:1::/64".parse().unwrap(), gateway: "fd00:1::1".parse().unwrap() });
    NetworkInfo {
        id: NetworkId::from_bits(77),
        name: "backend".parse().unwrap(),
        vni: 4097,
        ipv4: Ipv4Pool {
            subnet: "10.0.1.0/24".parse().unwrap(),
            gateway: "10.0.1.1".parse().unwrap(),
            range: "10.0.1.0/24".parse().unwrap(),
        },
        ipv6,
        mtu: None,
        internal: false,
        ingress: false,
        kind: Default::default(),
    }
}

/// The node with this index: its host is 192.0.2.`index`, its router has the number 1 + `index`.
pub(super) fn node(index: u8) -> NodeId {
    NodeId::from_bits(u128::MAX / 5 + u128::from(index))
}

pub(super) fn peer(index: u8, blocks: &[u32], singles: &[u32]) -> NetworkPeer {
    NetworkPeer {
        node: node(index),
        data_path: IpAddr::V4(Ipv4Addr::new(192, 0, 2, index)),
        lease: NodeLease { number: 1 + u32::from(index), blocks: blocks.iter().copied().collect() },
        singles: singles.iter().copied().collect(),
    }
}

pub(super) fn task(number: u32) -> TaskId {
    TaskId::from_bits(u128::MAX / 7 - (u128::from(number) << 80))
}

pub(super) fn service(index: u8, vip: u32, endpoints: &[(u32, u8, bool)]) -> NetworkService {
    let endpoint = |&(number, at, serving): &(u32, u8, bool)| {
        let slot = SlotKey::Replica(number);
        let state = if serving { EndpointState::Serving } else { EndpointState::Idle };
        (task(number), NetworkEndpoint { slot, number, node: node(at), state })
    };
    NetworkService {
        id: ServiceId::from_bits(u128::from(index)),
        name: format!("service{index}").parse().unwrap(),
        aliases: BTreeSet::new(),
        vip: Some(vip),
        ports: Vec::new(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        by_hand: Default::default(),
    }
}

/// Node 1 has block 1, node 2 block 2, node 3 block 3 and a single; the service at 200 is on nodes 1 and 2, that at 201
/// serves nowhere.
pub(super) fn table(ipv6: bool) -> NetworkTable {
    let mut table = NetworkTable::new(info(ipv6));
    for peer in [peer(1, &[1], &[]), peer(2, &[2], &[]), peer(3, &[3], &[99])] {
        table.peers.insert_mut(peer.node, peer);
    }
    for service in [service(1, 200, &[(17, 1, true), (33, 2, true)]), service(2, 201, &[(34, 2, false)])] {
        table.services.insert_mut(service.id, service);
    }
    table
}

pub(super) fn containers(numbers: &[u32]) -> BTreeMap<TaskId, Container> {
    let container = |number: &u32| (task(*number), Container { number: *number, interface: Interface(1) });
    numbers.iter().map(container).collect()
}

/// What node 1 should hold with these containers.
pub(super) fn desired(table: &NetworkTable, containers: &BTreeMap<TaskId, Container>) -> Desired {
    plan(&View { node: node(1), table, containers, underlay_mtu: UNDERLAY_MTU, uplink: None }).unwrap()
}

/// The link to the host of node 1, if this is the ingress network.
pub(super) fn uplink() -> Option<UplinkAddresses> {
    UplinkAddresses::candidates(&NodeShort::of("ab12cd34").unwrap()).next()
}

/// What node 1 should hold if this is the ingress network.
pub(super) fn desired_mesh(table: &NetworkTable, containers: &BTreeMap<TaskId, Container>) -> Desired {
    plan(&View { node: node(1), table, containers, underlay_mtu: UNDERLAY_MTU, uplink: uplink() }).unwrap()
}

/// Lets a service publish 80/tcp, which leads to 8080, and 53/udp.
pub(super) fn publish(service: &mut NetworkService) {
    let port = |protocol, published: u16, target: u16| {
        PublishedPort::ingress(protocol, published.try_into().unwrap(), target.try_into().unwrap())
    };
    service.vip = None;
    service.ports = vec![port(PortProtocol::Tcp, 80, 8080), port(PortProtocol::Udp, 53, 53)];
}

/// A change of elements as nft text.
pub(super) fn elements_of(change: Option<RulesChange>) -> String {
    match change {
        Some(RulesChange::Elements(change)) => change.to_string(),
        other => panic!("no change of elements: {other:?}"),
    }
}

/// Where connections are looked for that a change of the network leaves behind.
pub(super) fn looked_for(from: &Desired, to: &Desired) -> BTreeSet<Sought> {
    let steps = diff(&from.kernel, Some(&from.rules), to);
    let sought = steps.into_iter().find_map(|step| match step {
        Step::ForgetStaleFlows(sought) => Some(sought),
        _ => None,
    });
    assert_ne!(sought, Some(BTreeSet::new()), "a step that does nothing");
    sought.unwrap_or_default()
}
