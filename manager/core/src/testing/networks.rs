//! Networks as tests want them.

use ipnet::Ipv4Net;
use proto::model::{Ipv4Pool, Macvlan, MacvlanMode, Network, NetworkId, NetworkKind, NetworkSpec, Timestamp};
use std::collections::BTreeMap;

/// What a user asks for who names nothing but the network.
pub fn network_spec(name: &str) -> NetworkSpec {
    NetworkSpec {
        name: name.parse().expect("tests use good names"),
        labels: BTreeMap::new(),
        ipv6: false,
        internal: false,
        attachable: false,
        ingress: false,
        ipv4_pool: None,
        ipv6_pool: None,
        mtu: None,
        kind: NetworkKind::Overlay,
    }
}

/// What a user asks for who names the IPv4 subnet as well.
pub fn network_in(name: &str, subnet: &str) -> NetworkSpec {
    let subnet: Ipv4Net = subnet.parse().expect("tests use good subnets");
    let gateway = subnet.hosts().next().expect("tests use subnets with hosts");
    NetworkSpec { ipv4_pool: Some(Ipv4Pool { subnet, gateway, range: subnet }), ..network_spec(name) }
}

/// What a user asks for who names a link of the nodes and its subnet.
pub fn macvlan_in(name: &str, subnet: &str) -> NetworkSpec {
    let parent = "eth1".parse().expect("it is a good name");
    let kind = NetworkKind::Macvlan(Macvlan { parent, mode: MacvlanMode::Bridge });
    NetworkSpec { kind, ..network_in(name, subnet) }
}

/// A network whose id is the number, and that no node takes part in.
pub fn network(number: u32, name: &str, subnet: &str) -> Network {
    let spec = network_in(name, subnet);
    let ipv4 = spec.ipv4_pool.expect("it is given");
    Network {
        id: NetworkId::from_bits(number.into()),
        version: 0,
        created_at: Timestamp(0),
        spec,
        vni: 4096 + number,
        ipv4,
        ipv6: None,
        nodes: BTreeMap::new(),
    }
}
