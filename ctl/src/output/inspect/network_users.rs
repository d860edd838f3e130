//! Who has an address in a network: services, and their tasks.

use super::network::Surroundings;
use crate::output::{nodes, tasks};
use proto::wire::{Network, NetworkAddress, PublishedPort, Task, TaskState};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    name: String,
    #[serde(rename = "IPv4Address")]
    ipv4: String,
    #[serde(rename = "IPv6Address")]
    ipv6: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttachedService {
    /// Empty for a service that has none.
    #[serde(rename = "VIP")]
    vip: String,
    #[serde(rename = "VIPv6", skip_serializing_if = "String::is_empty")]
    vip_ipv6: String,
    ports: Vec<String>,
    tasks: Vec<AttachedTask>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AttachedTask {
    name: String,
    #[serde(rename = "EndpointIP")]
    ipv4: String,
    #[serde(rename = "EndpointIPv6", skip_serializing_if = "String::is_empty")]
    ipv6: String,
    node: String,
    /// Whether it was connected alone, and not with its service.
    connected_by_hand: bool,
}

/// The tasks that hold an address in a network, and that address.
pub(super) fn tasks_in<'a>(network: &Network, tasks: &'a [Task]) -> Vec<(&'a Task, &'a NetworkAddress)> {
    let holds = |task: &&Task| {
        let state = task.status.as_ref().map(|status| status.state()).unwrap_or_default();
        (TaskState::Assigned..=TaskState::Running).contains(&state)
    };
    let in_it = |task: &'a Task| {
        let address = task.addresses.iter().find(|address| address.network_id == network.id)?;
        Some((task, address))
    };
    tasks.iter().filter(holds).filter_map(in_it).collect()
}

pub(super) fn container(task: &Task, address: &NetworkAddress) -> (String, Container) {
    let (ipv4, ipv6) = (address.ipv4.clone(), address.ipv6.clone());
    (task.id.clone(), Container { name: tasks::full_name(task), ipv4, ipv6 })
}

/// The services in a network by name, those of single tasks included.
pub(super) fn attached(
    network: &Network,
    around: &Surroundings,
    present: &[(&Task, &NetworkAddress)],
) -> BTreeMap<String, AttachedService> {
    let mut services: BTreeMap<String, AttachedService> = BTreeMap::new();
    for service in around.services.iter().filter(|service| network.service_ids.contains(&service.id)) {
        let spec = service.spec.clone().unwrap_or_default();
        let vip = service.vips.iter().find(|vip| vip.network_id == network.id);
        let entry = services.entry(spec.name).or_default();
        entry.vip = vip.map_or_else(String::new, |vip| bare(&vip.ipv4));
        entry.vip_ipv6 = vip.map_or_else(String::new, |vip| bare(&vip.ipv6));
        entry.ports = spec.ports.iter().map(port).collect();
    }
    for (task, address) in present {
        let name = task.spec.as_ref().map_or_else(String::new, |spec| spec.name.clone());
        let node = around.nodes.iter().find(|node| node.id == task.node_id);
        services.entry(name).or_default().tasks.push(AttachedTask {
            name: tasks::full_name(task),
            ipv4: bare(&address.ipv4),
            ipv6: bare(&address.ipv6),
            node: node.map_or(task.node_id.as_str(), nodes::hostname).to_owned(),
            connected_by_hand: task.connections.iter().any(|it| it.network_id == network.id),
        });
    }
    services.values_mut().for_each(|service| service.tasks.sort_by(|a, b| a.name.cmp(&b.name)));
    services
}

/// An address without its prefix.
fn bare(address: &str) -> String {
    address.split('/').next().unwrap_or_default().to_owned()
}

/// A port in docker's words for services in a network.
fn port(port: &PublishedPort) -> String {
    format!("Target: {}, Publish: {}", port.target, port.published)
}
