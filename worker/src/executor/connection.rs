//! Connects a task's container: to the node's own network, and to those of the cluster.

use super::node::{Node, blocking};
use crate::{
    networks::NetworkFault,
    task_files::{TaskFilesError, host_resolv_conf},
};
use proto::model::{NetworkId, Task, TaskNetwork};
use std::{net::IpAddr, sync::Arc};
use worker_dns::ResolverError;
use worker_network::{Attachment, Interface, NetworkError, OverlayError};

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
    #[error(transparent)]
    Network(#[from] NetworkFault),
    #[error("cannot connect the container to a network of the cluster")]
    Overlay(#[from] OverlayError),
    #[error("cannot give the container a name server")]
    NameServer(#[from] ResolverError),
    #[error(
        "the managers gave the task no address in its network {0}; remove the task, so that it is made anew"
    )]
    NoAddress(NetworkId),
    #[error(transparent)]
    Files(#[from] TaskFilesError),
}

/// Connects a task's container; waits until its networks can be used. What was done until it fails, or
/// is dropped, is taken back by [`Node::give_back`].
pub(super) async fn connect(node: &Arc<Node>, task: &Task) -> Result<Connection, ConnectError> {
    let id = task.id.to_string();
    let spec = &task.spec.task;
    let attachment = match spec.network {
        TaskNetwork::Node if !spec.attachments.is_empty() => return connect_all(node, task).await,
        TaskNetwork::Node => Some(node.network.attach(&id).await?),
        TaskNetwork::None => Some(node.network.none(&id).await?),
        TaskNetwork::Host => None,
    };
    let addresses = addresses_of(attachment.as_ref());
    Ok(Connection { attachment, addresses, has_name_server: false })
}

async fn connect_all(node: &Arc<Node>, task: &Task) -> Result<Connection, ConnectError> {
    let networks = networks_of(task);
    for network in &networks {
        node.networks.ready(*network).await?;
    }
    // Without a link to the node's own network there is no way out.
    let is_internal = networks.iter().all(|network| node.networks.is_internal(*network) == Some(true));
    let id = task.id.to_string();
    let attachment = match is_internal {
        true => node.network.none(&id).await?,
        false => node.network.attach(&id).await?,
    };
    let mut addresses = Vec::new();
    for (interface, network) in (u8::from(!is_internal)..).map(Interface).zip(&networks) {
        let held = task.addresses.iter().find(|held| held.network == *network);
        let number = held.ok_or(ConnectError::NoAddress(*network))?.number;
        let joined = node.network.overlays().join(task.id, *network, number, interface).await?;
        addresses.extend(joined.iter().map(|held| held.address));
    }
    open_name_server(node, task, &attachment).await?;
    Ok(Connection { attachment: Some(attachment), addresses, has_name_server: true })
}

/// Gives a container that is in networks of the cluster its name server; one that has it gets a new one.
pub(crate) async fn open_name_server(
    node: &Arc<Node>,
    task: &Task,
    attachment: &Attachment,
) -> Result<(), ConnectError> {
    let host = blocking(host_resolv_conf).await?;
    let has_way_out = !attachment.addresses.is_empty();
    let (servers, known) = (&node.name_servers, &node.networks);
    Ok(servers.open(task.id, &attachment.netns, networks_of(task), has_way_out, &host, known).await?)
}

fn networks_of(task: &Task) -> Vec<NetworkId> {
    task.spec.task.attachments.iter().map(|attachment| attachment.network).collect()
}

fn addresses_of(attachment: Option<&Attachment>) -> Vec<IpAddr> {
    attachment.iter().flat_map(|held| &held.addresses).map(|held| held.address).collect()
}
