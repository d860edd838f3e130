//! What nodes are told of networks.

use super::{
    error::{WireError, present, well_formed},
    network, network_kind, port,
};
use crate::{
    model::{
        EndpointState, Ipv4Pool, Ipv6Pool, MTUS, Name, NetworkAddress, NetworkEndpoint, NetworkInfo,
        NetworkPeer, NetworkService, NetworkUpdate, NodeLease, Problems, SlotKey, TaskId,
    },
    wire,
};
use ipnet::{Ipv4Net, Ipv6Net};
use std::collections::BTreeSet;

impl From<&NetworkInfo> for wire::NetworkInfo {
    fn from(info: &NetworkInfo) -> Self {
        let (driver, options) = network_kind::to_wire(&info.kind);
        wire::NetworkInfo {
            id: info.id.to_string(),
            name: info.name.to_string(),
            vni: info.vni,
            pools: network::pools(Some(&info.ipv4), info.ipv6.as_ref()),
            mtu: info.mtu.map(u32::from),
            internal: info.internal,
            ingress: info.ingress,
            driver,
            options,
        }
    }
}

impl From<&NetworkPeer> for wire::NetworkPeer {
    fn from(peer: &NetworkPeer) -> Self {
        wire::NetworkPeer {
            node: Some(network::node(peer.node, &peer.lease)),
            data_path_addr: peer.data_path.to_string(),
            singles: peer.singles.iter().copied().collect(),
        }
    }
}

impl From<&NetworkService> for wire::NetworkService {
    fn from(service: &NetworkService) -> Self {
        wire::NetworkService {
            id: service.id.to_string(),
            name: service.name.to_string(),
            aliases: service.aliases.iter().map(Name::to_string).collect(),
            vip: service.vip,
            ports: service.ports.iter().map(wire::PublishedPort::from).collect(),
            endpoints: service.endpoints.iter().map(endpoint).collect(),
            by_hand: service.by_hand.iter().map(by_hand).collect(),
        }
    }
}

fn endpoint((task, endpoint): (&TaskId, &NetworkEndpoint)) -> wire::NetworkEndpoint {
    wire::NetworkEndpoint {
        task_id: task.to_string(),
        slot: endpoint.slot.to_string(),
        number: endpoint.number,
        node_id: endpoint.node.to_string(),
        serving: endpoint.state == EndpointState::Serving,
        draining: endpoint.state == EndpointState::Draining,
    }
}

fn by_hand((task, aliases): (&TaskId, &BTreeSet<Name>)) -> wire::ByHand {
    wire::ByHand { task_id: task.to_string(), aliases: aliases.iter().map(Name::to_string).collect() }
}

