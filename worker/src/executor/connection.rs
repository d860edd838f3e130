//! Connects a task's container: to the node's own network, and to those of the cluster.

use super::node::Node;
use crate::{name_servers::Client, networks::NetworkFault, task_files::TaskFilesError};
use futures::future::try_join_all;
use proto::model::{NetworkAddress, NetworkId, NetworkInfo, NetworkKind, NetworkTable, Task, TaskNetwork};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
use worker_core::tables::Tables;
use worker_dns::ResolverError;
use worker_network::{Access, Attachment, Container, Interface, MacvlanError, NetworkError, OverlayError};
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
    #[error("cannot connect the container to a network on a link of the node")]
    Macvlan(#[from] MacvlanError),
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
    #[error(
        "the container is to reach its node, which it can't without a network that leads out: take `host-gateway` out of \
         --host, or attach the service to a network that is neither internal nor a node's own link"
    )]
    NoWayToHost,
}

/// How a container reaches what is outside of its networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WayOut {
    /// By the node's own network, which it is in besides.
    Node,
    /// By the gateway of this network, which is on a link of the node.
    Link(NetworkId),
    /// Not at all.
    None,
}

impl WayOut {
    /// Decides for a container in these networks: by the node, unless all of them are internal or on a link.
    fn of<'a>(networks: impl Iterator<Item = &'a NetworkInfo>) -> Self {
        let mut link = None;
        let mut is_alone = true;
        for network in networks {
            is_alone = false;
            match network.kind {
                NetworkKind::Macvlan(_) => link = link.or(Some(network.id)),
                NetworkKind::Overlay | NetworkKind::Bridge if network.internal => {}
                NetworkKind::Overlay | NetworkKind::Bridge => return Self::Node,
            }
        }
        match link {
            _ if is_alone => Self::Node,
            Some(link) => Self::Link(link),
            None => Self::None,
        }
    }
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
        TaskNetwork::Node => {
            let host = task.spec.task.container.wants_host();
            Some(node.network.attach_with(&id, Access { siblings: true, host }).await?)
        }
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
    let way_out = WayOut::of(networks.iter().filter(|it| is_named(it)).map(|network| &network.info));
    let interfaces = interfaces(way_out == WayOut::Node, networks.len())?;
    let (id, wants_host) = (task.id.to_string(), task.spec.task.container.wants_host());
    let attachment = match way_out {
        // Containers of other networks are no neighbours, though all of them go out by the node's own.
        WayOut::Node => {
            let access = Access { siblings: named.is_empty(), host: wants_host };
            node.network.attach_with(&id, access).await?
        }
        _ if wants_host => return Err(ConnectError::NoWayToHost),
        WayOut::Link(_) => node.network.none_but(&id, true).await?,
        WayOut::None => node.network.none(&id).await?,
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
        let joined = match network.info.kind {
            NetworkKind::Overlay | NetworkKind::Bridge => {
                node.network.overlays().join(task.id, id, number, interface).await?
            }
            NetworkKind::Macvlan(_) => {
                let (macvlans, leads_out) = (node.network.macvlans(), way_out == WayOut::Link(id));
                macvlans.join(task.id, &network.info, number, interface, leads_out).await?
            }
        };
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
    let has_way_out = attachment.has_way_out();
    let (netns, networks) = (attachment.netns.clone(), networks_of(task));
    let servers = task.spec.task.container.dns.servers.clone();
    Client { task: task.id, netns, networks, has_way_out, servers, running }
}

/// The interfaces in as many networks; `eth0` is the node's own network's, if the container is in that.
fn interfaces(
    is_in_nodes_own: bool,
    networks: usize,
) -> Result<impl Iterator<Item = Interface>, ConnectError> {
    if networks > NETWORKS_MAX {
        return Err(ConnectError::TooMany(networks));
    }
    Ok((u8::from(is_in_nodes_own)..=u8::MAX).map(Interface))
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

/// What a task's container is in the networks with a sandbox that it was connected to, by what it holds: addresses are
/// given in the order in which networks are joined. `tables` has what is known of the networks.
pub(crate) fn containers_of(
    task: &Task,
    attachment: &Attachment,
    tables: Option<&Tables>,
) -> BTreeMap<NetworkId, Container> {
    let table = |network| tables.and_then(|tables| tables.get(network));
    let is_on_link =
        |network| table(network).is_some_and(|table| matches!(table.info.kind, NetworkKind::Macvlan(_)));
    let first = u8::from(!attachment.addresses.is_empty());
    let container = |(interface, held): (u8, &NetworkAddress)| {
        (held.network, Container { number: held.number, interface: Interface(interface) })
    };
    let held = (first..=u8::MAX).zip(&task.addresses);
    held.filter(|(_, held)| !is_on_link(held.network)).map(container).collect()
}

fn addresses_of(attachment: Option<&Attachment>) -> Vec<IpAddr> {
    attachment.iter().flat_map(|held| &held.addresses).map(|held| held.address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::{Ipv4Pool, Macvlan, MacvlanMode};

    #[test]
    fn every_network_has_an_interface_after_that_of_the_nodes_own() {
        let names = |is_in_nodes_own, networks| -> Result<Vec<String>, ConnectError> {
            let interfaces = interfaces(is_in_nodes_own, networks)?;
            Ok(interfaces.take(networks).map(|interface| interface.to_string()).collect())
        };
        assert_eq!(names(true, 2).unwrap(), ["eth1", "eth2"]);
        assert_eq!(names(false, 2).unwrap(), ["eth0", "eth1"]);
        assert_eq!(names(true, NETWORKS_MAX).unwrap().len(), NETWORKS_MAX);
        let refused = names(false, NETWORKS_MAX + 1).unwrap_err();
        assert!(refused.to_string().contains("256"), "{refused}");
    }
    fn network(number: u128, internal: bool, macvlan: bool) -> NetworkInfo {
        let subnet = "10.5.0.0/24".parse().unwrap();
        let (parent, mode) = ("eth1".parse().unwrap(), MacvlanMode::Bridge);
        NetworkInfo {
            id: NetworkId::from_bits(number),
            name: "front".parse().unwrap(),
            vni: 4096,
            ipv4: Ipv4Pool { subnet, gateway: "10.5.0.1".parse().unwrap(), range: subnet },
            ipv6: None,
            mtu: None,
            internal,
            ingress: false,
            kind: if macvlan { NetworkKind::Macvlan(Macvlan { parent, mode }) } else { NetworkKind::Overlay },
        }
    }

    #[test]
    fn a_container_leaves_by_its_node_unless_all_its_networks_are_internal_or_on_a_link() {
        let (open, internal, link) =
            (network(1, false, false), network(2, true, false), network(3, false, true));
        let of = |networks: &[&NetworkInfo]| WayOut::of(networks.iter().copied());
        assert_eq!(of(&[]), WayOut::Node);
        assert_eq!(of(&[&internal]), WayOut::None);
        assert_eq!(of(&[&internal, &open]), WayOut::Node);
        assert_eq!(of(&[&link, &internal]), WayOut::Link(link.id));
        assert_eq!(of(&[&link, &open]), WayOut::Node);
    }
}
