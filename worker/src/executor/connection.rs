//! Connects a task's container: to the node's own network, and to those of the cluster.

use super::node::Node;
use crate::{name_servers::Client, networks::NetworkFault, task_files::TaskFilesError};
use futures::future::try_join_all;
use proto::model::{NetworkAddress, NetworkId, NetworkTable, Task, TaskNetwork};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
use worker_dns::ResolverError;
use worker_network::{Attachment, Container, Interface, NetworkError, OverlayError};
use worker_runtime::Running;

/// In how many networks a container can be: interfaces are numbered up to 255, and `eth0` may be taken.
const NETWORKS_MAX: usize = 255;

/// How a container is connected.
pub(super) struct Connection {
    /// Its namespace, if it has its own.
    pub attachment: Option<Attachment>,
    /// The addresses at which its own name leads to it.
    pub addresses: Vec<IpAddr>,
    /// Whether it has a name server of its own.
    pub has_name_server: bool,
}

/// Says why a container can't be connected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot connect the container to the node's network")]
    Node(#[from] NetworkError),
    #[error("cannot connect the container to a network of the cluster")]
    Overlay(#[from] OverlayError),
    #[error("cannot give the container a name server")]
    NameServer(#[from] ResolverError),
    #[error(transparent)]
    Files(#[from] TaskFilesError),
    #[error(
        "the managers gave the task no address in its network {0}; `shoal service update --force` has it made anew"
    )]
    NoAddress(NetworkId),
    #[error("a container can't be in {0} networks, only in {NETWORKS_MAX}: attach the service to fewer")]
    TooMany(usize),
}

/// Waits until a task's networks can be used, in their order. Nothing is done for the task yet, so that
/// it may be dropped.
pub(super) async fn await_networks(node: &Node, task: &Task) -> Result<Vec<Arc<NetworkTable>>, NetworkFault> {
    try_join_all(joined_by(task).into_iter().map(|network| node.networks.ready(network))).await
}

/// Connects a task's container to its networks. It is not to be dropped before it is done: what is under
/// way on a thread would go on, and perhaps be done only after [`Node::give_back`] took the rest back.
pub(super) async fn connect(
    node: &Arc<Node>,
    task: &Task,
    networks: &[Arc<NetworkTable>],
) -> Result<Connection, ConnectError> {
    let id = task.id.to_string();
    let attachment = match task.spec.task.network {
        TaskNetwork::Node if !networks.is_empty() => return connect_all(node, task, networks).await,
        TaskNetwork::Node => Some(node.network.attach(&id).await?),
        TaskNetwork::None => Some(node.network.none(&id).await?),
        TaskNetwork::Host => None,
    };
    let addresses = addresses_of(attachment.as_ref());
    Ok(Connection { attachment, addresses, has_name_server: false })
}

async fn connect_all(
    node: &Arc<Node>,
    task: &Task,
    networks: &[Arc<NetworkTable>],
) -> Result<Connection, ConnectError> {
    let named = networks_of(task);
    let is_named = |network: &NetworkTable| named.contains(&network.info.id);
    // Without a link to the node's own network there is no way out.
    let is_internal =
        !named.is_empty() && networks.iter().filter(|it| is_named(it)).all(|network| network.info.internal);
    let interfaces = interfaces(is_internal, networks.len())?;
    let id = task.id.to_string();
    let attachment = match is_internal {
        true => node.network.none(&id).await?,
        false => node.network.attach(&id).await?,
    };
    let mut addresses = Vec::new();
    if named.is_empty() {
        addresses.extend(addresses_of(Some(&attachment)));
    }
    // The ingress network comes last: how it is linked depends on whether there is a way out.
    for (interface, network) in interfaces.zip(networks) {
        let id = network.info.id;
        let held = task.addresses.iter().find(|held| held.network == id);
        let number = held.ok_or(ConnectError::NoAddress(id))?.number;
        let joined = node.network.overlays().join(task.id, id, number, interface).await?;
        if is_named(network) {
            addresses.extend(joined.iter().map(|held| held.address));
        }
    }
    let has_name_server = !named.is_empty();
    if has_name_server {
        open_name_server(node, task, &attachment).await?;
    }
    Ok(Connection { attachment: Some(attachment), addresses, has_name_server })
}

/// Gives a container that is in networks of the cluster a name server; one that has it gets a new one.
pub(super) async fn open_name_server(
    node: &Node,
    task: &Task,
    attachment: &Attachment,
) -> Result<(), ConnectError> {
    Ok(node.name_servers.open(client(task, attachment, None), &node.networks).await?)
}

/// Gives a container that is in networks of the cluster, and ran on while no daemon did, its name server again.
pub(crate) async fn reopen_name_server(
    node: &Node,
    task: &Task,
    attachment: &Attachment,
    running: Option<Running>,
) {
    node.name_servers.reopen(client(task, attachment, running), &node.networks).await;
}

/// The container as its name server has to know it.
fn client(task: &Task, attachment: &Attachment, running: Option<Running>) -> Client {
    let has_way_out = !attachment.addresses.is_empty();
    let (netns, networks) = (attachment.netns.clone(), networks_of(task));
    Client { task: task.id, netns, networks, has_way_out, running }
}

/// The interfaces in as many networks; `eth0` is the node's own network's, if the container is in that.
fn interfaces(is_internal: bool, networks: usize) -> Result<impl Iterator<Item = Interface>, ConnectError> {
    if networks > NETWORKS_MAX {
        return Err(ConnectError::TooMany(networks));
    }
    Ok((u8::from(!is_internal)..=u8::MAX).map(Interface))
}

/// The networks whose names a task's container knows: those that its service names, and those it was
/// connected to alone.
pub(crate) fn networks_of(task: &Task) -> Vec<NetworkId> {
    let named = task.spec.task.attachments.iter().map(|attachment| attachment.network);
    let connected = task.connections.iter().filter(|connection| !connection.leaving);
    named.chain(connected.map(|connection| connection.network)).collect()
}

/// All networks that a task's container has an interface in: those its service names, in their order, and the ingress
/// network if it publishes a port there. The managers gave it an address in each.
fn joined_by(task: &Task) -> Vec<NetworkId> {
    let mut networks = networks_of(task);
    let others = task.addresses.iter().map(|held| held.network).filter(|it| !networks.contains(it));
    let others: Vec<NetworkId> = others.collect();
    networks.extend(others);
    networks
}

/// What a task's container is in the networks it was connected to, by what it holds: addresses are given in the order
/// in which networks are joined.
pub(crate) fn containers_of(task: &Task, attachment: &Attachment) -> BTreeMap<NetworkId, Container> {
    let first = u8::from(!attachment.addresses.is_empty());
    let container = |(interface, held): (u8, &NetworkAddress)| {
        (held.network, Container { number: held.number, interface: Interface(interface) })
    };
    (first..=u8::MAX).zip(&task.addresses).map(container).collect()
}

fn addresses_of(attachment: Option<&Attachment>) -> Vec<IpAddr> {
    attachment.iter().flat_map(|held| &held.addresses).map(|held| held.address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_has_an_interface_after_that_of_the_nodes_own() {
        let names = |is_internal, networks| -> Result<Vec<String>, ConnectError> {
            let interfaces = interfaces(is_internal, networks)?;
            Ok(interfaces.take(networks).map(|interface| interface.to_string()).collect())
        };
        assert_eq!(names(false, 2).unwrap(), ["eth1", "eth2"]);
        assert_eq!(names(true, 2).unwrap(), ["eth0", "eth1"]);
        assert_eq!(names(false, NETWORKS_MAX).unwrap().len(), NETWORKS_MAX);
        let refused = names(true, NETWORKS_MAX + 1).unwrap_err();
        assert!(refused.to_string().contains("256"), "{refused}");
    }
}