impl From<&NetworkUpdate> for wire::NetworkUpdate {
    fn from(update: &NetworkUpdate) -> Self {
        wire::NetworkUpdate {
            full: update.full,
            info: Some((&update.info).into()),
            put_peers: update.put_peers.iter().map(wire::NetworkPeer::from).collect(),
            remove_peers: update.remove_peers.iter().map(ToString::to_string).collect(),
            put_services: update.put_services.iter().map(wire::NetworkService::from).collect(),
            remove_services: update.remove_services.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<wire::NetworkAddress> for NetworkAddress {
    type Error = WireError;

    fn try_from(wire: wire::NetworkAddress) -> Result<Self, WireError> {
        Ok(NetworkAddress {
            network: well_formed("network_id", wire.network_id.parse())?,
            number: wire.number,
        })
    }
}

impl TryFrom<wire::NetworkInfo> for NetworkInfo {
    type Error = WireError;

    fn try_from(wire: wire::NetworkInfo) -> Result<Self, WireError> {
        let mut pools = wire.pools.into_iter();
        let mut problems = Problems::default();
        let kind = network_kind::from_wire(&wire.driver, wire.options, &mut problems);
        Ok(NetworkInfo {
            id: well_formed("id", wire.id.parse())?,
            name: well_formed("name", Name::try_from(wire.name))?,
            vni: wire.vni,
            ipv4: ipv4(&present("pools", pools.next())?)?,
            ipv6: pools.next().map(|pool| ipv6(&pool)).transpose()?,
            mtu: wire.mtu.and_then(|mtu| u16::try_from(mtu).ok()).filter(|mtu| MTUS.contains(mtu)),
            internal: wire.internal,
            ingress: wire.ingress,
            kind: well_formed("driver", problems.finish(kind))?,
        })
    }
}

fn ipv4(pool: &wire::IpamPool) -> Result<Ipv4Pool, WireError> {
    let subnet: Ipv4Net = well_formed("subnet", pool.subnet.parse())?;
    let range = if pool.range.is_empty() { subnet } else { well_formed("range", pool.range.parse())? };
    Ok(Ipv4Pool { subnet, gateway: well_formed("gateway", pool.gateway.parse())?, range })
}

fn ipv6(pool: &wire::IpamPool) -> Result<Ipv6Pool, WireError> {
    let subnet: Ipv6Net = well_formed("subnet", pool.subnet.parse())?;
    Ok(Ipv6Pool { subnet, gateway: well_formed("gateway", pool.gateway.parse())? })
}

impl TryFrom<wire::NetworkPeer> for NetworkPeer {
    type Error = WireError;

    fn try_from(wire: wire::NetworkPeer) -> Result<Self, WireError> {
        let node = present("node", wire.node)?;
        Ok(NetworkPeer {
            node: well_formed("node_id", node.node_id.parse())?,
            data_path: well_formed("data_path_addr", wire.data_path_addr.parse())?,
            lease: NodeLease { number: node.number, blocks: node.blocks.into_iter().collect() },
            singles: wire.singles.into_iter().collect(),
        })
    }
}

impl TryFrom<wire::NetworkService> for NetworkService {
    type Error = WireError;

    fn try_from(wire: wire::NetworkService) -> Result<Self, WireError> {
        let mut problems = Problems::default();
        let ports = port::ports(wire.ports, &mut problems);
        let aliases: Result<BTreeSet<Name>, _> = wire.aliases.into_iter().map(Name::try_from).collect();
        let endpoints = wire.endpoints.into_iter().map(|endpoint| {
            let task = well_formed("task_id", endpoint.task_id.parse())?;
            let slot = well_formed("slot", SlotKey::try_from(endpoint.slot))?;
            let node = well_formed("node_id", endpoint.node_id.parse())?;
            let state = match (endpoint.serving, endpoint.draining) {
                (true, _) => EndpointState::Serving,
                (false, true) => EndpointState::Draining,
                (false, false) => EndpointState::Idle,
            };
            Ok((task, NetworkEndpoint { slot, number: endpoint.number, node, state }))
        });
        let by_hand = wire.by_hand.into_iter().map(|one| {
            let aliases = one.aliases.into_iter().map(Name::try_from).collect();
            Ok((well_formed("task_id", one.task_id.parse())?, well_formed("by_hand", aliases)?))
        });
        Ok(NetworkService {
            id: well_formed("id", wire.id.parse())?,
            name: well_formed("name", Name::try_from(wire.name))?,
            aliases: well_formed("aliases", aliases)?,
            vip: wire.vip,
            ports: well_formed("ports", problems.finish(ports))?,
            endpoints: endpoints.collect::<Result<_, WireError>>()?,
            by_hand: by_hand.collect::<Result<_, WireError>>()?,
        })
    }
}

impl TryFrom<wire::NetworkUpdate> for NetworkUpdate {
    type Error = WireError;

    fn try_from(wire: wire::NetworkUpdate) -> Result<Self, WireError> {
        let put_peers = wire.put_peers.into_iter().map(NetworkPeer::try_from);
        let put_services = wire.put_services.into_iter().map(NetworkService::try_from);
        let peers = wire.remove_peers.iter().map(|id| well_formed("remove_peers", id.parse()));
        let services = wire.remove_services.iter().map(|id| well_formed("remove_services", id.parse()));
        Ok(NetworkUpdate {
            full: wire.full,
            info: present("info", wire.info)?.try_into()?,
            put_peers: put_peers.collect::<Result<_, _>>()?,
            remove_peers: peers.collect::<Result<_, _>>()?,
            put_services: put_services.collect::<Result<_, _>>()?,
            remove_services: services.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Id, Macvlan, MacvlanMode, NetworkKind, PortProtocol, PublishedPort};
    use std::num::NonZeroU16;

    fn info() -> NetworkInfo {
        let (subnet, range) = ("10.5.0.0/16".parse().unwrap(), "10.5.128.0/17".parse().unwrap());
        NetworkInfo {
            id: Id::from_bits(5),
            name: "front".parse().unwrap(),
            vni: 4097,
            ipv4: Ipv4Pool { subnet, gateway: "10.5.0.1".parse().unwrap(), range },
            ipv6: Some(Ipv6Pool {
                subnet: "fd00:5::/64".parse().unwrap(),
                gateway: "fd00:5::1".parse().unwrap(),
            }),
            mtu: Some(1400),
            internal: true,
            ingress: false,
            kind: NetworkKind::Macvlan(Macvlan {
                parent: "eth1.7".parse().unwrap(),
                mode: MacvlanMode::Private,
            }),
        }
    }

    #[test]
    fn an_update_comes_back_from_the_wire_unchanged() {
        let port = |number| NonZeroU16::new(number).unwrap();
        let endpoint =
            |state| NetworkEndpoint { slot: SlotKey::Replica(1), number: 20, node: Id::from_bits(3), state };
        use EndpointState::{Draining, Idle, Serving};
        let endpoints = [Idle, Serving, Draining]
            .into_iter()
            .zip(7..)
            .map(|(state, id)| (Id::from_bits(id), endpoint(state)));
        let update = NetworkUpdate {
            full: true,
            info: info(),
            put_peers: vec![NetworkPeer {
                node: Id::from_bits(3),
                data_path: "192.0.2.3".parse().unwrap(),
                lease: NodeLease { number: 16, blocks: BTreeSet::from([1, 4]) },
                singles: BTreeSet::from([200]),
            }],
            remove_peers: vec![Id::from_bits(4)],
            put_services: vec![NetworkService {
                id: Id::from_bits(6),
                name: "web".parse().unwrap(),
                aliases: BTreeSet::from(["www".parse().unwrap()]),
                vip: Some(250),
                ports: vec![PublishedPort::ingress(PortProtocol::Udp, port(53), port(5353))],
                endpoints: endpoints.collect(),
                by_hand: [(Id::from_bits(7), BTreeSet::from(["db".parse().unwrap()]))].into(),
            }],
            remove_services: vec![Id::from_bits(8)],
        };
        assert_eq!(NetworkUpdate::try_from(wire::NetworkUpdate::from(&update)).unwrap(), update);
    }

    #[test]
    fn a_malformed_peer_is_refused_with_the_field_named() {
        let peer = wire::NetworkPeer {
            node: Some(wire::NetworkNode {
                node_id: Id::<()>::from_bits(1).bits().to_string(),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert!(matches!(NetworkPeer::try_from(peer), Err(WireError::Malformed { field: "node_id", .. })));
        assert!(matches!(
            NetworkPeer::try_from(wire::NetworkPeer::default()),
            Err(WireError::Missing { field: "node" })
        ));
    }
}
