//! A network as docker's API describes it, and how much of its addresses is used.

use super::sorted;
use crate::output::{networks, nodes, times};
use ipnet::{IpNet, Ipv4Net};
use proto::{
    model::{BLOCK_SIZE, Ipv4Pool, Ipv6Pool},
    wire::{IpamPool, Network, NetworkNode, Node, Service},
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
    driver: &'static str,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Ipam,
    internal: bool,
    attachable: bool,
    ingress: bool,
    options: BTreeMap<&'static str, String>,
    labels: BTreeMap<String, String>,
    address_usage: AddressUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<BTreeMap<String, AttachedService>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peers: Option<Vec<Peer>>,
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
#[serde(rename_all = "PascalCase")]
struct AddressUsage {
    used: u32,
    total: u32,
}

#[derive(Debug, Serialize)]
struct AttachedService {
    /// Empty for a service that has none.
    #[serde(rename = "VIP")]
    vip: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Peer {
    name: String,
    /// The node's own, outside of the network.
    #[serde(rename = "IP")]
    ip: String,
    /// Those of its router in the network.
    router_addresses: Vec<IpAddr>,
    /// Where its containers' IPv4 addresses come from.
    blocks: Vec<Ipv4Net>,
}

/// What `--verbose` needs to know beside the network.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The services of the cluster.
    pub services: Vec<Service>,
    /// The nodes of the cluster.
    pub nodes: Vec<Node>,
}

impl InspectedNetwork {
    /// Describes a network, with who takes part in it if the surroundings are given.
    pub fn new(network: Network, around: Option<&Surroundings>) -> Self {
        let services = around.map(|around| attached(&network, &around.services));
        let peers = around.map(|around| peers(&network, &around.nodes));
        let spec = network.spec.unwrap_or_default();
        let mut options =
            BTreeMap::from([("com.docker.network.driver.overlay.vxlanid_list", network.vni.to_string())]);
        options.extend(spec.mtu.map(|mtu| ("com.docker.network.driver.mtu", mtu.to_string())));
        InspectedNetwork {
            id: network.id,
            created: times::rfc3339(network.created_at),
            scope: networks::SCOPE,
            driver: networks::DRIVER,
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
            address_usage: AddressUsage { used: network.addresses_used, total: network.addresses_total },
            services,
            peers,
            name: spec.name,
        }
    }
}

impl From<IpamPool> for IpamConfig {
    fn from(pool: IpamPool) -> Self {
        IpamConfig { subnet: pool.subnet, ip_range: pool.range, gateway: pool.gateway }
    }
}

fn attached(network: &Network, services: &[Service]) -> BTreeMap<String, AttachedService> {
    let one = |service: &Service| {
        let vip = service.vips.iter().find(|vip| vip.network_id == network.id);
        let vip = vip.and_then(|vip| vip.ipv4.split('/').next()).unwrap_or_default().to_owned();
        (service.spec.as_ref().map_or_else(String::new, |spec| spec.name.clone()), AttachedService { vip })
    };
    services.iter().filter(|service| network.service_ids.contains(&service.id)).map(one).collect()
}

fn peers(network: &Network, nodes: &[Node]) -> Vec<Peer> {
    let subnets: Vec<IpNet> = network.pools.iter().filter_map(|pool| pool.subnet.parse().ok()).collect();
    let peer = |held: &NetworkNode| {
        let node = nodes.iter().find(|node| node.id == held.node_id);
        let status = node.and_then(|node| node.status.as_ref());
        Peer {
            name: node.map_or(held.node_id.as_str(), nodes::hostname).to_owned(),
            ip: status.map_or_else(String::new, |status| status.addr.clone()),
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

    fn verbose(network: Network) -> InspectedNetwork {
        let (services, nodes) = (vec![fixtures::web()], vec![fixtures::node(1), fixtures::node(2)]);
        InspectedNetwork::new(network, Some(&Surroundings { services, nodes }))
    }

    #[test]
    fn a_network_is_described_as_docker_describes_it() {
        let mut front = fixtures::network("front");
        front.service_ids = vec![fixtures::id("serviceweb")];
        let text = json::indented(&[verbose(front)]).unwrap();
        assert_eq!(text, include_str!("network.golden.json"));
    }

    #[test]
    fn who_takes_part_is_told_only_if_asked_for() {
        let quiet = json::indented(&InspectedNetwork::new(fixtures::network("front"), None)).unwrap();
        assert!(!quiet.contains("Services") && !quiet.contains("Peers"), "{quiet}");
        let alone = json::indented(&verbose(fixtures::network("back"))).unwrap();
        assert!(alone.contains("\"Services\": {},"), "{alone}");
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
