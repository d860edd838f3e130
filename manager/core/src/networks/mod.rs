//! Networks as nodes see them: which a task is in, and what each node that takes part is told.

mod tables;

pub use tables::{Drained, Table, Tables};

use crate::state::State;
use proto::model::{Network, NetworkId, NetworkKind, Node, Service, ServiceSpec};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Says which network tasks of a spec can't be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MissingNetwork {
    /// One that the spec names is not there any more.
    #[error("its network {0} was removed")]
    Removed(NetworkId),
    /// There is none that carries published ports.
    #[error("no network carries its published ports: make one with `shoal network create --ingress NAME`")]
    Ingress,
}

/// Where a node receives the packets of networks: what it was told to use, else the address at which
/// it serves as a manager, else the one it calls from.
pub fn data_path(node: &Node) -> Option<IpAddr> {
    let told = node.description.as_ref().and_then(|said| said.data_path_addr);
    told.or_else(|| serves_at(node)).or(node.status.addr)
}

/// All addresses by which a node is reached, as far as they are known.
pub fn addresses_of(node: &Node) -> impl Iterator<Item = IpAddr> {
    [data_path(node), serves_at(node), node.status.addr].into_iter().flatten()
}

/// An address of a node that lies in a network's subnets, so that containers there could not reach it.
pub fn hidden_by(network: &Network, node: &Node) -> Option<IpAddr> {
    addresses_of(node).find(|&addr| hides(network, addr))
}

/// Whether an address lies in a network's subnets, whoever has it, so that containers there could not reach it outside.
pub fn hides(network: &Network, addr: IpAddr) -> bool {
    match addr {
        // On a link of theirs containers are beside the nodes.
        _ if matches!(network.spec.kind, NetworkKind::Macvlan(_)) => false,
        IpAddr::V4(addr) => network.ipv4.subnet.contains(&addr),
        IpAddr::V6(addr) => network.ipv6.is_some_and(|pool| pool.subnet.contains(&addr)),
    }
}

fn serves_at(node: &Node) -> Option<IpAddr> {
    node.manager.as_ref()?.addr.parse().ok().map(|addr: SocketAddr| addr.ip())
}

/// The network that carries the traffic of published ports.
pub fn ingress(state: &State) -> Option<&Arc<Network>> {
    state.networks().find(|network| network.spec.ingress)
}

/// Whether any service publishes a port on every node, so that every node takes part in the ingress
/// network.
pub fn is_ingress_used(state: &State) -> bool {
    state.services().any(|service| !service.removing && service.spec.publishes_ingress())
}

/// Whether tasks of a spec are in a network: it names the network, or publishes a port through it.
pub fn uses(network: &Network, spec: &ServiceSpec) -> bool {
    let attaches = spec.task.attachments.iter().any(|it| it.network == network.id);
    attaches || (network.spec.ingress && spec.publishes_ingress())
}

/// The networks that tasks of a spec have an address in: those it names, in its order, and the ingress
/// network if a port is published there.
pub fn networks_of<'a>(state: &'a State, spec: &ServiceSpec) -> Result<Vec<&'a Network>, MissingNetwork> {
    let named = spec.task.attachments.iter().map(|it| it.network);
    let named = named.map(|id| state.network(id).ok_or(MissingNetwork::Removed(id)));
    let mut networks = named.map(|found| found.map(|it| &**it)).collect::<Result<Vec<_>, _>>()?;
    if spec.publishes_ingress() {
        networks.push(ingress(state).ok_or(MissingNetwork::Ingress)?);
    }
    Ok(networks)
}

/// Those networks of a spec that are there.
pub(crate) fn present_networks_of<'a>(
    state: &'a State,
    spec: &ServiceSpec,
) -> impl Iterator<Item = &'a Network> {
    let named: Vec<NetworkId> = spec.task.attachments.iter().map(|it| it.network).collect();
    let named = named.into_iter().filter_map(|id| state.network(id));
    named.chain(spec.publishes_ingress().then(|| ingress(state)).flatten()).map(|it| &**it)
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
    attached
        .into_iter()
        .filter_map(|id| state.network(id))
        .map(|it| &**it)
        .filter(|it| !it.spec.ingress && it.spec.kind.has_vips())
}
