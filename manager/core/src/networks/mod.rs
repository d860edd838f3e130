//! Networks as nodes see them: which a task is in, and what each node that takes part is told.

mod tables;

pub use tables::{Drained, Table, Tables};

use crate::state::State;
use proto::model::{Network, NetworkId, Node, PortMode, Service, ServiceSpec};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Where a node receives the packets of networks: what it was told to use, else the address at which
/// it serves as a manager, else the one it calls from.
pub fn data_path(node: &Node) -> Option<IpAddr> {
    let told = node.description.as_ref().and_then(|said| said.data_path_addr);
    let serves = || node.manager.as_ref()?.addr.parse().ok().map(|addr: SocketAddr| addr.ip());
    told.or_else(serves).or(node.status.addr)
}

/// The network that carries the traffic of published ports.
pub fn ingress(state: &State) -> Option<&Arc<Network>> {
    state.networks().find(|network| network.spec.ingress)
}

/// Whether a service publishes a port on every node.
pub fn publishes_ingress(spec: &ServiceSpec) -> bool {
    spec.ports.iter().any(|port| port.mode == PortMode::Ingress)
}

/// Whether any service publishes a port on every node, so that every node takes part in the ingress
/// network.
pub fn is_ingress_used(state: &State) -> bool {
    state.services().any(|service| !service.removing && publishes_ingress(&service.spec))
}

/// The networks that tasks of a spec have an address in: those it names, in its order, and the ingress
/// network if a port is published there. Fails with the network that is not there any more.
pub fn networks_of<'a>(state: &'a State, spec: &ServiceSpec) -> Result<Vec<&'a Network>, NetworkId> {
    let named = spec.task.attachments.iter().map(|it| state.network(it.network).ok_or(it.network));
    let mut networks = named.map(|found| found.map(|it| &**it)).collect::<Result<Vec<_>, _>>()?;
    if publishes_ingress(spec) {
        networks.extend(ingress(state).map(|it| &**it));
    }
    Ok(networks)
}

/// The first network of a service in which it is to have a virtual address and has none yet.
pub fn lacks_vip<'a>(state: &'a State, service: &Service) -> Option<&'a Network> {
    wants_vips(state, service).find(|network| !service.vips.contains_key(&network.id))
}

/// The networks in which a service is to have a virtual address.
pub fn wants_vips<'a>(state: &'a State, service: &Service) -> impl Iterator<Item = &'a Network> {
    let is_vip = service.spec.endpoint_mode == proto::model::EndpointMode::Vip && !service.removing;
    let attached: Vec<NetworkId> = match is_vip {
        true => service.spec.task.attachments.iter().map(|it| it.network).collect(),
        false => Vec::new(),
    };
    attached.into_iter().filter_map(|id| state.network(id)).map(|it| &**it).filter(|it| !it.spec.ingress)
}
