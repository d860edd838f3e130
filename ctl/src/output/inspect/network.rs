//! A network as docker's API describes it, and how much of its addresses is used.

use super::{
    network_users::{AttachedService, Container, attached, container, tasks_in},
    sorted,
};
use crate::output::{networks, nodes, times};
use ipnet::{IpNet, Ipv4Net};
use proto::{
    model::{BLOCK_SIZE, Ipv4Pool, Ipv6Pool},
    wire::{IpamPool, Network, NetworkNode, Node, Service, Task},
};
use serde::Serialize;
use std::{collections::BTreeMap, net::IpAddr};

/// One network.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InspectedNetwork {
    name: String,
    id: String,
    created: String,
    scope: &'static str,
    driver: String,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Ipam,
    internal: bool,
    attachable: bool,
    ingress: bool,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    peers: Vec<Peer>,
    /// Those on the node that was asked, by their tasks.
    containers: BTreeMap<String, Container>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<BTreeMap<String, AttachedService>>,
    status: Status,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    driver: &'static str,
    /// Null, as docker has it: there are none.
    options: (),
    config: Vec<IpamConfig>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpamConfig {
    subnet: String,
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty")]
    ip_range: String,
    gateway: String,
}

#[derive(Debug, Serialize)]
struct Status {
    #[serde(rename = "IPAM")]
    ipam: IpamStatus,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpamStatus {
    /// Both families have the same numbers: a lease covers an address of each.
    subnets: BTreeMap<String, SubnetStatus>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct SubnetStatus {
    #[serde(rename = "IPsInUse")]
    in_use: u32,
    #[serde(rename = "DynamicIPsAvailable")]
    free: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Peer {
    name: String,
    /// Where it receives the network's packets, outside of the network.
    #[serde(rename = "IP")]
    ip: String,
    /// Those of its router in the network.
    router_addresses: Vec<IpAddr>,
    /// Where its containers' IPv4 addresses come from.
    blocks: Vec<Ipv4Net>,
}

/// What there is beside the network.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The services of the cluster.
    pub services: Vec<Service>,
    /// The nodes of the cluster.
    pub nodes: Vec<Node>,
    /// The tasks of the cluster.
    pub tasks: Vec<Task>,
    /// The id of the node that was asked.
    pub own_node: String,
}

impl InspectedNetwork {
    /// Describes a network; if it is to be `verbose`, with its services and their tasks.
    pub fn new(network: Network, around: &Surroundings, verbose: bool) -> Self {
        let present = tasks_in(&network, &around.tasks);
        let own = present.iter().filter(|(task, _)| task.node_id == around.own_node);
        let containers = own.map(|(task, address)| container(task, address)).collect();
        let services = verbose.then(|| attached(&network, around, &present));
        let peers = peers(&network, &around.nodes);
        let usage = SubnetStatus {
            in_use: network.addresses_used,
            free: network.addresses_total.saturating_sub(network.addresses_used),
        };
        let subnets = network.pools.iter().map(|pool| (pool.subnet.clone(), usage)).collect();
        let spec = network.spec.unwrap_or_default();
        let mut options: BTreeMap<String, String> = spec.options.clone().into_iter().collect();
        if networks::driver(&spec) == "overlay" {
            let vni = network.vni.to_string();
            options.insert("com.docker.network.driver.overlay.vxlanid_list".to_owned(), vni);
        }
        options.extend(spec.mtu.map(|mtu| ("com.docker.network.driver.mtu".to_owned(), mtu.to_string())));
        InspectedNetwork {
            id: network.id,
            created: times::rfc3339(network.created_at),
            scope: networks::scope(&spec),
            driver: networks::driver(&spec).to_owned(),
            enable_ipv4: true,
            enable_ipv6: spec.ipv6,
            ipam: Ipam {
                driver: "default",
                options: (),
                config: network.pools.into_iter().map(IpamConfig::from).collect(),
            },
            internal: spec.internal,
            attachable: spec.attachable,
            ingress: spec.ingress,
            options,
            labels: sorted(&spec.labels),
            peers,
            containers,
            services,
            status: Status { ipam: IpamStatus { subnets } },
            name: spec.name,
        }
    }
}

impl From<IpamPool> for IpamConfig {
    fn from(pool: IpamPool) -> Self {
        IpamConfig { subnet: pool.subnet, ip_range: pool.range, gateway: pool.gateway }
    }
}

fn peers(network: &Network, nodes: &[Node]) -> Vec<Peer> {
    let subnets: Vec<IpNet> = network.pools.iter().filter_map(|pool| pool.subnet.parse().ok()).collect();
    let peer = |held: &NetworkNode| {
        let node = nodes.iter().find(|node| node.id == held.node_id);
        Peer {
            name: node.map_or(held.node_id.as_str(), nodes::hostname).to_owned(),
            ip: held.data_path_addr.clone(),
            router_addresses: subnets.iter().map(|subnet| address(*subnet, held.number)).collect(),
            blocks: subnets.iter().flat_map(|subnet| blocks(*subnet, &held.blocks)).collect(),
        }
    };
    let mut peers: Vec<Peer> = network.nodes.iter().map(peer).collect();
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    peers
}

/// The address of a number in a subnet.
fn address(subnet: IpNet, number: u32) -> IpAddr {
    match subnet {
        IpNet::V4(subnet) => {
            IpAddr::V4(Ipv4Pool { subnet, gateway: subnet.addr(), range: subnet }.address(number))
        }
        IpNet::V6(subnet) => IpAddr::V6(Ipv6Pool { subnet, gateway: subnet.addr() }.address(number)),
    }
}

/// Blocks of numbers as parts of an IPv4 subnet; one that is smaller than a block is a block itself.
fn blocks(subnet: IpNet, blocks: &[u32]) -> Vec<Ipv4Net> {
    let IpNet::V4(whole) = subnet else { return Vec::new() };
    let prefix = whole.prefix_len().max(32 - BLOCK_SIZE.ilog2() as u8);
    let part = |block: &u32| match address(subnet, block.checked_mul(BLOCK_SIZE)?) {
        IpAddr::V4(first) => Ipv4Net::new(first, prefix).ok(),
        IpAddr::V6(_) => None,
    };
    blocks.iter().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{fixtures, json};
    use proto::wire::{NetworkAddress, TaskState};

    /// A task of the web service with an address in the network `front`.
    fn task(start: &str, slot: &str) -> Task {
        let address = NetworkAddress {
            network_id: fixtures::id("networkfront"),
            number: 145,
            ipv4: "10.0.1.145/24".into(),
            ipv6: "fd00:1::91/64".into(),
        };
        Task { addresses: vec![address], ..fixtures::task(start, slot, TaskState::Running) }
    }

    fn shown(network: Network, verbose: bool) -> String {
        let around = Surroundings {
            services: vec![fixtures::web()],
            nodes: vec![fixtures::node(1), fixtures::node(2)],
            tasks: vec![
                task("task1", "1"),
                fixtures::task("elsewhere", "2", TaskState::Running),
                Task { node_id: fixtures::id("node2"), ..task("task3", "3") },
                Task { status: fixtures::task("x", "4", TaskState::Failed).status, ..task("ended", "4") },
            ],
            own_node: fixtures::id("node1"),
        };
        json::indented(&[InspectedNetwork::new(network, &around, verbose)]).unwrap()
    }

    #[test]
    fn a_network_is_described_as_docker_describes_it() {
        let mut front = fixtures::network("front");
        front.service_ids = vec![fixtures::id("serviceweb")];
        assert_eq!(shown(front, true), include_str!("network.golden.json"));
    }

    #[test]
    fn services_are_told_only_if_asked_for() {
        let quiet = shown(fixtures::network("front"), false);
        assert!(!quiet.contains("Services") && quiet.contains("web.1.task1"), "{quiet}");
        let alone = shown(fixtures::network("back"), true);
        assert!(alone.contains("\"Services\": {},") && alone.contains("\"Containers\": {},"), "{alone}");
    }

    #[test]
    fn a_subnet_smaller_than_a_block_is_one() {
        let shown = |subnet: &str, numbers: &[u32]| {
            let blocks = blocks(subnet.parse().unwrap(), numbers);
            blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("10.0.1.0/24", &[0, 15]), "10.0.1.0/28 10.0.1.240/28");
        assert_eq!(shown("10.0.1.8/29", &[0]), "10.0.1.8/29");
        assert_eq!(shown("fd00::/64", &[0]), "");
    }
}
